"""Targets and weights of the bins of ENCODE-DREAM, computed from peaks wherever they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome import intervals
from ..genome.intervals import Intervals
from ..reader import Store
from ..schema import AMBIGUOUS, BIN, BOUND
from .candidates import bound_starts

LabelMode = Literal["hard", "core", "soft"]
CORE = 75
"""Largest distance in bases between the middle of a bin and a summit with which ``core`` counts a bin as bound."""
SOFT_REACH, SOFT_LOSS = 200, 0.8
"""``soft`` lowers the target of a bound bin linearly, by up to 0.8, over 200 bases between its middle and a summit."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BinTargets:
    """Where bins of one factor in one cell line are bound, ambiguous or without meaning, in absolute coordinates.

    Attributes:
        bound: merged starts of 200 bases of which 101 are in one conservative peak.
        touched: merged starts of 200 bases that share a base with a relaxed peak, or a conservative one without these.
        ignored: merged starts of 200 bases that share a base with the blacklist.
        summits: sorted summits of the conservative peaks; the middle of a peak without one, int64 (peaks,).
    """

    bound: Intervals
    touched: Intervals
    ignored: Intervals
    summits: IntArray

    @classmethod
    def of(cls, store: Store, cell: str, factor: str) -> Self:
        """Read the peaks of a factor.

        Raises:
            UsageError: no such cell line or factor, or the factor has no peak.
            StoreError: a table of the store is damaged.
        """
        coordinates = store.coordinates
        peaks = store.peaks(cell, factor, "conservative")
        if not peaks.start.size:
            raise UsageError(f"{store.location}: factor {factor} has no peaks in cell line {cell}")
        conservative = peaks.to_intervals(coordinates)
        relaxed = store.peaks(cell, factor, "relaxed").to_intervals(coordinates)
        summit = np.where(peaks.summit >= 0, peaks.summit, (peaks.start + peaks.stop) // 2)
        return cls(
            bound=bound_starts(conservative, coordinates),
            touched=_touching_starts(relaxed, store),
            ignored=_touching_starts(store.blacklist(), store),
            summits=np.sort(coordinates.to_absolute(peaks.chrom, summit)),
        )

    def labels(self, starts: IntArray) -> NDArray[np.uint8]:
        """Return the labels of bins, as a store has them: 0 unbound, 1 bound, 2 ambiguous; uint8, shape of `starts`."""
        flat = Intervals(starts.ravel(), starts.ravel() + 1)
        labels = np.where(intervals.overlaps(flat, self.touched), AMBIGUOUS, 0).astype(np.uint8)
        labels[intervals.overlaps(flat, self.bound)] = BOUND
        return labels.reshape(starts.shape)

    def targets(
        self, starts: IntArray, mode: LabelMode, *, ambiguous: float | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return targets and weights of bins, float32, each of the shape of `starts`.

        Ambiguous and blacklisted bins have weight 0, others 1. Bound bins have the target 1, but for

        - ``core``: those whose middle is over 75 bases from every summit have weight 0,
        - ``soft``: the target falls with the distance between middle and nearest summit, to 0.2 at 200 bases.

        The width of peaks depends on the experiment; that of a factor's footprint does not.

        Args:
            starts: absolute first base of each bin, int64.
            mode: ``hard``, ``core`` or ``soft``.
            ambiguous: target of ambiguous bins, which then have weight 1 unless they are blacklisted; in ``soft`` at
                most the least target of a bound bin.

        Raises:
            UsageError: an unknown mode.
        """
        if mode not in get_args(LabelMode):
            raise UsageError(f"label mode {mode!r} is unknown; use one of {', '.join(get_args(LabelMode))}")
        labels = self.labels(starts)
        bound = labels == BOUND
        target = bound.astype(np.float32)
        ignored = intervals.overlaps(Intervals(starts.ravel(), starts.ravel() + 1), self.ignored).reshape(starts.shape)
        weight = ((labels != AMBIGUOUS) & ~ignored).astype(np.float32)
        if ambiguous is not None:
            weight = (~ignored).astype(np.float32)
            target[labels == AMBIGUOUS] = min(ambiguous, 1 - SOFT_LOSS) if mode == "soft" else ambiguous
        if mode != "hard":
            distance = self.summit_distance(starts)
            if mode == "core":
                weight[bound & (distance > CORE)] = 0
            else:
                target[bound] = 1 - SOFT_LOSS * np.minimum(distance[bound] / SOFT_REACH, 1)
        return target, weight

    def summit_distance(self, starts: IntArray) -> IntArray:
        """Return the bases between the middle of each bin and the nearest summit, int64, shape of `starts`."""
        middle = starts + BIN // 2
        after = np.searchsorted(self.summits, middle)
        last = self.summits.size - 1
        distances = [np.abs(middle - self.summits[np.clip(i, 0, last)]) for i in (after - 1, after)]
        return np.asarray(np.minimum(*distances), np.int64)


def has_peaks(store: Store, cell: str, factor: str) -> bool:
    """Return whether a cell line has the factor, with at least one conservative peak."""
    return factor in store.cell(cell).factor_names and store.peaks(cell, factor, "conservative").start.size > 0


def _touching_starts(regions: Intervals, store: Store) -> Intervals:
    """Return the starts of 200 bases on one chromosome that share a base with one of the regions; merged."""
    coordinates = store.coordinates
    chrom, _ = coordinates.from_absolute(regions.starts)
    first = np.maximum(regions.starts - BIN + 1, coordinates.offsets[chrom])
    stop = np.minimum(regions.stops, coordinates.ends[chrom] - BIN + 1)
    return intervals.merge(Intervals(first, stop))
