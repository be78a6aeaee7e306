"""Parse and check a bigWig in Python, before C code reads it and after C code wrote it.

Header, chromosomes and index are checked once, for the whole file; data blocks as they are read, in the process that
reads them. Layout: Kent et al. 2010, supplement (tables 5 to 15). Zoom levels of input files are neither used nor read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .intervals import IntArray

HINT = "download or recreate the file"
_MAGIC, _HEADER_SIZE = 0x888FFC26, 64
_ZOOM_SIZE = 24
_TREE_MAGIC, _TREE_SIZE = 0x78CA8C91, 32
_INDEX_MAGIC, _INDEX_SIZE = 0x2468ACE0, 48
_LAST_POSITION = 2**64 - 1
_MAX_BLOCK_SIZE = 64 * 1024 * 1024
_OTHER_FORMATS = {  # first bytes -> format, and what to do about it
    b"<": ("a web page", HINT),
    b"\x1f\x8b": ("a gzip file", "decompress it"),
    b"\xeb\xf2\x89\x87": ("a bigBed", "give the signal itself, not its peaks"),
}
_BLOCK_HEADER = struct.Struct("<IIIIIBBH")  # chromosome, start, stop, step, span, kind, reserved, items
_ITEM_DTYPES = {  # kind of block -> fields of an item
    1: np.dtype([("start", "<u4"), ("stop", "<u4"), ("value", "<f4")]),
    2: np.dtype([("start", "<u4"), ("value", "<f4")]),
    3: np.dtype([("value", "<f4")]),
}
_SUMMARY = np.dtype(  # an item of a zoom level
    [(name, "<u4") for name in ("chrom", "start", "stop", "covered")]
    + [(name, "<f4") for name in ("low", "high", "sum", "squares")]
)
_LEAF = np.dtype(
    [("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("offset", "<u8"), ("size", "<u8")]
)
_INNER = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("offset", "<u8")])


@dataclass(frozen=True)
class _Header:
    """Offsets and sizes in a bigWig's first 64 bytes; `max_block_size` is 0 where blocks are not compressed."""

    tree: int
    index: int
    max_block_size: int

    def n_blocks(self, file: _File) -> int:
        """Return the number of data blocks by the header of the index."""
        magic, _, n_blocks, *_ = struct.unpack("<IIQIIIIQII", file.read(self.index, _INDEX_SIZE, "the index"))
        if magic != _INDEX_MAGIC:
            raise file.damaged("no index", self.index)
        return int(n_blocks)


@dataclass(frozen=True)
class DataBlock:
    """Items of signal on one chromosome.

    Attributes:
        chrom: number of the chromosome in the file.
        starts: first base of each item, int64 (items,).
        stops: past its last base.
        values: float32 (items,).
    """

    chrom: int
    starts: IntArray
    stops: IntArray
    values: NDArray[np.float32]


class _File:
    """A file read by offset; bytes past its end are an error that names the byte."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self.size = path.stat().st_size

    def read(self, offset: int, size: int, what: str) -> bytes:
        end = offset + size
        if end > self.size:
            problem = f"cut short or damaged: {what} should be at byte {offset} to {end}, the file has {self.size}"
            raise InputError(self.path, problem, hint=HINT)
        self._file.seek(offset)
        return self._file.read(size)

    def damaged(self, what: str, offset: int) -> InputError:
        return InputError(self.path, f"damaged: {what} at byte {offset}", hint=HINT)


def check_structure(path: Path) -> None:
    """Check header, chromosomes and index of a bigWig.

    Raises:
        InputError: not a bigWig, cut short or damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = _File(path, raw)
        header = _read_header(file)
        _read_chromosomes(file, header)
        expected = header.n_blocks(file)
        found = sum(len(leaves) for leaves in _read_index(file, header, (0, _LAST_POSITION)))
        if found != expected:
            raise file.damaged(f"{expected} data blocks expected, {found} found in the index", header.index)


def read_blocks(path: Path, chrom: str, start: int, stop: int) -> Iterator[DataBlock]:
    """Yield the data blocks that touch ``start:stop``, in order.

    Each is decompressed, which verifies its checksum, and compared with its bounds in the index.

    Args:
        path: a bigWig that passed `check_structure`.
        chrom: name of the chromosome in the file.
        start: first base, 0-based.
        stop: past the last base.

    Raises:
        InputError: damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = _File(path, raw)
        header = _read_header(file)
        chromosomes = _read_chromosomes(file, header)
        number = chromosomes[chrom] << 32
        found = list(_read_index(file, header, (number | start, number | stop)))
        leaves = np.concatenate(found) if found else np.empty(0, _LEAF)
        for leaf in leaves[np.argsort(_position(leaves["chrom"], leaves["start"]), kind="stable")]:
            block = _read_block(file, header, leaf, len(chromosomes))
            if block.chrom == chromosomes[chrom]:
                yield block


def check_zoom_levels(path: Path, covered: int) -> None:
    """Check that each zoom level is whole and summarises as many bases as the file has.

    Args:
        path: a bigWig that passed `check_structure`.
        covered: number of bases with a value.

    Raises:
        InputError: damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = _File(path, raw)
        header = _read_header(file)
        (n_zooms,) = struct.unpack("<H", file.read(6, 2, "the header"))
        for level in range(n_zooms):
            offset = _HEADER_SIZE + _ZOOM_SIZE * level
            _, _, _, index = struct.unpack("<IIQQ", file.read(offset, _ZOOM_SIZE, "a zoom level's header"))
            zoom, found = replace(header, index=index), 0
            zoom.n_blocks(file)
            for leaves in _read_index(file, zoom, (0, _LAST_POSITION)):
                for leaf in leaves:
                    data = _read_data(file, header, int(leaf["offset"]), int(leaf["size"]))
                    if len(data) % _SUMMARY.itemsize:
                        raise file.damaged("a block of a zoom level is cut short", int(leaf["offset"]))
                    found += int(np.frombuffer(data, _SUMMARY)["covered"].sum(dtype=np.int64))
            if found != covered:
                raise file.damaged(f"zoom level {level} summarises {found} bases of {covered},", index)


def _read_header(file: _File) -> _Header:
    head = file.read(0, min(_HEADER_SIZE, file.size), "the header")
    if not head:
        raise InputError(file.path, "the file is empty", hint=HINT)
    magic = head[:4]
    if magic == struct.pack(">I", _MAGIC):
        raise InputError(file.path, "a big-endian bigWig", hint="recreate it in little-endian byte order")
    if magic != struct.pack("<I", _MAGIC):
        others = (f for start, f in _OTHER_FORMATS.items() if head.lower().startswith(start))
        name, hint = next(others, ("", HINT))
        kind = f" but {name}" if name else ""
        raise InputError(file.path, f"not a bigWig{kind}: it begins with {head[:12]!r}", hint=hint)
    if len(head) < _HEADER_SIZE:
        raise InputError(file.path, f"cut short: {file.size} bytes, less than a bigWig's header", hint=HINT)
    _, _, n_zooms, tree, data, index, _, _, sql, summary, max_block_size, extension = struct.unpack(
        "<IHHQQQHHQQIQ", head
    )
    optional = [offset for offset in (sql, summary, extension) if offset]
    outside = [offset for offset in (tree, data, index, *optional) if not _HEADER_SIZE <= offset < file.size]
    if outside:
        problem = f"cut short or damaged: its header points to byte {max(outside)}, the file has {file.size}"
        raise InputError(file.path, problem, hint=HINT)
    for level in range(n_zooms):
        offset = _HEADER_SIZE + _ZOOM_SIZE * level
        _, _, *targets = struct.unpack("<IIQQ", file.read(offset, _ZOOM_SIZE, "a zoom level's header"))
        if max(targets) >= file.size:
            raise file.damaged(f"the header of zoom level {level} points past the end,", offset)
    if max_block_size > _MAX_BLOCK_SIZE:
        raise file.damaged(f"data blocks of up to {max_block_size} bytes announced,", 52)
    if file.read(file.size - 4, 4, "the end") != struct.pack("<I", _MAGIC):
        problem = f"cut short: no bigWig end mark at byte {file.size - 4}"
        raise InputError(file.path, problem, hint=HINT)
    return _Header(tree, index, max_block_size)


def _read_chromosomes(file: _File, header: _Header) -> dict[str, int]:
    """Return the number of each chromosome by name; the numbers must run from 0."""
    offset = header.tree
    magic, _, key_size, value_size, count, _ = struct.unpack(
        "<IIIIQQ", file.read(offset, _TREE_SIZE, "the chromosome list")
    )
    row_size = key_size + 8
    if magic != _TREE_MAGIC or value_size != 8 or not 0 < key_size < 4096 or count * row_size > file.size:
        raise file.damaged("no chromosome list", offset)
    numbers: list[tuple[str, int]] = []
    visited, pending = set[int](), [offset + _TREE_SIZE]
    while pending:
        offset = pending.pop()
        is_leaf, _, n_items = struct.unpack("<BBH", file.read(offset, 4, "a node of the chromosome list"))
        if offset in visited or is_leaf > 1:
            raise file.damaged("the chromosome list refers to itself,", offset)
        visited.add(offset)
        rows = file.read(offset + 4, n_items * row_size, "a node of the chromosome list")
        for row in (rows[i : i + row_size] for i in range(0, len(rows), row_size)):
            if is_leaf:
                name = row[:key_size].rstrip(b"\0").decode("latin-1")
                if not (name and name.isascii() and name.isprintable()):
                    raise file.damaged(f"a chromosome is named {name!r}", offset)
                numbers.append((name, int.from_bytes(row[key_size : key_size + 4], "little")))
            else:
                pending.append(int.from_bytes(row[key_size:], "little"))
    found = dict(numbers)
    if sorted(number for _, number in numbers) != list(range(count)) or len(found) != count:
        raise file.damaged(f"{count} chromosomes expected, {len(found)} found in their list", header.tree)
    return found


def _read_index(file: _File, header: _Header, within: tuple[int, int]) -> Iterator[NDArray[np.void]]:
    """Yield leaves of the index, which give offset, size and bounds of the data blocks that touch `within`.

    Positions are numbers, ``chromosome << 32 | base``.
    """
    offset = header.index
    fields = struct.unpack("<IIQIIIIQII", file.read(offset, _INDEX_SIZE, "the index"))
    visited, pending = set[int](), [(offset + _INDEX_SIZE, fields[3] << 32 | fields[4], fields[5] << 32 | fields[6])]
    while pending:
        offset, low, high = pending.pop()
        is_leaf, _, n_items = struct.unpack("<BBH", file.read(offset, 4, "a node of the index"))
        if offset in visited or is_leaf > 1:
            raise file.damaged("the index refers to itself,", offset)
        visited.add(offset)
        dtype = _LEAF if is_leaf else _INNER
        rows = np.frombuffer(file.read(offset + 4, n_items * dtype.itemsize, "a node of the index"), dtype)
        first, last = _position(rows["chrom"], rows["start"]), _position(rows["last"], rows["stop"])
        # A reader skips what its bounds exclude, so a wrong bound would read as a gap.
        wrong = (first < low) | (last < first) | (last > high)
        if wrong.any():
            i = int(np.argmax(wrong))
            child, parent = (_format_bounds(*bounds) for bounds in ((first[i], last[i]), (low, high)))
            raise file.damaged(f"the index has {child} inside {parent}", offset)
        touching = (first <= within[1]) & (last >= within[0])
        if is_leaf:
            yield rows[touching]
        else:
            bounds = (rows["offset"], first, last)
            pending += zip(*(field[touching].tolist() for field in bounds), strict=True)


def _position(chrom: NDArray[np.uint32], base: NDArray[np.uint32]) -> NDArray[np.uint64]:
    position: NDArray[np.uint64] = chrom.astype(np.uint64) << np.uint64(32) | base
    return position


def _format_bounds(*positions: int) -> str:
    return " to ".join(f"({int(position) >> 32}, {int(position) % 2**32})" for position in positions)


def _read_block(file: _File, header: _Header, leaf: NDArray[np.void], n_chromosomes: int) -> DataBlock:
    offset = int(leaf["offset"])
    data = _read_data(file, header, offset, int(leaf["size"]))
    if len(data) < _BLOCK_HEADER.size:
        raise file.damaged(f"a data block of {len(data)} bytes", offset)
    chrom, start, _, step, span, kind, _, n_items = _BLOCK_HEADER.unpack_from(data)
    dtype = _ITEM_DTYPES.get(kind)
    if dtype is None or len(data) < _BLOCK_HEADER.size + n_items * dtype.itemsize or chrom >= n_chromosomes:
        raise file.damaged(f"a data block of kind {kind} with {n_items} items", offset)
    items = np.frombuffer(data, dtype, n_items, _BLOCK_HEADER.size)
    starts = start + step * np.arange(n_items) if kind == 3 else items["start"].astype(np.int64)
    stops = items["stop"].astype(np.int64) if kind == 1 else starts + span
    if n_items:
        first, last = int(starts.min()), int(stops.max())
        # libBigWig puts items of one chromosome into a block.
        inside = leaf["chrom"] <= chrom <= leaf["last"] and leaf["start"] <= first and last <= leaf["stop"]
        if not inside or (kind == 1 and bool((starts >= stops).any())):
            expected = f"{leaf['start']} to {leaf['stop']}"
            raise file.damaged(f"a data block covers {first} to {last}, by the index {expected}", offset)
    return DataBlock(chrom, starts, stops, items["value"])


def _read_data(file: _File, header: _Header, offset: int, size: int) -> bytes:
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
