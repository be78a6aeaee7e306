"""Tables of the distinct values of a signal.

A value is its 32 bits: 0.0 and -0.0 differ, and what is decoded equals what was encoded bit for bit. Values are sorted
by their bits as unsigned integers, so that a signal has one table whatever order it is read in, and 0.0, which every
table has, is code 0: the padding past the ends of a chromosome is 0 in codes and in values. Counts are their own codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODE_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
"""Types of codes, the smallest that fits is used; their largest value is the fill value, which no data has."""
MAX_VALUES = 65_535
"""Distinct values of a signal that is kept as codes, at most."""


@dataclass(frozen=True, eq=False)
class ValueTable:
    """The distinct values of a signal.

    Attributes:
        values: float32 (n,), ascending by their bits; the first is 0.0.

    Raises:
        ValueError: they are not, or are too many, or one of them is not finite.
    """

    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        bits = bits_of(self.values)
        if not 0 < self.values.size <= MAX_VALUES:
            raise ValueError(f"{self.values.size} values, a table has 1 to {MAX_VALUES}")
        if bits[0] != 0 or (bits[1:] <= bits[:-1]).any():
            raise ValueError("values do not ascend from 0")
        if not np.isfinite(self.values).all():
            raise ValueError("a value is not finite")

    def __len__(self) -> int:
        return self.values.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the codes."""
        return next(t for t in CODE_TYPES if self.values.size <= np.iinfo(t).max)

    @cached_property
    def padded(self) -> NDArray[np.float32]:
        """The value of every code of the type, float32 (256,) or (65536,); NaN for codes that stand for none.

        So no code, however damaged, is looked up outside of the table, or becomes a valid value.
        """
        padded = np.full(np.iinfo(self.dtype).max + 1, np.nan, np.float32)
        padded[: self.values.size] = self.values
        return padded

    def encode(self, signal: NDArray[np.float32]) -> NDArray[Any]:
        """Return the codes of a signal, (n,).

        Raises:
            ValueError: a value is not in the table.
        """
        starts = run_starts(signal)
        bits, known = bits_of(signal)[starts], bits_of(self.values)
        codes = np.searchsorted(known, bits)
        if bits.size and not np.array_equal(known[np.minimum(codes, known.size - 1)], bits):
            raise ValueError("a value of the signal is not in the table")
        return np.repeat(codes.astype(self.dtype), np.diff(starts, append=signal.size))

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of codes, float32 of the same shape; NaN for codes that stand for none."""
        return self.padded.take(codes)


def find_table(blocks: Iterable[NDArray[np.float32]]) -> ValueTable | None:
    """Return the table of a signal, given in blocks; None as soon as it has too many distinct values.

    Args:
        blocks: finite values, float32 (n,) each.
    """
    known = np.zeros(1, np.uint32)
    for block in blocks:
        known = np.union1d(known, bits_of(block)[run_starts(block)])
        if known.size > MAX_VALUES:
            return None
    return ValueTable(known.view(np.float32))


def takes_less(table: ValueTable, length: int) -> bool:
    """Return whether the codes of a signal of `length` values take less memory than the values, with their table."""
    return length * table.dtype.itemsize + table.padded.nbytes < length * table.values.itemsize


def bits_of(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the bits of values."""
    return values.view(np.uint32)


def run_starts(signal: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the first positions of runs of one value: what is done by run is not done by base."""
    bits = bits_of(signal)
    return np.concatenate([[0], np.flatnonzero(bits[1:] != bits[:-1]) + 1]) if bits.size else np.zeros(0, np.int64)
