"""Local files: SHA-256, fsync, and replacement in one step."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from ..errors import InputError

_PIECE = 8 * 1024 * 1024


def fsync_path(path: Path) -> None:
    """See that a file or folder is on the disk.

    Raises:
        OSError: the disk failed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from e
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sha.update(piece)
    return sha.hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file in one step: whoever reads, and whatever fails, there is the old or the new one."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        with contextlib.ExitStack() as stack:
            directory = os.open(path.parent, os.O_RDONLY)
            stack.callback(os.close, directory)
            os.fsync(directory)  # the rename, too, must survive a power cut
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(path, f"cannot be written ({error.strerror})", hint="check the disk and its rights") from error
