"""Which intervals to predict, and how they are grouped so that neighbours share what they read and compute."""

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
from ...store.sampling.splits import widened_blacklist
from ...store.schema import BIN, bin_count


@dataclass(frozen=True)
class Bins:
    """Intervals to predict, in the order of the output; int64 arrays of one length, `chrom` indexes the store's."""

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of intervals."""
        return int(self.start.size)

    @property
    def middle(self) -> NDArray[np.int64]:
        """The base that the model's window has at its middle; all that it sees of an interval."""
        return (self.start + self.stop) // 2

    def take(self, rows: NDArray[np.int64] | slice) -> Bins:
        """These intervals, in this order."""
        return Bins(self.chrom[rows], self.start[rows], self.stop[rows])

    def by_place(self) -> NDArray[np.int64]:
        """Rows sorted by chromosome and middle; equal ones keep their order."""
        return np.lexsort((self.middle, self.chrom))


def first_and_count(region: Region, *, stride: int) -> tuple[int, int]:
    """First base of the first bin inside a region, and how many bins lie inside it, one every `stride` bases."""
    first = -(-region.start // stride) * stride
    return first, max(0, (region.stop - BIN - first) // stride + 1)


def count_bins(regions: list[Region], coordinates: GenomeCoordinates, *, stride: int) -> int:
    """How many bins lie inside the regions, together.

    Raises:
        UsageError: a region is on a chromosome shorter than a bin, `stride` is no positive number, or there is none.
    """
    for region in regions:
        if bin_count(coordinates.lengths[coordinates.index(region.chrom)]) == 0 or stride < 1:
            raise UsageError(f"{region}: no bin of {BIN} bases fits, or --stride {stride} is not a positive number")
    count = sum(first_and_count(region, stride=stride)[1] for region in regions)
    if count == 0:
        named = ", ".join(str(region) for region in regions)
        raise UsageError(f"--regions {named}: no bin of {BIN} bases, one every {stride}, lies inside; give larger ones")
    return count


def bins_of_regions(regions: list[Region], coordinates: GenomeCoordinates, *, stride: int) -> Bins:
    """All 200-base bins that lie inside the regions, one every `stride` bases, counted from each chromosome's start.

    Raises:
        UsageError: as for `count_bins`.
    """
    total = count_bins(regions, coordinates, stride=stride)
    pieces = [p for region in regions for p in pieces_of_region(region, coordinates, stride=stride, bins=total)]
    return Bins(*(np.concatenate([getattr(p, column) for p in pieces]) for column in ("chrom", "start", "stop")))


def pieces_of_region(
    region: Region, coordinates: GenomeCoordinates, *, stride: int, bins: int = 2**18
) -> Iterator[Bins]:
    """The bins of a region, `bins` of them at a time: those of a chromosome would fill memory for nothing."""
    first, count = first_and_count(region, stride=stride)
    for i in range(0, count, bins):
        start = first + stride * np.arange(i, min(i + bins, count), dtype=np.int64)
        yield Bins(np.full(start.size, coordinates.index(region.chrom), np.int64), start, start + BIN)


@dataclass(frozen=True)
class SortedWindows:
    """Bins in order of place, with what prediction needs to know of each; arrays of one length.

    Attributes:
        rows: which of the bins as given.
        chrom: index into the store's chromosomes.
        start: first base of the model's window; may lie before a chromosome's first base.
        clean: whether the bin keeps away from the widened blacklist; others are not computed, their score is 0.
        length: bases of a window.
    """

    rows: NDArray[np.int64]
    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    clean: NDArray[np.bool_]
    length: int

    @classmethod
    def of(cls, bins: Bins, store: Store, *, length: int) -> SortedWindows:
        """The bins as windows of `length` bases on the store's chromosomes."""
        rows = bins.by_place()
        near, coordinates = bins.take(rows), store.coordinates
        on_axis = Intervals(
            coordinates.to_absolute(near.chrom, near.start), coordinates.to_absolute(near.chrom, near.stop)
        )
        clean = ~overlaps(on_axis, widened_blacklist(store, length))
        return cls(rows, near.chrom, near.middle - length // 2, clean, length)

    def stretches(self, bases: int) -> list[slice]:
        """Parts whose windows begin on one chromosome within `bases` bases, one after the other, all of them."""
        location = self.chrom * (int(self.start.max(initial=0)) + 2 * self.length + bases) + self.start
        cuts = [0]
        while cuts[-1] < location.size:
            cuts.append(int(np.searchsorted(location, location[cuts[-1]] + bases)))
        return [slice(a, b) for a, b in pairwise(cuts)]

    def bases_to_scan(self) -> tuple[int, int]:
        """Bases that lie in a clean window, counted once, and counted once a window."""
        start = self.start[self.clean]
        step = np.diff(start)
        apart = (step < 0) | (step > self.length) | (np.diff(self.chrom[self.clean]) != 0)
        once = int(np.where(apart, self.length, step).sum()) + self.length * (start.size > 0)
        return once, self.length * start.size
