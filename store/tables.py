"""Intervals as a store keeps them, in columns of one length, and what must be true of them whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axis import GenomeAxis
from .errors import StoreError
from .manifest import FOREIGN
from .sharded import ShardedArray


def read_table(
    columns: Mapping[str, ShardedArray | NDArray[Any]], axis: GenomeAxis, *, place: str
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
            raise StoreError(f"{place}/{name}: {column.dtype} {column.shape}, expected {rows} whole numbers; {FOREIGN}")
    table = {name: np.asarray(column[:], np.int64) for name, column in columns.items()}
    chrom, start, stop = table["chrom"], table["start"], table["stop"]
    known = (chrom >= 0) & (chrom < len(axis.names))
    lengths = np.asarray(axis.lengths, np.int64)[np.where(known, chrom, 0)]
    fine = known & (start >= 0) & (start < stop) & (stop <= lengths)
    if "summit" in table:
        summit = table["summit"]
        fine &= (summit == -1) | ((summit >= start) & (summit < stop))
    if not fine.all():
        row = int(np.flatnonzero(~fine)[0])
        values = ", ".join(f"{name} {column[row]}" for name, column in table.items())
        raise StoreError(f"{place}: row {row} is no interval on a chromosome of the store ({values}); {FOREIGN}")
    return table
