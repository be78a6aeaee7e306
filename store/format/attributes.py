"""Read the attributes and the manifest of a group, checked against their digests."""

from __future__ import annotations

from typing import Any

from ..errors import StoreError
from ..storage.base import GroupStorage
from .manifest import CURE, NOT_FACTORNET, Objects, parse_manifest, parse_objects
from .sharded import ShardedArray
from .zarr_json import parse_zarr_json

_MANIFEST = 256 * 1024 * 1024  # bytes of a manifest at most; that of hg19 with 20 tracks has 1 MB


def read_manifest(group: GroupStorage, digest: str, listed: Any) -> Objects:
    """What the manifest of a group lists; `digest` and `listed` are what attributes say of it.

    Raises:
        StoreError: it is missing or damaged.
    """
    location = group.location
    array = ShardedArray(group, "manifest", parse_objects(listed, location=location))
    if array.ndim != 1 or len(array) > _MANIFEST:
        raise StoreError(
            f"{location}/manifest", f"of shape {array.shape}, no manifest is that large", hint=NOT_FACTORNET
        )
    text = array[:].tobytes()
    return parse_manifest(text, digest, location=location)


def read_attributes(group: GroupStorage) -> tuple[bytes, dict[str, Any]]:
    """The ``zarr.json`` of a group, and the attributes in it.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    try:
        text = group.read("zarr.json")
    except OSError as e:
        raise StoreError(group.location, f"its zarr.json cannot be read ({e.strerror})", hint=CURE) from e
    try:
        return text, dict(parse_zarr_json(text, "group")["attributes"])
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(
            f"{group.location}/zarr.json", "damaged (it does not describe a Zarr v3 group)", hint=CURE
        ) from e
