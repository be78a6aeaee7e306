"""Check the root of a store: its attributes, unexpected entries, and the list of cell lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...store.errors import SchemaVersionError, StoreError
from ...store.format.attributes import read_attributes
from ...store.format.cell_index import CELL_INDEX
from ...store.format.manifest import check_may_be_damaged, check_self_digest, has_self_digest
from ...store.location import RemoteLocation, StoreLocation
from ...store.schema import StoreInfo
from ...store.text import shell_word
from .findings import FaultKind, Finding
from .remedies import LISTED_WITHOUT_FOLDER, cell_index_remedy, lost_cell_line_remedy, problem_at, root_remedy


def check_root(store: StoreLocation) -> tuple[list[Finding], StoreInfo | None]:
    """Check the attributes of the root; return their faults, and the attributes, or None if they are damaged.

    Raises:
        UnreadableError: the server or the machine failed.
    """
    kind: FaultKind = "missing"
    try:
        folder = store.folder("")
        kind = "attributes" if "zarr.json" in (store.top() or ("zarr.json",)) else "missing"
        text, attributes = read_attributes(folder)
        kind = "schema"
        info = StoreInfo.from_attributes(attributes, location=store.location)
        kind = "attributes"
        check_self_digest(text, attributes, location=store.location)
    except (StoreError, OSError) as e:
        check_may_be_damaged(e, store.location)
        # Attributes of another schema version with the right digest are as they were written: nothing to repair.
        intact = isinstance(e, SchemaVersionError) and has_self_digest(text, attributes)
        remedy = "update factornet" if intact else root_remedy(store)
        problem = f"{problem_at(store.location, 'zarr.json', e)} (the genome cannot be checked without it)"
        return [Finding("zarr.json", kind, problem, remedy)], None
    return [], info


def unexpected_entries(store: StoreLocation) -> Iterator[Finding]:
    """Yield entries of the root and of ``cells`` that belong to no group, and links in place of groups."""
    known = {"zarr.json": "file", "genome": "folder", "cells": "folder", CELL_INDEX: "file"}
    for name, entry in sorted((store.top() or {}).items()):
        in_cells = name.startswith("cells/")
        remedy = (
            f"rm -r {shell_word(f'{store.location}/{name}')}"
            if store.local
            else f"remove {name} from {store.location}, or export the store again"
        )
        if entry.kind == "link":
            yield Finding(name, "link", f"is a link to {entry.target}", "replace the link by the folder itself")
        elif not in_cells and entry.kind != known.get(name):
            yield Finding(name, "added", "is not part of a store", remedy)
        elif in_cells and entry.kind != known.get(name, "folder"):
            yield Finding(name, "added", "is not a cell line", remedy)


def check_cell_index(store: StoreLocation, digests: Mapping[str, str], misnamed: Collection[str]) -> Iterator[Finding]:
    """Yield the faults of the group of all cell lines, and of the list of them, which a local store need not have.

    Args:
        store: its location.
        digests: folder of each cell line -> digest of its manifest, empty for damaged cell lines.
        misnamed: names of the cell lines that are in folders of other names.
    """
    remedy = cell_index_remedy(store)
    try:
        listed = store.listed()
    except (StoreError, OSError) as e:
        check_may_be_damaged(e, store.location)
        yield Finding(CELL_INDEX, "attributes", problem_at(store.location, CELL_INDEX, e), remedy)
        return
    if listed is None:
        if isinstance(store, RemoteLocation):
            problem = "is missing, or lists no cell lines: web servers list no folders"
            yield Finding(CELL_INDEX, "missing", problem, remedy)
        elif CELL_INDEX not in (top := store.top() or {}) and ("cells" not in top or top["cells"].kind == "folder"):
            problem = "is missing: zarr and xarray do not find the cell lines"
            yield Finding(CELL_INDEX, "missing", problem, remedy)
        return
    for cell in sorted({*listed, *digests}.difference(misnamed)):
        if cell not in digests:
            yield Finding(f"cells/{cell}", "missing", LISTED_WITHOUT_FOLDER, lost_cell_line_remedy(store, cell))
        elif listed.get(cell) != digests[cell] and digests[cell]:
            yield Finding(CELL_INDEX, "differs", f"is out of date for {cell}", remedy)
