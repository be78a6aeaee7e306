"""Manifests and self-digests: together they cover every byte of a store.

The manifest of a group lists every object in it with size and SHA-256. The attributes of the store (for the genome)
and of each cell line have the digest of the manifest, and those of the two objects it consists of; and each of these
``zarr.json`` has, as its attribute ``self_digest``, the SHA-256 of itself with zeros in place of that digest. So any
changed bit of a store is detected.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import ContentError, StoreError, UnreadableError
from ..files.limited_read import read_cure
from ..files.sealed_json import BLANK_DIGEST, SELF_DIGEST, is_sealed, seal
from ..storage.base import GroupStorage, ObjectDigest, is_object_name

Objects = Mapping[str, ObjectDigest]
"""Path of an object in its group -> size in bytes and SHA-256."""

DAMAGED_HINT = "copy or rebuild this part of the store"
NOT_FACTORNET = "factornet did not write this; do not use it"
_MAX_OBJECT_SIZE = 2**44  # bytes; a raw chr1 has 2**30


def with_self_digest(node: dict[str, Any]) -> bytes:
    """Format the ``zarr.json`` of a group, with its self-digest among the attributes."""
    attributes = {k: v for k, v in node["attributes"].items() if k != SELF_DIGEST}
    return seal(json.dumps({**node, "attributes": {**attributes, SELF_DIGEST: BLANK_DIGEST}}, indent=2).encode())


def check_self_digest(text: bytes, attributes: Mapping[str, Any], *, location: str) -> None:
    """Check that a ``zarr.json`` has the bytes that were written.

    Args:
        text: content of the ``zarr.json``.
        attributes: parsed from it.
        location: of the group, for messages.

    Raises:
        StoreError: it was changed, or has no self-digest.
    """
    if attributes.get(SELF_DIGEST) is None:
        raise StoreError(
            f"{location}/zarr.json",
            f"its attributes have no {SELF_DIGEST}",
            hint=f"{DAMAGED_HINT} with this version",
        )
    if not has_self_digest(text, attributes):
        raise StoreError(
            f"{location}/zarr.json", f"damaged (its {SELF_DIGEST} is not that of its content)", hint=DAMAGED_HINT
        )


def has_self_digest(text: bytes, attributes: Mapping[str, Any]) -> bool:
    """Return whether a ``zarr.json`` with these attributes has the bytes that were written."""
    return is_sealed(text, str(attributes.get(SELF_DIGEST)))


def parse_objects(listed: Any, *, location: str) -> Objects:
    """Parse and check a list of objects, ``{path: [size, sha256]}``.

    Raises:
        StoreError: it has another form, or an invalid path, size or digest.
    """
    try:
        found = {str(name): (int(size), str(sha)) for name, (size, sha) in listed.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as e:
        raise StoreError(location, f"not a list of objects with size and digest ({e!r})", hint=DAMAGED_HINT) from e
    for name, (size, sha) in found.items():
        if not is_object_name(name):
            raise StoreError(
                location, f"lists an object {name!r}, which is not a path inside a store", hint=NOT_FACTORNET
            )
        if not (0 <= size < _MAX_OBJECT_SIZE and re.fullmatch(r"[0-9a-f]{64}", sha)):
            raise StoreError(location, f"lists {name} with {size} bytes and sha256 {sha!r}", hint=NOT_FACTORNET)
    return found


def parse_manifest(text: bytes, digest: str, *, location: str) -> Objects:
    """Parse a manifest after comparing its SHA-256 with `digest`.

    Raises:
        StoreError: the digest differs, or it is not a manifest.
    """
    if hashlib.sha256(text).hexdigest() != digest:
        raise StoreError(f"{location}/manifest", "its digest is not the one in the attributes", hint=DAMAGED_HINT)
    try:
        listed = json.loads(text)["objects"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise StoreError(f"{location}/manifest", f"not JSON with the key 'objects' ({e!r})", hint=NOT_FACTORNET) from e
    return parse_objects(listed, location=f"{location}/manifest")


def unreadable(location: str, error: OSError, what: str = "") -> StoreError:
    """Return the error of a part of a store that cannot be read; `what` names the file, where that is not the part."""
    problem = f"{what}cannot be read ({error.strerror})"
    if cure := read_cure(error):
        return UnreadableError(location, problem, hint=cure)
    return StoreError(location, problem, hint=DAMAGED_HINT)


def check_may_be_damaged(error: Exception, location: str) -> None:
    """Check that an error of reading may be one of the store; call it before a fault of the store is concluded from it.

    Raises:
        UnreadableError: the machine, a permission or a server is at fault.
    """
    if isinstance(error, UnreadableError) and not isinstance(error, ContentError):
        raise error
    if isinstance(error, OSError) and read_cure(error):
        raise unreadable(location, error) from error


def read_object(group: GroupStorage, name: str, objects: Objects) -> bytes:
    """Read an object and compare it with the manifest of its group.

    Raises:
        StoreError: it is not in the manifest, is missing, or its size or digest differs.
    """
    file = f"{group.location}/{name}"
    if name not in objects:
        raise StoreError(file, "is not in the manifest", hint=DAMAGED_HINT)
    size, sha = objects[name]
    try:
        with group.open(name, objects[name]) as opened:
            found = opened.size
            # An object that has grown may be larger than the memory: it is not read.
            content = b"".join(opened.pieces()) if found == size else b""
    except FileNotFoundError:
        raise StoreError(file, f"is missing, the manifest lists it with {size} bytes", hint=DAMAGED_HINT) from None
    except OSError as e:
        raise unreadable(file, e) from e
    if found != size:
        raise StoreError(file, f"damaged ({found} bytes, the manifest lists {size})", hint=DAMAGED_HINT)
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError(file, "damaged (its digest is not the one in the manifest)", hint=DAMAGED_HINT)
    return content
