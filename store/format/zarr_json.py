"""Read ``zarr.json``, the metadata of a Zarr v3 group or array."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DTYPES = {"uint8": "|u1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4"}
"""Zarr's name of each type that a store holds, and numpy's."""


def read_zarr_json(folder: Path, kind: str) -> dict[str, Any]:
    """The ``zarr.json`` of a group or an array.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or not of this kind.
    """
    return parse_zarr_json((folder / "zarr.json").read_bytes(), kind)


def parse_zarr_json(text: bytes, kind: str) -> dict[str, Any]:
    """What a ``zarr.json`` says.

    Raises:
        ValueError: it is damaged, or not of this kind.
    """
    try:
        node = json.loads(text)
    except RecursionError as e:
        raise ValueError("JSON of too many levels") from e
    if not isinstance(node, dict) or (node.get("zarr_format"), node.get("node_type")) != (3, kind):
        raise ValueError(f"zarr.json does not describe a Zarr v3 {kind}")
    return node
