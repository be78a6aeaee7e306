"""How arrays lie in the store: chunks, shards, codecs, and values that no data can have.

Chosen by measurement (``benchmarks/layout.py``, docs/decisions.md). Two rules make a store impossible to read wrongly:
the fill value of every large array is a value that valid data never holds, so that a chunk which is missing can be
told from a chunk of zeros; and every chunk is checksummed by its codec chain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec

from ..errors import StoreError
from .manifest import CURE, NOT_FACTORNET

MISSING_CODE = 255
"""Fill value of uint8 arrays: no base code (0..4), annotation mask (0..63) or label (0..2) has it."""
_LARGEST = {"sequence": 4, "annotation": 63, "labels": 2}


@dataclass(frozen=True)
class Layout:
    """Chunk and shard length in positions (rows), for arrays whose first axis is the genome."""

    chunk: int = 65_536
    shard: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.shard % self.chunk:
            raise ValueError(f"a shard of {self.shard} rows does not hold whole chunks of {self.chunk}")

    def for_rows(self, rows: int, *, width: int = 1) -> Layout:
        """The layout for an array of `rows` rows of `width` values: shards no longer than the array needs, chunks
        and shards shorter the wider the rows, so that a shard takes the same memory at any width.
        """
        narrow = 1 << max(0, (width - 1)).bit_length()
        chunk = max(1024, self.chunk // narrow)
        shard = max(chunk, self.shard // narrow)
        return Layout(chunk, min(shard, -(-rows // chunk) * chunk))


DEFAULT_LAYOUT = Layout()


def codecs_for(dtype: str) -> tuple[BytesBytesCodec, ...]:
    """How chunks are packed: for speed of reading, at about the size that zstd gives.

    Codes, masks and labels use few of their eight bits: with the bits of a block side by side, LZ4 drops the empty
    planes and copies the rest. Signal is long runs and repeats: LZ4's slow search packs it nearly as small as zstd
    does, and it is read several times as fast.
    """
    if np.dtype(dtype).kind == "f":
        return BloscCodec(cname="lz4hc", clevel=5, shuffle="noshuffle", typesize=32, blocksize=8192), Crc32cCodec()
    return BloscCodec(cname="blosclz", clevel=5, shuffle="bitshuffle", typesize=4), Crc32cCodec()


def create_array(
    group: zarr.Group,
    name: str,
    *,
    shape: tuple[int, ...],
    dtype: str,
    dimension_names: tuple[str, ...],
    layout: Layout,
    attributes: dict[str, Any] | None = None,
) -> zarr.Array[Any]:
    """Create one large array (empty) in `group`.

    Args:
        group: where; the array must not be there yet.
        name: its name.
        shape: rows first; further axes are never split.
        dtype: ``uint8`` or ``float32``.
        dimension_names: one name an axis, for xarray.
        layout: chunks and shards, see `Layout.for_rows`.
        attributes: JSON attributes of the array.
    """
    fill: float | int = float("nan") if np.dtype(dtype).kind == "f" else MISSING_CODE
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        fill_value=fill,
        dimension_names=dimension_names,
        attributes=attributes or {},
        chunks=(layout.chunk, *shape[1:]),
        shards=(layout.shard, *shape[1:]),
        serializer=BytesCodec(endian="little") if np.dtype(dtype).itemsize > 1 else BytesCodec(),
        compressors=codecs_for(dtype),
        # A chunk that happens to be all fill value is data too: a missing object must always be a fault.
        config={"write_empty_chunks": True},
    )


def valid_range(location: str, dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest and the largest value that the array at `location` can have; its fill value lies outside."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    if dtype != np.uint8:
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    kind = re.search(r"/(sequence|annotation|labels)/[^/]+(/c/0(/0)?)?$", location)  # a raw array is named by its file
    return 0, _LARGEST[kind[1]] if kind else MISSING_CODE - 1


def check_values(values: NDArray[Any], *, location: str, start: int) -> None:
    """See that all values are such as valid data have.

    Args:
        values: rows of the array, from `start` on.
        place: where the array lies.
        start: the first row.

    Raises:
        StoreError: one is the fill value, or has no meaning; the message names place, rows and value.
    """
    low, high = valid_range(location, values.dtype)
    # Two passes without a temporary array. A minimum with NaN in it is NaN, which is not above anything.
    if not values.size or (low <= values.min() and values.max() <= high):
        return
    at = tuple(np.argwhere(~((values >= low) & (values <= high)))[0].tolist())
    value = values[at].item()
    if value != value or (values.dtype == np.uint8 and value == MISSING_CODE):  # noqa: PLR0124
        raise StoreError(f"{location}[{start}:{start + len(values)}]", "a chunk is missing", hint=CURE)
    raise StoreError(location, f"row {start + at[0]} is {value}, it can be {low:g} to {high:g}", hint=NOT_FACTORNET)
