"""Which arrays a group must hold, and of what shape, from what its attributes say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...store.errors import StoreError
from ...store.format.manifest import Objects, read_object
from ...store.format.memmap import check_raw_layout, map_array, raw_bytes, raw_file
from ...store.format.sharded import ShardedArray, parse_layout
from ...store.format.tables import read_table
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import CellInfo, StoreInfo, bin_count
from ...store.storage.base import GroupStorage

Arrays = dict[str, tuple[int, ...] | None]
"""Path of an array in its group -> its shape, None for any length."""


def genome_arrays(folder: GroupStorage, objects: Objects, info: StoreInfo) -> Arrays:
    """Arrays of the genome's group; only the sequence where its attributes cannot be read."""
    attributes: dict[str, Any] = {}
    with contextlib.suppress(StoreError, ValueError, KeyError):  # a damaged object like others: its digest tells
        attributes = json.loads(read_object(folder, "zarr.json", objects))["attributes"]
    arrays: Arrays = {f"blacklist/{column}": None for column in ("chrom", "start", "stop")}
    kinds = ["sequence", *(["annotation"] if attributes.get("annotation") else [])]
    # Those of the root are what cell lines are told that there is.
    kinds += [f"tracks/{name}" for name in dict.fromkeys([*attributes.get("tracks", []), *info.shared])]
    for chrom in info.chromosomes:
        for kind in kinds:
            arrays[f"{kind}/{chrom.name}"] = (chrom.length,)
    return arrays


def cell_arrays(cell: CellInfo, info: StoreInfo) -> Arrays:
    """Arrays of a cell line's group."""
    arrays: Arrays = {"meta": (len(cell.meta),)}
    for chrom in info.chromosomes:
        for track in cell.tracks:
            if not track.shared:
                arrays[f"tracks/{track.name}/{chrom.name}"] = (chrom.length,)
        if cell.factors:
            arrays[f"labels/{chrom.name}"] = (bin_count(chrom.length), len(cell.factors))
    for factor in cell.factors:
        for which in ("conservative", *(["relaxed"] if factor.relaxed else [])):
            for column in ("chrom", "start", "stop", "summit"):
                arrays[f"peaks/{factor.name}/{which}/{column}"] = None
    return arrays


def structure_faults(folder: GroupStorage, objects: Objects, arrays: Arrays, *, raw: bool) -> Iterator[tuple[str, str]]:
    """Name and fault of each array that is not there as it must be; damaged ones are left to their digests."""
    for name, shape in arrays.items():
        meta = f"{name}/zarr.json"
        if meta not in objects:
            yield name, "is not in the manifest, and must be by the attributes"
            continue
        try:
            node = json.loads(read_object(folder, meta, objects))
        except (StoreError, ValueError):
            continue
        try:
            needed = _objects_of(name, node, raw=raw, location=f"{folder.location}/{name}")
        except StoreError as e:
            yield name, str(e)
            continue
        if shape is not None and tuple(node["shape"]) != shape:
            yield name, f"has the shape {tuple(node['shape'])}, by the attributes it must be {shape}"
        elif shape is not None and (absent := [n for n in needed if n not in objects]):
            yield name, f"has no object {absent[0].removeprefix(name + '/')} in the manifest"


def table_faults(
    folder: GroupStorage, objects: Objects, coordinates: GenomeCoordinates, *, raw: bool
) -> Iterator[tuple[str, StoreError]]:
    """Name and fault of each table of intervals in which there are others, of a group that is sound by its digests."""
    read = map_array if raw else ShardedArray
    for name in sorted({n.rpartition("/start/")[0] for n in objects if n.startswith(("blacklist/", "peaks/"))} - {""}):
        columns = ("chrom", "start", "stop", *(["summit"] if name != "blacklist" else []))
        try:
            found = {column: read(folder, f"{name}/{column}", objects) for column in columns}
            read_table(found, coordinates, location=f"{folder.location}/{name}")
        except StoreError as e:
            yield name, e


def _objects_of(name: str, node: dict[str, Any], *, raw: bool, location: str) -> list[str]:
    """Paths of the objects that hold an array's values.

    Raises:
        StoreError: it is of a type, codec or layout that a store does not have.
    """
    if raw:
        check_raw_layout(node, location)
        return [str(raw_file(Path(name), node))] if raw_bytes(node) else []
    layout = parse_layout(node, location)
    rest = ["0"] * (len(layout.shape) - 1)
    count = -(-layout.shape[0] // layout.object_rows) if layout.width else 0
    return ["/".join([name, "c", str(i), *rest]) for i in range(count)]
