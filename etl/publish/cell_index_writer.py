"""Keep the list of cell lines of a local store (`store.format_cell_index`), where it has one, up to date."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import uuid4

from ...store.errors import StoreError
from ...store.format.attributes import read_attributes
from ...store.format.cell_index import CELL_INDEX, format_cell_index
from ...store.storage.atomic_swap import staging_dir
from ...store.storage.local import LocalStorage
from ...store.storage.locks import lock


def write_cell_index(store: Path) -> None:
    """Write the list anew, from what is there; one process at a time.

    Raises:
        OSError: the disk failed.
    """
    folder = store / "cells"
    folder.mkdir(exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            lock(held, wait=True)
        new = staging_dir(store).with_name(f"{store.name}.list-{uuid4().hex[:8]}")
        new.write_bytes(format_cell_index(_digests(folder)))
        new.replace(store / CELL_INDEX)
    finally:
        os.close(held)


def refresh_cell_index(store: Path) -> None:
    """The same, where the store has a list.

    Raises:
        OSError: the disk failed.
    """
    if (store / CELL_INDEX).exists():
        write_cell_index(store)


def _digests(folder: Path) -> dict[str, str]:
    """Digest of the manifest of each cell line; of a damaged one, whose attributes cannot be read, nothing."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            try:
                found[path.name] = str(read_attributes(LocalStorage(path))[1]["manifest"])
            except (StoreError, OSError, KeyError):
                continue
    return found
