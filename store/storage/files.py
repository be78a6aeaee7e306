"""Local files: SHA-256, fsync, and replacement in one step."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..errors import InputError

_PIECE = 8 * 1024 * 1024


def sha256_of(pieces: Iterable[Any]) -> str:
    """SHA-256 of byte strings or buffers, one after the other, in hexadecimal."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read in bounded memory."""
    with path.open("rb") as file:
        return sha256_of(iter(lambda: file.read(_PIECE), b""))


def fsync_path(path: Path) -> None:
    """Flush a file or directory to the disk.

    Raises:
        OSError: the disk failed; the error names `path`.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from e
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file in one step: yield a temporary path beside it to write to, flush that and rename it at the end.

    The temporary name is unique and keeps the suffix of `path`. When the block raises, the temporary file is removed
    and what was at `path` stays.

    Raises:
        OSError: the disk failed.
    """
    part = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.part{path.suffix}")
    try:
        yield part
        fsync_path(part)
        part.replace(path)
        fsync_path(path.parent)  # the rename, too, must survive a power cut
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of a file in one step: readers see the old bytes or the new ones.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with replacing(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", hint="check the disk and its rights") from error
