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
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numcodecs import blosc, zstd
from numpy.typing import NDArray

from .errors import StoreError
from .folder import Folder
from .manifest import CURE, Objects, read_object
from .mapped import DTYPES

blosc.use_threads = False  # threads of its own would fight those of the stream, and not survive a fork

_ABSENT = 2**64 - 1  # offset and size of a chunk that a shard does not hold
_CRC = 4  # bytes of a crc32c, at the end of what it protects


@dataclass(frozen=True)
class ArrayLayout:
    """What a ``zarr.json`` says of an array; rows are along the first axis, further axes are never split.

    Attributes:
        shape: lengths of the axes.
        dtype: little-endian.
        object_rows: rows that one object holds.
        chunk_rows: rows that are unpacked together.
        sharded: whether objects hold many chunks and an index.
        codecs: names of what packed the bytes of a chunk, in the order of packing.
        fill: what stands for a chunk that was never written.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    object_rows: int
    chunk_rows: int
    sharded: bool
    codecs: tuple[str, ...]
    fill: float

    @property
    def width(self) -> int:
        """Values in a row."""
        return math.prod(self.shape[1:])


def parse_layout(node: dict[str, Any], place: str) -> ArrayLayout:
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
        unknown = [n for n in names[1:] if n not in _UNPACK]
        if names[0] != "bytes" or unknown or node["chunk_key_encoding"]["name"] != "default":
            raise ValueError(f"codecs {', '.join(names)}")
        if len(shape) != len(grid) or grid[1:] != shape[1:] or inner[1:] != shape[1:] or grid[0] % inner[0]:
            raise ValueError(f"shape {shape} in chunks of {grid} and {inner}")
        # A shard of ours takes 64 MiB unpacked: what claims far more is not ours, and not worth the memory.
        if math.prod(grid) * dtype.itemsize > 2**31:
            raise ValueError(f"objects of {math.prod(grid) * dtype.itemsize} bytes")
        return ArrayLayout(shape, dtype, grid[0], inner[0], sharded, names, float(fill) if fill != "NaN" else math.nan)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        raise StoreError(f"{place}/zarr.json: not an array as a store has them ({e}); {CURE}") from e


def _drop_checksum(packed: memoryview, _: NDArray[Any]) -> memoryview:
    return packed[:-_CRC]  # of what the manifest's digest covers


def _unpack_blosc(packed: memoryview, out: NDArray[Any]) -> memoryview:
    # What a header claims is compared with what there is room for, before anything is unpacked.
    claimed, length = _BLOSC_HEADER(packed) if len(packed) >= 16 else (0, 0)
    if claimed != out.nbytes or length != len(packed):
        raise ValueError(f"claims {claimed} bytes in {length}, there are {out.nbytes} in {len(packed)}")
    blosc.decompress(packed, out)
    return _DONE


def _unpack_zstd(packed: memoryview, out: NDArray[Any]) -> memoryview:
    zstd.decompress(packed, out)
    return _DONE


_DONE = memoryview(b"")
_BLOSC_HEADER = struct.Struct("<4xI4xI").unpack_from
_UNPACK: dict[str, Callable[[memoryview, NDArray[Any]], memoryview]] = {
    "crc32c": _drop_checksum,
    "blosc": _unpack_blosc,
    "zstd": _unpack_zstd,
}
"""What undoes each codec: what is left to undo comes back, nothing once the values are in place."""


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

    def __init__(self, group: Folder, name: str, objects: Objects) -> None:
        self.place = str(group.path / name)
        if f"{name}/zarr.json" not in objects:
            raise StoreError(f"{self.place}: no such array in the store")
        self.layout = parse_layout(json.loads(read_object(group, f"{name}/zarr.json", objects)), self.place)
        self._group, self._name, self._objects = group, name, objects
        self._unpacking = [_UNPACK[codec] for codec in reversed(self.layout.codecs[1:])]
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
        self.read_chunks(start, stop, np.ones(self.chunks_in(start, stop), bool), out=values)
        return values

    def chunks_in(self, start: int, stop: int) -> int:
        """How many chunks hold rows ``start:stop``."""
        rows = self.layout.chunk_rows
        return -(-stop // rows) - start // rows if stop > start else 0

    def read_chunks(self, start: int, stop: int, wanted: NDArray[np.bool_], *, out: NDArray[Any]) -> None:
        """Fill `out` with rows ``start:stop``, but leave out the chunks that are not `wanted`, bool (chunks,).

        Raises:
            StoreError: as for `read`.
        """
        layout = self.layout
        per_object, first = layout.object_rows // layout.chunk_rows, start // layout.chunk_rows
        numbers = first + np.flatnonzero(wanted)
        for number in np.unique(numbers // per_object).tolist():
            inside = numbers[numbers // per_object == number] - number * per_object
            self._read_object(number, inside.tolist(), start, stop, out)

    def _read_object(self, number: int, chunks: list[int], start: int, stop: int, out: NDArray[Any]) -> None:
        """Unpack some chunks of one object to where they belong in `out`, which holds rows ``start:stop``."""
        rows = self.layout.chunk_rows
        base = number * self.layout.object_rows - start
        held, packed = self._packed(number, chunks)
        count = stop - start
        for chunk, (offset, size) in zip(chunks, held, strict=True):
            first = base + chunk * rows
            part = out[max(first, 0) : min(first + rows, count)]
            if offset == _ABSENT:
                part[...] = self.layout.fill
            elif len(part) == rows:
                self._unpack(number, packed[offset : offset + size], part)
            else:
                whole = np.empty((rows, *self.shape[1:]), self.dtype)
                self._unpack(number, packed[offset : offset + size], whole)
                part[...] = whole[max(-first, 0) : count - first]

    def _unpack(self, number: int, packed: memoryview, out: NDArray[Any]) -> None:
        try:
            for codec in self._unpacking:
                packed = codec(packed, out)
            if not self._unpacking or packed:
                out[...] = np.frombuffer(packed, out.dtype).reshape(out.shape)
        except (ValueError, RuntimeError) as e:
            raise StoreError(f"{self.place}: a chunk of object {number} is damaged ({e}); {CURE}") from e

    def _key(self, number: int) -> str:
        return "/".join([self._name, "c", str(number), *["0"] * (self.ndim - 1)])

    def _packed(self, number: int, chunks: list[int]) -> tuple[list[list[int]], memoryview]:
        """Offset and size of these chunks of an object, and the bytes that the offsets count from."""
        name = self._key(number)
        file = self._group.path / name
        absent = [[_ABSENT, _ABSENT]] * len(chunks)
        try:
            with self._group.open(name) as opened:
                state = os.fstat(opened.fileno())
                identity = (state.st_ino, state.st_size, state.st_mtime_ns)
                known = self._known.get(number)
                if known is None or known.identity != identity:
                    content = read_object(self._group, name, self._objects)
                    known = self._known[number] = _Object(identity, self._index(number, content))
                held = known.chunks[chunks]
                there = held[held[:, 0] != _ABSENT]
                if not len(there):
                    return absent, memoryview(b"")
                begin, end = int(there[:, 0].min()), int(there.sum(axis=1).max())
                held[:, 0] -= np.where(held[:, 0] == _ABSENT, np.uint64(0), np.uint64(begin))
                return held.tolist(), memoryview(os.pread(opened.fileno(), end - begin, begin))
        except FileNotFoundError:
            if name in self._objects:
                size = self._objects[name][0]
                raise StoreError(f"{file}: is missing, the manifest lists it with {size} bytes; {CURE}") from None
            return absent, memoryview(b"")
        except OSError as e:
            raise StoreError(f"{file}: cannot be read ({e.strerror}); {CURE}") from e

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
            raise StoreError(f"{self.place}: the index of object {number} is damaged; {CURE}")
        return chunks
