"""Flush and replace files atomically."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ..errors import InputError
from .handles import close_read

TEMPORARY_NAME = r"\.(?P<stem>.+)\.[0-9a-f]{8}\.part(?P<suffix>(\.[^.]*)?)"
"""Names of the temporary files of `replacing`: stem and suffix are those of the file to be replaced."""


def fsync_path(path: Path) -> None:
    """Flush a file or directory to the disk.

    Raises:
        OSError: it cannot be opened or flushed; the error names `path`.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from e
    finally:
        close_read(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file atomically: yield a temporary path in its directory to write to, then flush and rename it.

    The temporary name is unique and keeps the suffix of `path`. When the block raises, the temporary file is removed
    and the file at `path` stays.

    Raises:
        OSError: the temporary file cannot be flushed or renamed.
    """
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield temporary
        fsync_path(temporary)
        temporary.replace(path)
        fsync_path(path.parent)  # the rename, too, must survive a power cut
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def named_write_errors(path: Path) -> Iterator[None]:
    """Turn OSError of the block into an error that names the file to be written.

    Raises:
        InputError: a write failed.
    """
    try:
        yield
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise InputError(path, problem, hint=write_cure(error)) from error


def write_cure(error: OSError, otherwise: str = "check free space and permissions") -> str:
    """Return what to do about a failed write, as text; `otherwise` where no disk, limit or mount is at fault."""
    if error.errno == errno.EFBIG:
        return "raise the limit of file sizes (ulimit -f), or choose a file system for larger files"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "check free space, or choose another place"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit on open files (ulimit -n)"
    if error.errno in (errno.EBUSY, errno.EXDEV):
        return "a folder is mounted there, which cannot be replaced in one step: give a path within it"
    if error.errno == errno.ENOENT:
        return "its folder was moved or removed meanwhile: bring it back, or repeat the command where it is now"
    return otherwise


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Name a file in errors of the system that name none: those of writing to an open file.

    Raises:
        OSError: as raised in the block, with a `filename`.
    """
    try:
        yield
    except OSError as e:
        if e.filename is not None or e.errno is None:
            raise
        raise OSError(e.errno, os.strerror(e.errno), str(path)) from e


def not_read_back(path: Path, what: str = "") -> InputError:
    """Return the error of a file that, read back, is not what was written."""
    problem = f"read back, it is not what was written{what}; it was removed"
    return InputError(path, problem, hint="check free space, and the disk")


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of a file atomically: readers see the old bytes or the new ones.

    Raises:
        InputError: the file cannot be written.
    """
    with named_write_errors(path), replacing(path) as temporary:
        temporary.write_bytes(data)
