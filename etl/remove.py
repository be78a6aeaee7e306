"""Take a cell line out of a store: gone for whoever opens it now, there to the end for whoever reads it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from ..store.errors import StoreError, UsageError
from ..store.exchange import cell_work, home_of, retired
from ..store.reader import open_store
from .listing import refresh_cell_list
from .publish import staging, sync


def remove_cell(path: Path, cell: str) -> None:
    """Remove a cell line, a damaged one too, in one step.

    Its disk space is free when its last reader is gone and something is built or removed again under its name.

    Raises:
        UsageError: there is no such cell line; the message lists those there are.
        StoreError: no such store, it is no folder, the cell line is being built, or the disk failed.
    """
    store = open_store(path)
    if not store.home.local:
        raise StoreError(f"{path}: is no folder; remove cell lines from the store it was made from, and export that")
    folder = Path(store.path, "cells")
    there = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if cell not in there:
        raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {', '.join(there) or 'none'}")
    name = cell_work(cell)
    with staging(Path(store.path), name):
        aside = retired(Path(store.path), name)
        aside.mkdir(parents=True, exist_ok=True)
        home_of(Path(store.path), name).rename(aside / uuid4().hex[:8])
        refresh_cell_list(Path(store.path))
        sync(folder)
