"""Segments: all active ones and some others, on a grid, inside the training regions; their targets."""

import numpy as np
import pytest

from factornet.store import UsageError, open_store, parse_region, split_genome
from factornet.store.genome import intervals
from factornet.store.genome.intervals import Intervals
from factornet.store.sampling.open_blocks import block_means, open_blocks
from factornet.store.sampling.segments import SegmentOptions, SegmentSampler
from factornet.store.schema import BIN, BOUND, STRIDE
from factornet.store.spans import read_span

OPTIONS = SegmentOptions(bins=16, margin=500)


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def split(store):
    regions = [[parse_region(text, store.coordinates)] for text in ("chr11:200000-900000", "chr21")]
    return split_genome(store.coordinates, valid=regions[0], test=regions[1])


@pytest.fixture(scope="module")
def sampler(store, split):
    return SegmentSampler(store, cells=("K562", "HepG2"), factors=("CTCF", "MAX"), regions=split.train, options=OPTIONS)


def test_open_blocks_are_those_of_the_highest_means(store):
    opened = open_blocks(store, "K562", fraction=0.01)
    means = np.concatenate(
        [block_means(read_span(store.track("K562", "DGF", c), 0, n)) for c, n in zip(
            store.coordinates.names, store.coordinates.lengths, strict=True)]
    )  # fmt: skip
    expected = (means.astype(np.float16) >= np.float16(np.quantile(means, 0.99))) & (means > 0)
    assert abs(intervals.size(opened) // STRIDE - expected.sum()) <= 0.02 * expected.sum()
    assert intervals.size(opened) % STRIDE == 0


def test_segments_lie_on_bins_inside_the_training_regions(store, split, sampler):
    segments = sampler.epoch(1, 0)
    chrom, position = store.coordinates.from_absolute(segments.start)
    assert (position % STRIDE == 0).all()
    windows = segments.plan.window_starts(OPTIONS.window_length) + store.coordinates.offsets[segments.plan.chrom]
    np.testing.assert_array_equal(windows, segments.start - OPTIONS.margin)
    np.testing.assert_array_equal(chrom, segments.plan.chrom)
    assert intervals.contains(split.train, Intervals(windows, windows + OPTIONS.window_length)).all()
    for cell in (0, 1):
        starts = np.sort(segments.start[segments.plan.cell == cell])
        assert (np.diff(starts) >= OPTIONS.bins * STRIDE).all()


def test_every_epoch_shows_all_active_segments_and_some_others(sampler):
    segments = sampler.epoch(1, 0)
    active = segments.weight == 1
    assert set(segments.weight[~active]) == {OPTIONS.background_weight}
    assert abs((~active).sum() - OPTIONS.background * active.sum()) <= 2
    rows = np.arange(len(segments))
    target, weight = sampler.bin_targets(segments, rows)
    assert target.shape == weight.shape == (len(rows), OPTIONS.bins, 2)
    assert not target[~active].any()
    bound = np.zeros(2, int)
    for cell in (0, 1):
        for k in (0, 1):
            starts = sampler._grid(0)[:, None] + STRIDE * np.arange(OPTIONS.bins)  # every bin of the regions, once
            bound[k] += (sampler.targets[cell][k].labels(starts) == BOUND).sum()
    shown = (target > 0).sum((0, 1))
    assert (np.abs(shown - bound) <= 0.03 * bound).all()  # another origin leaves out other bins at the edges


def test_epochs_differ_and_are_repeatable(sampler):
    first, again, second = sampler.epoch(1, 0), sampler.epoch(1, 0), sampler.epoch(1, 1)
    np.testing.assert_array_equal(first.start, again.start)
    assert not np.isin(second.start, first.start).all()


def test_targets_are_those_of_the_cell_line(store, sampler):
    segments = sampler.epoch(3, 2)
    rows = np.flatnonzero(segments.plan.cell == 1)[::7]
    target, weight = sampler.bin_targets(segments, rows)
    labels = sampler.targets[1][0].labels(segments.start[rows][:, None] + STRIDE * np.arange(OPTIONS.bins))
    np.testing.assert_array_equal(target[..., 0], labels == BOUND)
    assert (weight.max((1, 2)) == segments.weight[rows]).mean() > 0.9


def test_factor_that_no_cell_line_has_is_refused(store, split):
    with pytest.raises(UsageError, match=r"no cell line of K562 has a peak of 'NONE'"):
        SegmentSampler(store, cells=("K562",), factors=("NONE",), regions=split.train, options=OPTIONS)


def test_no_room_is_an_error(store):
    small = Intervals(np.array([0]), np.array([1000]))
    sampler = SegmentSampler(store, cells=("K562",), factors=("CTCF",), regions=small, options=OPTIONS)
    with pytest.raises(UsageError, match="no segment of 1,950 bases fits into the training regions"):
        sampler.epoch(1, 0)


@pytest.mark.parametrize(("field", "value"), [("bins", 0), ("margin", -1), ("background", -0.1)])
def test_options_out_of_range_are_refused(field, value):
    with pytest.raises(UsageError, match=f"{field} must be at least"):
        SegmentOptions(**{field: value})


def test_span_of_bins():
    assert SegmentOptions(bins=1).span == BIN
    assert SegmentOptions(bins=41).span == 2200
