"""Read ``zarr.json``, the metadata of a Zarr v3 group or array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files.limited_read import load_json

DTYPES = {"uint8": "|u1", "uint16": "<u2", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4"}
"""Zarr name -> numpy name of each data type in a store."""


def read_zarr_json(folder: Path, kind: str) -> dict[str, Any]:
    """Read the ``zarr.json`` in a folder.

    Args:
        folder: of a group or an array.
        kind: ``group`` or ``array``.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is damaged, or not of this kind.
    """
    return parse_zarr_json((folder / "zarr.json").read_bytes(), kind)


def parse_zarr_json(text: bytes, kind: str) -> dict[str, Any]:
    """Parse a ``zarr.json``; `kind` is ``group`` or ``array``.

    Raises:
        ValueError: it is damaged, or not of this kind.
    """
    try:
        node = load_json(text)
    except RecursionError as e:
        raise ValueError("JSON is nested too deeply") from e
    if not isinstance(node, dict) or (node.get("zarr_format"), node.get("node_type")) != (3, kind):
        raise ValueError(f"zarr.json does not describe a Zarr v3 {kind}")
    return node
