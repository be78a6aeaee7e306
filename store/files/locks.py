"""Locks: shared and exclusive ones on open files and directories (flock), and lock files that name their holder.

A lock file holds one JSON object that describes its holder. Where the file system supports flock, the holder also keeps
the file locked, and the lock of a process that died is free at once. Where it does not (some network file systems),
the file itself is the lock: it is created with O_EXCL, and a file that was left behind is taken over if its holder ran
on this host and runs no more. A file left behind by another host has to be removed by hand; the error says so.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil

from .handles import close_read

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""What flock answers where the file system has no locks."""
_POLL = 0.05  # seconds between two tries of a process that waits
_UNWRITTEN = 2.0  # seconds after which a lock file without a holder's description was left by a process that died
_MAX_CLOCK_ERROR = 2.0  # seconds by which two readings of a process's start may differ


class LockHeldError(Exception):
    """Another process holds a lock; `holder` describes it, `hint` says what to do."""

    def __init__(self, holder: str, hint: str) -> None:
        super().__init__(f"held by {holder}")
        self.holder, self.hint = holder, hint


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or directory until its handle is closed.

    Args:
        handle: file descriptor.
        shared: whether others may hold a shared lock at the same time; else the lock is exclusive.
        wait: whether to wait for other holders.

    Returns:
        Whether the lock was acquired; False where another process holds it (never with `wait`).

    Raises:
        OSError: the file system does not support locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class LockFile:
    """A lock that is held through a file, which is removed when it is released.

    Use `acquire`, as a context manager.
    """

    path: Path
    handle: int
    token: str

    @classmethod
    def acquire(cls, path: Path, *, wait: bool = False) -> Self:
        """Create and lock the file, and its folder where that does not exist.

        Args:
            path: of the lock file.
            wait: whether to wait for another holder.

        Raises:
            LockHeldError: another process holds the lock (never with `wait`).
            OSError: the file system supports neither flock nor O_EXCL, or the file cannot be written.
        """
        while True:
            try:
                if (held := cls._try(path)) is not None:
                    return held
            except LockHeldError:
                if not wait:
                    raise
            time.sleep(_POLL)

    @classmethod
    def _try(cls, path: Path) -> Self | None:
        """Try once; None where another process is just creating or removing the file."""
        opened = _open(path)
        if opened is None:
            return None
        handle, created = opened
        try:
            if not created and os.fstat(handle).st_nlink > 1:  # what a lock is told would be written to that file, too
                raise OSError(errno.EMLINK, "is a hard link to another file", str(path))
            locked = _lock_or_none(handle)
            if locked is False:
                raise _held(_await_holder(handle), path, exclusive=False)
            if locked and not _is_at(handle, path):
                return None  # its last holder has removed it: others would create another
            if not created and not _may_take(handle, path, has_flock=locked is True):
                return None
            held, handle = cls(path, handle, uuid4().hex), -1
        finally:
            if handle >= 0:
                close_read(handle)
        held._write(exclusive=locked is None)
        return held

    def _write(self, *, exclusive: bool) -> None:
        try:
            os.ftruncate(self.handle, 0)
            os.pwrite(self.handle, json.dumps(_describe_self(self.token, exclusive=exclusive)).encode(), 0)
        except OSError as error:
            self.release()
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def release(self) -> None:
        """Remove the file and give up the lock."""
        with contextlib.suppress(OSError):
            if _is_at(self.handle, self.path):
                self.path.unlink()
        close_read(self.handle)  # what was written to it matters no more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass(frozen=True)
class LockState:
    """State of a lock file: what it says of its holder, and whether that may still run."""

    holder: str
    held: bool


def read_lock(path: Path) -> LockState | None:
    """Read a lock file without taking the lock; None where there is none.

    A holder that ran on another host is taken to run still.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        holder, written = _read_holder(handle), os.fstat(handle).st_mtime
    except OSError:
        return None  # a pipe, a folder
    finally:
        close_read(handle)
    held = not _is_stale(holder) if holder else time.time() - written < _UNWRITTEN
    return LockState(_describe_holder(holder), held)


def _open(path: Path) -> tuple[int, bool] | None:
    """Open a lock file, and say whether it was created; None where another process removes it meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), True
    except FileNotFoundError:
        return None  # the folder has just been removed
    except FileExistsError:
        if path.parent.is_file():
            raise
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), False
    except FileNotFoundError:
        return None


def _lock_or_none(handle: int) -> bool | None:
    """Return whether the file was locked; None where the file system has no locks."""
    try:
        return lock(handle)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _may_take(handle: int, path: Path, *, has_flock: bool) -> bool:
    """Return whether an existing lock file may be taken over as it is: False where to try again.

    Raises:
        LockHeldError: its holder has no flock, and may still run.
    """
    holder = _read_holder(handle)
    if not holder:
        if time.time() - os.fstat(handle).st_mtime < _UNWRITTEN:
            return False  # its holder has not described itself yet
        if has_flock:
            return True
    elif has_flock and not holder.get("exclusive"):
        return True
    elif not _is_stale(holder):
        raise _held(holder, path, exclusive=True)
    if has_flock:
        return True
    _remove_stale(handle, path)
    return False


def _remove_stale(handle: int, path: Path) -> None:
    """Remove the open lock file of a holder that runs no more, unless another process has just done so.

    A lock file of its own, named after the stale one, makes sure that only one process removes it, and only that.
    """
    version = os.fstat(handle).st_mtime_ns
    with LockFile.acquire(path.with_name(f"{path.name}.{version}"), wait=True):
        if _is_at(handle, path) and os.fstat(handle).st_mtime_ns == version:
            path.unlink()


def _is_at(handle: int, path: Path) -> bool:
    """Return whether a path still is the open file."""
    try:
        status, opened = path.stat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == (opened.st_dev, opened.st_ino)


def _describe_self(token: str, *, exclusive: bool) -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "started": psutil.Process().create_time(),
        "exclusive": exclusive,
        "token": token,
    }


def _read_holder(handle: int) -> dict[str, Any]:
    """Return the description of a lock's holder; empty where there is none yet, or none that can be read."""
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        process, started = int(holder["process"]), float(holder["started"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return {}
    return {**holder, "process": process, "started": started} if process > 0 and math.isfinite(started) else {}


def _await_holder(handle: int) -> dict[str, Any]:
    """Return the description of a lock's holder, which writes it in the moment after it has locked the file."""
    deadline = time.monotonic() + _UNWRITTEN
    while not (holder := _read_holder(handle)) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return holder


def _is_stale(holder: Mapping[str, Any]) -> bool:
    """Return whether a holder ran on this host and runs no more; a process of its number may be another."""
    if holder.get("host") != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(holder["process"]).create_time() - holder["started"]) > _MAX_CLOCK_ERROR)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _held(holder: Mapping[str, Any], path: Path, *, exclusive: bool) -> LockHeldError:
    hint = "wait for it, or end that process"
    if exclusive and holder.get("host") != socket.gethostname():
        hint += f"; if it runs no more, remove {path}"
    return LockHeldError(_describe_holder(holder), hint)


def _describe_holder(holder: Mapping[str, Any]) -> str:
    known = all(name in holder for name in ("process", "host", "since"))
    return "process {process} on {host} since {since}".format_map(holder) if known else "another process"
