"""Put one folder in the place of another, so that there is a whole one at every moment; and heal what was cut short."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from .locks import lock

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_CELL = "cells."
GENOME_DIR = "genome-folder"
"""Name under which the genome of a store that is there already is put together again; its cell lines stay."""
SWAP = "swap"
"""Name of an old folder while the new one is not yet in its place, where that takes two renames."""


def staging_dir(store: Path) -> Path:
    """The folder beside a store in which groups are built, and from which they are moved into it."""
    return store.with_name(store.name + ".building")


def old_versions_dir(store: Path, name: str) -> Path:
    """The folder of versions of `name` that were replaced, and are kept while someone reads them."""
    return staging_dir(store) / ".old" / name


def lock_file(store: Path, name: str) -> Path:
    """The file that whoever builds `name` holds a lock on."""
    return staging_dir(store) / ".locks" / name


def swap_dirs(a: Path, b: Path) -> None:
    """Let two folders of one file system change places in one atomic step.

    Raises:
        NotImplementedError: the system or the file system cannot.
        OSError: it can, and failed.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError) as e:
        raise NotImplementedError("no renameat2") from e
    if rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        raise NotImplementedError(os.strerror(code))
    raise OSError(code, os.strerror(code), str(b))


def cell_line_staging_name(cell: str) -> str:
    """The name that a cell line is built under; no cell line's is that of a whole store (``genome``, ``unpack``)."""
    return f"{_CELL}{cell}"


def final_path(store: Path, name: str) -> Path:
    """Where what is built as `name` belongs: a cell line's folder, the genome's, or the store itself."""
    if name == GENOME_DIR:
        return store / "genome"
    return store / "cells" / name.removeprefix(_CELL) if name.startswith(_CELL) else store


def recover_interrupted_swaps(store: Path) -> None:
    """Move back what a build was replacing when it was killed between two renames; others' work is left alone.

    Does nothing where it may not write: a store on a read-only mount is not being built.
    """
    with contextlib.suppress(OSError):
        for swap in staging_dir(store).glob(f".old/*/{SWAP}"):
            recover_interrupted_swap(store, swap.parent.name)


def recover_interrupted_swap(store: Path, name: str) -> None:
    """`recover_interrupted_swaps` for one name, unless a process is building it.

    Raises:
        OSError: the folders cannot be written.
    """
    with lock_file(store, name).open("a") as file:
        try:
            if not lock(file.fileno()):
                return
        except OSError:
            return
        restore_swapped(store, name)


def restore_swapped(store: Path, name: str) -> None:
    """The same, for who holds the lock."""
    swap, final = old_versions_dir(store, name) / SWAP, final_path(store, name)
    if swap.exists() and not final.exists():
        swap.rename(final)


def has_no_reader(folder: Path) -> bool:
    """Whether no process holds this folder, or a group in it, open for reading (see `folder.GroupStorage`)."""
    return all(_free(f) for f in _groups(folder))


def _groups(folder: Path) -> Iterator[Path]:
    yield folder
    for below in (folder / "genome", *folder.glob("cells/*")):
        if below.is_dir():
            yield below


def _free(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        return lock(handle)
    except OSError:
        return True  # no locks on this file system: nobody can have asked to keep it
    finally:
        os.close(handle)
