"""What covers every byte of a store: manifests, and the digests that attributes carry of themselves.

The manifest of a group lists every object in it with size and SHA-256. The attributes of the store (for the genome)
and of each cell line have the digest of the manifest, and those of the two objects it consists of; and each of these
``zarr.json`` has, as its attribute ``self_digest``, the SHA-256 of itself with zeros in that place. So no bit of a
store can change unseen.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import StoreError
from ..storage.base import GroupStorage, ObjectDigest, is_object_name

Objects = Mapping[str, ObjectDigest]
"""Path of an object in its group -> size in bytes and SHA-256."""

CURE = "copy or rebuild this part of the store"
NOT_FACTORNET = "factornet did not write this; do not use it"
SELF_DIGEST = "self_digest"
_BLANK = "0" * 64
_LARGEST = 2**44  # bytes of an object; a raw chr1 has 2**30


def with_self_digest(node: dict[str, Any]) -> bytes:
    """The ``zarr.json`` of a group, with the digest of itself among its attributes."""
    attributes = {k: v for k, v in node["attributes"].items() if k != SELF_DIGEST}
    text = json.dumps({**node, "attributes": {**attributes, SELF_DIGEST: _BLANK}}, indent=2).encode()
    return text.replace(_line(_BLANK), _line(hashlib.sha256(text).hexdigest()))


def _line(digest: str) -> bytes:
    return f'"{SELF_DIGEST}": "{digest}"'.encode()


def check_self_digest(text: bytes, attributes: Mapping[str, Any], *, location: str) -> None:
    """See that a ``zarr.json`` is, byte for byte, what was written. `attributes` are those in it.

    The digest is of the bytes: a flipped bit may leave the JSON equal (1e5 and 1E5, the last digit of a fraction).

    Raises:
        StoreError: it was changed, or carries no digest.
    """
    if attributes.get(SELF_DIGEST) is None:
        raise StoreError(
            f"{location}/zarr.json",
            f"its attributes have no {SELF_DIGEST}, as factornet writes it",
            hint=f"{CURE} with this version",
        )
    if not has_self_digest(text, attributes):
        raise StoreError(f"{location}/zarr.json", f"damaged (its {SELF_DIGEST} is not that of its content)", hint=CURE)


def has_self_digest(text: bytes, attributes: Mapping[str, Any]) -> bool:
    """Whether a ``zarr.json`` with these attributes is, byte for byte, what was written."""
    digest = str(attributes.get(SELF_DIGEST))
    line = _line(digest)
    return text.count(line) == 1 and hashlib.sha256(text.replace(line, _line(_BLANK))).hexdigest() == digest


def parse_objects(listed: Any, *, location: str) -> Objects:
    """Objects as JSON lists them, ``{path: [size, sha256]}``.

    Raises:
        StoreError: that is not what it is.
    """
    try:
        found = {str(name): (int(size), str(sha)) for name, (size, sha) in listed.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as e:
        raise StoreError(location, f"no list of objects with size and digest ({e!r})", hint=CURE) from e
    for name, (size, sha) in found.items():
        if not is_object_name(name):
            raise StoreError(location, f"lists an object {name!r}, which is no path inside a store", hint=NOT_FACTORNET)
        if not (0 <= size < _LARGEST and re.fullmatch(r"[0-9a-f]{64}", sha)):
            raise StoreError(location, f"lists {name} with {size} bytes and sha256 {sha!r}", hint=NOT_FACTORNET)
    return found


def parse_manifest(text: bytes, digest: str, *, location: str) -> Objects:
    """The objects that a manifest lists.

    Raises:
        StoreError: it is not the one whose SHA-256 is `digest`.
    """
    if hashlib.sha256(text).hexdigest() != digest:
        raise StoreError(f"{location}/manifest", "its digest is not the one in the attributes", hint=CURE)
    try:
        listed = json.loads(text)["objects"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise StoreError(f"{location}/manifest", f"is no JSON with the key objects ({e!r})", hint=NOT_FACTORNET) from e
    return parse_objects(listed, location=f"{location}/manifest")


def read_object(group: GroupStorage, name: str, objects: Objects) -> bytes:
    """The content of an object, after comparing it with what the manifest of its group lists.

    Raises:
        StoreError: it is not listed, missing, or of other content.
    """
    file = f"{group.location}/{name}"
    if name not in objects:
        raise StoreError(file, "is not in the manifest", hint=CURE)
    size, sha = objects[name]
    try:
        with group.open(name, objects[name]) as opened:
            found = opened.size
            # What has grown beyond what is listed may be larger than the memory: it is not read.
            content = b"".join(opened.pieces()) if found == size else b""
    except FileNotFoundError:
        raise StoreError(file, f"is missing, the manifest lists it with {size} bytes", hint=CURE) from None
    except OSError as e:
        raise StoreError(file, f"cannot be read ({e.strerror})", hint=CURE) from e
    if found != size:
        raise StoreError(file, f"damaged ({found} bytes, the manifest says {size})", hint=CURE)
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError(file, "damaged (its digest is not the one in the manifest)", hint=CURE)
    return content
