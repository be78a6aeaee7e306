"""Write the group of all cell lines of a local store, and keep its index, where it has one, up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ...store.errors import StoreError
from ...store.files.atomic_write import naming_file
from ...store.files.locks import LockFile
from ...store.format.attributes import read_attributes
from ...store.format.cell_index import CELL_INDEX, format_cell_index, parse_cell_index
from ...store.storage.atomic_swap import lock_file, staging_dir
from ...store.storage.local import LocalStorage

_INDEX_LOCK = "cell-index"


def write_cells_group(store: Path) -> None:
    """Write the group of a new store, without an index.

    Raises:
        OSError: the disk failed.
    """
    (store / "cells").mkdir(exist_ok=True)
    with naming_file(store / CELL_INDEX):
        (store / CELL_INDEX).write_bytes(format_cell_index(None))


def write_cell_index(store: Path) -> None:
    """Write the group with an index of the cell lines present, one process at a time.

    Raises:
        OSError: the disk failed.
    """
    with _locked_cells(store) as folder:
        _replace(store, format_cell_index(_manifest_digests(folder)))


def refresh_cell_index(store: Path) -> None:
    """Rewrite the index if the store has one, or a damaged one; write the group if an earlier version wrote none.

    Raises:
        OSError: the disk failed.
    """
    with _locked_cells(store) as folder:
        try:
            has_index = parse_cell_index((store / CELL_INDEX).read_bytes(), location=str(folder)) is not None
        except FileNotFoundError:
            _replace(store, format_cell_index(None))
            return
        except StoreError:
            has_index = True
        if has_index:
            _replace(store, format_cell_index(_manifest_digests(folder)))


@contextmanager
def _locked_cells(store: Path) -> Iterator[Path]:
    """Yield the folder of all cell lines while no other process writes its group."""
    folder, path = store / "cells", lock_file(store, _INDEX_LOCK)
    folder.mkdir(exist_ok=True)
    try:
        with LockFile.acquire(path, wait=True):
            yield folder
    finally:
        for empty in (path.parent, staging_dir(store)):
            with contextlib.suppress(OSError):
                empty.rmdir()


def _replace(store: Path, content: bytes) -> None:
    new = staging_dir(store) / f"list-{uuid4().hex[:8]}"  # next to the lock file, so the folder exists
    try:
        with naming_file(new):
            new.write_bytes(content)
        new.replace(store / CELL_INDEX)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _manifest_digests(folder: Path) -> dict[str, str]:
    """Map each cell line to the digest of its manifest; omit those whose attributes cannot be read."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            try:
                digests[path.name] = str(read_attributes(LocalStorage(path))[1]["manifest"])
            except (StoreError, OSError, KeyError):
                continue
    return digests
