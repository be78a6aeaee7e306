"""Keep the list of cell lines of a local store (`store.format.cell_index`), where it has one, up to date."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import uuid4

from ...store.errors import StoreError
from ...store.files.locks import lock
from ...store.format.attributes import read_attributes
from ...store.format.cell_index import CELL_INDEX, format_cell_index
from ...store.storage.atomic_swap import staging_dir
from ...store.storage.local import LocalStorage


def write_cell_index(store: Path) -> None:
    """Write the list from the cell lines present, one process at a time.

    Raises:
        OSError: the disk failed.
    """
    folder = store / "cells"
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            lock(handle, wait=True)
        new = staging_dir(store).with_name(f"{store.name}.list-{uuid4().hex[:8]}")
        new.write_bytes(format_cell_index(_manifest_digests(folder)))
        new.replace(store / CELL_INDEX)
    finally:
        os.close(handle)


def refresh_cell_index(store: Path) -> None:
    """Rewrite the list if the store has one.

    Raises:
        OSError: the disk failed.
    """
    if (store / CELL_INDEX).exists():
        write_cell_index(store)


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
