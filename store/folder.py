"""The folder of a group, held open: what it held when it was opened stays readable, also after it is replaced."""

from __future__ import annotations

import fcntl
import os
import stat
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast


class Folder:
    """A folder of a store, for reading.

    Files are opened relative to a handle of the folder, not by path. When a cell line is replaced its old folder is
    moved aside, and the handle goes with it: a reader sees one version from first to last. A shared lock on the handle
    (a lock on the folder itself: nothing is written, so that read-only mounts work) tells the builder to keep the old
    version until its readers are gone.

    Args:
        path: of the folder.

    Raises:
        OSError: there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = _hold(path)
        weakref.finalize(self, os.close, self._handle).atexit = False

    def open(self, name: str) -> BinaryIO:
        """A file of the folder, unbuffered.

        Raises:
            OSError: it cannot be opened.
        """
        handle = self._handle

        def opener(_: str, flags: int) -> int:
            return os.open(name, flags, dir_fd=handle)

        return cast("BinaryIO", open(self.path / name, "rb", buffering=0, opener=opener))

    def read(self, name: str) -> bytes:
        """Content of a file of the folder.

        Raises:
            OSError: it cannot be read.
        """
        with self.open(name) as file:
            return file.read()

    def walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Path and state of all in the folder but folders; links are not followed, and come as themselves.

        Raises:
            OSError: a folder cannot be read.
        """

        def fail(error: OSError) -> None:
            raise error

        for root, folders, files, handle in os.fwalk(".", dir_fd=self._handle, onerror=fail):
            for name in (*files, *folders):
                state = os.stat(name, dir_fd=handle, follow_symlinks=False)
                if not stat.S_ISDIR(state.st_mode):
                    yield os.path.normpath(f"{root}/{name}"), state


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
