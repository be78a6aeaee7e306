"""All chromosomes on one line: interval algebra then needs no chromosome names.

The axis places chromosome after chromosome with one unused base between them, so that intervals which touch the end
of one and the start of the next are never merged. Intervals are int64 arrays ``starts`` and ``stops``, 0-based and
half-open, in absolute coordinates unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError

IntArray = NDArray[np.int64]


class Intervals(NamedTuple):
    """Half-open intervals ``[starts[i], stops[i])``; int64 arrays of one length."""

    starts: IntArray
    stops: IntArray


@dataclass(frozen=True)
class GenomeCoordinates:
    """Chromosome names and lengths (bases), in store order."""

    names: tuple[str, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.lengths) or len(set(self.names)) != len(self.names):
            raise UsageError(f"chromosome names must be unique, with a length each: {self.names} {self.lengths}")

    @cached_property
    def offsets(self) -> IntArray:
        """Axis coordinate of each chromosome's first base, shape (chromosomes,)."""
        return np.concatenate([[0], np.cumsum(np.asarray(self.lengths, np.int64) + 1)[:-1]]).astype(np.int64)

    @cached_property
    def ends(self) -> IntArray:
        """Axis coordinate just past each chromosome's last base, shape (chromosomes,)."""
        return self.offsets + np.asarray(self.lengths, np.int64)

    @cached_property
    def indices(self) -> dict[str, int]:
        """Index of each chromosome by name."""
        return {name: i for i, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Return the index of a chromosome in the store.

        Raises:
            UsageError: no such chromosome; the message lists the valid names.
        """
        if name not in self.indices:
            raise UsageError(f"no chromosome {name!r}; there are {', '.join(self.names)}")
        return self.indices[name]

    def to_absolute(self, chrom: ArrayLike, position: ArrayLike) -> IntArray:
        """Convert chromosome indices and positions to absolute coordinates."""
        return np.asarray(self.offsets[np.asarray(chrom)] + np.asarray(position, np.int64))

    def from_absolute(self, coordinate: ArrayLike) -> tuple[IntArray, IntArray]:
        """Convert absolute coordinates to chromosome indices and positions (inverse of `to_absolute`)."""
        coordinate = np.asarray(coordinate, np.int64)
        chrom = np.searchsorted(self.offsets, coordinate, side="right") - 1
        return chrom.astype(np.int64), coordinate - self.offsets[chrom]

    def widen(self, intervals: Intervals, bases: int) -> Intervals:
        """Extend intervals by `bases` on both sides, clipped to their chromosome (bedtools slop)."""
        chrom, _ = self.from_absolute(intervals.starts)
        return Intervals(
            np.maximum(intervals.starts - bases, self.offsets[chrom]),
            np.minimum(intervals.stops + bases, self.ends[chrom]),
        )

    @property
    def whole(self) -> Intervals:
        """One interval per chromosome."""
        return Intervals(self.offsets, self.ends)


def merge(intervals: Intervals) -> Intervals:
    """Return the union as sorted, disjoint intervals; overlapping or touching ones are joined (bedtools merge)."""
    keep = intervals.stops > intervals.starts
    order = np.argsort(intervals.starts[keep], kind="stable")
    starts, stops = intervals.starts[keep][order], np.maximum.accumulate(intervals.stops[keep][order])
    if starts.size == 0:
        return Intervals(starts, stops)
    first = np.concatenate([[True], starts[1:] > stops[:-1]])
    last = np.concatenate([first[1:], [True]])
    return Intervals(starts[first], stops[last])


def union(*sets: Intervals) -> Intervals:
    """Return the merged union of several interval sets."""
    return merge(Intervals(np.concatenate([s.starts for s in sets]), np.concatenate([s.stops for s in sets])))


def subtract(intervals: Intervals, holes: Intervals) -> Intervals:
    """Return the bases of merged `intervals` outside merged `holes`, merged (bedtools subtract)."""
    # Sweep over all edges: +1 opens an interval, -2 opens a hole; a base is kept where the running sum is exactly 1.
    edges = np.concatenate([intervals.starts, intervals.stops, holes.starts, holes.stops])
    steps = np.repeat(
        np.array([1, -1, -2, 2]), [intervals.starts.size, intervals.stops.size, holes.starts.size, holes.stops.size]
    )
    order = np.argsort(edges, kind="stable")
    edges, depth = edges[order], np.cumsum(steps[order])
    kept = np.flatnonzero((depth[:-1] == 1) & (edges[1:] > edges[:-1]))
    return merge(Intervals(edges[kept], edges[kept + 1]))


def intersect(a: Intervals, b: Intervals) -> Intervals:
    """Return the bases that merged `a` and merged `b` have in common (bedtools intersect)."""
    return subtract(a, subtract(a, b))


def overlaps(queries: Intervals, merged: Intervals) -> NDArray[np.bool_]:
    """Test whether each query shares a base with the merged set, shape (queries,)."""
    if merged.starts.size == 0:
        return np.zeros(queries.starts.size, bool)
    # The last interval that starts before the query's end is the only one that can reach furthest into it.
    i = np.searchsorted(merged.starts, queries.stops, side="left") - 1
    return (i >= 0) & (merged.stops[np.maximum(i, 0)] > queries.starts)


def contains(outer: Intervals, queries: Intervals) -> NDArray[np.bool_]:
    """Test whether each query is inside one interval of the merged set `outer`, shape (queries,)."""
    if outer.starts.size == 0:
        return np.zeros(queries.starts.size, bool)
    i = np.searchsorted(outer.starts, queries.starts, side="right") - 1
    return (i >= 0) & (outer.stops[np.maximum(i, 0)] >= queries.stops)


def starts_inside(allowed: Intervals, width: int) -> Intervals:
    """Return the starts at which a window of `width` bases is inside the merged set `allowed`."""
    stops = allowed.stops - width + 1
    keep = stops > allowed.starts
    return Intervals(allowed.starts[keep], stops[keep])


def size(intervals: Intervals) -> int:
    """Return the number of bases in disjoint intervals."""
    return int((intervals.stops - intervals.starts).sum())


def nth(intervals: Intervals, ranks: IntArray) -> IntArray:
    """Return the coordinate of each 0-based rank among the bases of disjoint, sorted intervals."""
    ends = np.cumsum(intervals.stops - intervals.starts)
    i = np.searchsorted(ends, ranks, side="right")
    return np.asarray(intervals.stops[i] - (ends[i] - ranks), np.int64)
