"""Evaluation of scores against the labels of a store, and the baselines."""

import numpy as np
import pytest

from factornet.model import Bins, baselines, evaluate
from factornet.model.prediction.bins import bins_of_regions
from factornet.store import UsageError, open_store, parse_region, read_span


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def test_evaluation_of_perfect_scores_and_of_baselines(store):
    bins = bins_of_regions([parse_region("chr21", store.coordinates)], store.coordinates, stride=50)
    labels = read_span(store.labels("K562", "chr21"), 0, len(bins))[:, 0]
    others = baselines(store, "K562", bins, track="DGF", log_odds=None)
    result = evaluate(store, "K562", "CTCF", bins, (labels == 1).astype(np.float32), others=others)
    assert result.scores["model"].average_precision == 1
    assert result.n_ambiguous == (labels == 2).sum()
    alone = result.scores["accessibility alone"]
    assert alone.prevalence < alone.average_precision < 0.5
    i = 12_000
    signal = read_span(store.track("K562", "DGF", "chr21"), int(bins.start[i]), int(bins.stop[i]))
    assert others["accessibility alone"][i] == pytest.approx(signal.mean(), rel=1e-5)


def test_bins_that_have_no_label_are_refused(store):
    bins = Bins(np.array([0]), np.array([5010]), np.array([5210]))
    with pytest.raises(UsageError, match=r"chr2:5010-5210"):
        evaluate(store, "K562", "CTCF", bins, np.array([0.5], np.float32))
