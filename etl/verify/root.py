"""The root of a store under `verify`: its attributes, what lies beside its groups, the list of cell lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from shlex import quote

from ...store.errors import RemoteError, SchemaVersionError, StoreError
from ...store.format.attributes import read_attributes
from ...store.format.cell_index import CELL_INDEX
from ...store.format.manifest import check_self_digest, has_self_digest
from ...store.location import RemoteLocation, StoreLocation
from ...store.schema import StoreInfo
from .findings import Finding, Kind
from .remedies import LOST, cell_index_remedy, lost_remedy, problem_at, root_remedy


def check_root(home: StoreLocation) -> tuple[list[Finding], StoreInfo | None]:
    """What the root says of the store, None where it is damaged; and what is wrong with it.

    Raises:
        RemoteError: the server failed.
    """
    kind: Kind = "missing"
    try:
        folder = home.folder("")
        kind = "attributes" if "zarr.json" in (home.top() or ("zarr.json",)) else "missing"
        text, attributes = read_attributes(folder)
        kind = "schema"
        info = StoreInfo.from_attributes(attributes, location=home.location)
        kind = "attributes"
        check_self_digest(text, attributes, location=home.location)
    except RemoteError:
        raise  # of the server, not of the store
    except (StoreError, OSError) as e:
        # Of another schema version, and as it was written: there is nothing to mend.
        sound = isinstance(e, SchemaVersionError) and has_self_digest(text, attributes)
        hint = "update factornet" if sound else root_remedy(home)
        problem = f"{problem_at(home.location, 'zarr.json', e)} (the genome cannot be judged without it)"
        return [Finding("zarr.json", kind, problem, hint)], None
    return [], info


def unexpected_entries(home: StoreLocation) -> Iterator[Finding]:
    """What lies beside the genome and the cell lines and belongs to no group; and links in their place."""
    known = {"zarr.json": "file", "genome": "folder", "cells": "folder", CELL_INDEX: "file"}
    for name, entry in sorted((home.top() or {}).items()):
        inside = name.startswith("cells/")
        hint = (
            f"rm -r {quote(f'{home.location}/{name}')}"
            if home.local
            else f"remove {name} from {home.location}, or make it anew"
        )
        if entry.kind == "link":
            yield Finding(name, "link", f"is a link to {entry.target}", "put the folder itself in its place")
        elif not inside and entry.kind != known.get(name):
            yield Finding(name, "added", "is no part of a store", hint)
        elif inside and entry.kind != known.get(name, "folder"):
            yield Finding(name, "added", "is no cell line", hint)


def check_cell_index(home: StoreLocation, digests: Mapping[str, str], misnamed: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the list of cell lines: others may read it. A local store need not have one.

    Args:
        home: of the store.
        digests: of the manifests of the cell lines that are there, empty of those that are damaged.
        misnamed: names of those that lie in folders of other names.
    """
    hint = cell_index_remedy(home)
    try:
        listed = home.listed()
    except (StoreError, OSError) as e:
        yield Finding(CELL_INDEX, "attributes", problem_at(home.location, CELL_INDEX, e), hint)
        return
    if listed is None:
        if isinstance(home, RemoteLocation):
            yield Finding(CELL_INDEX, "missing", "is missing: it is the list of cell lines, for who cannot list", hint)
        return
    for cell in sorted({*listed, *digests}.difference(misnamed)):
        if cell not in digests:
            yield Finding(f"cells/{cell}", "missing", LOST, lost_remedy(home, cell))
        elif listed.get(cell) != digests[cell] and digests[cell]:
            yield Finding(CELL_INDEX, "differs", f"is not up to date about {cell}", hint)
