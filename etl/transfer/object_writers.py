"""What takes the objects of one group at its destination: a folder that is being built, a zip file being written."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ...store.errors import StoreError
from ...store.storage.base import ObjectDigest
from ...store.storage.files import file_digest
from ...store.storage.local import LocalStorage
from .zip_writer import ZipWriter


class ObjectWriter(Protocol):
    """Takes the objects of one group, from several threads."""

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Whether an object is there already, with the right content."""

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Put an object, and compare what is there then.

        Raises:
            StoreError, OSError: it could not be put, or is not what it should be.
        """


class DirectoryWriter(ObjectWriter):
    """Files in a folder that is being built; `done` is asked for once, so what lies there is digested once.

    Args:
        folder: to build in.
        old: the folder that it will replace, which need not be there; what is right in it is taken over.
    """

    def __init__(self, folder: Path, old: Path) -> None:
        self._folder = folder
        self._old = files_below(old)

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Whether it is there."""
        file = self._folder / name
        if _is_right(file, listed):
            return True
        old = self._old.get(name)
        if old is None or not _is_right(old, listed):
            return False
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.hardlink_to(old)
        except OSError:
            return False  # a file system without links: it is copied from the source
        return True

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Write it."""
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link to what is being replaced
        with file.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        if not _is_right(file, listed):
            raise StoreError(file, "is not as it was written", hint="check the disk")

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove what an earlier try left that is none of these."""
        wanted = set(names)
        for file in self._folder.rglob("*"):
            if not file.is_dir() and str(file.relative_to(self._folder)) not in wanted:
                file.unlink()


def files_below(folder: Path) -> dict[str, Path]:
    """Files below a folder, by their path in it; links are passed over."""
    try:
        found = LocalStorage(folder).listing()
    except OSError:
        return {}
    return {name: folder / name for name, entry in found.items() if entry.kind == "file"}


def _is_right(file: Path, listed: ObjectDigest) -> bool:
    return file.is_file() and file.stat().st_size == listed[0] and file_digest(file) == listed[1]


class ZipObjectWriter(ObjectWriter):
    """Objects at the end of a zip file that is being written; `lock` is held while one is added."""

    def __init__(self, writer: ZipWriter, prefix: str, lock: threading.Lock) -> None:
        self._writer, self._prefix, self._lock = writer, prefix, lock

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Whether it is there."""
        return self._prefix + name in self._writer.done

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Write it."""
        source = iter(pieces)
        first = next(source, b"")  # what takes long to get is got before the others have to wait
        with self._lock:
            self._writer.add(self._prefix + name, listed[0], _chain(first, source))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
