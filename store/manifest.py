"""What covers every byte of a store: manifests, and the digests that attributes carry of themselves.

The manifest of a group lists every object in it with size and SHA-256. The attributes of the store (for the genome)
and of each cell line have the digest of the manifest, and those of the two objects it consists of; and each of these
``zarr.json`` has, as its attribute ``self_digest``, the SHA-256 of itself with zeros in that place. So no bit of a
store can change unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .errors import StoreError
from .folder import Folder

Objects = Mapping[str, tuple[int, str]]
"""Path of an object in its group -> size in bytes and SHA-256."""

CURE = "copy or rebuild this part of the store"
SEAL = "self_digest"
_BLANK = "0" * 64


def sealed(node: dict[str, Any]) -> bytes:
    """The ``zarr.json`` of a group, with the digest of itself among its attributes."""
    attributes = {k: v for k, v in node["attributes"].items() if k != SEAL}
    text = json.dumps({**node, "attributes": {**attributes, SEAL: _BLANK}}, indent=2).encode()
    return text.replace(_line(_BLANK), _line(hashlib.sha256(text).hexdigest()))


def _line(digest: str) -> bytes:
    return f'"{SEAL}": "{digest}"'.encode()


def check_seal(text: bytes, attributes: Mapping[str, Any], *, place: str) -> None:
    """See that a ``zarr.json`` is, byte for byte, what was written. `attributes` are those in it.

    The digest is of the bytes: a flipped bit may leave the JSON equal (1e5 and 1E5, the last digit of a fraction).

    Raises:
        StoreError: it was changed, or carries no digest.
    """
    digest = attributes.get(SEAL)
    if digest is None:
        raise StoreError(
            f"{place}/zarr.json: its attributes have no {SEAL}, as factornet writes it; {CURE} with this version"
        )
    line = _line(str(digest))
    if text.count(line) != 1 or hashlib.sha256(text.replace(line, _line(_BLANK))).hexdigest() != digest:
        raise StoreError(f"{place}/zarr.json: damaged (its {SEAL} is not that of its content); {CURE}")


def parse_objects(listed: Any, *, place: str) -> Objects:
    """Objects as JSON lists them, ``{path: [size, sha256]}``.

    Raises:
        StoreError: that is not what it is.
    """
    try:
        return {str(name): (int(size), str(sha)) for name, (size, sha) in listed.items()}
    except (AttributeError, TypeError, ValueError) as e:
        raise StoreError(f"{place}: no list of objects with size and digest ({e!r}); {CURE}") from e


def parse_manifest(text: bytes, digest: str, *, place: str) -> Objects:
    """The objects that a manifest lists.

    Raises:
        StoreError: it is not the one whose SHA-256 is `digest`.
    """
    if hashlib.sha256(text).hexdigest() != digest:
        raise StoreError(f"{place}/manifest: its digest is not the one in the attributes; {CURE}")
    return parse_objects(json.loads(text)["objects"], place=f"{place}/manifest")


def read_object(group: Folder, name: str, objects: Objects) -> bytes:
    """The content of an object, after comparing it with what the manifest of its group lists.

    Raises:
        StoreError: it is not listed, missing, or of other content.
    """
    file = group.path / name
    if name not in objects:
        raise StoreError(f"{file}: is not in the manifest; {CURE}")
    size, sha = objects[name]
    try:
        with group.open(name) as opened:
            # One byte more than there should be: what has grown to a size beyond the memory is not read whole.
            content = opened.read(size + 1)
            while 0 < len(content) <= size and (more := opened.read(size + 1 - len(content))):
                content += more
            found = opened.seek(0, 2)
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing, the manifest lists it with {size} bytes; {CURE}") from None
    except OSError as e:
        raise StoreError(f"{file}: cannot be read ({e.strerror}); {CURE}") from e
    if found != size:
        raise StoreError(f"{file}: damaged ({found} bytes, the manifest says {size}); {CURE}")
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError(f"{file}: damaged (its digest is not the one in the manifest); {CURE}")
    return content
