"""Check, before a cell line is built, that its store takes it, and what is in its place."""

from __future__ import annotations

from pathlib import Path

from ...store.errors import StoreError
from ...store.reader import Store, open_store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ..inputs.cell_line_folder import CellFolder
from ..publish.disk_space import check_publishable
from ..publish.transaction import Version, explaining_replacement
from .cell_inputs import CellOptions
from .up_to_date import is_built


def check_buildable(store: Store, path: str | Path) -> None:
    """Check that cell lines can be built into a store.

    Raises:
        StoreError: it is on a server, or raw.
    """
    if not store.storage.local:
        raise StoreError(path, "is not a local folder", hint="build into a local folder, and export that")
    if store.is_raw:
        raise StoreError(
            path, "is a raw store", hint="build into the compressed store it was unpacked from, and unpack that again"
        )


def check_existing(path: str | Path, inputs: CellFolder, options: CellOptions, replaced: Version) -> None:
    """Check that what is in the place of a cell line was built from the same inputs and options.

    Raises:
        StoreError: it was not, is damaged, or is no cell line.
    """
    # Opened separately: a store that has read a cell line holds it open, and a replaced version could not be removed.
    with explaining_replacement(_final(path, inputs.name), replaced):
        if not is_built(open_store(path), inputs, options.describe(inputs)):
            raise StoreError(
                f"{path}/cells/{inputs.name}",
                "already exists, but is no cell line",
                hint="use the force option to replace it",
            )


def check_place(path: Path, name: str, replaced: Version | None) -> None:
    """Check that a cell line can be built, and moved into its place.

    Raises:
        StoreError: a folder cannot be written, or other files are in that place.
    """
    with explaining_replacement(_final(path, name), replaced):
        _check_is_ours(_final(path, name))
    check_publishable(path, cell_line_staging_name(name))


def _final(path: str | Path, name: str) -> Path:
    return final_path(Path(path), cell_line_staging_name(name))


def _check_is_ours(final: Path) -> None:
    """Check that a folder at the path of a cell line, which would be replaced, is empty or part of a Zarr hierarchy.

    Raises:
        StoreError: it has other files.
    """
    try:
        is_foreign = final.is_dir() and any(final.iterdir()) and not any(final.rglob("zarr.json"))
    except FileNotFoundError:
        return  # another process has just removed it
    if is_foreign:
        raise StoreError(final, "exists, and holds other files than those of a cell line", hint="move it away")
