"""Targets of bins equal the store's labels, and fall with the distance from a summit as stated."""

import numpy as np
import pytest

from factornet.store import UsageError, open_store
from factornet.store.genome import intervals
from factornet.store.genome.intervals import Intervals
from factornet.store.sampling.bin_targets import BinTargets
from factornet.store.schema import AMBIGUOUS, BIN, BOUND, STRIDE, bin_count
from factornet.store.spans import read_span


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def starts_of(store, chrom):
    length = store.coordinates.lengths[store.coordinates.index(chrom)]
    first = store.coordinates.to_absolute(store.coordinates.index(chrom), 0)
    return first + STRIDE * np.arange(bin_count(length))


@pytest.mark.parametrize("cell", ["GM12878", "HepG2", "K562"])
@pytest.mark.parametrize("factor", ["CTCF", "MAX"])
def test_labels_equal_those_of_the_store(store, cell, factor):
    targets = BinTargets.of(store, cell, factor)
    for chrom in store.coordinates.names:
        starts = starts_of(store, chrom)
        stored = read_span(store.labels(cell, chrom), 0, len(starts))[:, store.cell(cell).factor_index(factor)]
        np.testing.assert_array_equal(targets.labels(starts), stored)


def test_ambiguous_and_blacklisted_bins_have_no_weight(store):
    targets = BinTargets.of(store, "K562", "CTCF")
    blacklist = store.blacklist()
    starts = np.concatenate([starts_of(store, c) for c in store.coordinates.names])
    labels = targets.labels(starts)
    black = np.zeros(starts.size, bool)
    for a, b in zip(*blacklist, strict=True):
        black |= (starts < b) & (starts + BIN > a)
    assert black.any()
    target, weight = targets.targets(starts, "hard")
    np.testing.assert_array_equal(weight, (labels != AMBIGUOUS) & ~black)
    np.testing.assert_array_equal(target, labels == BOUND)


def test_ambiguous_bins_can_have_a_target(store):
    targets = BinTargets.of(store, "K562", "CTCF")
    starts = starts_of(store, "chr7")
    ambiguous = targets.labels(starts) == AMBIGUOUS
    plain, weight = targets.targets(starts, "hard")
    target, more = targets.targets(starts, "hard", ambiguous=0.3)
    assert ambiguous.any()
    np.testing.assert_array_equal(target, np.where(ambiguous, np.float32(0.3), plain))
    ignored = intervals.overlaps(Intervals(starts, starts + 1), targets.ignored)
    np.testing.assert_array_equal(more, np.where(ambiguous & ~ignored, 1, weight))


def test_ambiguous_bins_are_never_above_bound_ones(store):
    targets = BinTargets.of(store, "K562", "CTCF")
    starts = starts_of(store, "chr7")
    labels, (soft, _) = targets.labels(starts), targets.targets(starts, "soft", ambiguous=0.3)
    assert (soft[labels == AMBIGUOUS] == np.float32(0.2)).all()
    assert soft[labels == BOUND].min() >= np.float32(0.2) - 1e-6


def test_core_leaves_out_bound_bins_far_from_summits(store):
    targets = BinTargets.of(store, "K562", "CTCF")
    starts = starts_of(store, "chr7").reshape(-1, 1)
    distance = np.abs(starts + 100 - targets.summits).min(axis=1, keepdims=True)
    bound = targets.labels(starts) == BOUND
    hard, core = (targets.targets(starts, mode)[1] for mode in ("hard", "core"))
    np.testing.assert_array_equal(core, np.where(bound & (distance > 75), 0, hard))
    assert (core != hard).any()


def test_soft_targets_fall_with_the_distance_from_the_summit(store):
    targets = BinTargets.of(store, "K562", "CTCF")
    starts = starts_of(store, "chr7")
    distance = np.abs(starts[:, None] + 100 - targets.summits).min(axis=1)
    soft, weight = targets.targets(starts, "soft")
    expected = np.where(targets.labels(starts) == BOUND, 1 - 0.8 * np.minimum(distance / 200, 1), 0)
    np.testing.assert_allclose(soft, expected, atol=1e-6)
    np.testing.assert_array_equal(weight, targets.targets(starts, "hard")[1])
    assert (soft[soft > 0] >= 0.2 - 1e-6).all()


def test_unknown_mode_is_refused(store):
    with pytest.raises(UsageError, match="label mode 'sharp' is unknown; use one of hard, core, soft"):
        BinTargets.of(store, "K562", "CTCF").targets(np.array([0]), "sharp")
