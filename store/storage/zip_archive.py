"""Stores in a zip file, read in place: its entries are stored without compression."""

from __future__ import annotations

import errno
import os
import struct
import weakref
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError
from ..files.handles import close_read
from .base import Entry, GroupStorage, ObjectDigest, OpenObject, file_identity, is_object_name

_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_HINT = "copy the file again, or recreate it with `factornet-etl export STORE FILE.zip`"
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """Position of an object in a zip file.

    Attributes:
        header: offset of its local header, bytes.
        size: size of the object, bytes.
    """

    header: int
    size: int


class ZipStorage(GroupStorage):
    """Directory of a group in a zip file.

    Args:
        archive: the zip file.
        prefix: ``""`` or a path that ends in ``/``.
    """

    def __init__(self, archive: ZipArchive, prefix: str) -> None:
        self.location = f"{archive.location}/{prefix}".rstrip("/")
        self._archive, self._prefix = archive, prefix

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """Open an object inside the zip file.

        Raises:
            FileNotFoundError: no such entry.
            StoreError: the file is damaged, or was changed since it was opened.
        """
        return self._archive.open(self._prefix + name)

    def read(self, name: str) -> bytes:
        """Return the content of a small object.

        Raises:
            FileNotFoundError: no such entry.
            StoreError: the file is damaged, or was changed since it was opened.
        """
        with self.open(name) as file:
            return b"".join(file.pieces())

    def listing(self) -> dict[str, Entry]:
        """Return all objects below the group by path."""
        entries = self._archive.entries.items()
        return {n[len(self._prefix) :]: Entry("file", e.size) for n, e in entries if n.startswith(self._prefix)}


class ZipArchive:
    """Zip file held open; forked processes can read from it.

    Attributes:
        location: its path, for messages.
        entries: position of each object, by name.

    Raises:
        StoreError: it is not a zip file, or an entry is compressed, encrypted, a link, or has an unsafe name or size.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, close_read, self._handle).atexit = False
        self._version = file_identity(os.fstat(self._handle))
        try:
            with open(path, "rb", opener=lambda *_: os.dup(self._handle)) as file, zipfile.ZipFile(file) as archive:
                self.entries: Mapping[str, ZipEntry] = _checked_entries(archive, str(path))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as e:
            raise StoreError(path, "not a complete zip file: truncated, or damaged in transfer", hint=_HINT) from e

    def open(self, name: str) -> OpenObject:
        """Open an object.

        A file that was removed or replaced by a rename stays readable; one that was written to is refused.

        Raises:
            FileNotFoundError: no such entry.
            StoreError: its header is damaged, or the file was changed since it was opened.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.location}/{name}")
        version = file_identity(os.fstat(self._handle))
        if version != self._version:
            raise StoreError(self.location, "was changed while it was in use", hint="rerun to use the new version")
        header = os.pread(self._handle, _LOCAL_HEADER.size + 4 * len(name) + 64, entry.header)
        try:
            magic, _, flags, method, *_, length, extra = _LOCAL_HEADER.unpack_from(header)
        except struct.error:
            magic, flags, method, length, extra = b"", 0, 0, 0, 0
        header_name = header[_LOCAL_HEADER.size : _LOCAL_HEADER.size + length]
        if magic != b"PK\x03\x04" or flags & _ENCRYPTED or method or header_name != name.encode():
            raise StoreError(
                self.location, f"the local header of {name} does not match the central directory", hint=_HINT
            )
        begin = entry.header + _LOCAL_HEADER.size + length + extra
        inode, _, changed = version
        return OpenObject(self._handle, size=entry.size, identity=(inode, begin, changed), begin=begin, owned=False)


def _checked_entries(archive: zipfile.ZipFile, location: str) -> dict[str, ZipEntry]:
    """Return the entries in the central directory of a zip file.

    Raises:
        StoreError: a name leads out of the store or is listed twice, an entry is compressed, encrypted or a link, or
            entries overlap.
    """
    entries: dict[str, ZipEntry] = {}
    for info in archive.infolist():
        name = info.orig_filename
        if name.endswith("/") and info.file_size == 0 and is_object_name(name[:-1]):
            continue  # a directory
        faults = {
            "its name leads out of the store": not is_object_name(name) or name != info.filename,
            "it is listed twice": name in entries,
            "it is encrypted": bool(info.flag_bits & _ENCRYPTED),
            "it is compressed; objects of a store must be stored (zip -0)": info.compress_type != 0,
            "its claimed size is not its size in the file": info.compress_size != info.file_size,
            "it is a link": (info.external_attr >> 28) == 0o12,
        }
        for fault, has_fault in faults.items():
            if has_fault:
                raise StoreError(location, f"entry {name!r} is refused: {fault}", hint=_HINT)
        entries[name] = ZipEntry(info.header_offset, info.file_size)
    spans = sorted((e.header, e.header + _LOCAL_HEADER.size + len(n.encode()) + e.size, n) for n, e in entries.items())
    next_starts = [begin for begin, _, _ in spans[1:]] + [archive.start_dir]
    for (_, end, name), next_start in zip(spans, next_starts, strict=True):
        if end > next_start:
            raise StoreError(location, f"entry {name!r} is refused: it overlaps the next entry", hint=_HINT)
    return entries
