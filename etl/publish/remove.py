"""Take a cell line out of a store: gone for whoever opens it now, there to the end for whoever reads it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from uuid import uuid4

from ...store.errors import StoreError, UsageError
from ...store.location import StoreLocation
from ...store.reader import open_store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path, old_versions_dir
from ...store.storage.files import fsync_path
from .cell_index_writer import refresh_cell_index
from .transaction import staging


def remove_cells(path: str | Path, cells: Sequence[str]) -> None:
    """Remove cell lines, damaged ones too, each in one step; all names are looked at before the first is removed.

    Their disk space is free when the last reader is gone and something is built or removed again under the name.

    Raises:
        UsageError: there is no such cell line; the message lists those there are.
        StoreError: no such store, it is no folder, one of the cell lines is being built, or the disk failed.
    """
    store = open_store(path)
    if not store.home.local:
        keep = "".join(f" {quote(c)}" for c in store.cells if c not in cells)
        raise StoreError(
            store.location,
            "is no folder, and cell lines are removed from folders only",
            hint=f"copy the others to a new place: factornet-etl export {quote(store.location)} DEST --cells{keep}",
        )
    root = Path(store.path)
    there = {*store.cells, *store.home.cell_folders(), *_listed(store.home)}
    for cell in cells:
        if cell not in there:
            has = ", ".join(sorted(there)) or "none"
            raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {has}")
    names = [cell_line_staging_name(cell) for cell in dict.fromkeys(cells)]
    with ExitStack() as held:
        for name in names:
            held.enter_context(staging(root, name))
        for name in names:
            if final_path(root, name).exists():  # else it is in the list only
                aside = old_versions_dir(root, name)
                aside.mkdir(parents=True, exist_ok=True)
                final_path(root, name).rename(aside / uuid4().hex[:8])
            refresh_cell_index(root)
            fsync_path(root / "cells")


def _listed(home: StoreLocation) -> set[str]:
    """Cell lines of the list, whose folders may be gone; none where there is no sound list."""
    try:
        return set(home.listed() or ())
    except (OSError, StoreError):
        return set()
