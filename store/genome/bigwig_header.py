"""Read the header and the chromosome list of a bigWig, of any version and byte order.

Layout: Kent et al. 2010, supplement (tables 5 to 8). Versions differ little: 2 added the summary, 3 compression, 4 the
magic number as the last four bytes. What a version lacks has zeros in its header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..errors import InputError
from ..text import format_count

ByteOrder = Literal["<", ">"]
"""Little-endian or big-endian, as in `struct` and numpy."""

HINT = "download or recreate the file"
HEADER, HEADER_SIZE, ZOOM_HEADER = "IHHQQQHHQQIQ", 64, "IIQQ"
MAGIC, _VERSIONS, _END_MARK_SINCE = 0x888FFC26, range(1, 5), 4
TREE_MAGIC, TREE_HEADER = 0x78CA8C91, "IIIIQQ"
_MAX_BLOCK_SIZE = 64 * 1024 * 1024
_OTHER_FORMATS = {  # first bytes -> format, and what to do about it
    b"<": ("a web page", HINT),
    b"\x1f\x8b": ("a gzip file", "decompress it; peaks are listed in chip.txt"),
    b"\xeb\xf2\x89\x87": ("a bigBed", "give the signal itself, not its peaks"),
    b"\x87\x89\xf2\xeb": ("a bigBed", "give the signal itself, not its peaks"),
    b"track": ("a text file", "convert it with wigToBigWig or bedGraphToBigWig"),
    b"chr": ("a text file", "peaks are listed in chip.txt; convert signal with bedGraphToBigWig"),
    b"fixedstep": ("a wiggle file", "convert it with wigToBigWig"),
    b"variablestep": ("a wiggle file", "convert it with wigToBigWig"),
}


class BinaryFile:
    """A file read by offset; bytes past its end are an error that names the byte.

    Attributes:
        path: of the file.
        size: bytes.
        order: of bytes in numbers; known once the header is read.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self.size = path.stat().st_size
        self.order: ByteOrder = "<"

    def read(self, offset: int, size: int, what: str) -> bytes:
        """Return bytes ``offset:offset + size``, which hold `what`.

        Raises:
            InputError: they are not all in the file.
            OSError: they cannot be read; the error names the file.
        """
        if offset + size > self.size:
            raise self.outside(what, offset, size)
        try:
            self._file.seek(offset)
            data = self._file.read(size)
        except OSError as e:
            raise OSError(e.errno, e.strerror, str(self.path)) from e
        if len(data) < size:  # cut short since it was opened
            raise self.outside(what, offset, size)
        return data

    def unpack(self, layout: str, offset: int, what: str) -> tuple[Any, ...]:
        """Return the numbers of a `struct` layout at a byte; errors as for `read`."""
        layout = self.order + layout
        return struct.unpack(layout, self.read(offset, struct.calcsize(layout), what))

    def outside(self, what: str, offset: int, size: int) -> InputError:
        """Return the error of bytes that should be in the file and are not."""
        problem = f"{what} should be at byte {offset} to {offset + size}, the file has {self.size}"
        return InputError(self.path, f"cut short or damaged: {problem}", hint=HINT)

    def damaged(self, what: str, offset: int) -> InputError:
        """Return the error of damage at a byte."""
        return InputError(self.path, f"damaged: {what} at byte {offset}", hint=HINT)


@dataclass(frozen=True)
class Header:
    """What a bigWig's first bytes tell.

    Attributes:
        version: of the format, 1 to 4.
        tree: offset of the chromosome list.
        index: offset of the index of data blocks.
        zooms: offset of the index of each zoom level.
        max_block_size: bytes of a decompressed block; 0 where blocks are not compressed.
    """

    version: int
    tree: int
    index: int
    zooms: tuple[int, ...]
    max_block_size: int

    @property
    def has_end_mark(self) -> bool:
        """Whether the file ends in the magic number, which shows that it is whole."""
        return self.version >= _END_MARK_SINCE


def read_header(file: BinaryFile) -> Header:
    """Return the header, and set the byte order of the file.

    Raises:
        InputError: not a bigWig, of an unknown version, cut short or damaged.
    """
    head = file.read(0, min(HEADER_SIZE, file.size), "the header")
    if not head:
        raise InputError(file.path, "the file is empty", hint=HINT)
    orders: dict[bytes, ByteOrder] = {struct.pack("<I", MAGIC): "<", struct.pack(">I", MAGIC): ">"}
    if head[:4] not in orders:
        raise _other_format(file.path, head)
    if len(head) < HEADER_SIZE:
        raise InputError(file.path, f"cut short: {file.size} bytes, less than a bigWig's header", hint=HINT)
    file.order = orders[head[:4]]
    _, version, n_zooms, tree, data, index, _, _, sql, summary, max_block_size, extension = file.unpack(
        HEADER, 0, "the header"
    )
    if version not in _VERSIONS:
        problem = f"bigWig version {version}; versions {_VERSIONS[0]} to {_VERSIONS[-1]} are read"
        raise InputError(file.path, problem, hint=HINT)
    optional = [offset for offset in (sql, summary, extension) if offset]
    outside = [offset for offset in (tree, data, index, *optional) if not HEADER_SIZE <= offset < file.size]
    if outside:
        problem = f"cut short or damaged: its header points to byte {max(outside)}, the file has {file.size}"
        raise InputError(file.path, problem, hint=HINT)
    zooms = _read_zoom_headers(file, n_zooms)
    if max_block_size > _MAX_BLOCK_SIZE:
        raise file.damaged(f"data blocks of up to {max_block_size} bytes announced,", 52)
    header = Header(version, tree, index, zooms, max_block_size)
    if header.has_end_mark and file.read(file.size - 4, 4, "the end") != head[:4]:
        raise _without_end_mark(file, head[:4], behind=max(tree, data, index, *optional, *zooms))
    return header


def _without_end_mark(file: BinaryFile, mark: bytes, *, behind: int) -> InputError:
    """Return the error of a file that does not end in its mark: cut short, or followed by other bytes.

    Args:
        file: the file.
        mark: the magic number as it is written.
        behind: offset of its last part; the mark, where it has one, is past its beginning.
    """
    piece = 1024 * 1024
    for offset in range(behind, file.size, piece):
        found = file.read(offset, min(piece + len(mark) - 1, file.size - offset), "the end").find(mark)
        if found >= 0:
            end = offset + found + len(mark)
            problem = f"{format_count(file.size - end, 'byte')} behind its end mark, no part of a bigWig"
            return InputError(file.path, problem, hint=f"{HINT}, or cut it to its {end} bytes (head -c {end})")
    return InputError(file.path, f"cut short: no bigWig end mark at byte {file.size - 4}", hint=HINT)


def _other_format(path: Path, head: bytes) -> InputError:
    others = (f for start, f in _OTHER_FORMATS.items() if head.lower().startswith(start))
    name, hint = next(others, ("", HINT))
    kind = f" but {name}" if name else ""
    return InputError(path, f"not a bigWig{kind}: it begins with {head[:12]!r}", hint=hint)


def _read_zoom_headers(file: BinaryFile, n_zooms: int) -> tuple[int, ...]:
    """Return the offset of the index of each zoom level."""
    indexes = []
    for level in range(n_zooms):
        offset = HEADER_SIZE + struct.calcsize(f"<{ZOOM_HEADER}") * level
        _, _, *targets = file.unpack(ZOOM_HEADER, offset, "a zoom level's header")
        if max(targets) >= file.size:
            raise file.damaged(f"the header of zoom level {level} points past the end,", offset)
        indexes.append(targets[1])
    return tuple(indexes)


def read_chromosomes(file: BinaryFile, header: Header) -> dict[str, tuple[int, int]]:
    """Return number and length of each chromosome by name; the numbers must run from 0.

    Raises:
        InputError: the list is damaged.
    """
    offset = header.tree
    magic, _, key_size, value_size, count, _ = file.unpack(TREE_HEADER, offset, "the chromosome list")
    row_size = key_size + 8
    if magic != TREE_MAGIC or value_size != 8 or not 0 < key_size < 4096 or count * row_size > file.size:
        raise file.damaged("no chromosome list", offset)
    rows: list[tuple[str, int, int]] = []
    visited, pending = set[int](), [offset + struct.calcsize(f"<{TREE_HEADER}")]
    while pending:
        offset = pending.pop()
        is_leaf, _, n_items = file.unpack("BBH", offset, "a node of the chromosome list")
        if offset in visited or is_leaf > 1:
            raise file.damaged("the chromosome list refers to itself,", offset)
        visited.add(offset)
        data = file.read(offset + 4, n_items * row_size, "a node of the chromosome list")
        for key, *value in struct.iter_unpack(f"{file.order}{key_size}s{'II' if is_leaf else 'Q'}", data):
            if is_leaf:
                rows.append((_chromosome_name(file, key, offset), *value))
            else:
                pending += value
    found = {name: (number, length) for name, number, length in rows}
    if sorted(number for _, number, _ in rows) != list(range(count)) or len(found) != count:
        raise file.damaged(f"{count} chromosomes expected, {len(found)} found in their list", header.tree)
    return found


def _chromosome_name(file: BinaryFile, key: bytes, offset: int) -> str:
    name = key.rstrip(b"\0").decode("latin-1")
    if not (name and name.isascii() and name.isprintable()):
        raise file.damaged(f"a chromosome is named {name!r}", offset)
    return name
