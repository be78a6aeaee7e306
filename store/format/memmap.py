"""Memory-map the arrays of a raw store.

An array of a raw store is one file of its values, little-endian, in C order, nothing else. The operating system's page
cache is the only cache; processes share it, and a forked one may continue to read. No file stays open: a store may have
more arrays than a process may have open files.
"""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StoreError
from ..storage.base import GroupStorage
from .file_map import array_in_memory, map_file
from .manifest import Objects, read_object
from .zarr_json import DTYPES

_RAW_HINT = "copy this part of the store again, or unpack again"
_LIMIT_HINTS = {
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOMEM: "use fewer tracks, or raise the system's limit on memory maps (sysctl vm.max_map_count)",
}
_TABLE_DIMENSIONS = ("peak", "interval", "feature", "code")
"""First dimensions of tables, which are read whole and compared with the manifest rather than mapped."""
_SMALL = 64 * 1024
"""Arrays of up to this many bytes are read: systems limit the number of maps, too (65,530 on Linux)."""


def raw_node(node: dict[str, Any]) -> dict[str, Any]:
    """Return the ``zarr.json`` of an array with the layout of a raw store: one chunk, not compressed."""
    little = {"configuration": {"endian": "little"}} if node["data_type"] != "uint8" else {}
    return {
        **node,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(1, n) for n in node["shape"]]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", **little}],
    }


def raw_bytes(node: dict[str, Any]) -> int:
    """Return the size in bytes of the file that holds an array's values."""
    size: int = math.prod(node["shape"]) * np.dtype(DTYPES[node["data_type"]]).itemsize
    return size


def raw_file(folder: Path, node: dict[str, Any]) -> Path:
    """Return the path of the file that holds the values of the raw array in `folder`.

    An array without values has no such file.
    """
    return folder.joinpath("c", *("0" for _ in node["shape"]))


def check_raw_layout(node: dict[str, Any], location: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return dtype, shape and size in bytes of a raw array, from its ``zarr.json``.

    Raises:
        StoreError: the array does not have the layout of a raw store.
    """
    try:
        dtype, shape, size = np.dtype(DTYPES[node["data_type"]]), tuple(node["shape"]), raw_bytes(node)
        layout = {k: node[k] for k in ("chunk_grid", "codecs")}
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(location, f"no such array, or its zarr.json is damaged ({e!r})", hint=_RAW_HINT) from e
    if layout != {k: raw_node(node)[k] for k in layout}:
        raise StoreError(location, "not in the layout of a raw store (one chunk, bytes codec only)", hint=_RAW_HINT)
    return dtype, shape, size


def map_array(group: GroupStorage, name: str, objects: Objects) -> NDArray[Any]:
    """Memory-map a raw array, read-only; read columns of tables whole.

    Columns of tables (peaks, blacklist) and features are compared with the manifest. Arrays along the genome are not,
    since that would read all of them (``factornet-etl verify`` does).

    Args:
        group: folder of the group that the manifest covers.
        name: path of the array in that folder.
        objects: objects that the manifest lists.

    Raises:
        StoreError: no such array, its ``zarr.json`` is not raw or not the listed one, or its file does not have the
            exact size of its shape. This is checked before mapping: reading a map past the end of its file kills the
            process.
    """
    location = f"{group.location}/{name}"
    if f"{name}/zarr.json" not in objects:
        raise StoreError(location, "no such array in the store")
    node = json.loads(read_object(group, f"{name}/zarr.json", objects))
    dtype, shape, size = check_raw_layout(node, location)
    if size == 0:
        return np.empty(shape, dtype)
    key = str(raw_file(Path(name), node))
    if node.get("dimension_names", [""])[0] in _TABLE_DIMENSIONS:
        content = read_object(group, key, objects)
        if len(content) != size:
            raise StoreError(location, f"{len(content)} bytes, an array of {dtype} {shape} has {size}", hint=_RAW_HINT)
        return np.frombuffer(content, dtype).reshape(shape)
    file = Path(group.location, key)
    try:
        with group.open(key) as opened:
            if opened.size != size:
                raise StoreError(file, f"{opened.size} bytes, an array of {dtype} {shape} has {size}", hint=_RAW_HINT)
            if size <= _SMALL:
                return array_in_memory(opened.read(0, size), dtype, shape, filename=str(file))
            return map_file(opened.handle, dtype, shape, filename=str(file))
    except (OSError, ValueError) as e:
        hint = _LIMIT_HINTS.get(getattr(e, "errno", None) or 0, _RAW_HINT)
        raise StoreError(file, f"cannot be mapped ({e})", hint=hint) from e
