"""Label 200-base bins from peaks: bound, ambiguous or unbound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...store.schema import AMBIGUOUS, BIN, BOUND, BOUND_BASES, STRIDE

IntArray = NDArray[np.int64]


def bins_with_overlap(
    starts: IntArray, stops: IntArray, *, min_overlap: int, first: int, count: int
) -> NDArray[np.bool_]:
    """Return which bins share at least `min_overlap` bases with one of the peaks.

    Args:
        starts: first base of each peak on the chromosome, 0-based.
        stops: end of each peak, exclusive.
        min_overlap: bases, 1..200.
        first: index of the first bin to return; bin i is ``[50 i, 50 i + 200)``.
        count: number of bins to return.

    Returns:
        bool (count,).
    """
    long_enough = stops - starts >= min_overlap
    starts, stops = starts[long_enough], stops[long_enough]
    # Bin start s qualifies for peak [b, e) iff b - (200 - min_overlap) <= s <= e - min_overlap.
    low = -((BIN - min_overlap - starts) // STRIDE) - first  # ceil((b - 200 + min_overlap) / 50)
    high = (stops - min_overlap) // STRIDE + 1 - first
    edges = np.zeros(count + 1, np.int64)
    np.add.at(edges, np.clip(low, 0, count), 1)
    np.add.at(edges, np.clip(high, 0, count), -1)
    return np.cumsum(edges[:-1]) > 0


def bin_labels(
    conservative: tuple[IntArray, IntArray], relaxed: tuple[IntArray, IntArray], *, first: int, count: int
) -> NDArray[np.uint8]:
    """Label `count` bins from `first` on by the rules of the ENCODE-DREAM challenge.

    Args:
        conservative: starts and stops of one factor's conservative peaks on one chromosome, 0-based half-open.
        relaxed: the same for the relaxed peaks, or the conservative ones again.
        first: index of the first bin.
        count: number of bins.

    Returns:
        uint8 (count,): 1 bound (more than half of the bin in one conservative peak), 2 ambiguous (touches a relaxed
        peak, not bound), 0 unbound.
    """
    touched = bins_with_overlap(*relaxed, min_overlap=1, first=first, count=count)
    labels = np.where(touched, AMBIGUOUS, 0).astype(np.uint8)
    labels[bins_with_overlap(*conservative, min_overlap=BOUND_BASES, first=first, count=count)] = BOUND
    return labels
