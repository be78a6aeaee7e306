"""Where the objects of a group are read from. Here: the interface, and the folder on a local disk.

`LocalFolder` is held open: what it held when it was opened stays readable, also after it is replaced. Other kinds are
in `zipped` (a part of a zip file) and `remote` (on a server).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .beneath import open_beneath

Listed = tuple[int, str]
"""Size and SHA-256 of an object, as a manifest lists it."""

_PIECE = 8 * 1024 * 1024


class Opened:
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

    def duplicate(self) -> int:
        """Another handle of the file, for the caller to close."""
        return os.dup(self._handle)

    def close(self) -> None:
        """Close the file."""
        if self._owned:
            os.close(self._handle)
            self._owned = False

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies somewhere in a store: its kind, the size of a file, where a link leads."""

    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    target: str = ""


class Folder(ABC):
    """The folder of a group.

    Attributes:
        place: where it is, for messages.
    """

    place: str

    @abstractmethod
    def open(self, name: str, listed: Listed | None = None) -> Opened:
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


class LocalFolder(Folder):
    """A folder on a local disk.

    Files are opened relative to a handle of the folder, not by path. When a cell line is replaced its old folder is
    moved aside, and the handle goes with it: a reader sees one version from first to last. A shared lock on the handle
    (a lock on the folder itself: nothing is written, so that read-only mounts work) tells the builder to keep the old
    version until its readers are gone. Links are not followed.

    Args:
        path: of the folder.

    Raises:
        OSError: there is none, or a part of the path is a link.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, str(path)
        if os.path.realpath(path) != str(path):
            raise OSError(errno.ELOOP, "is a link, or lies beyond one", str(path))
        self._handle = _hold(path)
        weakref.finalize(self, os.close, self._handle).atexit = False

    def open(self, name: str, listed: Listed | None = None) -> Opened:
        """A file of the folder.

        Raises:
            OSError: it cannot be opened, or is a link or no file.
        """
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        handle = open_beneath(self._handle, name, os.O_RDONLY | os.O_NONBLOCK)
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "is no file", name)
        return Opened(handle, size=state.st_size, identity=identity_of(state))

    def read(self, name: str) -> bytes:
        """Content of a file of the folder.

        Raises:
            OSError: it cannot be read.
        """
        with self.open(name) as file:
            return b"".join(file.pieces())

    def listing(self) -> dict[str, Entry]:
        """Path of all in the folder but folders; links are not followed, and come as themselves.

        Raises:
            OSError: a folder cannot be read.
        """

        def fail(error: OSError) -> None:
            raise error

        found = {}
        for root, folders, files, handle in os.fwalk(".", dir_fd=self._handle, onerror=fail):
            for name in (*files, *folders):
                entry = entry_of(name, handle)
                if entry.kind != "folder":
                    found[os.path.normpath(f"{root}/{name}")] = entry
        return found


def identity_of(state: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
    return state.st_ino, state.st_size, state.st_mtime_ns


def entry_of(name: str, folder: int) -> Entry:
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


def _hold(path: Path) -> int:
    """A locked handle of a folder.

    Builders move a folder away first and ask for its lock after. So a folder that is still in its place once it is
    locked will be kept; one that is not was replaced this moment, and the new one is taken.
    """
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            held = _lock(handle)
            if held and _same(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the folder is ours to read: not being removed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks: nothing can be promised there, and reading is no worse for it
    return True


def _same(handle: int, path: Path) -> bool:
    here, there = os.fstat(handle), path.stat()
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
