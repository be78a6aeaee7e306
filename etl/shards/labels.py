"""Labels of 200-base bins from peaks: bound, ambiguous, unbound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...store.schema import AMBIGUOUS, BIN, BOUND, BOUND_BASES, STRIDE

IntArray = NDArray[np.int64]


def bins_with_overlap(
    starts: IntArray, stops: IntArray, *, min_overlap: int, first: int, count: int
) -> NDArray[np.bool_]:
    """Which bins share at least `min_overlap` bases with one of the peaks.

    Args:
        starts: first base of each peak on the chromosome.
        stops: past its last base.
        least: bases, 1..200.
        first: index of the first bin asked for; bin i is ``[50 i, 50 i + 200)``.
        count: bins asked for.

    Returns:
        bool (count,).
    """
    long_enough = stops - starts >= min_overlap
    starts, stops = starts[long_enough], stops[long_enough]
    # Bin start s qualifies for peak [b, e) iff b - (200 - least) <= s <= e - least.
    low = -((BIN - min_overlap - starts) // STRIDE) - first  # ceil((b - 200 + least) / 50)
    high = (stops - min_overlap) // STRIDE + 1 - first
    edges = np.zeros(count + 1, np.int64)
    np.add.at(edges, np.clip(low, 0, count), 1)
    np.add.at(edges, np.clip(high, 0, count), -1)
    return np.cumsum(edges[:-1]) > 0


def bin_labels(
    conservative: tuple[IntArray, IntArray], relaxed: tuple[IntArray, IntArray], *, first: int, count: int
) -> NDArray[np.uint8]:
    """Labels of `count` bins from `first` on: 1 bound, 2 ambiguous (touches a relaxed peak, not bound), 0 neither.

    Args:
        conservative: starts and stops of one factor's conservative peaks on one chromosome.
        relaxed: the same for the relaxed ones, or the conservative ones again.
        first: index of the first bin.
        count: bins.

    Returns:
        uint8 (count,). Source: ENCODE-DREAM challenge rules.
    """
    labels = np.where(bins_with_overlap(*relaxed, min_overlap=1, first=first, count=count), AMBIGUOUS, 0).astype(
        np.uint8
    )
    labels[bins_with_overlap(*conservative, min_overlap=BOUND_BASES, first=first, count=count)] = BOUND
    return labels
