"""Draw segments of the genome whose bins are all learned from at once, for the network over blocks.

A segment is a run of bins, one every 50 bases. Each epoch shows all active segments, which have a bound bin or an open
block, and some of the others, with a higher weight in exchange. They lie on a grid whose origin is drawn each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome import intervals
from ..genome.intervals import Intervals
from ..reader import Store
from ..schema import BIN, STRIDE
from .bin_targets import BinTargets, LabelMode, has_peaks
from .block_annotation import BlockAnnotation
from .open_blocks import open_blocks
from .plan import SamplingPlan, make_rng

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How segments are drawn.

    Attributes:
        bins: bins of a segment.
        margin: bases read on either side of a segment's bins.
        background: number of segments drawn from those that are not active, per active one.
        background_weight: weight of their bins.
        mode: how bound bins become targets, see `BinTargets.targets`.

    Raises:
        UsageError: a value is out of range.
    """

    bins: int = 41
    margin: int = 750
    background: float = 0.4
    background_weight: float = 3.0
    mode: LabelMode = "hard"

    def __post_init__(self) -> None:
        for name, least in (("bins", 1), ("margin", 0), ("background", 0), ("background_weight", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")

    @property
    def span(self) -> int:
        """Bases that the bins of a segment cover."""
        return (self.bins - 1) * STRIDE + BIN

    @property
    def window_length(self) -> int:
        """Bases read for a segment."""
        return self.span + 2 * self.margin


@dataclass(frozen=True, eq=False)
class Segments:
    """The segments of one epoch.

    Attributes:
        plan: one window of `SegmentOptions.window_length` bases for each, without targets.
        start: absolute first base of the first bin of each, int64 (n,).
        weight: weight of the bins of each, float32 (n,).
    """

    plan: SamplingPlan
    start: IntArray
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: IntArray) -> Segments:
        """Return these segments, in this order."""
        return Segments(self.plan.take(rows), self.start[rows], self.weight[rows])


class SegmentSampler:
    """Sampler of segments in the training regions of several cell lines.

    Args:
        store: an open store.
        cells: training cell lines.
        factors: factors to learn; a cell line without one of them, or without a peak of it, has no say about it.
        regions: training regions, merged, in absolute coordinates.
        options: how segments are drawn.

    Attributes:
        targets: `BinTargets` of each cell line and factor; None where the cell line lacks the factor.

    Raises:
        UsageError: no cell line has a peak of a factor, or a cell line has peaks of none of the factors.
    """

    def __init__(
        self, store: Store, *, cells: tuple[str, ...], factors: tuple[str, ...], regions: Intervals,
        options: SegmentOptions,
    ) -> None:  # fmt: skip
        self.store, self.cells, self.factors, self.regions, self.options = store, cells, factors, regions, options
        has = {cell: {f for f in factors if has_peaks(store, cell, f)} for cell in cells}
        for factor in factors:
            if not any(factor in names for names in has.values()):
                raise UsageError(f"{store.location}: no cell line of {', '.join(cells)} has a peak of {factor!r}")
        for cell, names in has.items():
            if not names:
                raise UsageError(f"{store.location}: cell line {cell} has no peak of {', '.join(factors)}")
        self.targets = tuple(
            tuple(BinTargets.of(store, cell, factor) if factor in has[cell] else None for factor in factors)
            for cell in cells
        )
        self._active = tuple(self._active_starts(i) for i in range(len(cells)))
        self._annotation = BlockAnnotation(store)

    def _active_starts(self, cell: int) -> Intervals:
        """Return, merged, the first bases of bins that are bound by a factor or share a base with an open block."""
        opened = open_blocks(self.store, self.cells[cell])
        touching = Intervals(opened.starts - BIN + 1, opened.stops)
        return intervals.union(touching, *(t.bound for t in self.targets[cell] if t is not None))

    def epoch(self, seed: int, epoch: int) -> Segments:
        """Return the segments of an epoch; they depend on `seed` and `epoch` alone.

        Raises:
            UsageError: no segment fits into the training regions.
        """
        options, plans, starts, weights = self.options, [], [], []
        for i in range(len(self.cells)):
            rng = make_rng(seed, epoch, i)
            first = self._grid(int(rng.integers(options.bins)))
            runs = Intervals(first, first + options.span - BIN + 1)
            ignored = next(t.ignored for t in self.targets[i] if t is not None)
            active = intervals.overlaps(runs, self._active[i])
            others = np.flatnonzero(~active & ~intervals.contains(ignored, runs))
            n_others = min(round(options.background * int(active.sum())), others.size)
            rows = np.concatenate([np.flatnonzero(active), rng.choice(others, n_others, replace=False)])
            starts.append(first[rows])
            weights.append(np.where(active[rows], 1, options.background_weight).astype(np.float32))
            plans.append(self._plan(i, first[rows]))
        return Segments(SamplingPlan.join(plans), np.concatenate(starts), np.concatenate(weights))

    def _grid(self, origin: int) -> IntArray:
        """Return the starts of adjacent segments whose windows are inside the regions, from the `origin`-th bin on."""
        coordinates, options = self.store.coordinates, self.options
        fit = intervals.starts_inside(self.regions, options.window_length)
        chrom, first = coordinates.from_absolute(fit.starts + options.margin)
        first = -(-first // STRIDE) * STRIDE + origin * STRIDE + coordinates.offsets[chrom]
        step = options.bins * STRIDE
        n = np.maximum(-((first - options.margin - fit.stops) // step), 0)
        if not n.sum():
            raise UsageError(f"no segment of {options.window_length:,} bases fits into the training regions")
        rank = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        return np.asarray(np.repeat(first, n) + rank * step, np.int64)

    def _plan(self, cell: int, start: IntArray) -> SamplingPlan:
        # A plan names a 200-base bin, and its window is centred on that.
        middle = start - self.options.margin + self.options.window_length // 2
        chrom, position = self.store.coordinates.from_absolute(start)
        bin_start = position + (middle - start) - BIN // 2
        zeros = np.zeros(start.size, np.int64)
        return SamplingPlan(self.cells, zeros + cell, chrom, bin_start, zeros, np.zeros((start.size, 0), np.uint8))

    def annotation(self, segments: Segments, rows: IntArray) -> NDArray[np.uint8]:
        """Return the annotation bits of the blocks of some segments' windows, uint8 (rows, blocks).

        The margin must be a multiple of 50, and the store must have annotation.
        """
        return self._annotation.windows(*self.windows(segments, rows), self.options.window_length // STRIDE)

    def windows(self, segments: Segments, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Return index of the chromosome and first base of some segments' windows, int64 (rows,) each."""
        chrom, position = self.store.coordinates.from_absolute(segments.start[rows])
        return chrom, position - self.options.margin

    def bin_targets(
        self, segments: Segments, rows: IntArray, *, ambiguous: float | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return targets and weights of the bins of some segments, float32 (rows, bins, factors) each.

        Factors that the cell line lacks have weight 0.

        Args:
            segments: of an epoch.
            rows: which of them.
            ambiguous: target of ambiguous bins; without, they have weight 0.
        """
        starts = segments.start[rows][:, None] + STRIDE * np.arange(self.options.bins)
        shape = (*starts.shape, len(self.factors))
        target, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        cell = segments.plan.cell[rows]
        for i in np.unique(cell):
            of_cell = cell == i
            for k, targets in enumerate(self.targets[i]):
                if targets is not None:
                    target[of_cell, :, k], weight[of_cell, :, k] = targets.targets(
                        starts[of_cell], self.options.mode, ambiguous=ambiguous
                    )
        return target, weight * segments.weight[rows][:, None, None]
