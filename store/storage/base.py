"""Interface of group storage, and objects opened from it.

Implementations: `local` (directory), `zip_archive` (part of a zip file), `remote` (server).
"""

from __future__ import annotations

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..files.digest import sha256_of
from ..files.handles import close_read

ObjectDigest = tuple[int, str]
"""Size in bytes and SHA-256 of an object, as its manifest lists them."""

_PIECE_SIZE = 8 * 1024 * 1024


class OpenObject:
    """Object opened for reading in a local file; a context manager.

    Args:
        handle: file descriptor.
        size: size of the object, bytes.
        identity: changes when the object does, see `file_identity`.
        begin: offset of the object in the file, bytes.
        owned: whether `close` closes the file descriptor.
    """

    __slots__ = ("_begin", "_handle", "_owned", "identity", "size")

    def __init__(
        self, handle: int, *, size: int, identity: tuple[int, int, int], begin: int = 0, owned: bool = True
    ) -> None:
        self._handle, self._begin, self._owned = handle, begin, owned
        self.size, self.identity = size, identity

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes starting at `offset`, fewer at the end of the object.

        Raises:
            OSError: the file cannot be read.
        """
        return os.pread(self._handle, max(0, min(size, self.size - offset)), self._begin + offset)

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces of some megabytes.

        Raises:
            OSError: the file cannot be read.
        """
        offset = 0
        while piece := self.read(offset, _PIECE_SIZE):
            offset += len(piece)
            yield piece

    def sha256(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal.

        Raises:
            OSError: the file cannot be read.
        """
        return sha256_of(self.pieces())

    @property
    def handle(self) -> int:
        """File descriptor, valid until `close`."""
        return self._handle

    def close(self) -> None:
        """Close the file, if owned."""
        if self._owned:
            close_read(self._handle)
            self._owned = False

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """Entry of a directory: kind, size of a file in bytes, target of a link."""

    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    target: str = ""


class GroupStorage(ABC):
    """Directory of a group in a store.

    Attributes:
        location: path or URL, for messages.
    """

    location: str

    @abstractmethod
    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """Open an object.

        Args:
            name: path relative to the group.
            listed: size and SHA-256 in the manifest; objects on servers are opened only with them.

        Raises:
            OSError: it cannot be opened.
            StoreError: the server refuses it or sends other content.
        """

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a small file that no manifest lists (``zarr.json``).

        Raises:
            OSError: it cannot be read.
            StoreError: the server refuses it.
        """

    @abstractmethod
    def listing(self) -> dict[str, Entry] | None:
        """Return all entries below the group, except directories, by path; None where listing is not supported.

        Raises:
            OSError, StoreError: they cannot be listed.
        """


def file_identity(state: os.stat_result) -> tuple[int, int, int]:
    """Return inode, size and modification time (ns), which change when a file does."""
    return state.st_ino, state.st_size, state.st_mtime_ns


def stat_entry(name: str, folder: int) -> Entry:
    """Return the entry `name` of the directory with descriptor `folder`; links are not followed.

    Raises:
        OSError: it does not exist or cannot be read.
    """
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(state.st_mode):
        return Entry("link", target=os.readlink(name, dir_fd=folder))
    if stat.S_ISDIR(state.st_mode):
        return Entry("folder")
    return Entry("file", state.st_size) if stat.S_ISREG(state.st_mode) else Entry("other")


def is_object_name(name: str) -> bool:
    """Return whether `name` is a relative path that stays inside a store, on every file system."""
    parts = name.split("/")
    return not re.search(r"[\x00-\x1f\x7f\\:]", name) and all(p not in ("", ".", "..") for p in parts)
