"""Read the objects of a group from a directory on a local disk, which is held open."""

from __future__ import annotations

import errno
import os
import stat
import weakref
from pathlib import Path

from ..errors import StoreError
from ..files.handles import close_read
from ..files.locks import lock
from .base import Entry, GroupStorage, ObjectDigest, OpenObject, file_identity, stat_entry

_BEHIND_LINK = "is a link, or lies behind one"
# O_PATH is Linux's alone; elsewhere a directory must be readable to be passed through.
_PARENT_FLAGS = (os.O_PATH if hasattr(os, "O_PATH") else os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW


class LocalStorage(GroupStorage):
    """Directory of a group on a local disk.

    Files are opened relative to a descriptor of the directory, not by path. When a cell line is replaced, its old
    directory is moved aside and the descriptor stays valid: a reader sees one version from first to last. A shared lock
    on the descriptor (on the directory itself: nothing is written, so read-only mounts work) makes builds keep the old
    version until its readers are gone. Links are not followed.

    Args:
        path: of the directory, resolved.

    Raises:
        OSError: it does not exist, or part of the path is a link.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.location = path, str(path)
        if os.path.realpath(path) != str(path):
            raise OSError(errno.ELOOP, _BEHIND_LINK, str(path))
        self._handle = _open_locked(path)
        weakref.finalize(self, close_read, self._handle).atexit = False

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """Open a file of the directory.

        Raises:
            OSError: it cannot be opened, is a link, or is not a regular file.
            StoreError: the directory was removed or replaced, in a file system without locks.
        """
        try:
            # Without O_NONBLOCK, opening a pipe would wait for its writer.
            handle = open_beneath(self._handle, name, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            if not _is_at(self._handle, self.path):
                problem = "was removed or replaced while it was in use, and could not be locked"
                raise StoreError(self.location, problem, hint="start again to use the new version") from None
            raise
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            close_read(handle)
            raise OSError(errno.EINVAL, "is not a regular file", name)
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

    def read(self, name: str) -> bytes:
        """Return the content of a file of the directory.

        Raises:
            OSError: it cannot be read.
        """
        with self.open(name) as file:
            return b"".join(file.pieces())

    def listing(self) -> dict[str, Entry]:
        """Return all entries below the directory, except directories, by path; links are listed, not followed.

        Raises:
            OSError: a directory cannot be read.
        """

        def fail(error: OSError) -> None:
            raise error

        entries = {}
        for root, folders, files, handle in os.fwalk(".", dir_fd=self._handle, onerror=fail):
            for name in (*files, *folders):
                entry = stat_entry(name, handle)
                if entry.kind != "folder":
                    entries[os.path.normpath(f"{root}/{name}")] = entry
        return entries


def _open_locked(path: Path) -> int:
    """Open a directory with a shared lock on it.

    Builds move a directory away first and try its lock afterwards. So a directory that is still at its path once it is
    locked is kept; otherwise it was replaced in between, and the new one is opened.
    """
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _lock_shared(handle) and _is_at(handle, path):
                return handle
        except BaseException:
            close_read(handle)
            raise
        close_read(handle)


def _lock_shared(handle: int) -> bool:
    """Return whether the directory is locked for reading; False where it is being removed."""
    try:
        return lock(handle, shared=True)
    except OSError:
        return True  # a file system without locks cannot keep old versions, but it can be read


def _is_at(handle: int, path: Path) -> bool:
    try:
        opened, current = os.fstat(handle), path.stat()
    except FileNotFoundError:
        return False
    return (opened.st_dev, opened.st_ino) == (current.st_dev, current.st_ino)


def open_beneath(folder: int, name: str, flags: int) -> int:
    """Open `name` in a directory, component by component, without following links or leaving the directory.

    Args:
        folder: descriptor of the directory.
        name: relative path, ``/`` as separator.
        flags: of ``os.open``.

    Returns:
        A file descriptor, for the caller to close.

    Raises:
        OSError: it cannot be opened; with errno ELOOP where a component is a link or ``..``, or `name` is absolute.
    """
    *parents, last = name.split("/")
    if name.startswith("/") or ".." in (*parents, last):
        raise OSError(errno.ELOOP, _BEHIND_LINK, name)
    directory, component = os.dup(folder), ""
    try:
        for component in filter(None, parents):
            below = os.open(component, _PARENT_FLAGS, dir_fd=directory)
            close_read(directory)
            directory = below
        component = last or "."
        return os.open(component, flags | os.O_NOFOLLOW, dir_fd=directory)
    except OSError as e:
        # A link in the way is ELOOP or ENOTDIR, by system; only the latter may also be a file.
        if e.errno == errno.ELOOP or (e.errno == errno.ENOTDIR and stat_entry(component, directory).kind == "link"):
            raise OSError(errno.ELOOP, _BEHIND_LINK, name) from None
        raise OSError(e.errno, e.strerror, name) from None
    finally:
        close_read(directory)
