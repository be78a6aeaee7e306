"""Find the gaps of an assembly: long runs of N in its sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...store.schema import BASES, GAP_BASES

_IS_N = ~np.isin(np.arange(256), np.frombuffer(BASES.encode(), np.uint8))


class GapFinder:
    """Finder of runs of at least `GAP_BASES` letters other than A, C, G and T, in a sequence that comes in blocks."""

    def __init__(self) -> None:
        self._gaps: list[tuple[int, int]] = []
        self._position = 0  # of the next letter
        self._open: list[int] = []  # start of the run that the last letter belongs to, if it is N

    def add(self, letters: NDArray[np.uint8]) -> None:
        """Add the next block of upper-case letters, uint8 (n,)."""
        changes = np.flatnonzero(np.diff(_IS_N[letters], prepend=bool(self._open))) + self._position
        edges = np.concatenate([np.array(self._open, np.int64), changes])  # start, stop, start, ...
        self._open = edges[-1:].tolist() if len(edges) % 2 else []
        starts, stops = edges[: len(edges) // 2 * 2].reshape(-1, 2).T
        long_enough = stops - starts >= GAP_BASES
        self._gaps += zip(starts[long_enough].tolist(), stops[long_enough].tolist(), strict=True)
        self._position += len(letters)

    def finish(self) -> tuple[tuple[int, int], ...]:
        """Return start and stop of each run, 0-based and half-open, after the last block."""
        at_end = [(start, self._position) for start in self._open if self._position - start >= GAP_BASES]
        return (*self._gaps, *at_end)
