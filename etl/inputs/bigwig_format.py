"""The inside of a bigWig, looked at in Python before C code may: header, chromosomes and index of the whole file
before it is opened, blocks of data as they are read (in the process that reads them).

Source of the layout: Kent et al. 2010, supplement (tables 5 to 15). Zoom levels are not read: nothing here uses them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError

MAGIC = 0x888FFC26
HEADER = 64
CURE = "fetch or make the file anew"
_ZOOM = 24
_TREE_MAGIC, _TREE = 0x78CA8C91, 32
_INDEX_MAGIC, _INDEX = 0x2468ACE0, 48
_LAST = 2**64 - 1
_LARGEST_BLOCK = 64 * 1024 * 1024
_OTHERS = {b"<": "a web page", b"\x1f\x8b": "a gzip file", b"\xeb\xf2\x89\x87": "a bigBed"}
_CURES = {" but a gzip file": "unpack it", " but a bigBed": "give the signal itself, not its peaks"}
_BLOCK = struct.Struct("<IIIIIBBH")  # chromosome, start, stop, step, span, kind, reserved, items
_ITEMS = {  # kind of block -> fields of an item
    1: np.dtype([("start", "<u4"), ("stop", "<u4"), ("value", "<f4")]),
    2: np.dtype([("start", "<u4"), ("value", "<f4")]),
    3: np.dtype([("value", "<f4")]),
}
_LEAF = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("at", "<u8"), ("size", "<u8")])
_INNER = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("stop", "<u4"), ("at", "<u8")])


@dataclass(frozen=True)
class _Header:
    """Offsets and sizes that a bigWig's first 64 bytes give."""

    zooms: int
    tree: int
    data: int
    index: int
    others: tuple[int, ...]
    largest: int

    def blocks(self, file: _File) -> int:
        """How many blocks of data the index announces."""
        magic, _, blocks, *_ = struct.unpack("<IIQIIIIQII", file.piece(self.index, _INDEX, "the index"))
        if magic != _INDEX_MAGIC:
            raise file.damaged("no index", self.index)
        return int(blocks)


@dataclass(frozen=True)
class Block:
    """A block of data: number of the chromosome, and of each item the first base, past the last, and the value."""

    chrom: int
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    values: NDArray[np.float32]


class _File:
    """Pieces of the file; one that is not all there is an error that names the byte."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self.size = path.stat().st_size

    def piece(self, at: int, size: int, what: str) -> bytes:
        if at + size > self.size:
            problem = f"cut short or damaged: {what} should be at byte {at} to {at + size}, the file has {self.size}"
            raise InputError(self.path, problem, hint=CURE)
        self._file.seek(at)
        return self._file.read(size)

    def damaged(self, what: str, at: int) -> InputError:
        return InputError(self.path, f"damaged: {what} at byte {at}", hint=CURE)


def check_structure(path: Path) -> None:
    """Refuse a bigWig of which header, chromosomes or index are not what they should be.

    Raises:
        InputError: not a bigWig, cut short or damaged; the message names the byte.
    """
    with path.open("rb") as raw:
        file = _File(path, raw)
        header = _read_header(file)
        _read_chromosomes(file, header)
        announced = header.blocks(file)
        blocks = sum(len(leaves) for leaves in _read_index(file, header, (0, _LAST)))
        if blocks != announced:
            raise file.damaged(f"{announced} blocks of data announced, {blocks} found in the index", header.index)


def read_blocks(path: Path, chrom: str, start: int, stop: int) -> Iterator[Block]:
    """The blocks of data that touch ``start:stop``, in order.

    Each is unpacked, which checks its checksum, and must hold what the index says of it.

    Args:
        path: of a bigWig that has been through `check_structure`.
        chrom: the file's own name for the chromosome.
        start: first base.
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
        for leaf in leaves[np.argsort(_place(leaves["chrom"], leaves["start"]), kind="stable")]:
            block = _read_block(file, header, leaf, len(chromosomes))
            if block.chrom == chromosomes[chrom]:
                yield block


def _read_header(file: _File) -> _Header:
    head = file.piece(0, min(HEADER, file.size), "the header")
    if not head:
        raise InputError(file.path, "the file is empty", hint=CURE)
    magic = head[:4]
    if magic == struct.pack(">I", MAGIC):
        raise InputError(file.path, "a bigWig of the other byte order", hint="write it anew on this kind of machine")
    if magic != struct.pack("<I", MAGIC):
        kind = next((f" but {name}" for start, name in _OTHERS.items() if head.lower().startswith(start)), "")
        raise InputError(file.path, f"not a bigWig{kind}: it begins with {head[:12]!r}", hint=_CURES.get(kind, CURE))
    if len(head) < HEADER:
        raise InputError(file.path, f"cut short: {file.size} bytes, less than a bigWig's header", hint=CURE)
    _, _, zooms, tree, data, index, _, _, sql, summary, largest, extension = struct.unpack("<IHHQQQHHQQIQ", head)
    header = _Header(zooms, tree, data, index, (sql, summary, extension), largest)
    needed, others = (tree, data, index), [at for at in header.others if at]
    wrong = [at for at in (*needed, *others) if not HEADER <= at < file.size]
    if wrong:
        problem = f"cut short or damaged: its header points to byte {max(wrong)}, the file has {file.size}"
        raise InputError(file.path, problem, hint=CURE)
    for level in range(zooms):
        at = HEADER + _ZOOM * level
        _, _, *places = struct.unpack("<IIQQ", file.piece(at, _ZOOM, "a zoom level's header"))
        if max(places) >= file.size:
            raise file.damaged(f"the header of zoom level {level} points past the end,", at)
    if largest > _LARGEST_BLOCK:
        raise file.damaged(f"blocks are said to unpack to {largest} bytes,", 52)
    if file.piece(file.size - 4, 4, "the end") != struct.pack("<I", MAGIC):
        raise InputError(file.path, f"cut short: the mark that ends a bigWig is not at byte {file.size - 4}", hint=CURE)
    return header


def _read_chromosomes(file: _File, header: _Header) -> dict[str, int]:
    """Number of each chromosome; the numbers must run from 0."""
    at = header.tree
    magic, _, key, value, count, _ = struct.unpack("<IIIIQQ", file.piece(at, _TREE, "the list of chromosomes"))
    if magic != _TREE_MAGIC or value != 8 or not 0 < key < 4096 or count * (key + 8) > file.size:
        raise file.damaged("no list of chromosomes", at)
    numbers: list[tuple[str, int]] = []
    seen, ahead = set[int](), [at + _TREE]
    while ahead:
        at = ahead.pop()
        leaf, _, items = struct.unpack("<BBH", file.piece(at, 4, "a part of the list of chromosomes"))
        if at in seen or leaf > 1:
            raise file.damaged("the list of chromosomes runs in circles,", at)
        seen.add(at)
        rows = file.piece(at + 4, items * (key + 8), "a part of the list of chromosomes")
        for row in (rows[i : i + key + 8] for i in range(0, len(rows), key + 8)):
            if leaf:
                name = row[:key].rstrip(b"\0").decode("latin-1")
                if not (name and name.isascii() and name.isprintable()):
                    raise file.damaged(f"a chromosome is named {name!r}", at)
                numbers.append((name, int.from_bytes(row[key : key + 4], "little")))
            else:
                ahead.append(int.from_bytes(row[key:], "little"))
    found = dict(numbers)
    if sorted(number for _, number in numbers) != list(range(count)) or len(found) != count:
        raise file.damaged(f"{count} chromosomes announced, {len(found)} found in their list", header.tree)
    return found


def _read_index(file: _File, header: _Header, within: tuple[int, int]) -> Iterator[NDArray[np.void]]:
    """Leaves of the index, each of which says where a block of data lies and what it covers.

    Places are numbers, that of the chromosome times 2**32 and the position; leaves outside `within` are left out.
    """
    at = header.index
    words = struct.unpack("<IIQIIIIQII", file.piece(at, _INDEX, "the index"))
    seen, ahead = set[int](), [(at + _INDEX, words[3] << 32 | words[4], words[5] << 32 | words[6])]
    while ahead:
        at, low, high = ahead.pop()
        leaf, _, items = struct.unpack("<BBH", file.piece(at, 4, "a part of the index"))
        if at in seen or leaf > 1:
            raise file.damaged("the index runs in circles,", at)
        seen.add(at)
        kind = _LEAF if leaf else _INNER
        rows = np.frombuffer(file.piece(at + 4, items * kind.itemsize, "a part of the index"), kind)
        first, last = _place(rows["chrom"], rows["start"]), _place(rows["last"], rows["stop"])
        # A reader passes over what seems to cover other places: a wrong bound would read as a gap.
        wrong = (first < low) | (last < first) | (last > high)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise file.damaged(
                f"the index puts {_words(first[i])} to {_words(last[i])} into {_words(low)} to {_words(high)}", at
            )
        touching = (first <= within[1]) & (last >= within[0])
        if leaf:
            yield rows[touching]
        else:
            bounds = (rows["at"], first, last)
            ahead += zip(*(field[touching].tolist() for field in bounds), strict=True)


def _place(chrom: NDArray[np.uint32], position: NDArray[np.uint32]) -> NDArray[np.uint64]:
    location: NDArray[np.uint64] = chrom.astype(np.uint64) << np.uint64(32) | position
    return location


def _words(location: int) -> str:
    return f"({int(location) >> 32}, {int(location) % 2**32})"


def _read_block(file: _File, header: _Header, leaf: NDArray[np.void], chromosomes: int) -> Block:
    at, size = int(leaf["at"]), int(leaf["size"])
    block = file.piece(at, size, "a block of data")
    if header.largest:
        try:
            block = zlib.decompress(block)
        except zlib.error as e:
            raise file.damaged(f"a block of data cannot be unpacked ({e})", at) from e
        if len(block) > header.largest:
            raise file.damaged(f"a block of {len(block)} bytes, {header.largest} allowed,", at)
    if len(block) < _BLOCK.size:
        raise file.damaged(f"a block of {len(block)} bytes", at)
    chrom, start, _, step, span, kind, _, items = _BLOCK.unpack_from(block)
    fields = _ITEMS.get(kind)
    if fields is None or len(block) < _BLOCK.size + items * fields.itemsize or chrom >= chromosomes:
        raise file.damaged(f"a block of kind {kind} with {items} items", at)
    rows = np.frombuffer(block, fields, items, _BLOCK.size)
    starts = start + step * np.arange(items) if kind == 3 else rows["start"].astype(np.int64)
    stops = rows["stop"].astype(np.int64) if kind == 1 else starts + span
    if items:
        first, last = int(starts.min()), int(stops.max())
        # libBigWig lays the index over blocks of one chromosome each.
        inside = leaf["chrom"] <= chrom <= leaf["last"] and leaf["start"] <= first and last <= leaf["stop"]
        if not inside or (kind == 1 and bool((starts >= stops).any())):
            raise file.damaged(f"a block covers {first} to {last}, by the index {leaf['start']} to {leaf['stop']}", at)
    return Block(chrom, starts, stops, rows["value"])
