"""Where the objects of a group are read from. Here: the interface, and the folder on a local disk.

`LocalStorage` is held open: what it held when it was opened stays readable, also after it is replaced. Other kinds are
in `zipped` (a part of a zip file) and `remote` (on a server).
"""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .files import sha256_of

ObjectDigest = tuple[int, str]
"""Size and SHA-256 of an object, as a manifest lists it."""

_PIECE = 8 * 1024 * 1024


class OpenObject:
    """An object, open for reading, in a local file: a context manager.

    Args:
        handle: of the file.
        size: bytes of the object.
        identity: changes when the object does.
        begin: where in the file the object begins.
        owned: whether to close the handle at the end.
    """

    __slots__ = ("_begin", "_handle", "_owned", "identity", "size")

    def __init__(
        self, handle: int, *, size: int, identity: tuple[int, int, int], begin: int = 0, owned: bool = True
    ) -> None:
        self._handle, self._begin, self._owned = handle, begin, owned
        self.size, self.identity = size, identity

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on; fewer at the end of the object.

        Raises:
            OSError: the disk failed.
        """
        return os.pread(self._handle, max(0, min(size, self.size - offset)), self._begin + offset)

    def pieces(self) -> Iterator[bytes]:
        """All of it, some megabytes at a time.

        Raises:
            OSError: the disk failed.
        """
        at = 0
        while piece := self.read(at, _PIECE):
            at += len(piece)
            yield piece

    def sha256(self) -> str:
        """SHA-256 of the object, in hexadecimal.

        Raises:
            OSError: the disk failed.
        """
        return sha256_of(self.pieces())

    def duplicate(self) -> int:
        """Another handle of the file, for the caller to close."""
        return os.dup(self._handle)

    def close(self) -> None:
        """Close the file."""
        if self._owned:
            os.close(self._handle)
            self._owned = False

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies somewhere in a store: its kind, the size of a file, where a link leads."""

    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    target: str = ""


class GroupStorage(ABC):
    """The folder of a group.

    Attributes:
        place: where it is, for messages.
    """

    location: str

    @abstractmethod
    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """An object of the folder.

        Args:
            name: path in the folder.
            listed: what the manifest says of it; a server is not asked for what no manifest lists.

        Raises:
            OSError: it cannot be opened.
            StoreError: a server does not give it, or of other content.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of a small file that no manifest lists (``zarr.json``).

        Raises:
            OSError: it cannot be read.
            StoreError: a server does not give it.
        """

    @abstractmethod
    def listing(self) -> dict[str, Entry] | None:
        """Path of all in the folder but folders; None where it cannot be listed.

        Raises:
            OSError, StoreError: a folder cannot be read.
        """


def file_identity(state: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
    return state.st_ino, state.st_size, state.st_mtime_ns


def stat_entry(name: str, folder: int) -> Entry:
    """What `name` is in the folder with this handle.

    Raises:
        OSError: there is no such thing.
    """
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(state.st_mode):
        return Entry("link", target=os.readlink(name, dir_fd=folder))
    if stat.S_ISDIR(state.st_mode):
        return Entry("folder")
    return Entry("file", state.st_size) if stat.S_ISREG(state.st_mode) else Entry("other")


def is_object_name(name: str) -> bool:
    """Whether a name can be the path of an object inside a store, on every file system."""
    parts = name.split("/")
    return not re.search(r"[\x00-\x1f\x7f\\:]", name) and all(p not in ("", ".", "..") for p in parts)
