"""Parse and check a bigWig in Python, before C code reads it and after C code wrote it.

Header, chromosomes and index are checked once, for the whole file; data blocks as they are read, in the process that
reads them. Layout: Kent et al. 2010, supplement (tables 9 to 15). Zoom levels of input files are not used.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .bigwig_header import HEADER_SIZE, BinaryFile, Header, read_chromosomes, read_header
from .intervals import IntArray

INDEX_MAGIC, INDEX_HEADER = 0x2468ACE0, "IIQIIIIQII"
_LAST_POSITION = 2**64 - 1
SECTION = "IIIIIBBH"  # chromosome, start, stop, step, span, kind, reserved, number of items
ITEM_DTYPES = {  # kind of section -> fields of an item
    1: np.dtype([("start", "<u4"), ("stop", "<u4"), ("value", "<f4")]),
    2: np.dtype([("start", "<u4"), ("value", "<f4")]),
    3: np.dtype([("value", "<f4")]),
}
SUMMARY = np.dtype(  # an item of a zoom level
    [(name, "<u4") for name in ("chrom", "start", "stop", "covered")]
    + [(name, "<f4") for name in ("low", "high", "sum", "squares")]
)
LEAF = np.dtype(
    [("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("offset", "<u8"), ("size", "<u8")]
)
INNER = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("offset", "<u8")])


@dataclass(frozen=True)
class BigWigInfo:
    """What a bigWig is.

    Attributes:
        version: of the format, 1 to 4.
        big_endian: whether its numbers begin with their highest byte; pyBigWig does not read such files.
        lengths: bases of each chromosome by name.
    """

    version: int
    big_endian: bool
    lengths: dict[str, int]


@dataclass(frozen=True)
class DataBlock:
    """Items of signal on one chromosome: a section of the file.

    Attributes:
        offset: byte of its data block in the file; writers put one section into a block.
        chrom: number of the chromosome in the file.
        starts: first base of each item, int64 (items,).
        stops: past its last base.
        values: float32 (items,).
    """

    offset: int
    chrom: int
    starts: IntArray
    stops: IntArray
    values: NDArray[np.float32]


def check_structure(path: Path) -> BigWigInfo:
    """Check header, chromosomes and index of a bigWig, and that all that they point to is in the file.

    Before version 4 no mark shows that a file is whole, so the zoom levels must be in it, too.

    Raises:
        InputError: not a bigWig, cut short or damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = BinaryFile(path, raw)
        header = read_header(file)
        chromosomes = read_chromosomes(file, header)
        expected, found = _count_blocks(file, header.index), 0
        for leaves in _read_index(file, header.index, (0, _LAST_POSITION)):
            _check_inside(file, leaves, "a data block")
            found += len(leaves)
        if found != expected:
            raise file.damaged(f"{expected} data blocks expected, {found} found in the index", header.index)
        for index in () if header.has_end_mark else header.zooms:
            _count_blocks(file, index)
            for leaves in _read_index(file, index, (0, _LAST_POSITION), nested=False):
                _check_inside(file, leaves, "a block of a zoom level")
    lengths = {name: length for name, (_, length) in chromosomes.items()}
    return BigWigInfo(header.version, file.order == ">", lengths)


def read_blocks(path: Path, chrom: str, start: int, stop: int) -> Iterator[DataBlock]:
    """Yield the data that touch ``start:stop``, block by block, in order.

    Each block is decompressed, which verifies its checksum, and compared with its bounds in the index.

    Args:
        path: a bigWig that passed `check_structure`.
        chrom: name of the chromosome in the file.
        start: first base, 0-based.
        stop: past the last base.

    Raises:
        InputError: damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = BinaryFile(path, raw)
        header = read_header(file)
        version = os.fstat(raw.fileno())
        chromosomes = _known_chromosomes(path, (version.st_ino, version.st_mtime_ns, version.st_size))
        number = chromosomes[chrom][0]
        found = list(_read_index(file, header.index, (number << 32 | start, number << 32 | stop)))
        leaves = np.concatenate(found) if found else np.empty(0, LEAF)
        for leaf in leaves[np.argsort(_position(leaves["chrom"], leaves["start"]), kind="stable")]:
            for block in _read_block(file, header, leaf, len(chromosomes)):
                if block.chrom == number:
                    yield block


@lru_cache(maxsize=4)
def _known_chromosomes(path: Path, version: tuple[int, int, int]) -> Mapping[str, tuple[int, int]]:
    """Return the chromosomes of a file of this version, read once in a process: there may be many thousands."""
    with path.open("rb") as raw:
        file = BinaryFile(path, raw)
        return read_chromosomes(file, read_header(file))


def check_zoom_levels(path: Path, covered: int) -> None:
    """Check that each zoom level is whole and summarises as many bases as the file has.

    Args:
        path: a bigWig that passed `check_structure`.
        covered: number of bases with a value.

    Raises:
        InputError: damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = BinaryFile(path, raw)
        header = read_header(file)
        for level, index in enumerate(header.zooms):
            found = 0
            _count_blocks(file, index)
            for leaves in _read_index(file, index, (0, _LAST_POSITION)):
                for leaf in leaves:
                    data = _read_data(file, header, int(leaf["offset"]), int(leaf["size"]))
                    if len(data) % SUMMARY.itemsize:
                        raise file.damaged("a block of a zoom level is cut short", int(leaf["offset"]))
                    summaries = np.frombuffer(data, SUMMARY.newbyteorder(file.order))
                    found += int(summaries["covered"].sum(dtype=np.int64))
            if found != covered:
                raise file.damaged(f"zoom level {level} summarises {found} bases of {covered},", index)


def _count_blocks(file: BinaryFile, index: int) -> int:
    """Return the number of blocks by the header of an index."""
    magic, _, n_blocks, *_ = file.unpack(INDEX_HEADER, index, "the index")
    if magic != INDEX_MAGIC:
        raise file.damaged("no index", index)
    return int(n_blocks)


def _check_inside(file: BinaryFile, leaves: NDArray[np.void], what: str) -> None:
    """Check that the blocks of some leaves are between the header and the end of the file."""
    offset, size, end = leaves["offset"], leaves["size"], np.uint64(file.size)
    outside = (offset < HEADER_SIZE) | (offset > end) | (size > end - np.minimum(offset, end))
    if outside.any():
        i = int(np.argmax(outside))
        raise file.outside(what, int(offset[i]), int(size[i]))


def _read_index(
    file: BinaryFile, index: int, within: tuple[int, int], *, nested: bool = True
) -> Iterator[NDArray[np.void]]:
    """Yield leaves of an index, which give offset, size and bounds of the blocks that touch `within`.

    Positions are numbers, ``chromosome << 32 | base``.

    Args:
        file: the file.
        index: offset of the index.
        within: first and last position.
        nested: check that the bounds of each node lie inside those of its parent.
    """
    _, _, _, *bounds, _, _, _ = file.unpack(INDEX_HEADER, index, "the index")
    root = index + struct.calcsize(f"<{INDEX_HEADER}")
    visited, pending = set[int](), [(root, bounds[0] << 32 | bounds[1], bounds[2] << 32 | bounds[3])]
    while pending:
        offset, low, high = pending.pop()
        is_leaf, _, n_items = file.unpack("BBH", offset, "a node of the index")
        if offset in visited or is_leaf > 1:
            raise file.damaged("the index refers to itself,", offset)
        visited.add(offset)
        dtype = (LEAF if is_leaf else INNER).newbyteorder(file.order)
        rows = np.frombuffer(file.read(offset + 4, n_items * dtype.itemsize, "a node of the index"), dtype)
        first, last = _position(rows["chrom"], rows["start"]), _position(rows["last"], rows["stop"])
        # A reader skips what its bounds exclude, so a wrong bound would read as a gap.
        wrong = (first < low) | (last < first) | (last > high)
        if nested and wrong.any():
            i = int(np.argmax(wrong))
            child, parent = (_format_bounds(*pair) for pair in ((first[i], last[i]), (low, high)))
            raise file.damaged(f"the index has {child} inside {parent}", offset)
        touching = (first <= within[1]) & (last >= within[0])
        if is_leaf:
            yield rows[touching].astype(LEAF)
        else:
            children = (rows["offset"], first, last)
            pending += zip(*(field[touching].tolist() for field in children), strict=True)


def _position(chrom: NDArray[np.uint32], base: NDArray[np.uint32]) -> NDArray[np.uint64]:
    position: NDArray[np.uint64] = chrom.astype(np.uint64) << np.uint64(32) | base
    return position


def _format_bounds(*positions: int) -> str:
    return " to ".join(f"({int(position) >> 32}, {int(position) % 2**32})" for position in positions)


def _read_block(file: BinaryFile, header: Header, leaf: NDArray[np.void], n_chromosomes: int) -> Iterator[DataBlock]:
    """Yield the sections of a data block."""
    offset = int(leaf["offset"])
    data = _read_data(file, header, offset, int(leaf["size"]))
    section, begin = struct.Struct(file.order + SECTION), 0
    while begin < len(data) or not data:
        if len(data) - begin < section.size:
            raise file.damaged(f"a data block of {len(data)} bytes", offset)
        chrom, start, _, step, span, kind, _, n_items = section.unpack_from(data, begin)
        begin += section.size
        dtype = ITEM_DTYPES.get(kind)
        if dtype is None or len(data) < begin + n_items * dtype.itemsize or chrom >= n_chromosomes:
            raise file.damaged(f"a data block of kind {kind} with {n_items} items", offset)
        items = np.frombuffer(data, dtype.newbyteorder(file.order), n_items, begin)
        begin += n_items * dtype.itemsize
        starts = start + step * np.arange(n_items) if kind == 3 else items["start"].astype(np.int64)
        stops = items["stop"].astype(np.int64) if kind == 1 else starts + span
        _check_bounds(file, leaf, chrom, starts, stops)
        yield DataBlock(offset, chrom, starts, stops, np.asarray(items["value"], np.float32))


def _check_bounds(file: BinaryFile, leaf: NDArray[np.void], chrom: int, starts: IntArray, stops: IntArray) -> None:
    """Check that the items of a section are inside the bounds of their block in the index."""
    if not starts.size:
        return
    first, last = int(starts.min()), int(stops.max())
    low, high = (int(leaf[a]) << 32 | int(leaf[b]) for a, b in (("chrom", "start"), ("last", "stop")))
    if not (low <= chrom << 32 | first and chrom << 32 | last <= high) or bool((starts >= stops).any()):
        expected = f"{leaf['start']} to {leaf['stop']}"
        raise file.damaged(f"a data block covers {first} to {last}, by the index {expected}", int(leaf["offset"]))


def _read_data(file: BinaryFile, header: Header, offset: int, size: int) -> bytes:
    """Read the bytes of a block, and decompress them where the file is compressed."""
    data = file.read(offset, size, "a data block")
    if not header.max_block_size:
        return data
    try:
        data = zlib.decompress(data)
    except zlib.error as e:
        raise file.damaged(f"a data block cannot be decompressed ({e})", offset) from e
    if len(data) > header.max_block_size:
        raise file.damaged(f"a data block of {len(data)} bytes, {header.max_block_size} allowed,", offset)
    return data
