"""Intervals longer than a bin: the bins in them, and one score of these."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.model import Bins, predict_bins, predict_intervals, read_bedgraph
from factornet.model.prediction.runs import interval_tiles
from factornet.model.prediction.runs.interval_tiles import TiledIntervals

INTERVALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5000), st.integers(1, 3000)), min_size=1, max_size=9)


def make_bins(rows):
    chrom, start, size = np.array(rows, np.int64).T
    return Bins(chrom, start, start + size)


@given(INTERVALS)
def test_tiles_lie_inside_and_cover_the_interval(rows):
    bins = make_bins(rows)
    tiled = TiledIntervals.of(bins)
    ends = np.append(tiled.first[1:], len(tiled.bins))
    for i, (first, end) in enumerate(zip(tiled.first, ends, strict=True)):
        start, stop = tiled.bins.start[first:end], tiled.bins.stop[first:end]
        if bins.stop[i] - bins.start[i] <= 200:
            assert (start.tolist(), stop.tolist()) == ([bins.start[i]], [bins.stop[i]])
            continue
        assert (stop - start == 200).all()
        assert (start[0], stop[-1]) == (bins.start[i], bins.stop[i])
        steps = np.diff(start)
        assert (steps[:-1] == 50).all()
        assert (steps > 0).all()
        assert (steps <= 50).all()
    assert (tiled.bins.chrom == np.repeat(bins.chrom, ends - tiled.first)).all()


@pytest.fixture(params=[2**18, 40])
def pieces(request, monkeypatch):
    """All tiles at once, and few."""
    monkeypatch.setattr(interval_tiles, "_TILES", request.param)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("rule", ["max", "mean"])
def test_score_of_an_interval_is_that_of_its_bins(predictors, store, tmp_path, rng, rule):
    start = np.append(rng.integers(0, 150_000, 25), [0, 900])
    bins = Bins(rng.integers(0, 2, 27), start, start + rng.integers(1, 4000, 27))
    predictor = predictors("plain")[0]
    record = predict_intervals(predictor, bins, tmp_path / "x.bed.gz", tile=rule)
    _, found = read_bedgraph(tmp_path / "x.bed.gz", store.coordinates)
    without = 0
    for i in range(len(bins)):
        tiles = TiledIntervals.of(bins.take(slice(i, i + 1))).bins
        scores = predict_bins(predictor.network, store, "K562", tiles, device=predictor.device)[:, 0]
        computed = scores[scores > 0]
        without += computed.size == 0
        expected = getattr(np, rule)(computed) if computed.size else 0
        assert found[i] == pytest.approx(expected, rel=1e-3)
    assert sum(record.intervals["not_computed"].values()) == without
    assert record.options["tile"] == rule
    assert record.intervals["tiles"]["n"] == len(TiledIntervals.of(bins).bins)


def test_intervals_no_longer_than_a_bin_have_the_scores_of_before(predictors, tmp_path, rng):
    start = rng.integers(2000, 150_000, 30)
    bins = Bins(np.zeros(30, np.int64), start, start + rng.integers(1, 201, 30))
    predictor = predictors("plain")[0]
    predict_intervals(predictor, bins, tmp_path / "a.bed.gz")
    predict_intervals(predictor, bins, tmp_path / "b.bed.gz", tile="max")
    assert (tmp_path / "a.bed.gz").read_bytes() == (tmp_path / "b.bed.gz").read_bytes()
