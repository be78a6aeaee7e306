"""SHA-256 of bytes and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_PIECE_SIZE = 8 * 1024 * 1024


def sha256_of(pieces: Iterable[Any]) -> str:
    """Return the SHA-256 of concatenated byte strings or buffers, in hexadecimal."""
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
    return sha.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal, in bounded memory.

    Raises:
        OSError: it cannot be read; the error names `path`.
    """
    try:
        with path.open("rb") as file:
            return sha256_of(iter(lambda: file.read(_PIECE_SIZE), b""))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
