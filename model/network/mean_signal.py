"""The mean signal of cell lines in blocks of 50 bases, which a model keeps as an input for every cell line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.schema import STRIDE

LEVELS = 255
"""Highest code of a mean."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanSignal:
    """Signal of some tracks, averaged over cell lines and over blocks of 50 bases.

    A mean is kept as ``round(log(1 + mean) / scale)``: within 1.7 % of 1 + mean where the highest one is below 5,000.

    Attributes:
        scale: of each track, float32 (tracks,).
        codes: by chromosome, uint8 (tracks, blocks); a rest of less than 50 bases is a block, too.
        sequences: refget digest of each chromosome, whose places these are; empty in models of earlier versions.
    """

    scale: NDArray[np.float32]
    codes: Mapping[str, NDArray[np.uint8]]
    sequences: Mapping[str, str] = field(default_factory=dict)

    def check_chromosome(self, chrom: str, length: int, sequence: str) -> None:
        """Check that a chromosome is one of those that were averaged.

        Args:
            chrom: its name.
            length: in bases.
            sequence: its refget digest.

        Raises:
            UsageError: it is not, or has another length or, where that is known, another sequence.
        """
        if self.sequences.get(chrom, sequence) != sequence:
            raise UsageError(
                f"{chrom}: has another sequence than the {chrom} whose places the model's mean signal is of; predict "
                "on the assembly that the model was trained on"
            )
        blocks, found = block_count(length), self.codes[chrom].shape[1] if chrom in self.codes else 0
        if found != blocks:
            known = f"{found:,} for it" if found else "none for it"
            raise UsageError(
                f"{chrom}: has {blocks:,} blocks of {STRIDE} bases, the model's mean signal has {known}; predict on "
                f"the assembly and the chromosomes that the model was trained on: {_abbreviated(tuple(self.codes))}"
            )

    def bases(self, chrom: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return the mean signal of bases, float32 (tracks, stop - start); 0 past the ends of a chromosome."""
        codes = self.codes[chrom]
        first, last = max(start, 0) // STRIDE, min(block_count(max(stop, 0)), codes.shape[1])
        found = np.zeros((len(codes), stop - start), np.float32)
        if last > first:
            values = np.repeat(np.expm1(codes[:, first:last] * self.scale[:, None]), STRIDE, axis=1)
            low, high = max(start, first * STRIDE), min(stop, last * STRIDE)
            found[:, low - start : high - start] = values[:, low - first * STRIDE : high - first * STRIDE]
        return found


def block_count(length: int) -> int:
    """Return the number of blocks that cover so many bases."""
    return -(-length // STRIDE)


def encode_means(logs: Mapping[str, NDArray[np.float16]], sequences: Mapping[str, str] | None = None) -> MeanSignal:
    """Return a `MeanSignal` of log(1 + mean) of blocks by chromosome, (tracks, blocks), and of the digests of these."""
    highest = np.max([rows.max(axis=1) for rows in logs.values()], axis=0).astype(np.float32)
    scale = np.asarray(np.where(highest > 0, highest, 1) / LEVELS, np.float32)
    codes = {c: np.rint(rows / scale[:, None]).clip(0, LEVELS).astype(np.uint8) for c, rows in logs.items()}
    return MeanSignal(scale=scale, codes=codes, sequences=dict(sequences or {}))


def _abbreviated(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
