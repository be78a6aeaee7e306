"""Divide intervals that are longer than a bin into bins, and join the scores of these to one score an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ....store.reader import Store
from ....store.schema import BIN, STRIDE
from ..bins import Bins, count_uncomputed
from ..predictor import BinSummary, Predictor, PredictorScores, score_together
from .ensemble import ComputedBins

TileRule = Literal["max", "mean"]
_TILES = 2**18  # scored at once, or those of one interval


@dataclass(frozen=True, eq=False)
class TiledIntervals:
    """Intervals, and the bins in them.

    Attributes:
        bins: of one interval after another. One that is no longer than a bin is itself the only one; a longer one has
            one every 50 bases from its start, as far as they lie inside, and one that ends with it.
        first: the first bin of each interval, int64 (intervals,).
    """

    bins: Bins
    first: NDArray[np.int64]

    @classmethod
    def of(cls, intervals: Bins) -> TiledIntervals:
        """Divide intervals."""
        count = tile_counts(intervals)
        first = np.cumsum(count) - count
        owner = np.repeat(np.arange(len(intervals)), count)
        step = STRIDE * (np.arange(owner.size) - first[owner])
        start, stop = intervals.start[owner], intervals.stop[owner]
        long = stop - start > BIN
        start = np.where(long, np.minimum(start + step, stop - BIN), start)
        return cls(Bins(intervals.chrom[owner], start, np.where(long, start + BIN, stop)), first)

    def join(self, scores: NDArray[np.float32], computed: NDArray[np.bool_], rule: TileRule) -> NDArray[np.float32]:
        """Return the score of each interval: the highest, or the mean, of those of its bins that are computed.

        Args:
            scores: of the bins.
            computed: which of them are; an interval without such a bin has 0.
            rule: "max" or "mean".
        """
        if rule == "max":
            return np.asarray(np.maximum.reduceat(np.where(computed, scores, 0), self.first), np.float32)
        total = np.add.reduceat(np.where(computed, scores, 0).astype(np.float64), self.first)
        count = np.add.reduceat(computed.astype(np.int64), self.first)
        return np.asarray(total / np.maximum(count, 1), np.float32)


def tile_counts(intervals: Bins) -> NDArray[np.int64]:
    """Return the number of bins that each interval is divided into, int64 (intervals,)."""
    return np.asarray(1 + np.maximum(-(-(intervals.stop - intervals.start - BIN) // STRIDE), 0), np.int64)


def score_tiled(predictors: Sequence[Predictor], intervals: Bins, rule: TileRule) -> Iterator[PredictorScores]:
    """Yield scores of intervals as `score_together` does, each the highest or the mean of those of the bins in it."""
    store = predictors[0].store
    computed_bins = ComputedBins(store)
    for rows in _pieces(intervals):
        tiled = TiledIntervals.of(intervals.take(rows))
        scores = [np.zeros(len(tiled.bins), np.float32) for _ in predictors]
        seconds: dict[tuple[int, ...], float] = {}
        for found in score_together(predictors, tiled.bins):
            for k, of_predictor in zip(found.predictors, found.scores, strict=True):
                scores[k][found.rows] = of_predictor
            seconds[found.predictors] = seconds.get(found.predictors, 0.0) + found.seconds
        for group, taken in seconds.items():
            computed = computed_bins.of(tiled.bins, predictors[group[0]].network.config.excluded_margin)
            joined = tuple(tiled.join(scores[k], computed, rule) for k in group)
            yield PredictorScores(group, rows, joined, taken)


def tiled_computed(intervals: Bins, store: Store, *, margin: int) -> NDArray[np.bool_]:
    """Return whether at least one of the bins in each interval is computed, (intervals,)."""
    computed_bins, found = ComputedBins(store), np.zeros(len(intervals), bool)
    for rows in _pieces(intervals):
        tiled = TiledIntervals.of(intervals.take(rows))
        found[rows] = np.logical_or.reduceat(computed_bins.of(tiled.bins, margin), tiled.first)
    return found


def summarize_tiled(intervals: Bins, store: Store, *, margin: int, rule: TileRule) -> BinSummary:
    """Return what a record says of intervals that are tiled.

    Those without a computed bin are counted by reason: the ends of chromosomes where all their bins are near one, else
    the blacklist. Of the bins all are counted.
    """
    reasons, n_tiles = Counter[str](chromosome_ends=0, blacklist=0), 0
    tiles = Counter[str](chromosome_ends=0, blacklist=0)
    for rows in _pieces(intervals):
        tiled = TiledIntervals.of(intervals.take(rows))
        n_tiles += len(tiled.bins)
        tiles.update(count_uncomputed(tiled.bins, store, margin=margin))
    without = intervals.take(np.flatnonzero(~tiled_computed(intervals, store, margin=margin)))
    for i in range(len(without)):
        of_interval = TiledIntervals.of(without.take(slice(i, i + 1))).bins
        near_ends = count_uncomputed(of_interval, store, margin=margin)["blacklist"] == 0
        reasons["chromosome_ends" if near_ends else "blacklist"] += 1
    described: dict[str, Any] = {"rule": rule, "n": n_tiles, "not_computed": dict(tiles)}
    chroms = tuple(np.unique(intervals.chrom).tolist())
    return BinSummary(n=len(intervals), chroms=chroms, not_computed=dict(reasons), tiles={"tiles": described})


def _pieces(intervals: Bins) -> Iterator[NDArray[np.int64]]:
    """Yield rows of the intervals in genome order, in pieces of bounded size."""
    order = intervals.genome_order()
    ends = np.cumsum(tile_counts(intervals)[order])
    begin = 0
    while begin < len(order):
        limit = _TILES + (int(ends[begin - 1]) if begin else 0)
        stop = max(begin + 1, int(np.searchsorted(ends, limit, side="right")))
        yield order[begin:stop]
        begin = stop
