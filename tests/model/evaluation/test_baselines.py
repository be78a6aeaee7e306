"""The baseline that is fitted: what it is fitted on, what it finds, its JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from factornet.model import Baseline, average_precision, baselines, fit_baseline, read_meme
from factornet.model.evaluation import baselines as module
from factornet.model.evaluation.scoring import labels_of
from factornet.model.motifs.names import find_motif
from factornet.model.motifs.pwm import log_odds
from factornet.model.prediction.bins import bins_of_regions
from factornet.store import UsageError, open_store, parse_region
from factornet.store.genome.regions import region_intervals
from factornet.store.schema import AMBIGUOUS


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def odds(demo_files):
    return log_odds(find_motif(read_meme(demo_files / "motifs.meme"), "CTCF").probabilities)


def regions(store, *texts):
    return region_intervals([parse_region(text, store.coordinates) for text in texts], store.coordinates)


@pytest.fixture(scope="module")
def baseline(store, odds):
    trained = regions(store, "chr2", "chr7")
    return fit_baseline(store, cells=("GM12878", "HepG2"), factor="CTCF", regions=trained, track="DGF", log_odds=odds)


def test_both_together_are_better_than_each_alone_in_another_cell_line(store, baseline, odds):
    bins = bins_of_regions([parse_region("chr21", store.coordinates)], store.coordinates, stride=50)
    labels = labels_of(store, "K562", "CTCF", bins)
    clear = labels != AMBIGUOUS
    scores = baselines(store, "K562", bins, track="DGF", log_odds=odds)
    alone = [average_precision(labels[clear] == 1, s[clear]) for s in scores.values()]
    together = average_precision(labels[clear] == 1, baseline.score(store, "K562", bins)[clear])
    assert together > max(alone) + 0.05


def test_scores_are_log_odds_of_the_prevalence(store, baseline):
    """A regression with an intercept predicts as many bound bins as there are, where it was fitted."""
    expected = bound = 0
    for cell in baseline.cells:
        bins = bins_of_regions(
            [parse_region(c, store.coordinates) for c in ("chr2", "chr7")], store.coordinates, stride=50
        )
        labels = labels_of(store, cell, "CTCF", bins)
        probabilities = 1 / (1 + np.exp(-baseline.score(store, cell, bins).astype(float)))
        expected, bound = expected + probabilities[labels != AMBIGUOUS].sum(), bound + (labels == 1).sum()
    assert expected == pytest.approx(bound, rel=0.05)
    assert baseline.n_bound <= bound


def test_share_of_the_unbound_bins_gives_about_the_same(store, baseline, odds, monkeypatch):
    monkeypatch.setattr(module, "_MOST_UNBOUND", 10_000)
    options = {"cells": baseline.cells, "factor": "CTCF", "regions": regions(store, "chr2", "chr7"), "track": "DGF"}
    one, same, other = (fit_baseline(store, **options, log_odds=odds, seed=seed) for seed in (1, 1, 2))
    assert one.n_bound == baseline.n_bound
    assert 9_000 < one.n_unbound < 11_000 < baseline.n_unbound
    assert json.dumps(one.to_json()) == json.dumps(same.to_json()) != json.dumps(other.to_json())
    bins = bins_of_regions([parse_region("chr21", store.coordinates)], store.coordinates, stride=50)
    scores = [b.score(store, "K562", bins) for b in (one, baseline)]
    assert np.corrcoef(*scores)[0, 1] > 0.99
    assert abs(scores[0].mean() - scores[1].mean()) < 0.3


def test_json_gives_the_same_baseline(store, baseline):
    again = Baseline.from_json(json.loads(json.dumps(baseline.to_json())))
    bins = bins_of_regions([parse_region("chr21:0-100000", store.coordinates)], store.coordinates, stride=50)
    np.testing.assert_array_equal(again.score(store, "K562", bins), baseline.score(store, "K562", bins))
    assert again.to_json() == baseline.to_json()


def test_score_does_not_depend_on_the_order_of_bins(store, baseline):
    bins = bins_of_regions([parse_region("chr21:0-60000", store.coordinates)], store.coordinates, stride=50)
    expected = baseline.score(store, "K562", bins)
    rows = np.random.default_rng(0).permutation(len(bins))
    np.testing.assert_allclose(baseline.score(store, "K562", bins.take(rows)), expected[rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cells": ("K561",)}, "no cell line 'K561' in the store"),
        ({"cells": ()}, "no cell line to fit on"),
        ({"factor": "MAXX"}, "MAXX"),
        ({"track": "DNase"}, "no track 'DNase'; it has Unique35, DGF"),
        ({"regions": "chr2:0-400"}, r"no bound bins of CTCF in K562 in 1 region, first chr2:0-400; fit on larger"),
        ({"regions": "chr2:0-100"}, "no bin of 200 bases"),
        ({"log_odds": np.zeros((201, 4))}, "sequences of 200 bases are shorter than the motif of 201"),
    ],
)
def test_what_cannot_be_fitted_is_refused(store, odds, changed, message):
    options = {"cells": ("K562",), "factor": "CTCF", "regions": "chr2", "track": "DGF", "log_odds": odds} | changed
    with pytest.raises(UsageError, match=message):
        fit_baseline(store, **options | {"regions": regions(store, options["regions"])})


def test_fitted_baseline_without_its_track_is_refused(store, baseline, odds):
    bins = bins_of_regions([parse_region("chr21:0-60000", store.coordinates)], store.coordinates, stride=50)
    with pytest.raises(UsageError, match="the fitted baseline needs a track and a motif"):
        baselines(store, "K562", bins, track=None, log_odds=odds, fitted=baseline)


def test_features_that_do_not_vary_are_no_error(store, odds):
    fitted = fit_baseline(
        store, cells=("K562",), factor="CTCF", regions=regions(store, "chr2"), track="DGF", log_odds=odds * 0
    )
    assert np.isfinite(
        replace(fitted).score(
            store,
            "K562",
            bins_of_regions([parse_region("chr21:0-60000", store.coordinates)], store.coordinates, stride=50),
        )
    ).all()
