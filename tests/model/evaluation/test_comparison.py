"""Comparison of scores: measures of all scores exactly, on common bins, with intervals, in parts and as a whole."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from factornet.model import Bins, score
from factornet.model.evaluation import comparison
from factornet.model.evaluation.bootstrap import group_levels
from factornet.model.evaluation.comparison import compare
from factornet.model.evaluation.comparison_plot import plot_comparison
from factornet.model.evaluation.genome_scores import GenomeScores
from factornet.model.evaluation.scoring import labels_of
from factornet.model.prediction.bins import bins_of_regions
from factornet.store import UsageError, open_store, parse_region


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def bins(store):
    regions = [parse_region(name, store.coordinates) for name in ("chr1", "chr2", "chr21")]
    return bins_of_regions(regions, store.coordinates, stride=50)


@pytest.fixture(scope="module")
def labels(store, bins):
    return labels_of(store, "K562", "CTCF", bins)


@pytest.fixture(scope="module")
def arrays(labels):
    """A good model and a slightly worse one, with ties."""
    rng = np.random.default_rng(0)
    good = rng.normal(0, 1, labels.size) + 2.5 * (labels == 1)
    return {
        name: np.round(good + rng.normal(0, s, labels.size), 2).astype(np.float32)
        for name, s in (("a", 0.1), ("b", 0.5))
    }


def by_place(arrays, bins, store):
    return {name: GenomeScores.of(bins, values, store.coordinates) for name, values in arrays.items()}


@pytest.fixture(scope="module")
def compared(store, bins, arrays):
    scores = by_place(arrays, bins, store)
    return compare(store, cell="K562", factor="CTCF", scores=scores, pairs=[("a", "b")], by_chromosome=True)


def test_measures_are_those_of_all_bins(compared, labels, arrays):
    clear = labels != 2
    for name, values in arrays.items():
        found, expected = compared.whole.models[name].scores, score(labels[clear] == 1, values[clear])
        assert found.to_json() == pytest.approx(expected.to_json(), abs=1e-12)
        assert found.average_precision == pytest.approx(
            average_precision_score(labels[clear] == 1, values[clear]), abs=1e-12
        )
        assert found.auroc == pytest.approx(roc_auc_score(labels[clear] == 1, values[clear]), abs=1e-12)
    assert compared.n_ambiguous == (labels == 2).sum()
    assert compared.n_without == 0


def test_measures_of_chromosomes_are_those_of_their_bins(compared, labels, arrays, bins, store):
    assert list(compared.chromosomes) == ["chr2", "chr1", "chr21"]
    for name, part in compared.chromosomes.items():
        rows = (labels != 2) & (bins.chrom == store.coordinates.index(name))
        expected = score(labels[rows] == 1, arrays["a"][rows])
        assert part.models["a"].scores.to_json() == pytest.approx(expected.to_json(), abs=1e-12)
        assert part.block_size == 100_000


def test_intervals_contain_the_measure_and_their_width_is_about_right(compared):
    for name in ("a", "b"):
        measured = compared.whole.models[name]
        for key, bounds in measured.intervals.items():
            assert bounds.low < getattr(measured.scores, key) < bounds.high, key
    bounds = compared.whole.models["a"].intervals["average_precision"]
    assert 0.01 < bounds.high - bounds.low < 0.2


def test_difference_on_the_same_bins_is_narrower_than_either(compared):
    (found,) = compared.whole.differences
    models = compared.whole.models
    key = "average_precision"
    assert found.values[key] == models["a"].scores.average_precision - models["b"].scores.average_precision
    assert 0 < found.intervals[key].low < found.values[key] < found.intervals[key].high

    def width(bounds):
        return bounds.high - bounds.low

    assert width(found.intervals[key]) < 0.8 * min(width(m.intervals[key]) for m in models.values())


@pytest.mark.parametrize("piece", [1, 10_000])
def test_result_does_not_depend_on_how_much_is_counted_at_once(store, bins, arrays, *, compared, piece, monkeypatch):
    monkeypatch.setattr(comparison, "_PIECE", piece)
    monkeypatch.setattr(comparison, "_LABELS", 1_000 * piece)
    scores = by_place(arrays, bins, store)
    found = compare(store, cell="K562", factor="CTCF", scores=scores, pairs=[("a", "b")])
    assert found.whole == compared.whole


def test_groups_of_levels_change_intervals_only_slightly(store, bins, arrays, compared, monkeypatch):
    monkeypatch.setattr(comparison, "group_levels", partial(group_levels, most=300))
    found = compare(store, cell="K562", factor="CTCF", scores=by_place(arrays, bins, store)).whole.models["a"]
    expected = compared.whole.models["a"]
    assert found.scores == expected.scores
    for key, bounds in found.intervals.items():
        assert (bounds.low, bounds.high) == pytest.approx(
            (expected.intervals[key].low, expected.intervals[key].high), abs=0.01
        ), key


def test_only_bins_with_all_scores_count(store, bins, arrays, labels):
    scores = by_place(arrays, bins, store)
    rows = np.flatnonzero(bins.start < 600_000)
    scores["b"] = GenomeScores.of(bins.take(rows), arrays["b"][rows], store.coordinates)
    found = compare(store, cell="K562", factor="CTCF", scores=scores)
    clear = rows[labels[rows] != 2]
    for name, values in arrays.items():
        expected = score(labels[clear] == 1, values[clear])
        assert found.whole.models[name].scores.to_json() == pytest.approx(expected.to_json(), abs=1e-12)
    assert found.n_without == ((labels != 2) & (bins.start >= 600_000)).sum()


def test_few_blocks_have_no_intervals(store, bins, arrays):
    rows = np.flatnonzero((bins.chrom == 0) & (bins.start < 500_000))
    scores = {"a": GenomeScores.of(bins.take(rows), arrays["a"][rows], store.coordinates)}
    found = compare(store, cell="K562", factor="CTCF", scores=scores).whole
    assert found.n_blocks == 5
    assert set(found.models["a"].intervals.values()) == {None}


def test_scores_without_a_common_bin_are_refused(store):
    one, other = (
        GenomeScores.of(
            Bins(np.array([0]), np.array([a]), np.array([a + 200])), np.ones(1, np.float32), store.coordinates
        )
        for a in (0, 5000)
    )
    with pytest.raises(UsageError, match="no bin that is bound or not by CTCF in K562 has a score of all of x, y"):
        compare(store, cell="K562", factor="CTCF", scores={"x": one, "y": other})


def test_plot_shows_what_has_no_interval_too(store, bins, arrays, compared, tmp_path):
    rows = np.flatnonzero((bins.chrom == 0) & (bins.start < 500_000))
    scores = {"a": GenomeScores.of(bins.take(rows), arrays["a"][rows], store.coordinates)}
    few = compare(store, cell="K562", factor="CTCF", scores=scores)
    plot_comparison([compared, few], tmp_path / "x.svg", baselines=["b"])
    assert "CTCF in K562" in (tmp_path / "x.svg").read_text()
