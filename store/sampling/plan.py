"""Sampling plans: the windows of an epoch as arrays, before any data is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..schema import BIN
from ..text import format_count, format_names

_COLUMNS = ("cell", "chrom", "start", "jitter", "label")


@dataclass(frozen=True)
class SamplingPlan:
    """The n windows of one epoch, validation set or prediction.

    A window of L bases is centred on its bin: ``mid = start + jitter + 100``, ``[mid - L//2, mid - L//2 + L)``.

    Attributes:
        cells: cell-line names that `cell` indexes.
        cell: index into `cells`, int64 (n,).
        chrom: index into the store's chromosomes, int64 (n,).
        start: first base of the 200-base bin before jitter, 0-based, int64 (n,).
        jitter: bases added to `start`, int64 (n,).
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

    def __repr__(self) -> str:
        windows, tasks = format_count(len(self), "window"), self.label.shape[1]
        positive = f", {int(self.label.any(axis=1).sum()):,} with a target of 1" if tasks else ""
        return (
            f"SamplingPlan({windows}{positive}; {format_count(tasks, 'task')}; {format_names(self.cells, 'cell line')})"
        )

    @classmethod
    def from_bins(cls, cell: str, chrom: NDArray[np.integer], start: NDArray[np.integer]) -> SamplingPlan:
        """Return the plan of given bins of one cell line, without jitter and targets.

        Args:
            cell: cell-line name.
            chrom: index into the store's chromosomes, (n,).
            start: first base of each 200-base bin, 0-based, (n,); may lie before a chromosome's first base.
        """
        zeros = np.zeros(len(start), np.int64)
        label = np.zeros((len(start), 0), np.uint8)
        return cls((cell,), zeros, np.asarray(chrom, np.int64), np.asarray(start, np.int64), zeros, label)

    @property
    def bin_starts(self) -> NDArray[np.int64]:
        """First base of each bin after jitter, int64 (n,); may lie before a chromosome's first base."""
        return self.start + self.jitter

    def window_starts(self, window_length: int) -> NDArray[np.int64]:
        """Return the first base of each window, int64 (n,); may lie before a chromosome's first base."""
        return self.bin_starts + (BIN // 2 - window_length // 2)

    def take(self, rows: NDArray[np.int64]) -> SamplingPlan:
        """Return the plan of these rows, in this order."""
        return SamplingPlan(self.cells, *(getattr(self, k)[rows] for k in _COLUMNS))

    @staticmethod
    def join(plans: Sequence[SamplingPlan]) -> SamplingPlan:
        """Concatenate plans over the same cell lines."""
        return SamplingPlan(
            plans[0].cells,
            *(np.concatenate([getattr(p, k) for p in plans]) for k in _COLUMNS),
        )


def make_rng(seed: int, *key: int) -> np.random.Generator:
    """Return a counter-based random generator (Philox) seeded by `seed` and `key` alone.

    With the key (epoch, purpose, cell line) any process can draw any epoch without drawing the earlier ones.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key])))
