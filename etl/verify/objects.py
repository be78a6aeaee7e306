"""Verify a store against its own manifests: every object of it is covered by a digest (`store.format.manifest`)."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...store.cell_info import CellInfo
from ...store.errors import ContentError, RemoteError, SchemaVersionError, StoreError, UsageError
from ...store.format.attributes import read_attributes, read_manifest
from ...store.format.cell_index import CELL_INDEX
from ...store.format.manifest import Objects, check_may_be_damaged, check_self_digest, parse_objects
from ...store.genome.intervals import GenomeCoordinates
from ...store.location import RemoteLocation, StoreLocation, check_is_store, find_location
from ...store.schema import StoreInfo, check_name
from ...store.storage.base import Entry, GroupStorage, ObjectDigest
from ...store.storage.cache import ObjectCache, default_cache
from ...store.text import format_count, shell_word
from .contents import content_faults
from .findings import FaultKind, Finding
from .remedies import object_remedy, problem_at
from .root import check_cell_index, check_root, unexpected_entries
from .schema_check import cell_arrays, genome_arrays, structure_faults, table_faults


@dataclass(frozen=True)
class VerifyReport:
    """What `verify_store` checked and found.

    Attributes:
        groups: paths of the groups checked.
        objects: number of objects checked.
        bytes: their size.
        findings: all faults.
    """

    groups: tuple[str, ...]
    objects: int
    bytes: int
    findings: tuple[Finding, ...]

    def of(self, group: str) -> tuple[Finding, ...]:
        """Return the findings in one group."""
        return tuple(f for f in self.findings if f"{f.path}/".startswith(f"{group}/"))


@dataclass
class _GroupCheck:
    """The check of one group, in progress.

    Attributes:
        store: location of the store.
        path: ``genome`` or ``cells/<folder>``.
        raw: whether the store is raw.
        manifest: digest of the manifest, once known.
        objects: those to be read and compared with their digests.
        findings: faults so far.
        listed: all objects that the group must have, once known.
        storage: to read the objects from, once opened.
        held_cell: name of the cell line, where it is intact but has another name than its folder.
    """

    store: StoreLocation
    path: str
    raw: bool
    manifest: str = ""
    objects: dict[str, ObjectDigest] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    listed: Objects | None = None
    storage: GroupStorage | None = None
    held_cell: str = ""

    @property
    def folder(self) -> str:
        """Name of a cell line's folder."""
        return self.path.removeprefix("cells/")

    @property
    def location(self) -> str:
        """Path or URL of the group."""
        return f"{self.store.location}/{self.path}"

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with the group, except perhaps the name of its folder."""
        return len(self.findings) == bool(self.held_cell)

    def add(self, name: str, kind: FaultKind, problem: str | StoreError) -> None:
        """Add a finding about an object; where the server failed, its hint is the remedy."""
        path = f"{self.path}/{name}" if name else self.path
        if isinstance(problem, RemoteError) and not isinstance(problem, ContentError):
            remedy = problem.hint
        else:
            remedy = object_remedy(self.store, self.path, name, kind, raw=self.raw)
        self.findings.append(Finding(path, kind, problem_at(self.location, name, problem), remedy))

    def set_remedy(self, remedy: str) -> None:
        """Give all findings of the group one remedy."""
        self.findings = [replace(f, remedy=remedy) for f in self.findings]


def verify_store(
    path: str | Path,
    *,
    cells: Sequence[str] | None = None,
    quick: bool = False,
    threads: int = 2,
    cache: ObjectCache | None = None,
    on_plan: Callable[[int], None] = lambda objects: None,
    on_object: Callable[[int], None] = lambda size: None,
) -> VerifyReport:
    """Check every object of a store.

    Args:
        path: path or URL of a store, compressed or raw.
        cells: cell lines to check, next to the genome; None for all, and for unexpected entries of the store too.
        quick: compare sizes instead of digests; attributes and manifests are always read.
        threads: number of reading threads.
        cache: for a store on a server; cached objects are not downloaded again, so pass an empty cache to check the
            server.
        on_plan: called with the number of objects that will be read.
        on_object: called with the size of each object once it is compared.

    Raises:
        StoreError: there is no store at `path`, or its server failed.
        UsageError: the store has no such cell line.
    """
    store = find_location(path, cache or default_cache())
    check_is_store(store, str(path))
    findings, info = check_root(store)
    raw = info is not None and info.encoding == "raw"
    folders = store.cell_folders() if cells is None or store.local else ()
    for cell in cells or ():
        if cell not in folders and not store.has(cell) and cell not in store.cells():
            raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {', '.join(store.cells()) or 'none'}")
    if cells is None:
        findings += unexpected_entries(store)
    groups = [
        _GroupCheck(store, "genome", raw),
        *(_GroupCheck(store, f"cells/{c}", raw) for c in (folders if cells is None else cells)),
    ]
    for group in groups:
        _check_listing(group, info)
    if not quick:
        _check_digests(groups, threads, on_plan, on_object)
        if info is not None:
            _check_tables(groups, info.coordinates, raw=raw)
    if store.local:
        _set_rename_remedies(store, groups[1:], complete=cells is None and not quick)
    findings += [f for g in groups for f in g.findings]
    has_cells_group = False
    if cells is None:
        has_cells_group = not isinstance(store, RemoteLocation) and CELL_INDEX in (store.top() or ())
        digests = {g.folder: "" if g.held_cell else g.manifest for g in groups[1:]}
        findings += check_cell_index(store, digests, {g.held_cell for g in groups})
    return VerifyReport(
        tuple(g.path for g in groups),
        # and the attributes of the store, of each cell line, and of the group of all cell lines
        sum(len(g.objects) for g in groups) + len(groups) + has_cells_group,
        sum(size for g in groups for size, _ in g.objects.values()),
        tuple(findings),
    )


def _check_tables(groups: Sequence[_GroupCheck], coordinates: GenomeCoordinates, *, raw: bool) -> None:
    """Check the values of tables in groups whose objects are all sound."""
    for group in groups:
        if group.storage and group.listed and not group.findings:
            for name, fault in table_faults(group.storage, group.listed, coordinates, raw=raw):
                group.add(name, "schema", fault)


def _set_rename_remedies(store: StoreLocation, groups: Sequence[_GroupCheck], *, complete: bool) -> None:
    """Set the remedies of cell lines in folders of other names: none removes a folder or moves one into another.

    `complete` is whether every object of the store was compared with its digest.
    """
    checked = {g.folder: g for g in groups}
    for group in groups:
        if not (cell := group.held_cell):
            continue
        other, path = checked.get(cell), f"cells/{cell}"
        if not store.has(cell):
            target = shell_word(f"{store.location}/{path}")
            remedy = f"rename it back to {path}: mv -T {shell_word(group.location)} {target}"  # -T: never into a folder
        elif other is not None and other.held_cell:
            remedy = f"{path} exists and holds cell line {other.held_cell}: move that folder first, then verify again"
        elif other is None or not complete:
            remedy = (
                f"{path} exists too: verify the whole store first: factornet-etl verify {shell_word(store.location)}"
            )
        else:
            states = ", ".join(f"{g.path} is {'whole' if g.whole else 'damaged'}" for g in (other, group))
            aside = other if group.whole and not other.whole else group
            remedy = f"{path} exists ({states}): move {aside.path} out of the store by hand, then verify again"
            aside.set_remedy(remedy)
        group.set_remedy(remedy)


def _check_listing(group: _GroupCheck, info: StoreInfo | None) -> None:
    """Check all that shows without reading large objects: attributes, manifest, names, sizes, links."""
    try:
        storage = group.storage = group.store.folder(group.path)
        entries = storage.listing()
    except OSError as e:
        check_may_be_damaged(e, group.location)
        if e.errno != errno.ELOOP:  # a link: `unexpected_entries` reports it
            group.add("", "missing", f"cannot be read ({e.strerror})")
        return
    for name, entry in (entries or {}).items():
        if entry.kind != "file":
            _add_special_entry(group, name, entry)
    if group.path != "genome" and entries is not None and not any(Path(name).name == "zarr.json" for name in entries):
        group.add("", "added", "is not a cell line")
        return
    expected = group.listed = _expected_objects(group, storage, info)
    if expected is None:
        return
    if entries is None:  # web servers do not list: missing objects show when they are read
        group.objects.update(expected)
        return
    _compare_listing(group, entries, expected)


def _compare_listing(group: _GroupCheck, entries: dict[str, Entry], expected: Objects) -> None:
    """Compare names and sizes; objects without a fault are left to `_check_digests`."""
    for name, (size, _) in expected.items():
        if name not in entries:
            group.add(name, "missing", f"is missing, the manifest lists it with {size} bytes")
        elif entries[name].kind == "file":
            if entries[name].size != size:
                group.add(name, "damaged", f"has {entries[name].size} bytes, the manifest lists {size}")
            else:
                group.objects[name] = expected[name]
    unlisted = set() if group.path == "genome" else {"zarr.json"}
    known = {".", *(str(folder) for name in expected for folder in Path(name).parents)}
    added: dict[str, int] = {}
    for name, entry in entries.items():
        if name not in expected and name not in unlisted and entry.kind == "file":
            # A folder of which nothing is listed is one finding.
            top = next((str(f) for f in reversed(Path(name).parents) if str(f) not in known), name)
            added[top] = added.get(top, 0) + 1
    for name, number in added.items():
        count = "" if name in entries else f" ({format_count(number, 'object')})"
        group.add(name, "added", f"is not in the manifest{count}")


def _add_special_entry(group: _GroupCheck, name: str, entry: Entry) -> None:
    if entry.kind == "link":
        inside = Path(group.location, name).resolve().is_relative_to(group.store.location)
        group.add(name, "link", f"is a link to {entry.target}{'' if inside else ', outside the store'}")
    else:
        group.add(name, "added", "is neither file nor folder")


def _expected_objects(group: _GroupCheck, storage: GroupStorage, info: StoreInfo | None) -> Objects | None:
    """Return the objects that the group must have, those of the manifest included; None if that is not known."""
    try:
        if group.path == "genome":
            if info is None:
                return None  # the damaged root has the digest of the genome's manifest
            cell, digest, listed = None, info.genome_manifest, info.genome_manifest_objects
        else:
            cell = _cell_info(group, storage, info)
            digest, listed = cell.manifest, cell.manifest_objects
    except StoreError as e:
        check_may_be_damaged(e, storage.location)
        exists = "zarr.json" in (storage.listing() or ("zarr.json",))
        kind: FaultKind = "schema" if isinstance(e, SchemaVersionError) else "attributes"
        group.add("zarr.json", kind if exists else "missing", e if exists else "is missing")
        return None
    group.manifest = digest
    try:
        manifest_objects = parse_objects(listed, location=storage.location)
        objects = {**read_manifest(storage, digest, listed), **manifest_objects}
    except RemoteError as e:
        group.add("manifest", "missing", e)
        return None
    except StoreError as e:
        check_may_be_damaged(e, storage.location)
        _add_manifest_fault(group, storage, e)
        return None
    if info is not None:
        arrays = cell_arrays(cell, info) if cell else genome_arrays(storage, objects, info)
        for name, fault in structure_faults(storage, objects, arrays, raw=group.raw):
            group.add(name, "schema", fault)
    return objects


def _add_manifest_fault(group: _GroupCheck, storage: GroupStorage, error: StoreError) -> None:
    entries = storage.listing() or {}
    for name in ("manifest/zarr.json", "manifest/c/0"):
        if name not in entries or error.location.startswith(f"{storage.location}/{name}"):
            group.add(name, "manifest" if name in entries else "missing", error)
            return
    group.add("manifest", "manifest", error)


def _cell_info(group: _GroupCheck, storage: GroupStorage, info: StoreInfo | None) -> CellInfo:
    """Return the attributes of a cell line, checked.

    Raises:
        StoreError: they are damaged, or belong to another cell line or genome.
    """
    location = storage.location
    text, attributes = read_attributes(storage)
    cell = CellInfo.from_attributes(attributes, location=location)
    check_self_digest(text, attributes, location=location)
    if cell.name != group.folder:
        with contextlib.suppress(StoreError, UsageError):
            read_manifest(storage, cell.manifest, cell.manifest_objects)
            # The manifest belongs to these attributes: the whole group was renamed or copied, not one file.
            group.held_cell = check_name(cell.name, "cell line")
        if not group.held_cell or not group.store.local:
            raise StoreError(location, f"its attributes are those of cell line {cell.name}")
        group.add("", "attributes", f"holds cell line {cell.name}")
    if info is not None:
        cell.check_genome(info, location=location)
    return cell


def _check_digests(
    groups: Sequence[_GroupCheck], threads: int, on_plan: Callable[[int], None], on_object: Callable[[int], None]
) -> None:
    """Read every object, and add a finding for each of other content than listed."""
    objects = [(g, name, listed) for g in groups for name, listed in g.objects.items()]
    on_plan(len(objects))
    faults = content_faults([(g.storage, name, listed) for g, name, listed in objects], threads=threads)
    for (group, name, (size, _)), fault in zip(objects, faults, strict=True):
        if fault:
            group.add(name, "damaged", fault)
        on_object(size)
