"""Peaks and blacklists: tables of intervals, stored as columns of equal length and checked on reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..genome.intervals import GenomeCoordinates, Intervals
from .manifest import NOT_FACTORNET
from .sharded import ShardedArray
from .value_tables.coded_array import CodedArray


@dataclass(frozen=True)
class Peaks:
    """Peaks of one factor in one cell line, sorted by chromosome and start.

    Attributes:
        chrom: index into the store's chromosomes, int64 (peaks,).
        start, stop: bases on the chromosome, 0-based and half-open, int64 (peaks,).
        summit: position on the chromosome, -1 if the file has none, int64 (peaks,).
    """

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    summit: NDArray[np.int64]

    def to_intervals(self, coordinates: GenomeCoordinates) -> Intervals:
        """Convert to intervals in absolute coordinates, in the same order, not merged."""
        return Intervals(
            coordinates.to_absolute(self.chrom, self.start), coordinates.to_absolute(self.chrom, self.stop)
        )


def read_table(
    columns: Mapping[str, ShardedArray | CodedArray | NDArray[Any]], coordinates: GenomeCoordinates, *, location: str
) -> dict[str, NDArray[np.int64]]:
    """Read and check the columns of a table of intervals, int64 (rows,) each.

    Args:
        columns: arrays ``chrom``, ``start`` and ``stop``, and ``summit`` of peaks.
        coordinates: the store's chromosomes.
        location: of the table, for messages.

    Raises:
        StoreError: as for `ShardedArray.read`; or columns are not integers of equal length, a row is not an interval on
            a chromosome, or its summit is outside the interval.
    """
    rows = next(iter(columns.values())).shape[0]
    for name, column in columns.items():
        if column.shape != (rows,) or column.dtype.kind not in "iu":
            raise StoreError(
                f"{location}/{name}",
                f"{column.dtype} {column.shape}, expected {rows} integers",
                hint=NOT_FACTORNET,
            )
    table = {name: np.asarray(column[:], np.int64) for name, column in columns.items()}
    chrom, start, stop = table["chrom"], table["start"], table["stop"]
    is_chrom = (chrom >= 0) & (chrom < len(coordinates.names))
    lengths = np.asarray(coordinates.lengths, np.int64)[np.where(is_chrom, chrom, 0)]
    valid = is_chrom & (start >= 0) & (start < stop) & (stop <= lengths)
    if "summit" in table:
        summit = table["summit"]
        valid &= (summit == -1) | ((summit >= start) & (summit < stop))
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        values = ", ".join(f"{name} {column[row]}" for name, column in table.items())
        raise StoreError(
            location, f"row {row} is not an interval on a chromosome of the store ({values})", hint=NOT_FACTORNET
        )
    return table
