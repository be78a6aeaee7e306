"""Write the objects of one group: into a folder, or into a zip file."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Protocol

from ...store.errors import StoreError
from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ...store.storage.base import ObjectDigest
from ...store.storage.local import LocalStorage
from .zip_writer import ZipWriter


class ObjectWriter(Protocol):
    """Writer of the objects of one group, called from several threads."""

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Return whether an object of this size and digest is already written."""

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Write an object and compare what was written.

        Raises:
            OSError: the object cannot be written.
            StoreError: what was written is not what was given.
        """


class DirectoryWriter(ObjectWriter):
    """Writer of files in a staging folder.

    Args:
        folder: the staging folder, perhaps with objects of an interrupted copy.
        old: the folder that it will replace, which need not exist; its intact objects are linked, not written.
    """

    def __init__(self, folder: Path, old: Path) -> None:
        self._folder = folder
        self._old = files_below(old)

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Return whether the object is in the staging folder; link it from the old folder if it is intact there."""
        file = self._folder / name
        if _is_intact(file, listed):
            return True
        old = self._old.get(name)
        if old is None or not _is_intact(old, listed):
            return False
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.hardlink_to(old)
        except OSError:
            return False  # a file system without links: the object is copied from the source
        return True

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Write an object, read it back and compare its digest."""
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link to an object of the old folder
        with naming_file(file), file.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        if not _is_intact(file, listed):
            raise StoreError(file, "read back with other content than was written", hint="check the disk")

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove all other files of an interrupted copy."""
        wanted = set(names)
        for file in self._folder.rglob("*"):
            if not file.is_dir() and str(file.relative_to(self._folder)) not in wanted:
                file.unlink()


def files_below(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by relative path; links are skipped."""
    try:
        found = LocalStorage(folder).listing()
    except OSError:
        return {}
    return {name: folder / name for name, entry in found.items() if entry.kind == "file"}


def _is_intact(file: Path, listed: ObjectDigest) -> bool:
    return file.is_file() and file.stat().st_size == listed[0] and file_digest(file) == listed[1]


class ZipObjectWriter(ObjectWriter):
    """Writer that appends objects to a zip file, one at a time.

    Args:
        writer: of the zip file.
        prefix: of the object names of the group, with a slash at the end.
        lock: held while an object is appended.
    """

    def __init__(self, writer: ZipWriter, prefix: str, lock: threading.Lock) -> None:
        self._writer, self._prefix, self._lock = writer, prefix, lock

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Return whether the object is in the file."""
        return self._prefix + name in self._writer.done

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Append an object."""
        rest = iter(pieces)
        first = next(rest, b"")  # read (or downloaded) before other threads have to wait for the lock
        with self._lock:
            self._writer.add(self._prefix + name, listed[0], chain([first], rest))
