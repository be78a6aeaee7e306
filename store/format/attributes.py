"""Read the attributes and the manifest of a group, checked against their digests."""

from __future__ import annotations

from typing import Any

from ..errors import StoreError
from ..storage.base import GroupStorage
from .manifest import DAMAGED_HINT, NOT_FACTORNET, Objects, parse_manifest, parse_objects, unreadable
from .sharded import ShardedArray
from .zarr_json import parse_zarr_json

_MAX_MANIFEST_SIZE = 256 * 1024 * 1024  # bytes; the manifest of hg19 with 20 tracks has 1 MB


def read_manifest(group: GroupStorage, digest: str, listed: Any) -> Objects:
    """Read and check the manifest of a group.

    Args:
        group: folder of the group.
        digest: SHA-256 of the manifest, from the attributes.
        listed: objects that the manifest consists of, from the attributes.

    Raises:
        StoreError: it is missing or damaged.
    """
    location = group.location
    array = ShardedArray(group, "manifest", parse_objects(listed, location=location))
    if array.ndim != 1 or len(array) > _MAX_MANIFEST_SIZE:
        raise StoreError(f"{location}/manifest", f"shape {array.shape} is invalid for a manifest", hint=NOT_FACTORNET)
    text = array[:].tobytes()
    return parse_manifest(text, digest, location=location)


def read_attributes(group: GroupStorage) -> tuple[bytes, dict[str, Any]]:
    """Read the ``zarr.json`` of a group; return its bytes and the attributes in it.

    The bytes are for `check_self_digest`.

    Raises:
        StoreError: it does not exist or is damaged.
    """
    try:
        text = group.read("zarr.json")
    except OSError as e:
        raise unreadable(group.location, e, "its zarr.json ") from e
    try:
        return text, dict(parse_zarr_json(text, "group")["attributes"])
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(
            f"{group.location}/zarr.json", "damaged (it does not describe a Zarr v3 group)", hint=DAMAGED_HINT
        ) from e
