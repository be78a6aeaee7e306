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

from .errors import StoreError

DTYPES = {"uint8": "|u1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4"}
"""Zarr's name of each type that a store holds, and numpy's."""


def read_node(folder: Path, kind: str) -> dict[str, Any]:
    """The ``zarr.json`` of a group or an array.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or not of this kind.
    """
    node = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    if not isinstance(node, dict) or (node.get("zarr_format"), node.get("node_type")) != (3, kind):
        raise ValueError(f"zarr.json does not describe a Zarr v3 {kind}")
    return node


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


def map_array(folder: Path) -> NDArray[Any]:
    """The raw array in `folder`, memory-mapped and read-only; a plain array where it has no values.

    Raises:
        StoreError: there is none, it is not raw, or its file is not of the exact size that its shape asks for. Checked
            before mapping: to read a map past the end of its file kills the process.
    """
    cure = "copy this part of the store anew, or unpack again"
    try:
        node = read_node(folder, "array")
        dtype, shape, size = np.dtype(DTYPES[node["data_type"]]), tuple(node["shape"]), raw_bytes(node)
        layout = {k: node[k] for k in ("chunk_grid", "codecs")}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise StoreError(f"{folder}: no such array, or its zarr.json is damaged ({e!r}); {cure}") from e
    if layout != {k: raw_node(node)[k] for k in layout}:
        raise StoreError(f"{folder}: not laid out as an array of a raw store (one chunk, bytes codec only); {cure}")
    if size == 0:
        return np.empty(shape, dtype)
    file = raw_file(folder, node)
    try:
        found = file.stat().st_size
        if found != size:
            raise StoreError(f"{file}: {found} bytes, an array of {dtype} {shape} has {size}; {cure}")
        return np.memmap(file, dtype, mode="r", shape=shape)
    except (OSError, ValueError) as e:
        more = "; raise the limit on open files (ulimit -n)" if getattr(e, "errno", None) == 24 else f"; {cure}"
        raise StoreError(f"{file}: cannot be mapped ({e}){more}") from e
