"""Join the scores of several models of one factor: the mean of probabilities, or the mean of ranks.

    mean   of the probabilities of the models that compute a bin
    rank   of each model's rank of the bin among all bins of the output that the model computes, divided by their
           number: 1 for the highest score; equal scores share the mean of their ranks

Ranks are over all regions of an output together, so they depend on what is predicted, and say nothing about
probabilities. A model does not compute bins on or near the blacklist and the ends of chromosomes; one that no model
computes has 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....store.genome.intervals import Intervals, overlaps
from ....store.reader import Store
from ....store.sampling.splits import widened_blacklist
from ..bins import Bins
from .outputs import Output

PartScores = Callable[[int], Iterator[tuple[Bins, NDArray[np.float32]]]]
"""Yields bins and scores of a part of the regions, given by index, piece by piece; always the same pieces."""


class ComputedBins:
    """Tells which bins networks compute, by their margin around the blacklist."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._excluded: dict[int, Intervals] = {}

    def of(self, bins: Bins, margin: int) -> NDArray[np.bool_]:
        """Return whether each bin is computed, (bins,)."""
        if margin not in self._excluded:
            self._excluded[margin] = widened_blacklist(self._store, margin)
        return ~overlaps(bins.to_absolute(self._store.coordinates), self._excluded[margin])


def rank_scores(scores: NDArray[np.float32], ordered: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rank of each score among all, divided by their number: above 0, up to 1.

    Args:
        scores: some of them.
        ordered: all of them, sorted, (n,).
    """
    below, up_to = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to + 1) / 2 / len(ordered), np.float64)


def mean_of_computed(
    values: Sequence[NDArray[np.float64]], computed: Sequence[NDArray[np.bool_]]
) -> NDArray[np.float32]:
    """Return the mean of the values, (models, bins), that models compute; 0 where none does."""
    count = np.sum(computed, axis=0)
    total = np.sum([np.where(c, v, 0.0) for v, c in zip(values, computed, strict=True)], axis=0)
    return np.asarray(total / np.maximum(count, 1), np.float32)


class EnsembleJoin:
    """Joins the scores of the models of an output, part by part.

    For ranks, all scores of one model at a time are held (4 bytes a bin), and its ranks are kept in a file.

    Args:
        output: an ensemble.
        sources: the scores of each of its models.
        n_parts: number of parts.
        ranks: file to write for each of its models.
    """

    def __init__(self, output: Output, sources: Sequence[PartScores], *, n_parts: int, ranks: Sequence[Path]) -> None:
        self._output, self._sources, self._n_parts, self._ranks = output, sources, n_parts, ranks
        self._margins = [p.network.config.excluded_margin for p in output.predictors]
        self._computed = ComputedBins(output.predictors[0].store)

    def scores(self, part: int) -> Iterator[tuple[Bins, NDArray[np.float32]]]:
        """Yield bins and joined scores of a part, piece by piece."""
        values = self._ranks_of(part) if self._output.ensemble == "rank" else self._probabilities_of(part)
        for bins, of_models in values:
            computed = [self._computed.of(bins, margin) for margin in self._margins]
            yield bins, mean_of_computed(of_models, computed)

    def _probabilities_of(self, part: int) -> Iterator[tuple[Bins, list[NDArray[np.float64]]]]:
        for pieces in zip(*(source(part) for source in self._sources), strict=True):
            yield pieces[0][0], [scores.astype(np.float64) for _, scores in pieces]

    def _ranks_of(self, part: int) -> Iterator[tuple[Bins, list[NDArray[np.float64]]]]:
        row = self._first_rows[part]  # the ranks are written first
        files = [np.memmap(path, "<f8", "r") for path in self._ranks]
        for bins, _ in self._sources[0](part):
            rows = slice(row, row + len(bins))
            yield bins, [np.array(file[rows]) for file in files]
            row = rows.stop

    @cached_property
    def _first_rows(self) -> list[int]:
        """Write the ranks of each model, in the order of the parts; return the row where each part begins."""
        counts = [sum(len(bins) for bins, _ in self._sources[0](i)) for i in range(self._n_parts)]
        for source, margin, path in zip(self._sources, self._margins, self._ranks, strict=True):
            ordered = np.empty(sum(counts), np.float32)
            n = 0
            for _, scores, computed in self._all(source, margin):
                ordered[n : n + int(computed.sum())] = scores[computed]
                n += int(computed.sum())
            ordered = ordered[:n]
            ordered.sort()
            with path.open("wb") as file:
                for bins, scores, computed in self._all(source, margin):
                    ranks = np.zeros(len(bins))
                    ranks[computed] = rank_scores(scores[computed], ordered)
                    file.write(ranks.astype("<f8").tobytes())
        return [int(n) for n in np.cumsum([0, *counts[:-1]])]

    def _all(self, source: PartScores, margin: int) -> Iterator[tuple[Bins, NDArray[np.float32], NDArray[np.bool_]]]:
        for i in range(self._n_parts):
            for bins, scores in source(i):
                yield bins, scores, self._computed.of(bins, margin)
