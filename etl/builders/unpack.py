"""Unpack a compressed store into a raw one: the same arrays, each as one plain file that can be memory-mapped.

Signal of few distinct values becomes codes and a table (`store.format.value_tables`). Which signal that is, only its
values tell. So they are read twice: for the tables, which tell what is written and how large it is, and to write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from ...store.errors import StoreError, UsageError
from ...store.files.atomic_write import naming_file
from ...store.files.digest import file_digest
from ...store.format.manifest import read_object
from ...store.format.memmap import raw_bytes, raw_file, raw_node
from ...store.format.value_tables.coded_array import coded_nodes
from ...store.format.zarr_json import read_zarr_json
from ...store.location import is_remote, with_forward_slashes
from ...store.reader import Store, open_store
from ...store.schema import CODED_VERSION, SCHEMA_VERSION
from ...store.text import shell_word
from ..publish.cell_index_writer import write_cells_group
from ..publish.disk_space import check_disk_space, check_publishable
from ..publish.manifest_writer import genome_attributes, manifest_attributes, write_group
from ..publish.store_name import check_store_folder
from ..publish.transaction import publish, staging
from ..shards.executor import OnPlan, OnReport, Resources, run
from ..shards.tasks import ShardTask
from .parts.raw_arrays import FindValues, WriteRaw, close_source, is_signal, read_table_file
from .report import BuildReport

_METADATA_SIZE = 8192
"""Estimated bytes on disk for the metadata of one node."""
_HINT = "copy or rebuild this part of the store"
_MANIFEST_NODE = {
    "data_type": "uint8",
    "fill_value": 255,
    "attributes": {},
    "dimension_names": ["byte"],
    "zarr_format": 3,
    "node_type": "array",
    "storage_transformers": [],
}


@dataclass(frozen=True)
class _Group:
    """A group that has a manifest: the genome, or one cell line.

    Attributes:
        path: of the group in the store.
        digest: SHA-256 of the manifest.
        nodes: path inside the group -> ``zarr.json`` of every array and group below it.
        coded: whether signal is kept as codes in it.
    """

    path: str
    digest: str
    nodes: dict[str, dict[str, Any]]
    coded: bool = False

    @property
    def version(self) -> dict[str, int]:
        """Attribute with the schema version of the raw group."""
        return {"schema_version": CODED_VERSION if self.coded else SCHEMA_VERSION}

    @property
    def arrays(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield path in the store and ``zarr.json`` of every array."""
        for path, node in self.nodes.items():
            if node["node_type"] == "array":
                yield f"{self.path}/{path}", node


def unpack_store(
    source: Path,
    destination: Path,
    resources: Resources,
    *,
    cells: Sequence[str] | None = None,
    on_report: OnReport = lambda report: None,
    on_plan: OnPlan | None = None,
) -> BuildReport:
    """Unpack a compressed store into a new raw store, completely or not at all.

    Args:
        source: a compressed store, a local folder.
        destination: folder to create; must not exist.
        resources: processes and memory.
        cells: cell lines to include; None for all. The genome is always included.
        on_report: called as each array is done.
        on_plan: called with all tasks before the first starts.

    Raises:
        StoreError: the destination exists, the source is raw, incomplete or damaged, or changes meanwhile, or the disk
            is full.
        UsageError: no such cell line, or the destination is not a local folder.
    """
    _check_destination(destination)
    store = _open_compressed(source)
    check_publishable(destination.resolve(), "unpack")
    selected = store.cells if cells is None else tuple(dict.fromkeys(cells))
    digests = {"genome": store.info.genome_manifest, **{f"cells/{c}": store.cell(c).manifest for c in selected}}
    with _unchanged(store, digests):
        groups = [_read_group(store, *item) for item in digests.items()]
    arrays = [(path, node) for group in groups for path, node in group.arrays]
    _check_disk_space(destination, groups, code_size=1)  # at least so much
    with staging(destination.resolve(), "unpack") as work:
        staged = work / destination.name
        source, run_id = Path(store.path), uuid4().hex
        find: list[ShardTask] = [FindValues(source, staged, path, run_id) for path, node in arrays if is_signal(node)]
        write: list[ShardTask] = [WriteRaw(source, staged, path, run_id) for path, _ in arrays]
        if on_plan:
            on_plan([*find, *write])
        try:
            with _unchanged(store, digests):
                found = run(find, resources, on_report=on_report, location=work)
                groups = [_with_codes(group, staged / group.path) for group in groups]
                _check_disk_space(destination, groups)
                for group in groups:
                    _write_nodes(staged / group.path, group)
                reports = run(write, resources, on_report=on_report, location=work)
        finally:
            close_source()
        _write_attributes(staged, store, groups, {r.name: r.digest for r in (*found, *reports) if r.bytes})
        publish(staged, destination.resolve(), "unpack", check=partial(_check_destination, destination))
    return BuildReport(f"raw store {destination}", tuple(reports), ())


def _check_disk_space(destination: Path, groups: Sequence[_Group], *, code_size: int | None = None) -> None:
    """Check that a raw store fits; with `code_size`, as if all signal were codes of so many bytes.

    Raises:
        StoreError: it does not; the message says how much is missing.
    """
    needed = sum(len(group.nodes) for group in groups) * _METADATA_SIZE
    for _, node in (array for group in groups for array in group.arrays):
        needed += raw_bytes(node) if code_size is None or not is_signal(node) else code_size * node["shape"][0]
    hint = "unpack fewer cell lines, or unpack to another disk"
    check_disk_space(destination, needed, what="the raw store", hint=hint)


def _with_codes(group: _Group, folder: Path) -> _Group:
    """Return a group with codes and values in place of signal of which a table was written in `folder`."""
    nodes: dict[str, dict[str, Any]] = {}
    for path, node in group.nodes.items():
        table = read_table_file(folder / path) if node["node_type"] == "array" and is_signal(node) else None
        parts = {"": node} if table is None else coded_nodes(node, table)
        nodes |= {f"{path}/{part}" if part else path: content for part, content in parts.items()}
    return replace(group, nodes=nodes, coded=len(nodes) > len(group.nodes))


def _write_attributes(staged: Path, store: Store, groups: Sequence[_Group], digests: dict[str, str]) -> None:
    """Write manifests, and the attributes of store and cell lines."""
    manifests = {group.path: _write_manifest(staged / group.path, group, digests) for group in groups}
    genome, *cell_lines = groups
    for group in cell_lines:
        info = store.cell(group.path.removeprefix("cells/"))
        keys = {**manifests[group.path], "unpacked_from": group.digest, **group.version}
        write_group(staged / group.path, {**info.to_attributes(), **keys})
    write_cells_group(staged)
    keys = {**genome_attributes(manifests["genome"]), "encoding": "raw", "unpacked_from": genome.digest}
    keys |= genome.version
    write_group(staged, {**store.info.to_attributes(), **keys})


def _check_destination(destination: Path) -> None:
    """Check that a raw store can be created at a path.

    Raises:
        StoreError: the path exists.
        UsageError: it is a URL, or no valid name.
    """
    if is_remote(url := with_forward_slashes(destination)):
        raise UsageError(
            f"{url}: is not a local folder; a raw store is memory-mapped from a local disk: name a local folder, and "
            "share the compressed store"
        )
    if destination.exists():
        raise StoreError(destination, "already exists", hint="choose another name, or remove it")
    check_store_folder(destination)


def _open_compressed(source: Path) -> Store:
    """Open the store to unpack.

    Raises:
        StoreError: no such store, or it is on a server, in a zip file, or raw.
    """
    store = open_store(source)
    if not store.storage.local:
        command = f"factornet-etl import {shell_word(store.location)} FOLDER"
        raise StoreError(store.location, "is not a local folder", hint=f"import it first, then unpack that: {command}")
    if store.is_raw:
        raise StoreError(source, "is already a raw store", hint="unpack the compressed store that it came from")
    return store


@contextmanager
def _unchanged(store: Store, digests: Mapping[str, str]) -> Iterator[None]:
    """Check at the end, also where reading failed, that each group is the one that was opened.

    Tasks open the store by its path, in processes of their own: they do not keep a version that is removed or replaced.

    Args:
        store: opened before.
        digests: path of each group -> SHA-256 of its manifest.

    Raises:
        StoreError: another process has removed or replaced a group.
    """
    try:
        yield
    finally:
        for path, digest in digests.items():
            found = _manifest_digest(store, path)
            if found != digest:
                change = "removed" if found is None else "replaced"
                raise StoreError(f"{store.path}/{path}", f"was {change} while it was being read", hint="unpack again")


def _read_group(store: Store, path: str, digest: str) -> _Group:
    """Read the metadata of a group, and check that every object of its manifest exists.

    Raises:
        StoreError: the manifest is damaged, an object is missing or has another size than listed, or a ``zarr.json``
            has other content.
    """
    folder, objects, nodes = store.folder(path), store.objects(path), {}
    for name, (size, _) in objects.items():
        file = Path(folder.location, name)
        if file.name == "zarr.json":
            nodes[str(Path(name).parent)] = json.loads(read_object(folder, name, objects))
        elif not file.is_file():
            raise StoreError(file, f"is missing, the manifest lists it with {size} bytes", hint=_HINT)
        elif file.stat().st_size != size:
            raise StoreError(file, f"has {file.stat().st_size} bytes, the manifest lists {size}", hint=_HINT)
    return _Group(path, digest, nodes)


def _manifest_digest(store: Store, path: str) -> str | None:
    """Read the SHA-256 of a group's manifest from the attributes on disk; None where there is no such group now."""
    folder, key = ("", "genome_manifest") if path == "genome" else (path, "manifest")
    try:
        return str(read_zarr_json(Path(store.path, folder), "group")["attributes"].get(key))
    except FileNotFoundError:
        return None


def _write_node(folder: Path, node: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with naming_file(folder / "zarr.json"):
        (folder / "zarr.json").write_text(json.dumps(node, indent=2), encoding="utf-8")


def _write_nodes(folder: Path, group: _Group) -> None:
    for path, node in group.nodes.items():
        _write_node(folder / path, raw_node(node) if node["node_type"] == "array" else node)


def _write_manifest(folder: Path, group: _Group, digests: dict[str, str]) -> dict[str, Any]:
    """Write a manifest as `manifest_writer.write_manifest` does, with digests of arrays known from writing them."""
    objects: dict[str, list[int | str]] = {}
    for path, node in group.nodes.items():
        meta = folder / path / "zarr.json"
        objects[str(meta.relative_to(folder))] = [meta.stat().st_size, file_digest(meta)]
        if digest := digests.get(f"{group.path}/{path}"):
            file = raw_file(folder / path, node)
            objects[str(file.relative_to(folder))] = [file.stat().st_size, digest]
    text = json.dumps({"objects": objects}, sort_keys=True, separators=(",", ":")).encode()
    node = raw_node({**_MANIFEST_NODE, "shape": [len(text)]})
    _write_node(folder / "manifest", node)
    file = raw_file(folder / "manifest", node)
    file.parent.mkdir()
    with naming_file(file):
        file.write_bytes(text)
    return manifest_attributes(folder, text)
