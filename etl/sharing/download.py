"""Download one file from a server: resumed, and compared with its size and digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ...store.errors import ContentError
from ...store.files.atomic_write import named_write_errors
from ...store.files.digest import file_digest
from ...store.storage.remote import ObjectServer, TooLargeError
from ...store.storage.retry import RestRefusedError, TransientError
from ..publish.disk_space import check_disk_space

_CHANGED = (
    "it was replaced or damaged there: ask whoever keeps it to verify and export it again, or, if it is sound, to run "
    "`factornet-etl list --rebuild FOLDER`"
)


def download_file(
    server: ObjectServer,
    key: str,
    path: Path,
    *,
    size: int,
    sha256: str,
    on_bytes: Callable[[int], None] = lambda size: None,
) -> int:
    """Download a file, or the rest of it.

    Args:
        server: that has it.
        key: of the file on the server.
        path: to write to; the beginning that a call before this one left there is kept.
        size: bytes of the file.
        sha256: of its content.
        on_bytes: called with the number of bytes of each piece.

    Returns:
        Number of bytes that were there already.

    Raises:
        ContentError: the file there has another size or content.
        StoreError: the server failed after all retries or refuses, or the disk is too small.
        InputError: `path` cannot be written.
    """
    begin = _partial_size(path, size)
    check_disk_space(path, size - begin, what=f"the download of {key}", hint="or name a destination on another disk")
    on_bytes(begin)

    def once() -> None:
        done = _partial_size(path, size)
        if done < size:
            try:
                with server.get(key, max_size=size, begin=done) as pieces:
                    _append(path, pieces, on_bytes)
            except RestRefusedError:
                path.unlink()  # the next try begins anew
                raise
        if _read_size(path) != size:
            raise TransientError(f"{_read_size(path)} bytes, the catalogue lists {size}", None, _CHANGED)
        if file_digest(path) != sha256:  # of what an earlier call left, too
            path.unlink()
            raise TransientError("its SHA-256 is not the one in the catalogue", 2, _CHANGED)

    try:
        server.retry_policy.call(once, url=server.url(key))
    except TooLargeError as e:
        path.unlink(missing_ok=True)
        raise ContentError(server.url(key), f"has more than the {size} bytes listed", hint=_CHANGED) from e
    except FileNotFoundError as e:
        raise ContentError(server.url(key), f"{e.strerror}; the catalogue lists it", hint=_CHANGED) from e
    return begin


def _append(path: Path, pieces: Iterator[bytes], on_bytes: Callable[[int], None]) -> None:
    with named_write_errors(path):
        file = path.open("ab")
    with file:
        for piece in pieces:
            with named_write_errors(path):
                file.write(piece)
                file.flush()
            on_bytes(len(piece))


def _partial_size(path: Path, size: int) -> int:
    """Return the bytes of a partial download; one that is too large is removed."""
    found = _read_size(path)
    if found <= size:
        return found
    path.unlink()
    return 0


def _read_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
