"""A local directory as storage of a group. It is held open: what it held stays readable, also after it is replaced."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import weakref
from functools import cache
from pathlib import Path
from typing import Any

from .base import Entry, GroupStorage, ObjectDigest, OpenObject, file_identity, stat_entry
from .locks import lock


class LocalStorage(GroupStorage):
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
        self.path, self.location = path, str(path)
        if os.path.realpath(path) != str(path):
            raise OSError(errno.ELOOP, "is a link, or lies beyond one", str(path))
        self._handle = _hold(path)
        weakref.finalize(self, os.close, self._handle).atexit = False

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
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
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

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
                entry = stat_entry(name, handle)
                if entry.kind != "folder":
                    found[os.path.normpath(f"{root}/{name}")] = entry
        return found


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
        return lock(handle, shared=True)
    except OSError:
        return True  # a file system without locks: nothing can be promised there, and reading is no worse for it


def _same(handle: int, path: Path) -> bool:
    here, there = os.fstat(handle), path.stat()
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


_OPENAT2 = 437  # the same on every architecture
_NO_SYMLINKS, _BENEATH = 0x04, 0x08
_UNSUPPORTED = (errno.ENOSYS, errno.EPERM, errno.EINVAL)


def open_beneath(folder: int, name: str, flags: int) -> int:
    """A handle of `name` in a folder; no part of the way may be a link, or lead out of the folder.

    One call of Linux's ``openat2`` (6 us; part by part, where the system has none, 30 us).

    Args:
        folder: handle of the folder.
        name: path in it.
        flags: of ``os.open``.

    Raises:
        OSError: it cannot be opened; ELOOP where a part is a link.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    how = struct.pack("QQQ", flags, 0, _NO_SYMLINKS | _BENEATH)
    handle: int = _syscall()(_OPENAT2, folder, os.fsencode(name), how, ctypes.c_size_t(len(how)))
    if handle >= 0:
        return handle
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return walk_beneath(folder, name, flags)
    if code in (errno.ELOOP, errno.EXDEV):
        code = errno.ELOOP
    raise OSError(code, _words(code), name)


@cache
def _syscall() -> Any:
    return ctypes.CDLL(None, use_errno=True).syscall


def walk_beneath(folder: int, name: str, flags: int) -> int:
    """The same part by part, for systems without ``openat2``.

    Raises:
        OSError: as for `open_beneath`.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    *parts, last = name.split("/")
    if name.startswith("/") or ".." in (*parts, last):
        raise OSError(errno.ELOOP, _words(errno.ELOOP), name)
    at = os.dup(folder)
    try:
        for part in parts:
            if not part:
                continue
            below = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(last or ".", flags, dir_fd=at)
    except OSError as e:
        code = errno.ELOOP if e.errno == errno.ENOTDIR and parts else e.errno
        raise OSError(code, _words(code or 0), name) from None
    finally:
        os.close(at)


def _words(code: int) -> str:
    return "is a link, or lies beyond one" if code == errno.ELOOP else os.strerror(code)
