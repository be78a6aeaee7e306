"""Read arrays of a store once for several readers that move along the genome together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....store.reader import Store
from ....store.spans import StoredArray, read_span

_ALIGNED = 2**16  # rows: reading ends where a chunk of a store does, so that it is decoded once


class SpanBuffer:
    """Holds the rows of each array that later readers may still ask for, and reads every row once.

    Readers take turns, sorted by where their spans begin (`move_to`). What lies before is forgotten, so memory is that
    of the longest span and a chunk, whatever the number of readers. One thread uses it at a time.

    Args:
        store: an open store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._chrom, self._start = "", 0
        self._held: dict[str, tuple[int, NDArray[Any]]] = {}  # by path: first row, and rows from there on

    def move_to(self, chrom: str, start: int) -> None:
        """Forget what lies before a base of a chromosome; paths that are read later are of this chromosome."""
        if chrom != self._chrom:
            self._held.clear()
        self._chrom, self._start = chrom, start

    def read(self, path: str, start: int, stop: int, *, pad_value: float) -> NDArray[Any]:
        """Return rows ``start:stop`` of the array at a path, with `pad_value` outside it; not to be changed.

        Raises:
            StoreError: as for `read_span`.
        """
        array = self._store.array(path)
        n_rows = array.shape[0]
        low, high = min(max(start, 0), n_rows), max(min(stop, n_rows), 0)
        first, held = self._extend(path, array, low, high)
        inner = held[low - first : high - first]
        before, after = min(max(-start, 0), stop - start), min(max(stop - n_rows, 0), stop - start)
        return np.pad(inner, (before, after), constant_values=pad_value) if before or after else inner

    def _extend(self, path: str, array: StoredArray, low: int, high: int) -> tuple[int, NDArray[Any]]:
        """Return rows of an array that include ``low:high``, and the first of them."""
        first, held = self._held.get(path, (low, None))
        if held is not None and first <= low and high <= first + len(held):
            return first, held
        if held is None or low > first + len(held) or high < first:  # nothing in common
            first, held = low, read_span(array, low, _round_up(high, array.shape[0]))
        else:
            kept = held[max(0, min(self._start, low) - first) :]
            first += len(held) - len(kept)
            end = first + len(kept)
            before = [read_span(array, low, first)] if low < first else []
            after = [read_span(array, end, _round_up(high, array.shape[0]))] if high > end else []
            first, held = min(low, first), np.concatenate([*before, kept, *after])
        self._held[path] = first, held
        return first, held


def _round_up(row: int, n_rows: int) -> int:
    return min(-(-row // _ALIGNED) * _ALIGNED, n_rows)
