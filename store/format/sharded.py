"""Arrays of a compressed store, read straight from their shards.

A shard is some megabytes of packed chunks with an index at its end, as Zarr v3 has it. Read here rather than through
zarr for three reasons. An object is compared with the manifest, by SHA-256, before it is first used in a process:
codecs do not notice a deleted object (it reads as fill value), nor two that changed places, and the fast pipeline
passes over crc32c when it decodes part of a shard. Chunks are unpacked straight to where they are wanted, and only
those in which there are windows. And nothing here holds threads or locks: a forked process may go on reading.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..storage.base import GroupStorage
from .chunk_decoder import ChunkSlices, can_decode, decode, separately_decodable_bytes
from .manifest import CURE, Objects, read_object
from .zarr_json import DTYPES

_ABSENT = 2**64 - 1  # offset and size of a chunk that a shard does not hold
_CRC = 4  # bytes of a crc32c, at the end of what it protects


@dataclass(frozen=True)
class ArrayLayout:
    """What a ``zarr.json`` says of an array; rows are along the first axis, further axes are never split.

    Attributes:
        shape: lengths of the axes.
        dtype: little-endian.
        object_rows: rows that one object holds.
        chunk_rows: rows that are packed together.
        block_rows: rows that can be unpacked alone; a chunk holds a whole number of such blocks.
        sharded: whether objects hold many chunks and an index.
        codecs: names of what packed the bytes of a chunk, in the order of packing.
        fill: what stands for a chunk that was never written.
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
        """Values in a row."""
        return math.prod(self.shape[1:])


def parse_layout(node: dict[str, Any], location: str) -> ArrayLayout:
    """The layout that a ``zarr.json`` describes.

    Raises:
        StoreError: it is not one that a store of ours has: unknown types, codecs, or axes that are split.
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
                raise ValueError(f"an index packed by {index} at the {settings.get('index_location')}")
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
        # A shard of ours takes 64 MiB unpacked: what claims far more is not ours, and not worth the memory.
        if math.prod(grid) * dtype.itemsize > 2**31:
            raise ValueError(f"objects of {math.prod(grid) * dtype.itemsize} bytes")
        number = float(fill) if fill != "NaN" else math.nan
        block = (
            separately_decodable_bytes(codecs[1]) // (math.prod(shape[1:]) * dtype.itemsize) if len(codecs) > 1 else 0
        )
        block = block if block and inner[0] % block == 0 else inner[0]
        return ArrayLayout(shape, dtype, grid[0], inner[0], block, sharded, names, number)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        raise StoreError(f"{location}/zarr.json", f"not an array as a store has them ({e})", hint=CURE) from e


@dataclass(frozen=True, slots=True)
class _Object:
    """An object that was compared with the manifest: its identity on disk then, and where its chunks lie.

    `chunks` is uint64 (chunks, 2), offset and size.
    """

    identity: tuple[int, int, int]
    chunks: NDArray[np.uint64]


class ShardedArray:
    """An array of a compressed store, for reading; slices are numpy's.

    Args:
        group: folder that the manifest is of.
        name: path of the array in that folder.
        objects: what the manifest lists.

    Raises:
        StoreError: there is no such array, its zarr.json is not the one listed, or not one of a store.
    """

    def __init__(self, group: GroupStorage, name: str, objects: Objects) -> None:
        self.location = f"{group.location}/{name}"
        if f"{name}/zarr.json" not in objects:
            raise StoreError(self.location, "no such array in the store")
        self.layout = parse_layout(json.loads(read_object(group, f"{name}/zarr.json", objects)), self.location)
        self._group, self._name, self._objects = group, name, objects
        self._known: dict[int, _Object] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.layout.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.layout.dtype

    def __len__(self) -> int:
        return self.layout.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            return self.read(start, max(start, stop))[(slice(None), *rest)]
        return np.asarray(self.read(0, len(self))[key])

    def read(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Rows ``start:stop``, shape (stop - start, ...).

        Args:
            start: first row.
            stop: past the last; both inside the array.
            out: array of that shape to fill; a new one where None.

        Raises:
            StoreError: an object is missing, damaged, or was replaced after it was first read.
        """
        values = np.empty((stop - start, *self.shape[1:]), self.dtype) if out is None else out
        self.read_spans(np.array([[start, stop]]), start, out=values)
        return values

    def read_spans(self, spans: NDArray[np.int64], start: int, *, out: NDArray[Any]) -> None:
        """Fill `out` with some spans of rows, and leave what is between them as it is.

        Args:
            spans: first row and past the last of each, int64 (spans, 2), in order, none overlapping the next. Those
                that begin and end at multiples of `ArrayLayout.block_rows` are the quickest.
            start: the row that `out` begins with.
            out: rows in one piece, of the array's type.

        Raises:
            StoreError: as for `read`.
        """
        layout = self.layout
        pieces = _cut_at_chunks(spans[spans[:, 1] > spans[:, 0]], layout.chunk_rows)
        if not len(pieces) or not layout.width:
            return
        if not out.flags.c_contiguous:
            raise ValueError("rows to be filled must lie in one piece")
        flat = out.reshape(-1).view(np.uint8)
        chunks = pieces[:, 0] // layout.chunk_rows
        objects = chunks // (layout.object_rows // layout.chunk_rows)
        edges = [0, *(np.flatnonzero(np.diff(objects)) + 1).tolist(), len(objects)]
        for i, j in pairwise(edges):
            self._read_object(int(objects[i]), chunks[i:j], pieces[i:j], start, flat)

    def _read_object(
        self,
        number: int,
        chunks: NDArray[np.int64],
        pieces: NDArray[np.int64],
        start: int,
        out: NDArray[np.uint8],
    ) -> None:
        """Fill the bytes of `out`, which begins with row `start`, with pieces of one object: rows (pieces, 2)."""
        layout = self.layout
        row = layout.width * layout.dtype.itemsize
        held, packed = self._packed(number, chunks - number * (layout.object_rows // layout.chunk_rows))
        first = (pieces[:, 0] - chunks * layout.chunk_rows) * row
        count, location = (pieces[:, 1] - pieces[:, 0]) * row, (pieces[:, 0] - start) * row
        there = held[:, 0] != _ABSENT
        for i in np.flatnonzero(~there).tolist():
            out[location[i] : location[i] + count[i]].view(layout.dtype)[:] = layout.fill
        if not there.any():
            return
        offset, size = held[there].astype(np.int64).T
        found = ChunkSlices(offset, size, first[there], count[there], location[there])
        try:
            decode(packed, found, layout.chunk_rows * row, layout.codecs[1:], out)
        except (ValueError, RuntimeError) as e:
            raise StoreError(self.location, f"a chunk of object {number} is damaged ({e})", hint=CURE) from e

    def _key(self, number: int) -> str:
        return "/".join([self._name, "c", str(number), *["0"] * (self.ndim - 1)])

    def _packed(self, number: int, chunks: NDArray[np.int64]) -> tuple[NDArray[np.uint64], bytes]:
        """Offset and size of these chunks of an object, (chunks, 2), and the bytes that the offsets count from."""
        name = self._key(number)
        file = f"{self._group.location}/{name}"
        absent = np.full((len(chunks), 2), _ABSENT, np.uint64)
        try:
            with self._group.open(name, self._objects.get(name)) as opened:
                known = self._known.get(number)
                if known is None or known.identity != opened.identity:
                    content = read_object(self._group, name, self._objects)
                    known = self._known[number] = _Object(opened.identity, self._index(number, content))
                held = known.chunks[chunks]
                there = held[held[:, 0] != _ABSENT]
                if not len(there):
                    return absent, b""
                begin, end = int(there[:, 0].min()), int(there.sum(axis=1).max())
                held[:, 0] -= np.where(held[:, 0] == _ABSENT, np.uint64(0), np.uint64(begin))
                return held, opened.read(begin, end - begin)
        except FileNotFoundError:
            if name in self._objects:
                size = self._objects[name][0]
                raise StoreError(file, f"is missing, the manifest lists it with {size} bytes", hint=CURE) from None
            return absent, b""
        except OSError as e:
            raise StoreError(file, f"cannot be read ({e.strerror})", hint=CURE) from e

    def _index(self, number: int, content: bytes) -> NDArray[np.uint64]:
        """Offset and size of each chunk in an object, uint64 (chunks, 2)."""
        if not self.layout.sharded:
            return np.array([[0, len(content)]], np.uint64)
        count = self.layout.object_rows // self.layout.chunk_rows
        length = 16 * count + _CRC
        table = np.frombuffer(content[-length:-_CRC], "<u8")
        chunks = table.reshape(count, 2) if table.size == 2 * count else table[:0].reshape(0, 2)
        ends = chunks[chunks[:, 0] != _ABSENT].astype(np.float64).sum(axis=1)
        if len(chunks) != count or (ends > len(content)).any():
            raise StoreError(self.location, f"the index of object {number} is damaged", hint=CURE)
        return chunks


def _cut_at_chunks(spans: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Spans of rows, none empty, cut where a chunk of so many `rows` ends: first and past the last, (pieces, 2)."""
    first, last = spans[:, 0] // rows, (spans[:, 1] - 1) // rows
    counts = last - first + 1
    which = np.repeat(np.arange(len(spans)), counts)
    chunks = first[which] + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([np.maximum(spans[which, 0], chunks * rows), np.minimum(spans[which, 1], (chunks + 1) * rows)], 1)
