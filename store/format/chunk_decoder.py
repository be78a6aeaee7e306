"""What undoes the codecs of a store: chunk by chunk, and of blosc's also stretches of a chunk.

Blosc packs a chunk in blocks. A stretch of it costs the blocks it lies in, so windows far apart are unpacked alone and
the rest of a chunk is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .native import compiled_loop, decompress_blosc, decompress_zstd, python_loop

_CRC = 4  # bytes of a crc32c, at the end of what it protects
_HEADER = np.dtype([("skip", "V3"), ("unit", "u1"), ("bytes", "<u4"), ("block", "<u4"), ("packed", "<u4")])
"""The 16 bytes that a blosc chunk begins with; `unit` is what stretches are count in, `block` what is unpacked."""


@dataclass(frozen=True)
class ChunkSlices:
    """Stretches of chunks of one object, all in bytes; each field is int64 (pieces,).

    Attributes:
        offset, size: where in the object the chunk lies, packed.
        first, count: the stretch of it, unpacked.
        place: where it belongs in what is filled.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    location: NDArray[np.int64]

    def chosen(self, which: NDArray[np.bool_]) -> ChunkSlices:
        """Some of them."""
        return ChunkSlices(
            self.offset[which], self.size[which], self.first[which], self.count[which], self.location[which]
        )


def can_decode(codecs: tuple[str, ...]) -> bool:
    """Whether all these codecs are known."""
    return all(name in _UNDO for name in codecs)


def decode(packed: bytes, pieces: ChunkSlices, chunk: int, codecs: tuple[str, ...], out: NDArray[np.uint8]) -> None:
    """Fill the places of the pieces in `out`.

    Args:
        packed: bytes of the object, from where the offsets count.
        pieces: which, at least one.
        chunk: bytes of a chunk, unpacked.
        codecs: names of what packed it, in that order.
        out: bytes, in one piece.

    Raises:
        ValueError, RuntimeError: a chunk is damaged, or claims another size.
    """
    names = codecs
    if names and names[-1] == "crc32c":  # of what the manifest's digest covers
        names = names[:-1]
        pieces = ChunkSlices(pieces.offset, pieces.size - _CRC, pieces.first, pieces.count, pieces.location)
    if (pieces.size < 0).any():
        raise ValueError("shorter than its checksum")
    if names == ("blosc",):
        _unpack_blosc(packed, pieces, chunk, out)
        return
    whole = np.empty(chunk, np.uint8)
    view = memoryview(packed)
    for offset, size, first, count, location in zip(*_lists(pieces), strict=True):
        content = view[offset : offset + size]
        for name in reversed(names):
            content = _UNDO[name](content, whole)
        if len(content) != chunk:
            raise ValueError(f"{len(content)} bytes, a chunk has {chunk}")
        out[location : location + count] = np.frombuffer(content, np.uint8, count, first)


def _lists(pieces: ChunkSlices) -> tuple[list[int], ...]:
    fields = (pieces.offset, pieces.size, pieces.first, pieces.count, pieces.location)
    return tuple(field.tolist() for field in fields)


def _unpack_blosc(packed: bytes, pieces: ChunkSlices, chunk: int, out: NDArray[np.uint8]) -> None:
    units = _checked_units(packed, pieces, chunk)
    whole = pieces.count == chunk
    straight = whole | ((pieces.first % units == 0) & (pieces.count % units == 0))
    if python_loop() is None:
        straight = np.zeros_like(straight)
    _unpack_straight(packed, pieces.chosen(straight), units[straight], whole[straight], chunk, out)
    for offset, size, first, count, location in zip(*_lists(pieces.chosen(~straight)), strict=True):
        content = decompress_blosc(packed[offset : offset + size])
        out[location : location + count] = np.frombuffer(content, np.uint8, count, first)


def _unpack_straight(  # noqa: PLR0917
    packed: bytes,
    pieces: ChunkSlices,
    units: NDArray[np.int64],
    whole: NDArray[np.bool_],
    chunk: int,
    out: NDArray[np.uint8],
) -> None:
    """Unpack whole chunks, and stretches of whole units, to where they belong."""
    fields: tuple[Any, ...] = (pieces.offset, pieces.first, pieces.count, pieces.location, units, whole)
    loop = compiled_loop(len(units))
    if loop is None:
        loop, fields = python_loop(), tuple(field.tolist() for field in fields)
    begin, end = np.frombuffer(packed, np.uint8).ctypes.data, out.ctypes.data
    if loop is not None and loop(begin, end, chunk, *fields) >= 0:
        raise ValueError("blosc gave fewer bytes than there must be")


def _checked_units(packed: bytes, pieces: ChunkSlices, chunk: int) -> NDArray[np.int64]:
    """Unit of each piece's chunk, after comparing what its header claims with what there is room for.

    Raises:
        ValueError: they differ.
    """
    length = _HEADER.itemsize
    if (pieces.size < length).any() or int((pieces.offset + pieces.size).max()) > len(packed):
        raise ValueError("shorter than the header of a blosc chunk")
    at = pieces.offset[:, None] + np.arange(length)
    heads = np.frombuffer(packed, np.uint8)[at].view(_HEADER)[:, 0]
    wrong = (heads["bytes"] != chunk) | (heads["packed"] != pieces.size) | (heads["unit"] == 0)
    if wrong.any():
        i = int(np.argmax(wrong))
        claims = f"{heads['bytes'][i]} bytes in {heads['packed'][i]}"
        raise ValueError(f"claims {claims}, there are {chunk} in {pieces.size[i]}")
    units: NDArray[np.int64] = heads["unit"].astype(np.int64)
    return units


def _undo_checksum(packed: memoryview, _: NDArray[np.uint8]) -> memoryview:
    return packed[:-_CRC]


def _undo_blosc(packed: memoryview, out: NDArray[np.uint8]) -> memoryview:
    everything = np.zeros(1, np.int64)
    size, count = everything + len(packed), everything + out.size
    _unpack_blosc(bytes(packed), ChunkSlices(everything, size, everything, count, everything), out.size, out)
    return out.data


def _undo_zstd(packed: memoryview, out: NDArray[np.uint8]) -> memoryview:
    # What the frame claims is compared with what there is room for, before memory is asked for.
    claimed = _zstd_claim(bytes(packed[:18]))
    if claimed != out.size:
        raise ValueError(f"zstd claims {claimed} bytes, there are {out.size}")
    decompress_zstd(packed, out)
    return out.data


def _zstd_claim(head: bytes) -> int:
    """How many bytes a zstd frame says it holds (RFC 8878, 3.1.1.1); -1 where it does not say.

    Raises:
        ValueError: it is no zstd frame.
    """
    if head[:4] != b"\x28\xb5\x2f\xfd" or len(head) < 6:
        raise ValueError("no zstd frame")
    flags = head[4]
    alone = bool(flags & 0x20)
    length = (1 if alone else 0, 2, 4, 8)[flags >> 6]
    begin = 5 + (not alone) + (0, 1, 2, 4)[flags & 3]
    if not length:
        return -1
    return int.from_bytes(head[begin : begin + length], "little") + (256 if length == 2 else 0)


_UNDO: dict[str, Callable[[memoryview, NDArray[np.uint8]], memoryview]] = {
    "crc32c": _undo_checksum,
    "blosc": _undo_blosc,
    "zstd": _undo_zstd,
}
"""What undoes each codec: gives what is left to undo, into the array where it unpacks."""


def separately_decodable_bytes(codec: dict[str, Any]) -> int:
    """Bytes of a block that a blosc codec, as a ``zarr.json`` describes it, packs on its own; 0 where not known."""
    settings = codec.get("configuration", {})
    if codec.get("name") != "blosc" or int(settings.get("typesize") or 1) <= _SPLIT:
        return 0
    return int(settings.get("blocksize") or 0)


_SPLIT = 16
"""Up to this typesize c-blosc splits blocks in as many streams, and makes them no smaller than 64 KiB."""
