"""Write the manifest of a group: size and SHA-256 of each of its objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BytesCodec, ZstdCodec

from ...store.errors import StoreError
from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ...store.format.manifest import with_self_digest


def values_digest(known: Mapping[str, str], under: str) -> str:
    """SHA-256 over the sorted lines ``name<TAB>digest`` of the objects whose path starts with `under`."""
    lines = "".join(f"{name}\t{sha}\n" for name, sha in sorted(known.items()) if name.startswith(under))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(group: Path, *, own: bool = False, known: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Write the array ``manifest`` of a group: size and SHA-256 of each of its objects.

    Call it after everything else in the group has been written.

    Args:
        group: folder of the group.
        own: whether to list the group's own ``zarr.json``, which must not change afterwards.
        known: path in the group -> SHA-256 of objects as they were written.

    Returns:
        The attributes that describe it, as `manifest_attributes`.

    Raises:
        StoreError: an object differs from what was written.
    """
    objects = {
        str(path.relative_to(group)): [path.stat().st_size, file_digest(path)]
        for path in sorted(group.rglob("*"))
        if path.is_file() and (own or path != group / "zarr.json")
    }
    for name, digest in (known or {}).items():
        if name not in objects or objects[name][1] != digest:
            raise StoreError(group / name, "differs from what was written", hint="check the disk, then build again")
    text = json.dumps({"objects": objects}, sort_keys=True, separators=(",", ":")).encode()
    with naming_file(group / "manifest"):
        zarr.open_group(str(group), mode="r+").create_array(
            "manifest",
            data=np.frombuffer(text, np.uint8),
            chunks=(len(text),),
            serializer=BytesCodec(),
            compressors=(ZstdCodec(level=3, checksum=True),),
            dimension_names=("byte",),
        )
    return manifest_attributes(group, text)


def manifest_attributes(group: Path, text: bytes) -> dict[str, Any]:
    """Return the attributes that describe a manifest.

    Args:
        group: folder of the group, with the manifest written.
        text: content of the manifest.

    Returns:
        ``manifest``, the SHA-256 of `text`, and ``manifest_objects``, size and SHA-256 of the files of the array.
    """
    files = {f"manifest/{name}": group / "manifest" / name for name in ("c/0", "zarr.json")}
    objects = {name: [file.stat().st_size, file_digest(file)] for name, file in files.items()}
    return {"manifest": hashlib.sha256(text).hexdigest(), "manifest_objects": objects}


def genome_attributes(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return manifest attributes under the names that the root of the store has for its genome."""
    return {f"genome_{key}": value for key, value in manifest.items()}


def write_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Write the ``zarr.json`` of a group, with its own digest among the attributes."""
    node = {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}
    folder.mkdir(parents=True, exist_ok=True)
    with naming_file(folder / "zarr.json"):
        (folder / "zarr.json").write_bytes(with_self_digest(node))
