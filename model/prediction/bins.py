"""Choose the intervals to predict, and group neighbours that share bases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.genome.intervals import GenomeCoordinates, Intervals, overlaps
from ...store.genome.regions import Region
from ...store.reader import Store
from ...store.sampling.splits import chromosome_ends, widened_blacklist
from ...store.schema import BIN, bin_count
from ...store.text import format_count

PIECE = 2**17
"""Bins that are scored at once: 6.5 Mb at a stride of 50 bases. Scores depend on it, in their last digits."""


@dataclass(frozen=True)
class Bins:
    """Intervals to predict, in the order of the output; int64 (n,) each.

    Attributes:
        chrom: index into the store's chromosomes.
        start, stop: bases, 0-based half-open.
    """

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of intervals."""
        return int(self.start.size)

    def __repr__(self) -> str:
        chromosomes = format_count(np.unique(self.chrom).size, "chromosome")
        return f"Bins({format_count(len(self), 'interval')} on {chromosomes})"

    @property
    def middle(self) -> NDArray[np.int64]:
        """Middle of each interval, where the model's window has its own; its length does not matter."""
        return (self.start + self.stop) // 2

    def take(self, rows: NDArray[np.int64] | slice) -> Bins:
        """Return these intervals, in this order."""
        return Bins(self.chrom[rows], self.start[rows], self.stop[rows])

    def to_absolute(self, coordinates: GenomeCoordinates) -> Intervals:
        """Return the intervals in absolute coordinates, in this order."""
        return Intervals(
            coordinates.to_absolute(self.chrom, self.start), coordinates.to_absolute(self.chrom, self.stop)
        )

    def genome_order(self) -> NDArray[np.int64]:
        """Return rows sorted by chromosome and middle; equal ones keep their order."""
        return np.lexsort((self.middle, self.chrom))


def first_and_count(region: Region, *, stride: int) -> tuple[int, int]:
    """Return the first base of the first bin inside a region, and the number of bins, one every `stride` bases."""
    first = -(-region.start // stride) * stride
    return first, max(0, (region.stop - BIN - first) // stride + 1)


def count_bins(regions: list[Region], coordinates: GenomeCoordinates, *, stride: int) -> int:
    """Return the number of bins inside the regions.

    Raises:
        UsageError: `stride` is less than 1, a region is on a chromosome shorter than a bin, or no bin is inside.
    """
    if stride < 1:
        raise UsageError(f"stride must be at least 1, got {stride}")
    for region in regions:
        if bin_count(length := coordinates.lengths[coordinates.index(region.chrom)]) == 0:
            raise UsageError(f"{region}: no bin of {BIN} bases fits on a chromosome of {length}")
    count = sum(first_and_count(region, stride=stride)[1] for region in regions)
    if count == 0:
        names = ", ".join(str(region) for region in regions)
        raise UsageError(f"regions {names}: no bin of {BIN} bases, one every {stride}, lies inside; give larger ones")
    return count


def bins_of_regions(regions: list[Region], coordinates: GenomeCoordinates, *, stride: int) -> Bins:
    """Return all 200-base bins inside the regions that start at a multiple of `stride` bases of their chromosome.

    Raises:
        UsageError: as for `count_bins`.
    """
    total = count_bins(regions, coordinates, stride=stride)
    pieces = [p for region in regions for p in pieces_of_region(region, coordinates, stride=stride, bins=total)]
    return Bins(*(np.concatenate([getattr(p, column) for p in pieces]) for column in ("chrom", "start", "stop")))


def pieces_of_region(
    region: Region, coordinates: GenomeCoordinates, *, stride: int, bins: int = PIECE
) -> Iterator[Bins]:
    """Yield the bins of a region, `bins` of them at a time: all bins of a chromosome would take much memory."""
    first, count = first_and_count(region, stride=stride)
    for i in range(0, count, bins):
        start = first + stride * np.arange(i, min(i + bins, count), dtype=np.int64)
        yield Bins(np.full(start.size, coordinates.index(region.chrom), np.int64), start, start + BIN)


def split_region(region: Region, *, stride: int, bins: int = PIECE) -> list[Region]:
    """Divide a region into parts that have one of the pieces of its bins each (`pieces_of_region`), in their order.

    Parts overlap by the bases that a bin is longer than the stride. A region of one piece, or none, is left as it is.
    """
    first, count = first_and_count(region, stride=stride)
    if count <= bins:
        return [region]
    starts = range(first, first + count * stride, bins * stride)
    stops = (min(start + (bins - 1) * stride + BIN, region.stop) for start in starts)
    return [Region(region.chrom, start, stop) for start, stop in zip(starts, stops, strict=True)]


def count_uncomputed(bins: Bins, store: Store, *, margin: int) -> dict[str, int]:
    """Count the bins that are not computed, whose score is 0, by reason.

    Args:
        bins: in any order.
        store: holds the blacklist.
        margin: bases from an end or from the blacklist (`excluded_margin` of a configuration).

    Returns:
        ``chromosome_ends``: bins within the margin of an end of their chromosome; ``blacklist``: other bins, within the
        margin of the blacklist, or on it.
    """
    absolute = bins.to_absolute(store.coordinates)
    near_end = overlaps(absolute, chromosome_ends(store.coordinates, margin))
    excluded = overlaps(absolute, widened_blacklist(store, margin))
    return {"chromosome_ends": int(near_end.sum()), "blacklist": int((excluded & ~near_end).sum())}


@dataclass(frozen=True)
class SortedWindows:
    """Windows of bins in genome order; arrays of one length.

    Attributes:
        rows: row of each window among the bins as given.
        chrom: index into the store's chromosomes.
        start: first base of the model's window; negative before a chromosome's first base.
        clean: whether the bin is outside the widened blacklist; others are not computed, their score is 0.
        length: of a window, bases.
    """

    rows: NDArray[np.int64]
    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    clean: NDArray[np.bool_]
    length: int

    @classmethod
    def of(cls, bins: Bins, store: Store, *, length: int, margin: int) -> SortedWindows:
        """Return windows of `length` bases around the middles of bins; `margin` as for `count_uncomputed`."""
        rows = bins.genome_order()
        bins = bins.take(rows)
        clean = ~overlaps(bins.to_absolute(store.coordinates), widened_blacklist(store, margin))
        return cls(rows, bins.chrom, bins.middle - length // 2, clean, length)

    def tiles(self, bases: int) -> list[slice]:
        """Divide all windows into consecutive slices that each start on one chromosome within `bases` bases."""
        position = self.chrom * (int(self.start.max(initial=0)) + 2 * self.length + bases) + self.start
        cuts = [0]
        while cuts[-1] < position.size:
            cuts.append(int(np.searchsorted(position, position[cuts[-1]] + bases)))
        return [slice(a, b) for a, b in pairwise(cuts)]

    def bases_to_scan(self) -> tuple[int, int]:
        """Return the bases in clean windows, counted once, and counted once per window."""
        start = self.start[self.clean]
        step = np.diff(start)
        apart = (step < 0) | (step > self.length) | (np.diff(self.chrom[self.clean]) != 0)
        once = int(np.where(apart, self.length, step).sum()) + self.length * (start.size > 0)
        return once, self.length * start.size
