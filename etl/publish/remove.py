"""Remove cell lines from a store; processes that have one open can read it to the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote

from ...store.errors import StoreError, UsageError
from ...store.files.atomic_write import fsync_path
from ...store.location import StoreLocation
from ...store.reader import open_store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ...store.text import shell_word
from .cell_index_writer import refresh_cell_index
from .disk_space import check_publishable
from .transaction import move_aside, staging


def remove_cells(path: str | Path, cells: Sequence[str]) -> None:
    """Remove cell lines, damaged ones too, each in one step; all names are checked before the first is removed.

    Their disk space is freed by the next build or removal under the same name after the last reader has closed.

    Args:
        path: the store, a local folder.
        cells: names of cell lines.

    Raises:
        UsageError: no such cell line; the message lists the existing ones.
        StoreError: no such store, it is not a local folder, a cell line is being built, or the disk failed.
    """
    store = open_store(path)
    if not store.storage.local:
        keep = "".join(f" {quote(c)}" for c in store.cells if c not in cells)
        raise StoreError(
            store.location,
            "is not a local folder; cell lines can be removed from local folders only",
            hint="copy the others to a new location: "
            f"factornet-etl export {shell_word(store.location)} DEST --cells{keep}",
        )
    root = Path(store.path)
    existing = {*store.cells, *store.storage.cell_folders(), *_indexed(store.storage)}
    for cell in cells:
        if cell not in existing:
            has = ", ".join(sorted(existing)) or "none"
            raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {has}")
    names = [cell_line_staging_name(cell) for cell in dict.fromkeys(cells)]
    for name in names:
        check_publishable(root, name)
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(staging(root, name))
        for name in names:
            if final_path(root, name).exists():  # otherwise only the list names it
                move_aside(final_path(root, name), root, name)
            refresh_cell_index(root)
            fsync_path(root / "cells")


def _indexed(location: StoreLocation) -> set[str]:
    """Return the cell lines in the store's list, whose folders may be missing; empty if there is no valid list."""
    try:
        return set(location.listed() or ())
    except (OSError, StoreError):
        return set()
