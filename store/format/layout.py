"""Layout of large arrays: chunks, shards, codecs, fill values and valid ranges.

Chosen by measurement (``benchmarks/layout.py``, docs/decisions.md). Two rules guard against silent errors: the
fill value of every large array is outside the range of valid data, so that a missing chunk differs from a chunk of
zeros; and every chunk is checksummed by its codec chain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from .manifest import DAMAGED_HINT, NOT_FACTORNET

if TYPE_CHECKING:  # zarr takes most of a second to import, and reading a store does without it
    import zarr
    from zarr.abc.codec import BytesBytesCodec

MISSING_CODE = 255
"""Fill value of uint8 arrays: no base code (0..4), annotation mask (0..63) or label (0..2) has it."""
_MAX_VALUE = {"sequence": 4, "annotation": 63, "labels": 2}


@dataclass(frozen=True)
class Layout:
    """Chunk and shard length in rows (positions), for arrays whose first axis is the genome."""

    chunk: int = 65_536
    shard: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.shard % self.chunk:
            raise ValueError(f"a shard of {self.shard} rows is not a multiple of the chunk of {self.chunk} rows")

    def for_rows(self, rows: int, *, width: int = 1) -> Layout:
        """Adapt the layout to an array of `rows` rows of `width` values.

        Shards are no longer than the array needs. Wider rows make chunks and shards shorter, so that a shard takes the
        same memory at any width.
        """
        divisor = 1 << max(0, (width - 1)).bit_length()
        chunk = max(1024, self.chunk // divisor)
        shard = max(chunk, self.shard // divisor)
        return Layout(chunk, min(shard, -(-rows // chunk) * chunk))


DEFAULT_LAYOUT = Layout()


def codecs_for(dtype: str) -> tuple[BytesBytesCodec, ...]:
    """Return the codecs of a large array: fast to decode, at about the size that zstd gives.

    Codes, masks and labels use few of their eight bits: with the bits of a block side by side, LZ4 drops the empty
    planes and copies the rest. Signal is long runs and repeats: LZ4's slow search compresses it nearly as
    well as zstd, and it decodes several times as fast.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec

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
    """Create a large array without chunks in `group`.

    Args:
        group: parent group; must not contain the array yet.
        name: of the array.
        shape: rows first; further axes are never split.
        dtype: ``uint8`` or ``float32``.
        dimension_names: one name per axis, for xarray.
        layout: chunks and shards, see `Layout.for_rows`.
        attributes: JSON attributes of the array.
    """
    from zarr.codecs import BytesCodec

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
    """Return the smallest and largest valid value of the array at `location`; its fill value is outside."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    if dtype != np.uint8:
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    kind = re.search(r"/(sequence|annotation|labels)/[^/]+(/c/0(/0)?)?$", location)  # a raw array is named by its file
    return 0, _MAX_VALUE[kind[1]] if kind else MISSING_CODE - 1


def check_values(values: NDArray[Any], *, location: str, start: int) -> None:
    """Check that all values are in the valid range.

    Args:
        values: rows of the array, from `start` on.
        location: of the array.
        start: the first row.

    Raises:
        StoreError: a value is the fill value or outside the valid range; the message names location, row and value.
    """
    low, high = valid_range(location, values.dtype)
    # Two passes without a temporary array. A minimum with NaN in it is NaN, which is not above anything.
    if not values.size or (low <= values.min() and values.max() <= high):
        return
    at = tuple(np.argwhere(~((values >= low) & (values <= high)))[0].tolist())
    value = values[at].item()
    if value != value or (values.dtype == np.uint8 and value == MISSING_CODE):  # noqa: PLR0124
        problem = "a code stands for no value" if location.endswith("/codes") else "a chunk is missing"
        raise StoreError(f"{location}[{start}:{start + len(values)}]", problem, hint=DAMAGED_HINT)
    raise StoreError(
        location, f"row {start + at[0]} is {value}, outside the valid range {low:g} to {high:g}", hint=NOT_FACTORNET
    )
