"""Read rows of an array, checked, or padded past the ends of its chromosome."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import StoreError
from .format.layout import check_values
from .format.manifest import DAMAGED_HINT
from .format.sharded import ShardedArray
from .format.value_tables.coded_array import CodedArray
from .machine import describe_lack

StoredArray = ShardedArray | CodedArray | NDArray[Any]
"""Array of a store: a memory map if the store is raw, of values or of their codes. All kinds have shape and dtype, and
are sliced alike."""


def read_span(array: StoredArray, start: int, stop: int) -> NDArray[Any]:
    """Return a copy of rows ``start:stop`` of an array, checked.

    Raises:
        StoreError: a chunk is missing or damaged, a value is outside the valid range, or the span is outside the
            array; the message names array and rows.
    """
    location = f"{array_location(array)}[{start}:{stop}]"
    if not 0 <= start <= stop <= array.shape[0]:
        raise StoreError(location, f"outside the array of {array.shape[0]} rows")
    try:
        values = np.array(array[start:stop], copy=True if isinstance(array, np.ndarray) else None)
    except StoreError:
        raise
    except Exception as e:
        if describe_lack(e):  # no fault of the chunk
            raise
        raise StoreError(location, f"a chunk is damaged ({e})", hint=DAMAGED_HINT) from e
    check_values(values, location=array_location(array), start=start)
    return values


def array_location(array: StoredArray) -> str:
    """Return the path or URL of an array, for messages."""
    return str(getattr(array, "filename", "")) if isinstance(array, np.ndarray) else array.location


def padded_span(array: StoredArray, start: int, stop: int, *, pad_value: float) -> NDArray[Any]:
    """Return positions ``start:stop`` of a chromosome's array, with `pad_value` outside the chromosome.

    Raises:
        StoreError: as for `read_span`.
    """
    inner = read_span(array, min(max(start, 0), array.shape[0]), max(min(stop, array.shape[0]), 0))
    before, after = min(max(-start, 0), stop - start), min(max(stop - array.shape[0], 0), stop - start)
    if before == after == 0:
        return inner
    return np.pad(inner, (before, after), constant_values=pad_value)
