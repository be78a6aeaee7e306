"""A store in one zip file, read where it lies: objects are stored in it as they are, not packed once more."""

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
from .base import Entry, GroupStorage, ObjectDigest, OpenObject, file_identity, is_object_name

_HEADER = struct.Struct("<4sHHHHHIIIHH")
CURE = "get the file again, or make it anew with `factornet-etl export STORE FILE.zip`"
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """Where the header of an object lies in the file, and how large the object is."""

    header: int
    size: int


class ZipStorage(GroupStorage):
    """The part of a zip file below a path.

    Args:
        zipped: the file.
        prefix: ``""`` or a path that ends in ``/``.
    """

    def __init__(self, zipped: ZipArchive, prefix: str) -> None:
        self.location = f"{zipped.location}/{prefix}".rstrip("/")
        self._zipped, self._prefix = zipped, prefix

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """An object, read from the zip file itself.

        Raises:
            FileNotFoundError: it is not in the file.
            StoreError: the file is damaged.
        """
        return self._zipped.open(self._prefix + name)

    def read(self, name: str) -> bytes:
        """Content of a small object.

        Raises:
            FileNotFoundError: it is not in the file.
            StoreError: the file is damaged.
        """
        with self.open(name) as opened:
            return b"".join(opened.pieces())

    def listing(self) -> dict[str, Entry]:
        """Path and size of all below."""
        names = self._zipped.entries.items()
        return {n[len(self._prefix) :]: Entry("file", e.size) for n, e in names if n.startswith(self._prefix)}


class ZipArchive:
    """A zip file, held open: a forked process may go on reading.

    Attributes:
        place: where it is.
        entries: name -> where it lies.

    Raises:
        StoreError: it is no zip file, or not one of plain objects whose names and sizes can be trusted.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._handle).atexit = False
        self._version = file_identity(os.fstat(self._handle))
        try:
            with open(path, "rb", opener=lambda *_: os.dup(self._handle)) as file, zipfile.ZipFile(file) as zipped:
                self.entries: Mapping[str, ZipEntry] = _checked(zipped, str(path))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as e:
            raise StoreError(path, "not a whole zip file, cut short or damaged on its way", hint=CURE) from e

    def open(self, name: str) -> OpenObject:
        """An object.

        Raises:
            FileNotFoundError: it is not in the file.
            StoreError: its header is damaged, or the file was changed since it was opened. One that was replaced by
                another (a rename) is read on.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.location}/{name}")
        version = file_identity(os.fstat(self._handle))
        if version != self._version:
            raise StoreError(
                self.location, "was changed while it was in use", hint="start again to use the new version"
            )
        header = os.pread(self._handle, _HEADER.size + 4 * len(name) + 64, entry.header)
        try:
            magic, _, flags, method, *_, length, extra = _HEADER.unpack_from(header)
        except struct.error:
            magic, flags, method, length, extra = b"", 0, 0, 0, 0
        told = header[_HEADER.size : _HEADER.size + length]
        if magic != b"PK\x03\x04" or flags & _ENCRYPTED or method or told != name.encode():
            raise StoreError(self.location, f"the header of {name} does not agree with the file's list", hint=CURE)
        begin = entry.header + _HEADER.size + length + extra
        inode, _, changed = version
        return OpenObject(self._handle, size=entry.size, identity=(inode, begin, changed), begin=begin, owned=False)


def _checked(zipped: zipfile.ZipFile, location: str) -> dict[str, ZipEntry]:
    """The objects that a zip file lists.

    Raises:
        StoreError: a name leads out of the store or comes twice, an entry is packed, encrypted or a link, or entries
            lie over each other.
    """
    entries: dict[str, ZipEntry] = {}
    for info in zipped.infolist():
        name = info.orig_filename
        if name.endswith("/") and info.file_size == 0 and is_object_name(name[:-1]):
            continue  # a folder
        faults = {
            "its name leads out of the store": not is_object_name(name) or name != info.filename,
            "it comes twice": name in entries,
            "it is encrypted": bool(info.flag_bits & _ENCRYPTED),
            "it is packed; objects of a store must be stored as they are (zip -0)": info.compress_type != 0,
            "it claims another size than it takes": info.compress_size != info.file_size,
            "it is a link": (info.external_attr >> 28) == 0o12,
        }
        for fault, found in faults.items():
            if found:
                raise StoreError(location, f"entry {name!r} is refused: {fault}", hint=CURE)
        entries[name] = ZipEntry(info.header_offset, info.file_size)
    ends = sorted((e.header, e.header + _HEADER.size + len(n.encode()) + e.size, n) for n, e in entries.items())
    starts = [begin for begin, _, _ in ends[1:]] + [zipped.start_dir]
    for (_, end, name), following in zip(ends, starts, strict=True):
        if end > following:
            raise StoreError(location, f"entry {name!r} is refused: it lies over what follows it", hint=CURE)
    return entries
