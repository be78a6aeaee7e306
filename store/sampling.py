"""Which windows to train on: FactorNet's single-task rules, as set algebra on the genome axis.

Positives are the conservative peaks outside the blacklist, drawn at the peak's middle with a fresh jitter each time;
negatives are drawn anew each epoch outside the relaxed peaks (widened by 200 bases) and the blacklist (widened by L,
with the first and last L bases of each chromosome). Source: FactorNet's README and code (uci-cbcl/FactorNet).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import axis as ax
from .axis import GenomeAxis, Intervals
from .errors import UsageError
from .plan import Plan, generator
from .reader import Store
from .regions import Region, region_intervals
from .schema import BIN

_INSIDE = 75
"""Bases of a peak that a jittered bin must keep."""


@dataclass(frozen=True)
class Split:
    """Disjoint parts of the genome, merged intervals on the axis."""

    train: Intervals
    valid: Intervals
    test: Intervals


def split_genome(genome: GenomeAxis, *, valid: Iterable[Region], test: Iterable[Region]) -> Split:
    """Validation and test regions, and all the rest to train on.

    Raises:
        UsageError: validation and test overlap, or nothing is left to train on.
    """
    valid_set, test_set = region_intervals(valid, genome), region_intervals(test, genome)
    shared = ax.intersect(valid_set, test_set)
    if shared.starts.size:
        chrom, position = genome.locate(shared.starts[:1])
        raise UsageError(
            f"validation (-v) and test (-t) regions overlap, first at {genome.names[chrom[0]]}:{position[0]}"
        )
    train = ax.subtract(genome.whole, ax.union(valid_set, test_set))
    if train.starts.size == 0:
        raise UsageError("validation (-v) and test (-t) regions leave nothing of the genome to train on")
    return Split(train, valid_set, test_set)


def widened_blacklist(store: Store, length: int) -> Intervals:
    """The blacklist widened by `length` bases, with the first and last `length` bases of every chromosome."""
    axis = store.axis
    whole = axis.whole
    edges = Intervals(
        np.concatenate([whole.starts, np.maximum(whole.stops - length, whole.starts)]),
        np.concatenate([np.minimum(whole.starts + length, whole.stops), whole.stops]),
    )
    return ax.union(axis.widen(store.blacklist(), length), edges)


def bin_starts_for(region: Intervals, length: int) -> Intervals:
    """Bin starts whose window of `length` bases lies wholly inside one interval of `region`."""
    inside = ax.starts_inside(region, max(length, BIN))
    shift = max(length, BIN) // 2 - BIN // 2
    return Intervals(inside.starts + shift, inside.stops + shift)


@dataclass(frozen=True)
class Positives:
    """Bins at the middle of peaks: axis start of each bin, and the largest jitter that keeps 75 bases of the peak."""

    start: NDArray[np.int64]
    jitter: NDArray[np.int64]

    def drawn(self, rng: np.random.Generator | None) -> NDArray[np.int64]:
        """Jitter for one draw, uniform in [-jitter, jitter]; zeros without a generator."""
        if rng is None:
            return np.zeros(self.start.size, np.int64)
        return rng.integers(-self.jitter, self.jitter, endpoint=True)


def positives(peaks: Intervals, blacklist: Intervals, region: Intervals, length: int) -> Positives:
    """Peaks outside the blacklist whose window, at any jitter, stays inside `region`.

    Args:
        peaks: conservative peaks on the axis, any order, not merged.
        blacklist: from `widened_blacklist`.
        region: merged part of the genome to draw from.
        length: model window, bases.
    """
    clean = ~ax.overlaps(peaks, blacklist)
    starts, stops = peaks.starts[clean], peaks.stops[clean]
    first = (starts + stops) // 2 - BIN // 2
    jitter = stops - first - _INSIDE - 1
    reach = max(length, BIN)
    left = first + BIN // 2 - reach // 2
    inside = ax.contains(region, Intervals(left - jitter, left + reach + jitter))
    return Positives(first[inside], jitter[inside])


def negative_starts(excluded: Intervals, region: Intervals, length: int) -> Intervals:
    """Bin starts to draw negatives from: 200 bases free of `excluded`, window inside `region`."""
    free = ax.starts_inside(ax.subtract(region, excluded), BIN)
    return ax.intersect(free, bin_starts_for(region, length))


def draw_negatives(allowed: Intervals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` bin starts, uniform over `allowed`, no two bins overlapping: who is drawn first stays.

    Raises:
        UsageError: that many bins do not fit.
    """
    room = ax.size(allowed)
    taken = np.array([], np.int64)
    for _ in range(200):
        if taken.size == count:
            return taken
        if room == 0:
            break
        fresh = ax.nth(allowed, rng.integers(0, room, count - taken.size))
        placed = np.sort(taken)
        fresh = fresh[~ax.overlaps(Intervals(fresh, fresh + BIN), Intervals(placed, placed + BIN))]
        taken = np.concatenate([taken, _first_drawn(fresh)])
    raise UsageError(
        f"no room for {count} negatives that do not overlap: {room} bin starts are allowed; "
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


@dataclass(frozen=True)
class _CellSites:
    """What one cell line contributes to a part of the genome."""

    positives: Positives
    negatives: Intervals


class SingleTask:
    """Draws the epochs of one factor over one or several cell lines.

    Args:
        store: an open store.
        cells: training cell lines; each contributes its own positives and negatives.
        factor: which factor; every cell line must have it.
        split: parts of the genome.
        length: model window, bases.
        negatives: negatives a positive and epoch.
        valid_cells: cell lines to validate on; the training ones if empty.

    Raises:
        UsageError: a cell line lacks the factor, or has no positives in the training or validation part.
    """

    def __init__(
        self,
        store: Store,
        *,
        cells: tuple[str, ...],
        factor: str,
        split: Split,
        length: int,
        negatives: int,
        valid_cells: tuple[str, ...] = (),
    ) -> None:
        self.store, self.factor, self.split = store, factor, split
        self.cells, self.length, self.per_positive = cells, length, negatives
        self.valid_cells = valid_cells or cells
        self._blacklist = widened_blacklist(store, length)
        self._train = tuple(self._sites(c, split.train, "training") for c in self.cells)
        self._valid = tuple(self._sites(c, split.valid, "validation (-v)") for c in self.valid_cells)

    def _sites(self, cell: str, region: Intervals, what: str) -> _CellSites:
        axis = self.store.axis
        conservative = self.store.peaks(cell, self.factor, "conservative").on(axis)
        found = positives(conservative, self._blacklist, region, self.length)
        if found.start.size == 0:
            raise UsageError(
                f"{self.factor} has no usable peak of cell line {cell} in the {what} regions "
                f"({conservative.starts.size} peaks in all); choose other regions or another cell line"
            )
        info = self.store.cell(cell)
        if info.factors[info.factor_index(self.factor)].relaxed:
            near = self.store.peaks(cell, self.factor, "relaxed").on(axis)
        else:
            clean = ~ax.overlaps(conservative, self._blacklist)
            near = Intervals(conservative.starts[clean], conservative.stops[clean])
        excluded = ax.union(axis.widen(near, BIN), self._blacklist)
        return _CellSites(found, negative_starts(excluded, region, self.length))

    @property
    def positives_per_epoch(self) -> tuple[int, ...]:
        """Positives of each training cell line."""
        return tuple(int(s.positives.start.size) for s in self._train)

    def epoch(self, seed: int, epoch: int) -> Plan:
        """Training windows of one epoch: all positives, jittered, and fresh negatives. Depends on nothing else."""
        return self._draw(self.cells, self._train, seed, epoch, jittered=True)

    def validation(self, seed: int) -> Plan:
        """Validation windows: peaks' middles, and negatives that are the same each time."""
        return self._draw(self.valid_cells, self._valid, seed, -1, jittered=False)

    def _draw(
        self, cells: tuple[str, ...], sites: tuple[_CellSites, ...], seed: int, epoch: int, *, jittered: bool
    ) -> Plan:
        parts = []
        for i, cell in enumerate(sites):
            rng = generator(seed, epoch + 1, i)
            first, n = cell.positives.start, cell.positives.start.size
            jitter = cell.positives.drawn(rng if jittered else None)
            others = draw_negatives(cell.negatives, n * self.per_positive, rng)
            chrom, start = self.store.axis.locate(np.concatenate([first, others]))
            label = (np.arange(start.size) < n).astype(np.uint8)[:, None]
            jitter = np.concatenate([jitter, np.zeros(others.size, np.int64)])
            parts.append(Plan(cells, np.full(start.size, i, np.int64), chrom, start, jitter, label))
        return Plan.join(parts)
