"""The manifest of a group: every object in it, with size and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .errors import StoreError

Objects = Mapping[str, tuple[int, str]]
"""Path of an object in its group -> size in bytes and SHA-256."""

CURE = "copy or rebuild this part of the store"


def parse_manifest(text: bytes, digest: str, *, place: Path) -> Objects:
    """The objects that a manifest lists.

    Raises:
        StoreError: it is not the one whose SHA-256 is `digest`.
    """
    if hashlib.sha256(text).hexdigest() != digest:
        raise StoreError(f"{place}/manifest: its digest is not the one in the attributes; {CURE}")
    return {name: (int(size), str(sha)) for name, (size, sha) in json.loads(text)["objects"].items()}


def read_object(group: Path, name: str, objects: Objects) -> bytes:
    """The content of an object, after comparing it with what the manifest of its group lists.

    Raises:
        StoreError: it is not listed, missing, or of other content.
    """
    file = group / name
    if name not in objects:
        raise StoreError(f"{file}: is not in the manifest; {CURE}")
    size, sha = objects[name]
    try:
        if file.stat().st_size != size:
            raise StoreError(f"{file}: damaged ({file.stat().st_size} bytes, the manifest says {size}); {CURE}")
        content = file.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{file}: is missing, the manifest lists it with {size} bytes; {CURE}") from None
    except OSError as e:
        raise StoreError(f"{file}: cannot be read ({e.strerror}); {CURE}") from e
    if hashlib.sha256(content).hexdigest() != sha:
        raise StoreError(f"{file}: damaged (its digest is not the one in the manifest); {CURE}")
    return content
