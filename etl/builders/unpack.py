"""Unpack a compressed store into a raw one: the same arrays, each as one plain file to be memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from ...store.errors import StoreError, UsageError
from ...store.format.manifest import read_object
from ...store.format.memmap import raw_bytes, raw_file, raw_node
from ...store.format.sharded import ShardedArray
from ...store.format.zarr_json import DTYPES, read_zarr_json
from ...store.location import is_remote, with_forward_slashes
from ...store.machine import peak_memory
from ...store.reader import Store, open_store, read_span
from ...store.schema import check_name
from ...store.storage.files import file_digest
from ..publish.disk_space import check_disk_space
from ..publish.manifest_writer import genome_attributes, manifest_attributes, write_group
from ..publish.transaction import publish, staging
from ..shards.executor import OnPlan, OnReport, Resources, run
from ..shards.tasks import ShardReport, ShardTask
from .report import BuildReport

_BLOCK = 16 * 1024 * 1024
"""Bytes of values to hold at once, about."""
_SMALL_FILE = 8192
"""Bytes on disk to reckon with for the metadata of one node."""

_CURE = "copy or rebuild this part of the store"
_MANIFEST = {
    "data_type": "uint8",
    "fill_value": 255,
    "attributes": {},
    "dimension_names": ["byte"],
    "zarr_format": 3,
    "node_type": "array",
    "storage_transformers": [],
}


@dataclass(frozen=True)
class _Part:
    """A group that has a manifest: the genome, or one cell line.

    Attributes:
        path: of the group in the store.
        digest: SHA-256 of the manifest's text.
        nodes: path inside the group -> ``zarr.json`` of every array and every group below it.
    """

    path: str
    digest: str
    nodes: dict[str, dict[str, Any]]

    @property
    def arrays(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path in the store and ``zarr.json`` of every array."""
        for path, node in self.nodes.items():
            if node["node_type"] == "array":
                yield f"{self.path}/{path}", node


@dataclass(frozen=True)
class WriteRaw:
    """One array, read block by block from the store at `source` and written as one file below `root`.

    Attributes:
        source: the compressed store.
        root: of the raw store being built.
        path: of the array in both.
    """

    source: Path
    root: Path
    path: str

    @property
    def key(self) -> str:
        """Its name: the path of the array."""
        return self.path

    def __call__(self) -> ShardReport:
        """Do the work; the report's digest is that of the file.

        Raises:
            StoreError: a chunk is missing or damaged, or the disk is full.
        """
        node = read_zarr_json(self.source / self.path, "array")
        file, size = raw_file(self.root / self.path, node), raw_bytes(node)
        sha = hashlib.sha256()
        if size:
            try:
                file.parent.mkdir(parents=True)
                with file.open("xb") as out:
                    for block in self._blocks(node["shape"][0], size, np.dtype(DTYPES[node["data_type"]])):
                        sha.update(block)
                        out.write(block)
            except OSError as e:
                raise StoreError(file, f"cannot be written ({e.strerror})", hint="nothing was published") from e
        peak = peak_memory()
        return ShardReport(
            self.path,
            self.path.rpartition("/")[2],
            node["shape"][0],
            size,
            peak,
            digest=sha.hexdigest(),
            key=self.key,
        )

    def _blocks(self, rows: int, size: int, dtype: np.dtype[Any]) -> Iterator[memoryview]:
        """The array's bytes in order, whole chunks at a time."""
        array = open_store(self.source).array(self.path)
        chunk = array.layout.chunk_rows if isinstance(array, ShardedArray) else 1
        step = max(1, _BLOCK // (size // rows) // chunk) * chunk
        for start in range(0, rows, step):
            values = read_span(array, start, min(start + step, rows))
            yield np.ascontiguousarray(values, dtype).data.cast("B")


def unpack_store(
    source: Path,
    destination: Path,
    resources: Resources,
    *,
    cells: Sequence[str] | None = None,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> BuildReport:
    """Make a raw store of a compressed one; there is all of it in the end, or nothing.

    Args:
        source: a compressed store.
        destination: must not be there yet.
        resources: processes and memory.
        cells: which cell lines to take; None for all. The genome is always taken.
        on_report: called as each array is done.
        on_plan: called with the tasks before the first is started.

    Raises:
        StoreError: the destination is there, the source is raw, incomplete or damaged, or the disk has no room.
        UsageError: no such cell line, or the destination is no place for a raw store.
    """
    _refuse_destination(destination)
    store = _open_compressed(source)
    chosen = store.cells if cells is None else tuple(dict.fromkeys(cells))
    for cell in chosen:
        store.cell(cell)
    parts = [_read_part(store, "genome"), *(_read_part(store, f"cells/{c}") for c in chosen)]
    arrays = [(path, node) for part in parts for path, node in part.arrays]
    files = sum(len(part.nodes) for part in parts)
    needed = sum(raw_bytes(node) for _, node in arrays) + files * _SMALL_FILE
    hint = "take fewer cell lines (--cells), or unpack to another disk"
    check_disk_space(destination, needed, what="a raw store of this", hint=hint)
    with staging(destination.resolve(), "unpack") as work:
        staged = work / destination.name
        tasks: list[ShardTask] = [WriteRaw(Path(store.path), staged, path) for path, _ in arrays]
        for part in parts:
            _write_nodes(staged / part.path, part)
        if on_plan:
            on_plan(tasks)
        reports = run(tasks, resources, on_report=on_report, location=work)
        for part in parts:
            if _listed_digest(store, part.path) != part.digest:
                raise StoreError(f"{source}/{part.path}", "was replaced while it was being read", hint="unpack again")
        digests = {r.name: r.digest for r in reports if r.bytes}
        new = {part.path: _write_manifest(staged / part.path, part, digests) for part in parts}
        for part in parts[1:]:
            keys = {**new[part.path], "unpacked_from": part.digest}
            write_group(staged / part.path, {**store.cell(part.path.removeprefix("cells/")).to_attributes(), **keys})
        keys = {**genome_attributes(new["genome"]), "encoding": "raw", "unpacked_from": parts[0].digest}
        write_group(staged, {**store.info.to_attributes(), **keys})
        publish(staged, destination.resolve(), "unpack", check=partial(_refuse_destination, destination))
    return BuildReport(f"raw store {destination}", tuple(reports), ())


def _refuse_destination(destination: Path) -> None:
    """See that a raw store can be made there.

    Raises:
        StoreError, UsageError: it cannot.
    """
    if is_remote(with_forward_slashes(destination)):
        raise UsageError(
            f"{with_forward_slashes(destination)}: is no folder; a raw store is memory-mapped from a local disk: name a folder "
            "there, and share the compressed store"
        )
    if destination.exists():
        raise StoreError(destination, "is there already", hint="give another name, or remove it")
    check_name(destination.name, "store")


def _open_compressed(source: Path) -> Store:
    """The store to unpack.

    Raises:
        StoreError: there is none, or it is on a server, in a zip file, or raw.
    """
    store = open_store(source)
    if not store.home.local:
        bring = f"factornet-etl import {quote(store.location)} FOLDER"
        raise StoreError(store.location, "is no folder", hint=f"bring it here, and unpack that: {bring}")
    if store.is_raw:
        raise StoreError(source, "is a raw store already", hint="unpack the compressed store that it came from")
    return store


def _read_part(store: Store, path: str) -> _Part:
    """What a group's manifest lists, with every object looked for.

    Raises:
        StoreError: the manifest is damaged, or an object is missing or of another size than listed; where it is
            ``zarr.json``, of other content.
    """
    folder, objects, nodes = store.folder(path), store.objects(path), {}
    for name, (size, _) in objects.items():
        file = Path(folder.location, name)
        if file.name == "zarr.json":
            nodes[str(Path(name).parent)] = json.loads(read_object(folder, name, objects))
        elif not file.is_file():
            raise StoreError(file, f"is missing, the manifest lists it with {size} bytes", hint=_CURE)
        elif file.stat().st_size != size:
            raise StoreError(file, f"has {file.stat().st_size} bytes, the manifest says {size}", hint=_CURE)
    return _Part(path, _listed_digest(store, path), nodes)


def _listed_digest(store: Store, path: str) -> str:
    """SHA-256 of a group's manifest, as the attributes have it at this moment."""
    home, key = ("", "genome_manifest") if path == "genome" else (path, "manifest")
    return str(read_zarr_json(Path(store.path, home), "group")["attributes"].get(key))


def _write_node(folder: Path, node: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zarr.json").write_text(json.dumps(node, indent=2), encoding="utf-8")


def _write_nodes(group: Path, part: _Part) -> None:
    for path, node in part.nodes.items():
        _write_node(group / path, raw_node(node) if node["node_type"] == "array" else node)


def _write_manifest(group: Path, part: _Part, digests: dict[str, str]) -> dict[str, Any]:
    """List every object as `publish.write_manifest` does; digests of the arrays' files are known from writing them."""
    objects: dict[str, list[int | str]] = {}
    for path, node in part.nodes.items():
        meta = group / path / "zarr.json"
        objects[str(meta.relative_to(group))] = [meta.stat().st_size, file_digest(meta)]
        if digest := digests.get(f"{part.path}/{path}"):
            file = raw_file(group / path, node)
            objects[str(file.relative_to(group))] = [file.stat().st_size, digest]
    text = json.dumps({"objects": objects}, sort_keys=True, separators=(",", ":")).encode()
    node = raw_node({**_MANIFEST, "shape": [len(text)]})
    _write_node(group / "manifest", node)
    file = raw_file(group / "manifest", node)
    file.parent.mkdir()
    file.write_bytes(text)
    return manifest_attributes(group, text)
