"""Write a zip file of uncompressed objects that can be resumed after an interruption.

The central directory comes last in a zip file, but each object has a header with its name, size and checksum, so the
objects that an interrupted process finished are found by walking from header to header. (`zipfile` can neither resume
such a file nor leave one behind.) All objects are dated 1980: equal stores give equal files.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ...store.storage.base import ObjectDigest

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")
_DATE = 0x21  # 1 January 1980
_FULL, _MANY = 0xFFFFFFFF, 0xFFFF
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    begin: int
    size: int
    crc: int


class ZipWriter:
    """Writer of a zip file.

    Args:
        file: open for reading and writing. Intact objects at its beginning are kept, the rest is truncated.
        expected: size and SHA-256 of each object that the file may hold.
        large: sizes and offsets from this value on are written in 64 bits.

    Attributes:
        done: objects in the file.
    """

    def __init__(self, file: BinaryIO, expected: Mapping[str, ObjectDigest], *, large: int = _FULL) -> None:
        self._file, self._large = file, large
        self.done: dict[str, _Entry] = {}
        end = 0
        while (found := self._read_entry(end, expected)) is not None:
            name, entry, end = found
            self.done[name] = entry
        file.seek(end)
        file.truncate()

    def _read_entry(self, begin: int, expected: Mapping[str, ObjectDigest]) -> tuple[str, _Entry, int] | None:
        """Return name, entry and end of the object whose header is at `begin`; None if there is no intact one."""
        file = self._file
        file.seek(begin)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
            return None
        *_, crc, _, _, length, extra = _LOCAL.unpack(head)
        name = file.read(length).decode(errors="replace")
        if name not in expected or name in self.done:
            return None
        size, sha = expected[name]
        file.seek(extra, 1)
        found, left = hashlib.sha256(), size
        while left and (piece := file.read(min(left, _PIECE))):
            found.update(piece)
            left -= len(piece)
        if found.hexdigest() != sha:
            return None
        return name, _Entry(begin, size, crc), file.tell()

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Append an object of exactly `size` bytes.

        Raises:
            OSError: the disk failed.
        """
        file = self._file
        begin, crc = file.seek(0, 2), 0
        header = self._local(name, _Entry(begin, size, 0))
        file.write(bytes(len(header)))  # the header follows once the object is complete
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            file.write(piece)
        entry = _Entry(begin, size, crc)
        file.seek(begin)
        file.write(self._local(name, entry))
        self.done[name] = entry

    def finish(self) -> None:
        """Write the central directory.

        Raises:
            OSError: the disk failed.
        """
        file, n_objects = self._file, len(self.done)
        begin = file.seek(0, 2)
        for name, entry in self.done.items():
            file.write(self._central(name, entry))
        end = file.tell()
        if n_objects >= _MANY or end >= self._large:
            file.write(_END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, n_objects, n_objects, end - begin, begin))
            file.write(_LOCATOR.pack(b"PK\x06\x07", 0, end, 1))
        small = (min(n_objects, _MANY), min(n_objects, _MANY), self._short(end - begin), self._short(begin))
        file.write(_END.pack(b"PK\x05\x06", 0, 0, *small, 0))
        file.flush()

    def _short(self, number: int) -> int:
        return number if number < self._large else _FULL

    def _local(self, name: str, entry: _Entry) -> bytes:
        size, text = self._short(entry.size), name.encode()
        extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if size == _FULL else b""
        version = 45 if extra else 20
        return (
            _LOCAL.pack(b"PK\x03\x04", version, 0, 0, 0, _DATE, entry.crc, size, size, len(text), len(extra))
            + text
            + extra
        )

    def _central(self, name: str, entry: _Entry) -> bytes:
        size, begin, text = self._short(entry.size), self._short(entry.begin), name.encode()
        wide = [entry.size, entry.size] if size == _FULL else []
        wide += [entry.begin] if begin == _FULL else []
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version, unix, mode = (45 if wide else 20), 3 << 8, 0o100644 << 16
        sizes = (entry.crc, size, size, len(text), len(extra))
        return (
            _CENTRAL.pack(b"PK\x01\x02", unix | version, version, 0, 0, 0, _DATE, *sizes, 0, 0, 0, mode, begin)
            + text
            + extra
        )
