"""Replace a directory by another in one step, and recover from replacements that were interrupted.

Layout next to a store, on its file system: ``<store>.building/<name>`` (staging), ``.../.old/<name>/`` (replaced
versions), ``.../.locks/<name>``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..files.handles import close_read
from ..files.locks import LockFile, LockHeldError, lock

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_CELL_PREFIX = "cells."
GENOME_DIR = "genome-folder"
"""Staging name of the genome of an existing store; its cell lines stay."""
SWAP = "swap"
"""Name of a replaced directory until the new one is in its place, where that takes two renames."""


def staging_dir(store: Path) -> Path:
    """Return the directory next to a store in which groups are built."""
    return store.with_name(store.name + ".building")


def old_versions_dir(store: Path, name: str) -> Path:
    """Return the directory of replaced versions of `name`, kept while they are read."""
    return staging_dir(store) / ".old" / name


def lock_file(store: Path, name: str) -> Path:
    """Return the path of the file that a build of `name` holds locked."""
    return staging_dir(store) / ".locks" / name


def swap_dirs(a: Path, b: Path) -> None:
    """Exchange two directories of one file system atomically (``renameat2`` with RENAME_EXCHANGE).

    Raises:
        NotImplementedError: the operating system or file system does not support it.
        OSError: the exchange failed.
    """
    if sys.platform != "linux":
        raise NotImplementedError(f"renameat2 is a system call of Linux, not of {sys.platform}")
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError) as e:
        raise NotImplementedError("the C library has no renameat2") from e
    if renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        raise NotImplementedError(os.strerror(code))
    raise OSError(code, os.strerror(code), str(b))


def cell_line_staging_name(cell: str) -> str:
    """Return the staging name of a cell line, distinct from those of whole stores (``genome``, ``unpack``)."""
    return f"{_CELL_PREFIX}{cell}"


def final_path(store: Path, name: str) -> Path:
    """Return the published path of staging name `name`: a cell line's directory, the genome's, or the store itself."""
    if name == GENOME_DIR:
        return store / "genome"
    return store / "cells" / name.removeprefix(_CELL_PREFIX) if name.startswith(_CELL_PREFIX) else store


def recover_interrupted_swaps(store: Path) -> None:
    """Move back every directory whose replacement was killed between two renames.

    Groups that a process is building are left alone. Does nothing where the directories cannot be written: a store on
    a read-only mount is not being built.
    """
    with contextlib.suppress(OSError):
        for swap in staging_dir(store).glob(f".old/*/{SWAP}"):
            recover_interrupted_swap(store, swap.parent.name)


def recover_interrupted_swap(store: Path, name: str) -> None:
    """Move back the directory of one staging name, unless a process is building it.

    Raises:
        OSError: the directories cannot be written.
    """
    try:
        held = LockFile.acquire(lock_file(store, name))
    except LockHeldError:
        return
    with held:
        restore_swapped(store, name)


def restore_swapped(store: Path, name: str) -> None:
    """Move back the directory of one staging name; the caller holds its lock.

    Raises:
        OSError: the directories cannot be written.
    """
    swap, final = old_versions_dir(store, name) / SWAP, final_path(store, name)
    if swap.exists() and not final.exists():
        swap.rename(final)


def has_no_reader(folder: Path) -> bool:
    """Return whether no process holds this directory, or a group in it, open for reading (see `local.LocalStorage`)."""
    return all(_is_unlocked(f) for f in _groups(folder))


def _groups(folder: Path) -> Iterator[Path]:
    yield folder
    for group in (folder / "genome", *folder.glob("cells/*")):
        if group.is_dir():
            yield group


def _is_unlocked(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        return lock(handle)
    except OSError:
        return True  # a file system without locks: readers could not ask to keep it
    finally:
        close_read(handle)
