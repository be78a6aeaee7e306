"""Arrays of a raw store: files looked at through memory maps, without zarr.

An array of a raw store is one file of its values, little-endian, in C order, nothing else. The operating system's page
cache is the only cache; processes share it, and a forked one may go on reading.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..storage.base import GroupStorage
from .manifest import Objects, read_object
from .zarr_json import DTYPES

_CURE = "copy this part of the store anew, or unpack again"
_TABLES = ("peak", "interval", "feature")
"""Dimensions of the arrays that are always read whole."""


def raw_node(node: dict[str, Any]) -> dict[str, Any]:
    """The ``zarr.json`` of an array, with its layout changed to that of a raw store: one chunk, bytes as they are."""
    little = {"configuration": {"endian": "little"}} if node["data_type"] != "uint8" else {}
    return {
        **node,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(1, n) for n in node["shape"]]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", **little}],
    }


def raw_bytes(node: dict[str, Any]) -> int:
    """Size of the file that holds an array's values."""
    size: int = math.prod(node["shape"]) * np.dtype(DTYPES[node["data_type"]]).itemsize
    return size


def raw_file(folder: Path, node: dict[str, Any]) -> Path:
    """The file that holds the values of the raw array in `folder`; there is none for an array without values."""
    return folder.joinpath("c", *("0" for _ in node["shape"]))


def check_raw_layout(node: dict[str, Any], location: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and bytes of a raw array, from its ``zarr.json``.

    Raises:
        StoreError: it is not one of a raw store.
    """
    try:
        dtype, shape, size = np.dtype(DTYPES[node["data_type"]]), tuple(node["shape"]), raw_bytes(node)
        layout = {k: node[k] for k in ("chunk_grid", "codecs")}
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(location, f"no such array, or its zarr.json is damaged ({e!r})", hint=_CURE) from e
    if layout != {k: raw_node(node)[k] for k in layout}:
        raise StoreError(location, "not laid out as an array of a raw store (one chunk, bytes codec only)", hint=_CURE)
    return dtype, shape, size


def map_array(group: GroupStorage, name: str, objects: Objects) -> NDArray[Any]:
    """A raw array, memory-mapped and read-only; a plain array where it is a column of a table, or has no values.

    Tables (peaks, values, blacklist) are compared with the manifest; what lies along the genome is not, since that
    would mean to read all of it (``factornet-etl verify`` does).

    Args:
        group: folder that the manifest is of.
        name: path of the array in that folder.
        objects: what the manifest lists.

    Raises:
        StoreError: there is none, it is not raw or not the one listed, or its file is not of the exact size that its
            shape asks for. Checked before mapping: to read a map past the end of its file kills the process.
    """
    location = f"{group.location}/{name}"
    if f"{name}/zarr.json" not in objects:
        raise StoreError(location, "no such array in the store")
    node = json.loads(read_object(group, f"{name}/zarr.json", objects))
    dtype, shape, size = check_raw_layout(node, location)
    if size == 0:
        return np.empty(shape, dtype)
    key = str(raw_file(Path(name), node))
    if node.get("dimension_names", [""])[0] in _TABLES:
        content = read_object(group, key, objects)
        if len(content) != size:
            raise StoreError(location, f"{len(content)} bytes, an array of {dtype} {shape} has {size}", hint=_CURE)
        return np.frombuffer(content, dtype).reshape(shape)
    file = Path(group.location, key)
    try:
        with group.open(key) as opened:
            if opened.size != size:
                raise StoreError(file, f"{opened.size} bytes, an array of {dtype} {shape} has {size}", hint=_CURE)
            with open(file, "rb", buffering=0, opener=lambda *_: opened.duplicate()) as mapped:
                return np.memmap(mapped, dtype, mode="r", shape=shape)
    except (OSError, ValueError) as e:
        more = "; raise the limit on open files (ulimit -n)" if getattr(e, "errno", None) == 24 else f"; {_CURE}"
        raise StoreError(file, f"cannot be mapped ({e}){more}") from e
