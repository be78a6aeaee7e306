"""Where windows may be drawn: FactorNet's rules for positives and negatives, as set algebra on the genome axis.

Everything here takes and gives arrays; what a store holds, and which settings apply, is `sampling`'s matter.
Source: FactorNet's README and code (uci-cbcl/FactorNet).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome import intervals
from ..genome.intervals import GenomeCoordinates, IntArray, Intervals
from ..schema import BIN, BOUND_BASES, STRIDE

_INSIDE = 75
"""Bases of a peak that a jittered bin must keep (single task)."""

BIN_JITTER = 20
"""Largest jitter of a multi-task bin, positive or negative."""


@dataclass(frozen=True)
class Positives:
    """Places of positives: axis start of each bin, its largest jitter, and its targets, uint8 (sites, tasks)."""

    start: IntArray
    jitter: IntArray
    label: NDArray[np.uint8]

    def __len__(self) -> int:
        """Number of positives."""
        return int(self.start.size)

    def inside(self, region: Intervals, length: int) -> Positives:
        """Those whose window of `length` bases, at any jitter, stays inside one interval of merged `region`."""
        reach = max(length, BIN)
        left = self.start + BIN // 2 - reach // 2
        keep = intervals.contains(region, Intervals(left - self.jitter, left + reach + self.jitter))
        return Positives(self.start[keep], self.jitter[keep], self.label[keep])


def positives_of_peaks(peaks: Intervals, blacklist: Intervals) -> Positives:
    """Single task: the bin at the middle of each peak outside the blacklist; the jitter keeps 75 bases of the peak.

    Args:
        peaks: conservative peaks on the axis, any order, not merged.
        blacklist: merged.
    """
    clean = ~intervals.overlaps(peaks, blacklist)
    starts, stops = peaks.starts[clean], peaks.stops[clean]
    first = (starts + stops) // 2 - BIN // 2
    return Positives(first, stops - first - _INSIDE - 1, np.ones((first.size, 1), np.uint8))


def positives_of_bins(factors: Sequence[Intervals], blacklist: Intervals, coordinates: GenomeCoordinates) -> Positives:
    """Multi-task: every bin outside the blacklist with 101 bases in the factors' peaks; its targets, factor by factor.

    The original merges the peaks of all factors before it asks which bins are positive, but not those of one factor
    before it asks for that factor's target. So a bin between peaks of two factors may have no target at all.

    Args:
        factors: conservative peaks of each factor on the axis, any order, not merged.
        blacklist: merged.
        axis: of the genome.
    """
    # bedtools' cat merges as soon as there are two files.
    together = intervals.union(*factors) if len(factors) > 1 else factors[0]
    start = _bins_starting_in(_bound_starts(together, coordinates), coordinates)
    start = start[~intervals.overlaps(Intervals(start, start + BIN), blacklist)]
    here = Intervals(start, start + 1)
    label = [intervals.overlaps(here, _bound_starts(peaks, coordinates)) for peaks in factors]
    return Positives(start, np.full(start.size, BIN_JITTER, np.int64), np.stack(label, axis=1).astype(np.uint8))


def _bound_starts(peaks: Intervals, coordinates: GenomeCoordinates) -> Intervals:
    """Starts at which 200 bases have 101 of them in one of the peaks, and lie on its chromosome; merged."""
    chrom, _ = coordinates.from_absolute(peaks.starts)
    long_enough = peaks.stops - peaks.starts >= BOUND_BASES
    first = np.maximum(peaks.starts - (BIN - BOUND_BASES), coordinates.offsets[chrom])
    last = np.minimum(peaks.stops - BOUND_BASES, coordinates.ends[chrom] - BIN)
    return intervals.merge(Intervals(first[long_enough], last[long_enough] + 1))


def _bins_starting_in(starts: Intervals, coordinates: GenomeCoordinates) -> IntArray:
    """Axis starts of the bins (every 50 bases from each chromosome's first) that lie in a merged set."""
    chrom, first = coordinates.from_absolute(starts.starts)
    low = -(-first // STRIDE)
    high = -(-(first + starts.stops - starts.starts) // STRIDE)
    count = high - low
    rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(coordinates.offsets[chrom] + low * STRIDE, count) + rank * STRIDE, np.int64)


def negative_starts(free: Intervals, region: Intervals, *, length: int, jitter: int) -> Intervals:
    """Bin starts to draw negatives from: 200 bases in merged `free`, window at any jitter inside merged `region`."""
    reach = max(length, BIN)
    windows = intervals.starts_inside(region, reach + 2 * jitter)
    shift = jitter + reach // 2 - BIN // 2
    inside = Intervals(windows.starts + shift, windows.stops + shift)
    return intervals.intersect(intervals.starts_inside(free, BIN), inside)


def draw_negatives(
    allowed: Intervals, count: int, rng: np.random.Generator, *, overlapping: bool = False
) -> NDArray[np.int64]:
    """`count` bin starts, uniform over `allowed`; unless `overlapping`, no two bins overlap: who is drawn first stays.

    Raises:
        UsageError: that many bins do not fit.
    """
    room = intervals.size(allowed)
    taken = np.array([], np.int64)
    for _ in range(200):
        if taken.size == count:
            return taken
        if room == 0:
            break
        fresh = intervals.nth(allowed, rng.integers(0, room, count - taken.size))
        if overlapping:
            return fresh
        placed = np.sort(taken)
        fresh = fresh[~intervals.overlaps(Intervals(fresh, fresh + BIN), Intervals(placed, placed + BIN))]
        taken = np.concatenate([taken, _first_drawn(fresh)])
    raise UsageError(
        f"no room for {count} negatives{'' if overlapping else ' that do not overlap'}: {room} bin starts are allowed; "
        "lower -n, or use more regions"
    )


def _first_drawn(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts less those whose bin overlaps one drawn earlier, in the order they were drawn."""
    by_place = np.argsort(starts, kind="stable")
    while True:
        close = np.flatnonzero(np.diff(starts[by_place]) < BIN)
        if close.size == 0:
            return starts[np.sort(by_place)]
        later = np.maximum(by_place[close], by_place[close + 1])
        by_place = by_place[~np.isin(by_place, later)]
