"""Score predictions as ENCODE-DREAM does, next to other scores of the same bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.schema import AMBIGUOUS, BIN, BOUND, STRIDE
from ...store.spans import read_span
from ..prediction.bins import Bins
from .metrics import Scores, score


@dataclass(frozen=True)
class Evaluation:
    """Measures of several scores of the same bins, by name: ``model`` and, where requested, the baselines."""

    cell: str
    factor: str
    n_ambiguous: int
    scores: dict[str, Scores]


def labels_of(store: Store, cell: str, factor: str, bins: Bins) -> NDArray[np.uint8]:
    """Return the store's labels of bins: 0 unbound, 1 bound, 2 ambiguous, uint8 (bins,).

    Raises:
        UsageError: a bin is not one of the store's (200 bases, start a multiple of 50), or there is no such factor.
    """
    column = store.cell(cell).factor_index(factor)
    odd = np.flatnonzero((bins.start % STRIDE != 0) | (bins.stop - bins.start != BIN))
    if odd.size:
        chrom, start, stop = store.coordinates.names[int(bins.chrom[odd[0]])], bins.start[odd[0]], bins.stop[odd[0]]
        raise UsageError(
            f"{odd.size} intervals are not bins with labels, first {chrom}:{start}-{stop}; "
            f"bins have {BIN} bases and start at multiples of {STRIDE}"
        )
    labels = np.empty(len(bins), np.uint8)
    for c in np.unique(bins.chrom):
        on_chrom = bins.chrom == c
        rows = bins.start[on_chrom] // STRIDE
        low, high = int(rows.min()), int(rows.max()) + 1
        labels[on_chrom] = read_span(store.labels(cell, store.coordinates.names[c]), low, high)[rows - low, column]
    return labels


def evaluate(
    store: Store,
    cell: str,
    factor: str,
    bins: Bins,
    scores: NDArray[np.float32],
    *,
    others: dict[str, NDArray[np.float32]] | None = None,
) -> Evaluation:
    """Compute the measures over the bins that are not ambiguous.

    Args:
        store: holds the labels.
        cell: cell line predicted.
        factor: factor predicted.
        bins: predicted bins.
        scores: scores of the model, (bins,).
        others: other scores of the same bins, by name.
    """
    labels = labels_of(store, cell, factor, bins)
    clear = labels != AMBIGUOUS
    truth = labels[clear] == BOUND
    named = {"model": scores, **(others or {})}
    return Evaluation(cell, factor, int((~clear).sum()), {n: score(truth, s[clear]) for n, s in named.items()})
