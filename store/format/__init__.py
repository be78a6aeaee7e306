"""Encode, decode and check the arrays, tables, attributes and manifests of a store.

    attributes     read the attributes and the manifest of a group, checked against their digests
    cell_index     the index of cell lines, cells/zarr.json, for servers that cannot list files
    chunk_decoder  decode chunks, whole or in part
    file_map       map files without keeping them open
    layout         layout of large arrays: chunks, shards, codecs, fill values and valid ranges
    manifest       manifests and self-digests: together they cover every byte of a store
    memmap         memory-map the arrays of a raw store
    native         decode and copy many small slices without the GIL, so that threads run in parallel
    sharded        read the arrays of a compressed store from their shards
    tables         peaks and blacklists: tables of intervals, stored as columns of equal length and checked on reading
    zarr_json      read zarr.json, the metadata of a Zarr v3 group or array

`value_tables` keeps signal of few distinct values as codes.

May import `store.errors`, `store.files`, `store.schema`, `store.genome` and `store.storage`.
"""

from .attributes import read_attributes, read_manifest
from .cell_index import CELL_INDEX, format_cell_index, parse_cell_index
from .layout import DEFAULT_LAYOUT, Layout, check_values, create_array, valid_range
from .manifest import (
    DAMAGED_HINT,
    NOT_FACTORNET,
    Objects,
    check_self_digest,
    has_self_digest,
    parse_objects,
    read_object,
    with_self_digest,
)
from .memmap import check_raw_layout, map_array, raw_bytes, raw_file, raw_node
from .native import copy_windows
from .sharded import ShardedArray, parse_layout
from .tables import Peaks, read_table
from .zarr_json import DTYPES, parse_zarr_json, read_zarr_json

__all__ = [
    "CELL_INDEX",
    "DAMAGED_HINT",
    "DEFAULT_LAYOUT",
    "DTYPES",
    "NOT_FACTORNET",
    "Layout",
    "Objects",
    "Peaks",
    "ShardedArray",
    "check_raw_layout",
    "check_self_digest",
    "check_values",
    "copy_windows",
    "create_array",
    "format_cell_index",
    "has_self_digest",
    "map_array",
    "parse_cell_index",
    "parse_layout",
    "parse_objects",
    "parse_zarr_json",
    "raw_bytes",
    "raw_file",
    "raw_node",
    "read_attributes",
    "read_manifest",
    "read_object",
    "read_table",
    "read_zarr_json",
    "valid_range",
    "with_self_digest",
]
