"""Read the arrays of a compressed store from their shards.

A shard is some megabytes of compressed chunks with an index at its end, as in Zarr v3. It is read here rather than by
zarr for three reasons. An object is compared with the manifest, by SHA-256, before its first use in a process: codecs
do not detect a deleted object (it reads as fill value) or two swapped ones, and the fast pipeline skips crc32c when it
decodes part of a shard. Chunks are decoded straight into the output, and only those that contain windows. And this
module holds no threads or locks, so a forked process may continue to read.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import StoreError
from ..machine import describe_lack
from ..storage.base import GroupStorage
from .chunk_decoder import CRC_SIZE, ChunkSlices, can_decode, decode, separately_decodable_bytes
from .manifest import DAMAGED_HINT, Objects, read_object, unreadable
from .zarr_json import DTYPES

_ABSENT = 2**64 - 1  # offset and size of a chunk that a shard does not hold


@dataclass(frozen=True)
class ArrayLayout:
    """Layout of an array from its ``zarr.json``; rows are along the first axis, further axes are never split.

    Attributes:
        shape: of the array.
        dtype: little-endian.
        object_rows: rows per object.
        chunk_rows: rows per chunk.
        block_rows: rows that can be decoded separately; a chunk has a whole number of such blocks.
        sharded: whether an object has many chunks and an index.
        codecs: names of the codecs of a chunk, in the order of encoding.
        fill: value of chunks that were never written.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    object_rows: int
    chunk_rows: int
    block_rows: int
    sharded: bool
    codecs: tuple[str, ...]
    fill: float

    @property
    def width(self) -> int:
        """Values per row."""
        return math.prod(self.shape[1:])


def parse_layout(node: dict[str, Any], location: str) -> ArrayLayout:
    """Parse the ``zarr.json`` of an array.

    Args:
        node: content of the ``zarr.json``.
        location: of the array, for messages.

    Raises:
        StoreError: not the layout of an array in a store: unknown data type or codec, split axes, or huge objects.
    """
    try:
        shape, dtype = tuple(int(n) for n in node["shape"]), np.dtype(DTYPES[node["data_type"]])
        grid = tuple(int(n) for n in node["chunk_grid"]["configuration"]["chunk_shape"])
        inner, codecs = grid, node["codecs"]
        sharded = codecs[0]["name"] == "sharding_indexed"
        if sharded:
            settings = codecs[0]["configuration"]
            inner, codecs = tuple(int(n) for n in settings["chunk_shape"]), settings["codecs"]
            index = [c["name"] for c in settings["index_codecs"]]
            if index != ["bytes", "crc32c"] or settings.get("index_location", "end") != "end":
                raise ValueError(f"index codecs {index} at the {settings.get('index_location')}")
        names = tuple(str(c["name"]) for c in codecs)
        fill = node["fill_value"]
        if names[0] != "bytes" or not can_decode(names[1:]) or node["chunk_key_encoding"]["name"] != "default":
            raise ValueError(f"codecs {', '.join(names)}")
        if (
            min(shape) < 0
            or min((*grid, *inner)) < 1
            or len(shape) != len(grid)
            or grid[1:] != shape[1:]
            or inner[1:] != shape[1:]
            or grid[0] % inner[0]
        ):
            raise ValueError(f"shape {shape} in chunks of {grid} and {inner}")
        # A shard has at most 64 MiB decoded; one that claims far more was not written by factornet.
        if math.prod(grid) * dtype.itemsize > 2**31:
            raise ValueError(f"objects of {math.prod(grid) * dtype.itemsize} bytes")
        number = float(fill) if fill != "NaN" else math.nan
        block = (
            separately_decodable_bytes(codecs[1]) // (math.prod(shape[1:]) * dtype.itemsize) if len(codecs) > 1 else 0
        )
        block = block if block and inner[0] % block == 0 else inner[0]
        return ArrayLayout(shape, dtype, grid[0], inner[0], block, sharded, names, number)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        raise StoreError(f"{location}/zarr.json", f"not an array of a FactorNet store ({e})", hint=DAMAGED_HINT) from e


@dataclass(frozen=True, slots=True)
class _Object:
    """An object that was compared with the manifest.

    Attributes:
        identity: of the file at that time.
        chunks: offset and size of each chunk in the object, uint64 (chunks, 2).
    """

    identity: tuple[int, int, int]
    chunks: NDArray[np.uint64]


class ShardedArray:
    """A read-only array of a compressed store, sliced like a numpy array.

    Args:
        group: folder of the group that the manifest covers.
        name: path of the array in that folder.
        objects: objects that the manifest lists.

    Raises:
        StoreError: no such array, or its ``zarr.json`` is not the listed one or not an array of a store.
    """

    def __init__(self, group: GroupStorage, name: str, objects: Objects) -> None:
        self.location = f"{group.location}/{name}"
        if f"{name}/zarr.json" not in objects:
            raise StoreError(self.location, "no such array in the store")
        self.layout = parse_layout(json.loads(read_object(group, f"{name}/zarr.json", objects)), self.location)
        self._group, self._name, self._objects = group, name, objects
        self._checked: dict[int, _Object] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.layout.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        return self.layout.dtype

    def __len__(self) -> int:
        return self.layout.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, *, copy: bool | None = None) -> NDArray[Any]:
        """Read all of it, as ``numpy.asarray`` asks for; without this NumPy would read it base by base."""
        if copy is False:
            raise ValueError("an array of a store cannot be seen without reading it: a copy is made")
        return self.read(0, len(self)).astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            return self.read(start, max(start, stop))[(slice(None), *rest)]
        if isinstance(rows, int | np.integer):
            row = range(len(self))[int(rows)]  # from the end where it is negative; IndexError past it
            return np.asarray(self.read(row, row + 1)[(0, *rest)])[()]
        return np.asarray(self.read(0, len(self))[key])

    def read(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read rows ``start:stop``, shape (stop - start, ...).

        Args:
            start: first row.
            stop: one past the last row; both inside the array.
            out: array of that shape to fill; None allocates one.

        Raises:
            StoreError: an object is missing, damaged, or was replaced after it was first read.
        """
        values = np.empty((stop - start, *self.shape[1:]), self.dtype) if out is None else out
        self.read_spans(np.array([[start, stop]]), start, out=values)
        return values

    def read_spans(self, spans: NDArray[np.int64], start: int, *, out: NDArray[Any]) -> None:
        """Read spans of rows into `out`; rows between the spans are left unchanged.

        Args:
            spans: first and one past the last row of each, int64 (spans, 2), sorted and disjoint. Spans that begin and
                end at multiples of `ArrayLayout.block_rows` are fastest.
            start: the array's row that ``out[0]`` is.
            out: rows to fill, C-contiguous, of the array's dtype.

        Raises:
            ValueError: `out` is not contiguous.
            StoreError: as for `read`.
        """
        layout = self.layout
        parts = _split_at_chunks(spans[spans[:, 1] > spans[:, 0]], layout.chunk_rows)
        if not len(parts) or not layout.width:
            return
        if not out.flags.c_contiguous:
            raise ValueError("out must be C-contiguous")
        flat = out.reshape(-1).view(np.uint8)
        chunks = parts[:, 0] // layout.chunk_rows
        objects = chunks // (layout.object_rows // layout.chunk_rows)
        edges = [0, *(np.flatnonzero(np.diff(objects)) + 1).tolist(), len(objects)]
        for i, j in pairwise(edges):
            self._read_object(int(objects[i]), chunks[i:j], parts[i:j], start, flat)

    def _read_object(
        self,
        number: int,
        chunks: NDArray[np.int64],
        spans: NDArray[np.int64],
        start: int,
        out: NDArray[np.uint8],
    ) -> None:
        """Read spans of rows (spans, 2) of one object into the bytes of `out`, which begins with row `start`.

        Each span is inside one chunk, given in `chunks` by its number in the array.
        """
        layout = self.layout
        row_size = layout.width * layout.dtype.itemsize
        extents, packed = self._read_chunks(number, chunks - number * (layout.object_rows // layout.chunk_rows))
        first = (spans[:, 0] - chunks * layout.chunk_rows) * row_size
        count, out_offset = (spans[:, 1] - spans[:, 0]) * row_size, (spans[:, 0] - start) * row_size
        present = extents[:, 0] != _ABSENT
        for i in np.flatnonzero(~present).tolist():
            out[out_offset[i] : out_offset[i] + count[i]].view(layout.dtype)[:] = layout.fill
        if not present.any():
            return
        offset, size = extents[present].astype(np.int64).T
        slices = ChunkSlices(offset, size, first[present], count[present], out_offset[present])
        try:
            decode(packed, slices, layout.chunk_rows * row_size, layout.codecs[1:], out)
        except (ValueError, RuntimeError) as e:
            if describe_lack(e):  # no fault of the chunk
                raise
            raise StoreError(self.location, f"a chunk of object {number} is damaged ({e})", hint=DAMAGED_HINT) from e

    def _key(self, number: int) -> str:
        return "/".join([self._name, "c", str(number), *["0"] * (self.ndim - 1)])

    def _read_chunks(self, number: int, chunks: NDArray[np.int64]) -> tuple[NDArray[np.uint64], bytes]:
        """Return offset and size of chunks of an object, uint64 (chunks, 2), and the bytes that the offsets are in.

        Raises:
            StoreError: the object is missing, damaged or cannot be read.
        """
        name = self._key(number)
        file = f"{self._group.location}/{name}"
        absent = np.full((len(chunks), 2), _ABSENT, np.uint64)
        try:
            with self._group.open(name, self._objects.get(name)) as opened:
                checked = self._checked.get(number)
                if checked is None or checked.identity != opened.identity:
                    content = read_object(self._group, name, self._objects)
                    checked = self._checked[number] = _Object(opened.identity, self._parse_index(number, content))
                extents = checked.chunks[chunks]
                present = extents[extents[:, 0] != _ABSENT]
                if not len(present):
                    return absent, b""
                begin, end = int(present[:, 0].min()), int(present.sum(axis=1).max())
                extents[:, 0] -= np.where(extents[:, 0] == _ABSENT, np.uint64(0), np.uint64(begin))
                return extents, opened.read(begin, end - begin)
        except FileNotFoundError:
            if name in self._objects:
                size = self._objects[name][0]
                raise StoreError(
                    file, f"is missing, the manifest lists it with {size} bytes", hint=DAMAGED_HINT
                ) from None
            return absent, b""
        except OSError as e:
            raise unreadable(file, e) from e

    def _parse_index(self, number: int, content: bytes) -> NDArray[np.uint64]:
        """Return offset and size of each chunk in an object, uint64 (chunks, 2).

        Raises:
            StoreError: the index of the shard is damaged.
        """
        if not self.layout.sharded:
            return np.array([[0, len(content)]], np.uint64)
        n_chunks = self.layout.object_rows // self.layout.chunk_rows
        length = 16 * n_chunks + CRC_SIZE
        index = np.frombuffer(content[-length:-CRC_SIZE], "<u8")
        chunks = index.reshape(n_chunks, 2) if index.size == 2 * n_chunks else index[:0].reshape(0, 2)
        ends = chunks[chunks[:, 0] != _ABSENT].astype(np.float64).sum(axis=1)
        if len(chunks) != n_chunks or (ends > len(content)).any():
            raise StoreError(self.location, f"the index of object {number} is damaged", hint=DAMAGED_HINT)
        return chunks


def _split_at_chunks(spans: NDArray[np.int64], chunk_rows: int) -> NDArray[np.int64]:
    """Split non-empty spans of rows at the ends of chunks; return first and one past the last row, (parts, 2)."""
    first, last = spans[:, 0] // chunk_rows, (spans[:, 1] - 1) // chunk_rows
    n_parts = last - first + 1
    span = np.repeat(np.arange(len(spans)), n_parts)
    chunk_start = first[span] + np.arange(len(span)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    chunk_start *= chunk_rows
    return np.stack([np.maximum(spans[span, 0], chunk_start), np.minimum(spans[span, 1], chunk_start + chunk_rows)], 1)
