"""FactorNet's rules for positives and negatives, as set algebra on absolute coordinates.

Arrays in, arrays out; `sampler` reads the store and chooses the settings.
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

_MIN_PEAK_BASES = 75
"""Bases of its peak that a jittered bin must keep (single task)."""

BIN_JITTER = 20
"""Largest jitter of a multi-task bin, positive or negative, in bases."""


@dataclass(frozen=True)
class Positives:
    """Positive bins in absolute coordinates.

    Attributes:
        start: first base of each bin before jitter, int64 (n,).
        max_jitter: largest jitter of each bin in bases, int64 (n,).
        label: targets, uint8 (n, tasks).
    """

    start: IntArray
    max_jitter: IntArray
    label: NDArray[np.uint8]

    def __len__(self) -> int:
        return int(self.start.size)

    def within(self, regions: Intervals, window_length: int) -> Positives:
        """Return the positives whose window, at any jitter, stays inside one interval of merged `regions`."""
        span = max(window_length, BIN)
        left = self.start + BIN // 2 - span // 2
        keep = intervals.contains(regions, Intervals(left - self.max_jitter, left + span + self.max_jitter))
        return Positives(self.start[keep], self.max_jitter[keep], self.label[keep])


def positives_of_peaks(peaks: Intervals, blacklist: Intervals) -> Positives:
    """Return the bin at the middle of each peak outside the blacklist (single task).

    The largest jitter keeps 75 bases of the peak in the bin.

    Args:
        peaks: conservative peaks in absolute coordinates, in any order, not merged.
        blacklist: merged intervals.
    """
    usable = ~intervals.overlaps(peaks, blacklist)
    starts, stops = peaks.starts[usable], peaks.stops[usable]
    first = (starts + stops) // 2 - BIN // 2
    return Positives(first, stops - first - _MIN_PEAK_BASES - 1, np.ones((first.size, 1), np.uint8))


def positives_of_bins(factors: Sequence[Intervals], blacklist: Intervals, coordinates: GenomeCoordinates) -> Positives:
    """Return every bin outside the blacklist with 101 bases in the factors' peaks, and its targets (multi-task).

    As in the original, the peaks of all factors are merged to decide which bins are positive, but those of one factor
    are not merged to decide that factor's target. So a bin between peaks of two factors may have no target at all.

    Args:
        factors: conservative peaks of each factor in absolute coordinates, in any order, not merged.
        blacklist: merged intervals.
        coordinates: of the genome.
    """
    # bedtools' cat merges as soon as there are two files.
    peaks_of_any = intervals.union(*factors) if len(factors) > 1 else factors[0]
    start = bins_starting_in(bound_starts(peaks_of_any, coordinates), coordinates)
    start = start[~intervals.overlaps(Intervals(start, start + BIN), blacklist)]
    first_bases = Intervals(start, start + 1)
    label = [intervals.overlaps(first_bases, bound_starts(peaks, coordinates)) for peaks in factors]
    return Positives(start, np.full(start.size, BIN_JITTER, np.int64), np.stack(label, axis=1).astype(np.uint8))


def bound_starts(peaks: Intervals, coordinates: GenomeCoordinates) -> Intervals:
    """Return the starts of 200 bases on one chromosome with 101 of them in one of the peaks; merged."""
    chrom, _ = coordinates.from_absolute(peaks.starts)
    long_enough = peaks.stops - peaks.starts >= BOUND_BASES
    first = np.maximum(peaks.starts - (BIN - BOUND_BASES), coordinates.offsets[chrom])
    last = np.minimum(peaks.stops - BOUND_BASES, coordinates.ends[chrom] - BIN)
    return intervals.merge(Intervals(first[long_enough], last[long_enough] + 1))


def bins_starting_in(regions: Intervals, coordinates: GenomeCoordinates) -> IntArray:
    """Return the starts of all bins (every 50 bases from each chromosome's first) that start in merged `regions`."""
    chrom, first = coordinates.from_absolute(regions.starts)
    low = -(-first // STRIDE)
    high = -(-(first + regions.stops - regions.starts) // STRIDE)
    n_bins = high - low
    rank = np.arange(n_bins.sum()) - np.repeat(np.cumsum(n_bins) - n_bins, n_bins)
    return np.asarray(np.repeat(coordinates.offsets[chrom] + low * STRIDE, n_bins) + rank * STRIDE, np.int64)


def negative_starts(allowed: Intervals, regions: Intervals, *, window_length: int, jitter: int) -> Intervals:
    """Return the starts of 200-base bins inside `allowed` whose window, at any jitter, stays inside `regions`.

    Args:
        allowed: where bins of negatives may lie, merged intervals.
        regions: where their windows may lie, merged intervals.
        window_length: bases.
        jitter: largest jitter, bases.
    """
    span = max(window_length, BIN)
    windows = intervals.starts_inside(regions, span + 2 * jitter)
    shift = jitter + span // 2 - BIN // 2
    bins = Intervals(windows.starts + shift, windows.stops + shift)
    return intervals.intersect(intervals.starts_inside(allowed, BIN), bins)


def draw_negatives(
    starts: Intervals, n_negatives: int, rng: np.random.Generator, *, overlapping: bool = False
) -> NDArray[np.int64]:
    """Draw `n_negatives` bin starts uniformly from `starts`.

    Unless `overlapping`, no two bins overlap: of two that do, the one drawn first is kept.

    Raises:
        UsageError: that many bins do not fit.
    """
    n_starts = intervals.size(starts)
    drawn = np.array([], np.int64)
    for _ in range(200):
        if drawn.size == n_negatives:
            return drawn
        if n_starts == 0:
            break
        new = intervals.nth(starts, rng.integers(0, n_starts, n_negatives - drawn.size))
        if overlapping:
            return new
        kept = np.sort(drawn)
        new = new[~intervals.overlaps(Intervals(new, new + BIN), Intervals(kept, kept + BIN))]
        drawn = np.concatenate([drawn, _without_overlaps(new)])
    raise UsageError(
        f"no room for {n_negatives} negatives{'' if overlapping else ' that do not overlap'}: {n_starts} bin starts "
        "are allowed; lower the number of negatives per positive, or use larger regions"
    )


def _without_overlaps(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the starts, in the order drawn, without those whose bin overlaps one drawn earlier."""
    by_position = np.argsort(starts, kind="stable")
    while True:
        close = np.flatnonzero(np.diff(starts[by_position]) < BIN)
        if close.size == 0:
            return starts[np.sort(by_position)]
        later = np.maximum(by_position[close], by_position[close + 1])
        by_position = by_position[~np.isin(by_position, later)]
