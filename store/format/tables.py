"""Peaks and blacklists: tables of intervals, kept as columns of one length and checked on reading."""

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


@dataclass(frozen=True)
class Peaks:
    """Peaks of one factor in one cell line, sorted by chromosome and start.

    `chrom` is an index into the store's chromosomes, `start` and `stop` are bases, `summit` is a position on the
    chromosome or -1 where the file gave none; all of shape (peaks,).
    """

    chrom: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    summit: NDArray[np.int64]

    def on(self, coordinates: GenomeCoordinates) -> Intervals:
        """The peaks in axis coordinates, in their own order, not merged."""
        return Intervals(
            coordinates.to_absolute(self.chrom, self.start), coordinates.to_absolute(self.chrom, self.stop)
        )


def read_table(
    columns: Mapping[str, ShardedArray | NDArray[Any]], coordinates: GenomeCoordinates, *, location: str
) -> dict[str, NDArray[np.int64]]:
    """The columns of a table of intervals, int64 (rows,) each.

    Args:
        columns: ``chrom``, ``start`` and ``stop``, of peaks ``summit`` too.
        axis: the store's chromosomes.
        place: of the table, for messages.

    Raises:
        StoreError: as `ShardedArray.read`; columns are not of whole numbers and of one length, or a row is no interval
            on a chromosome, or its summit lies outside it.
    """
    rows = next(iter(columns.values())).shape[0]
    for name, column in columns.items():
        if column.shape != (rows,) or column.dtype.kind not in "iu":
            raise StoreError(
                f"{location}/{name}",
                f"{column.dtype} {column.shape}, expected {rows} whole numbers",
                hint=NOT_FACTORNET,
            )
    table = {name: np.asarray(column[:], np.int64) for name, column in columns.items()}
    chrom, start, stop = table["chrom"], table["start"], table["stop"]
    known = (chrom >= 0) & (chrom < len(coordinates.names))
    lengths = np.asarray(coordinates.lengths, np.int64)[np.where(known, chrom, 0)]
    fine = known & (start >= 0) & (start < stop) & (stop <= lengths)
    if "summit" in table:
        summit = table["summit"]
        fine &= (summit == -1) | ((summit >= start) & (summit < stop))
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        values = ", ".join(f"{name} {column[row]}" for name, column in table.items())
        raise StoreError(
            location, f"row {row} is no interval on a chromosome of the store ({values})", hint=NOT_FACTORNET
        )
    return table
