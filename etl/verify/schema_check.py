"""Check that a group holds the arrays that its attributes describe, in the right shapes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...store.cell_info import CellInfo
from ...store.errors import StoreError
from ...store.format.manifest import Objects, check_may_be_damaged, read_object
from ...store.format.memmap import check_raw_layout, map_array, raw_bytes, raw_file
from ...store.format.sharded import ShardedArray, parse_layout
from ...store.format.tables import read_table
from ...store.format.value_tables.coded_array import CODES, VALUES, is_coded, map_coded_array
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import StoreInfo, bin_count
from ...store.storage.base import GroupStorage

Arrays = dict[str, tuple[int, ...] | None]
"""Path of an array in its group -> its shape; None for any length."""


def genome_arrays(storage: GroupStorage, objects: Objects, info: StoreInfo) -> Arrays:
    """Return the arrays of the genome's group; without annotation where its attributes cannot be read."""
    attributes: dict[str, Any] = {}
    with contextlib.suppress(StoreError, ValueError, KeyError):  # its digest shows the damage
        attributes = json.loads(read_object(storage, "zarr.json", objects))["attributes"]
    tables = ["blacklist", *(["assembly_gaps"] if attributes.get("assembly_gaps") else [])]
    arrays: Arrays = {f"{table}/{column}": None for table in tables for column in ("chrom", "start", "stop")}
    kinds = ["sequence", *(["annotation"] if attributes.get("annotation") else [])]
    # The root lists the shared tracks that cell lines may refer to.
    kinds += [f"tracks/{name}" for name in dict.fromkeys([*attributes.get("tracks", []), *info.shared])]
    for chrom in info.chromosomes:
        for kind in kinds:
            arrays[f"{kind}/{chrom.name}"] = (chrom.length,)
    return arrays


def cell_arrays(cell: CellInfo, info: StoreInfo) -> Arrays:
    """Return the arrays of a cell line's group."""
    arrays: Arrays = {"meta": (len(cell.meta),)}
    for chrom in info.chromosomes:
        for track in cell.tracks:
            if not track.shared:
                arrays[f"tracks/{track.name}/{chrom.name}"] = (chrom.length,)
        if cell.factors:
            arrays[f"labels/{chrom.name}"] = (bin_count(chrom.length), len(cell.factors))
    for factor in cell.factors:
        for peak_set in ("conservative", *(["relaxed"] if factor.relaxed else [])):
            for column in ("chrom", "start", "stop", "summit"):
                arrays[f"peaks/{factor.name}/{peak_set}/{column}"] = None
    return arrays


def structure_faults(
    storage: GroupStorage, objects: Objects, arrays: Arrays, *, raw: bool
) -> Iterator[tuple[str, str | StoreError]]:
    """Yield name and problem of each array that is absent or of another shape; damaged metadata is skipped."""
    for name, shape in arrays.items():
        parts = {name: shape}
        if raw and is_coded(name, objects):
            parts = {f"{name}/{CODES}": shape, f"{name}/{VALUES}": None}
        for part, expected in parts.items():
            fault = _array_fault(storage, objects, part, expected, raw=raw)
            if fault:
                yield part, fault


def _array_fault(
    storage: GroupStorage, objects: Objects, name: str, shape: tuple[int, ...] | None, *, raw: bool
) -> str | StoreError:
    """Return what is wrong with the metadata of an array; empty where nothing is, or where they are damaged."""
    meta = f"{name}/zarr.json"
    if meta not in objects:
        return "is not in the manifest, but the attributes describe it"
    try:
        node = json.loads(read_object(storage, meta, objects))
    except (StoreError, ValueError):
        return ""
    try:
        expected = _objects_of(name, node, raw=raw, location=f"{storage.location}/{name}")
    except StoreError as e:
        return e
    if shape is not None and tuple(node["shape"]) != shape:
        return f"has the shape {tuple(node['shape'])}, the attributes require {shape}"
    if shape is not None and (absent := [n for n in expected if n not in objects]):
        return f"has no object {absent[0].removeprefix(name + '/')} in the manifest"
    return ""


def table_faults(
    storage: GroupStorage, objects: Objects, coordinates: GenomeCoordinates, *, raw: bool
) -> Iterator[tuple[str, StoreError]]:
    """Yield name and fault of each table of invalid intervals or values, in a group whose digests are right."""
    read = map_array if raw else ShardedArray
    tables = ("assembly_gaps/", "blacklist/", "peaks/")
    for name in sorted({n.rpartition("/start/")[0] for n in objects if n.startswith(tables)} - {""}):
        columns = ("chrom", "start", "stop", *(["summit"] if name.startswith("peaks/") else []))
        try:
            found = {column: read(storage, f"{name}/{column}", objects) for column in columns}
            read_table(found, coordinates, location=f"{storage.location}/{name}")
        except StoreError as e:
            check_may_be_damaged(e, storage.location)
            yield name, e
    signals = (n.removesuffix(f"/{CODES}/zarr.json") for n in objects) if raw else ()
    for name in sorted(n for n in signals if is_coded(n, objects)):
        try:
            map_coded_array(storage, name, objects)
        except StoreError as e:
            check_may_be_damaged(e, storage.location)
            yield f"{name}/{VALUES}", e


def _objects_of(name: str, node: dict[str, Any], *, raw: bool, location: str) -> list[str]:
    """Return the paths of the objects that hold an array's values.

    Raises:
        StoreError: the array has a type, codec or layout that a store does not have.
    """
    if raw:
        check_raw_layout(node, location)
        return [str(raw_file(Path(name), node))] if raw_bytes(node) else []
    layout = parse_layout(node, location)
    rest = ["0"] * (len(layout.shape) - 1)
    n_objects = -(-layout.shape[0] // layout.object_rows) if layout.width else 0
    return ["/".join([name, "c", str(i), *rest]) for i in range(n_objects)]
