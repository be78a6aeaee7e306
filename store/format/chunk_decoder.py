"""Decode chunks, whole or in part.

Blosc compresses a chunk in blocks. Decoding a slice of it costs only the blocks that the slice overlaps, so windows far
apart are decoded alone and the rest of a chunk is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .native import compiled_loop, decompress_blosc, decompress_zstd, python_loop

CRC_SIZE = 4  # bytes of a crc32c, at the end of the data it protects
_HEADER = np.dtype([("skip", "V3"), ("typesize", "u1"), ("nbytes", "<u4"), ("blocksize", "<u4"), ("cbytes", "<u4")])
"""The 16-byte header of a blosc chunk, with the field names of the "Blosc Chunk Format"; slices are counted in items of
`typesize` bytes."""


@dataclass(frozen=True)
class ChunkSlices:
    """Slices of chunks of one object, all in bytes; each field is int64 (slices,).

    Attributes:
        offset, size: of the compressed chunk in the object.
        first, count: of the slice in the decoded chunk.
        out_offset: of the slice in the output.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    out_offset: NDArray[np.int64]

    def select(self, mask: NDArray[np.bool_]) -> ChunkSlices:
        """Return the slices where `mask` is True."""
        return ChunkSlices(
            self.offset[mask], self.size[mask], self.first[mask], self.count[mask], self.out_offset[mask]
        )


def can_decode(codecs: tuple[str, ...]) -> bool:
    """Return whether all codecs of these names are supported."""
    return all(name in _DECODERS for name in codecs)


def decode(packed: bytes, slices: ChunkSlices, chunk: int, codecs: tuple[str, ...], out: NDArray[np.uint8]) -> None:
    """Decode slices of chunks into `out`.

    Args:
        packed: bytes of the object, from the origin of `ChunkSlices.offset`.
        slices: at least one.
        chunk: bytes of a decoded chunk.
        codecs: names of the bytes-to-bytes codecs, in the order of encoding.
        out: bytes, contiguous.

    Raises:
        ValueError, RuntimeError: a chunk is damaged, or claims another size.
    """
    names = codecs
    if names and names[-1] == "crc32c":  # not checked: the manifest's digest covers the same bytes
        names = names[:-1]
        slices = ChunkSlices(slices.offset, slices.size - CRC_SIZE, slices.first, slices.count, slices.out_offset)
    if (slices.size < 0).any():
        raise ValueError("shorter than its checksum")
    if names == ("blosc",):
        _decode_blosc_slices(packed, slices, chunk, out)
        return
    buffer = np.empty(chunk, np.uint8)
    view = memoryview(packed)
    for offset, size, first, count, out_offset in zip(*_lists(slices), strict=True):
        content = view[offset : offset + size]
        for name in reversed(names):
            content = _DECODERS[name](content, buffer)
        if len(content) != chunk:
            raise ValueError(f"{len(content)} bytes, a chunk has {chunk}")
        out[out_offset : out_offset + count] = np.frombuffer(content, np.uint8, count, first)


def _lists(slices: ChunkSlices) -> tuple[list[int], ...]:
    fields = (slices.offset, slices.size, slices.first, slices.count, slices.out_offset)
    return tuple(field.tolist() for field in fields)


def _decode_blosc_slices(packed: bytes, slices: ChunkSlices, chunk: int, out: NDArray[np.uint8]) -> None:
    typesizes = _checked_typesizes(packed, slices, chunk)
    whole = slices.count == chunk
    direct = whole | ((slices.first % typesizes == 0) & (slices.count % typesizes == 0))
    if python_loop() is None:
        direct = np.zeros_like(direct)
    _decode_directly(packed, slices.select(direct), typesizes[direct], whole[direct], chunk, out)
    for offset, size, first, count, out_offset in zip(*_lists(slices.select(~direct)), strict=True):
        content = decompress_blosc(packed[offset : offset + size])
        out[out_offset : out_offset + count] = np.frombuffer(content, np.uint8, count, first)


def _decode_directly(  # noqa: PLR0917
    packed: bytes,
    slices: ChunkSlices,
    typesizes: NDArray[np.int64],
    whole: NDArray[np.bool_],
    chunk: int,
    out: NDArray[np.uint8],
) -> None:
    """Decode whole chunks, and slices of whole items, straight into `out`."""
    fields: tuple[Any, ...] = (slices.offset, slices.first, slices.count, slices.out_offset, typesizes, whole)
    loop = compiled_loop(len(typesizes))
    if loop is None:
        loop, fields = python_loop(), tuple(field.tolist() for field in fields)
    packed_address, out_address = np.frombuffer(packed, np.uint8).ctypes.data, out.ctypes.data
    if loop is not None and loop(packed_address, out_address, chunk, *fields) >= 0:
        raise ValueError("blosc returned fewer bytes than the chunk has")


def _checked_typesizes(packed: bytes, slices: ChunkSlices, chunk: int) -> NDArray[np.int64]:
    """Return the typesize of each slice's chunk, after comparing the sizes in its header with the actual ones.

    Raises:
        ValueError: they differ.
    """
    length = _HEADER.itemsize
    if (slices.size < length).any() or int((slices.offset + slices.size).max()) > len(packed):
        raise ValueError("shorter than the header of a blosc chunk")
    positions = slices.offset[:, None] + np.arange(length)
    headers = np.frombuffer(packed, np.uint8)[positions].view(_HEADER)[:, 0]
    wrong = (headers["nbytes"] != chunk) | (headers["cbytes"] != slices.size) | (headers["typesize"] == 0)
    if wrong.any():
        i = int(np.argmax(wrong))
        claims = f"{headers['nbytes'][i]} bytes in {headers['cbytes'][i]}"
        raise ValueError(f"blosc header claims {claims}, expected {chunk} in {slices.size[i]}")
    typesizes: NDArray[np.int64] = headers["typesize"].astype(np.int64)
    return typesizes


def _remove_checksum(packed: memoryview, _: NDArray[np.uint8]) -> memoryview:
    return packed[:-CRC_SIZE]


def _decode_blosc(packed: memoryview, out: NDArray[np.uint8]) -> memoryview:
    zero = np.zeros(1, np.int64)
    size, count = zero + len(packed), zero + out.size
    _decode_blosc_slices(bytes(packed), ChunkSlices(zero, size, zero, count, zero), out.size, out)
    return out.data


def _decode_zstd(packed: memoryview, out: NDArray[np.uint8]) -> memoryview:
    # The claimed size is compared with the expected one before memory is allocated.
    claimed = _zstd_content_size(bytes(packed[:18]))
    if claimed != out.size:
        raise ValueError(f"zstd frame claims {claimed} bytes, expected {out.size}")
    decompress_zstd(packed, out)
    return out.data


def _zstd_content_size(head: bytes) -> int:
    """Return the content size in a zstd frame header (RFC 8878, 3.1.1.1); -1 if the frame has none.

    Raises:
        ValueError: not a zstd frame.
    """
    if head[:4] != b"\x28\xb5\x2f\xfd" or len(head) < 6:
        raise ValueError("not a zstd frame")
    descriptor = head[4]
    single_segment = bool(descriptor & 0x20)
    length = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    begin = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    if not length:
        return -1
    return int.from_bytes(head[begin : begin + length], "little") + (256 if length == 2 else 0)


_DECODERS: dict[str, Callable[[memoryview, NDArray[np.uint8]], memoryview]] = {
    "crc32c": _remove_checksum,
    "blosc": _decode_blosc,
    "zstd": _decode_zstd,
}
"""Codec name -> function that decodes bytes, into the buffer it is given if it decompresses, and returns the result."""


def separately_decodable_bytes(codec: dict[str, Any]) -> int:
    """Return the block size in bytes of a blosc codec from a ``zarr.json``; 0 if blocks cannot be relied on."""
    settings = codec.get("configuration", {})
    if codec.get("name") != "blosc" or int(settings.get("typesize") or 1) <= _MAX_SPLIT_TYPESIZE:
        return 0
    return int(settings.get("blocksize") or 0)


_MAX_SPLIT_TYPESIZE = 16
"""Up to this typesize c-blosc splits blocks into as many streams, and makes them no smaller than 64 KiB."""
