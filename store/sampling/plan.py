"""A plan: which windows an epoch shows, as arrays, before anything is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..schema import BIN

_COLUMNS = ("cell", "chrom", "start", "jitter", "label")


@dataclass(frozen=True)
class SamplingPlan:
    """Windows of one epoch (or of a prediction), n of them.

    A window of L bases is centred on its bin: ``mid = start + jitter + 100``, ``[mid - L//2, mid - L//2 + L)``.

    Attributes:
        cells: cell-line names that `cell` points into.
        cell: int64 (n,).
        chrom: index into the store's chromosomes, int64 (n,).
        start: first base of the 200-base bin, before jitter, int64 (n,).
        jitter: bases added to `start` this time, int64 (n,).
        label: targets, uint8 (n, tasks).
    """

    cells: tuple[str, ...]
    cell: NDArray[np.int64]
    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    jitter: NDArray[np.int64]
    label: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def bin_starts(self) -> NDArray[np.int64]:
        """First base of each bin as drawn; it may lie before a chromosome's first base."""
        return self.start + self.jitter

    def window_starts(self, length: int) -> NDArray[np.int64]:
        """First base of each model window of `length` bases; may lie before a chromosome's first base."""
        return self.bin_starts + (BIN // 2 - length // 2)

    def take(self, rows: NDArray[np.int64]) -> SamplingPlan:
        """These windows, in this order."""
        return SamplingPlan(self.cells, *(getattr(self, k)[rows] for k in _COLUMNS))

    @staticmethod
    def join(parts: list[SamplingPlan]) -> SamplingPlan:
        """Plans over the same cell lines, one after the other."""
        return SamplingPlan(
            parts[0].cells,
            *(np.concatenate([getattr(p, k) for p in parts]) for k in _COLUMNS),
        )


def make_rng(seed: int, *path: int) -> np.random.Generator:
    """Random numbers that depend on the seed and the path (epoch, purpose, cell line) alone: counter-based, so that
    any process can draw any epoch without drawing those before it.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *path])))
