"""Compare all of a store with what it says of itself: every byte is covered by a digest (`store.manifest`)."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...store.errors import ContentError, RemoteError, SchemaVersionError, StoreError, UsageError
from ...store.format.attributes import read_attributes, read_manifest
from ...store.format.manifest import Objects, check_self_digest, parse_objects
from ...store.location import StoreLocation, check_is_store, find_location
from ...store.schema import CellInfo, StoreInfo, check_name
from ...store.storage.base import Entry, GroupStorage, ObjectDigest
from ...store.storage.cache import ObjectCache, default_cache
from ...store.text import format_count
from .findings import Finding, Kind
from .misnamed import Found, Misnamed
from .remedies import object_remedy, problem_at
from .root import check_cell_index, check_root, unexpected_entries
from .schema_check import cell_arrays, genome_arrays, structure_faults, table_faults


@dataclass(frozen=True)
class VerifyReport:
    """What was looked at (`objects` of `bytes` in all, in the groups `groups`), and what was found."""

    groups: tuple[str, ...]
    objects: int
    bytes: int
    findings: tuple[Finding, ...]

    def of(self, group: str) -> tuple[Finding, ...]:
        """Those in one group."""
        return tuple(f for f in self.findings if f"{f.path}/".startswith(f"{group}/"))


@dataclass
class _Group:
    """A group under examination: the genome or a cell line; `objects` are those to be read and compared."""

    home: StoreLocation
    path: str
    raw: bool
    digest: str = ""  # of its manifest, once that is known
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    listed: Objects | None = None  # all of its objects, where they are known
    folder: GroupStorage | None = None
    own_name: str = ""  # of a whole cell line whose folder has the name of another

    @property
    def cell(self) -> str:
        """Name of the folder of a cell line."""
        return self.path.removeprefix("cells/")

    @property
    def at(self) -> str:
        """Where it is."""
        return f"{self.home.location}/{self.path}"

    def found(self, name: str, kind: Kind, problem: str | StoreError) -> None:
        """Take down a finding; a server at fault has its own cure, and mending the store is none."""
        path = f"{self.path}/{name}" if name else self.path
        if isinstance(problem, RemoteError) and not isinstance(problem, ContentError):
            hint = problem.hint
        else:
            hint = object_remedy(self.home, self.path, name, kind, raw=self.raw)
        self.findings.append(Finding(path, kind, problem_at(self.at, name, problem), hint))


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
    """Look at every object of a store.

    Args:
        path: of the store, compressed or raw.
        cells: which cell lines (the genome comes in any case); None for all, and for what lies beside them too.
        quick: compare sizes instead of digests; attributes and manifests are read in any case.
        threads: that read and digest.
        cache: of a store on a server; what is in it already is not fetched again, so give an empty one to hear of the
            server.
        on_plan: called with the number of objects that will be read.
        on_object: called with the size of each as it is done.

    Raises:
        StoreError: there is no store.
        UsageError: no such cell line.
    """
    home = find_location(path, cache or default_cache())
    check_is_store(home, str(path))
    findings, info = check_root(home)
    raw = info is not None and info.encoding == "raw"
    there = home.cell_folders() if cells is None or home.local else ()
    for cell in cells or ():
        if cell not in there and not home.has(cell) and cell not in home.cells():
            raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {', '.join(home.cells()) or 'none'}")
    if cells is None:
        findings += unexpected_entries(home)
    groups = [
        _Group(home, "genome", raw),
        *(_Group(home, f"cells/{c}", raw) for c in (there if cells is None else cells)),
    ]
    for group in groups:
        _look_at_group(group, info)
    if not quick:
        _digest_all(groups, threads, on_plan, on_object)
        for group in groups:
            if info is not None and group.folder and group.listed and not group.findings:
                for name, fault in table_faults(group.folder, group.listed, info.coordinates, raw=raw):
                    group.found(name, "schema", fault)
    if home.local:
        _name_cures(home, groups[1:], thorough=cells is None and not quick)
    findings += [f for g in groups for f in g.findings]
    if cells is None:
        digests = {g.cell: "" if g.own_name else g.digest for g in groups[1:]}
        findings += check_cell_index(home, digests, {g.own_name for g in groups})
    return VerifyReport(
        tuple(g.path for g in groups),
        sum(len(g.objects) for g in groups) + len(groups),  # the attributes of store and cell lines too
        sum(size for g in groups for size, _ in g.objects.values()),
        tuple(findings),
    )


def _name_cures(home: StoreLocation, groups: Sequence[_Group], *, thorough: bool) -> None:
    """Say what to do about cell lines in folders of other names, now that it is known what lies in the others."""
    found = {g.cell: Found(g.own_name or g.cell, len(g.findings) == bool(g.own_name), g.digest) for g in groups}
    cures = dict(Misnamed(home.location, found, home.has, thorough).cures())
    for group in groups:
        group.findings = [replace(f, hint=cures.get(group.cell, f.hint)) for f in group.findings]


def _look_at_group(group: _Group, info: StoreInfo | None) -> None:
    """All that shows without reading the large objects: attributes, manifest, sizes, links, what is too much."""
    try:
        folder = group.folder = group.home.folder(group.path)
        states = folder.listing()
    except OSError as e:
        if e.errno != errno.ELOOP:  # a link: said already, as a stray
            group.found("", "missing", f"cannot be read ({e.strerror})")
        return
    for name, state in (states or {}).items():
        if state.kind != "file":
            _not_a_file(group, name, state)
    if group.path != "genome" and states is not None and not any(Path(name).name == "zarr.json" for name in states):
        group.found("", "added", "is no cell line")
        return
    expected = group.listed = _listed(group, folder, info)
    if expected is None:
        return
    if states is None:  # a web server: what is missing shows on reading
        group.objects.update(expected)
        return
    _compare_listing(group, states, expected)


def _compare_listing(group: _Group, states: dict[str, Entry], expected: Objects) -> None:
    """Names and sizes; what agrees is left for its digest to be taken."""
    for name, (size, _) in expected.items():
        if name not in states:
            group.found(name, "missing", f"is missing, the manifest lists it with {size} bytes")
        elif states[name].kind == "file":
            if states[name].size != size:
                group.found(name, "damaged", f"has {states[name].size} bytes, the manifest says {size}")
            else:
                group.objects[name] = expected[name]
    own = set() if group.path == "genome" else {"zarr.json"}
    known = {".", *(str(folder) for name in expected for folder in Path(name).parents)}
    added: dict[str, int] = {}
    for name, state in states.items():
        if name not in expected and name not in own and state.kind == "file":
            # A whole folder that is no part of the group is one finding.
            whole = next((str(f) for f in reversed(Path(name).parents) if str(f) not in known), name)
            added[whole] = added.get(whole, 0) + 1
    for name, number in added.items():
        many = "" if name in states else f" ({format_count(number, 'object')})"
        group.found(name, "added", f"is in no manifest{many}")


def _not_a_file(group: _Group, name: str, entry: Entry) -> None:
    if entry.kind == "link":
        inside = Path(group.at, name).resolve().is_relative_to(group.home.location)
        where = "" if inside else ", which leads out of the store"
        group.found(name, "link", f"is a link to {entry.target}{where}")
    else:
        group.found(name, "added", "is neither file nor folder")


def _listed(group: _Group, folder: GroupStorage, info: StoreInfo | None) -> Objects | None:
    """What must be in the group, the objects of the manifest included; None where that cannot be known."""
    try:
        if group.path == "genome":
            if info is None:
                return None  # the root says what the genome's manifest is, and the root is damaged
            cell, digest, listed = None, info.genome_manifest, info.genome_manifest_objects
        else:
            cell = _cell_info(group, folder, info)
            digest, listed = cell.manifest, cell.manifest_objects
    except RemoteError:
        raise
    except StoreError as e:
        there = "zarr.json" in (folder.listing() or ("zarr.json",))
        kind: Kind = "schema" if isinstance(e, SchemaVersionError) else "attributes"
        group.found("zarr.json", kind if there else "missing", e if there else "is missing")
        return None
    group.digest = digest
    try:
        own = parse_objects(listed, location=folder.location)
        objects = {**read_manifest(folder, digest, listed), **own}
    except RemoteError as e:
        group.found("manifest", "missing", e)
        return None
    except StoreError as e:
        _manifest_fault(group, folder, e)
        return None
    if info is not None:
        arrays = cell_arrays(cell, info) if cell else genome_arrays(folder, objects, info)
        for name, fault in structure_faults(folder, objects, arrays, raw=group.raw):
            group.found(name, "schema", fault)
    return objects


def _manifest_fault(group: _Group, folder: GroupStorage, error: StoreError) -> None:
    there = folder.listing() or {}
    for name in ("manifest/zarr.json", "manifest/c/0"):
        if name not in there or error.location.startswith(f"{folder.location}/{name}"):
            group.found(name, "manifest" if name in there else "missing", error)
            return
    group.found("manifest", "manifest", error)


def _cell_info(group: _Group, folder: GroupStorage, store: StoreInfo | None) -> CellInfo:
    location = folder.location
    text, attributes = read_attributes(folder)
    info = CellInfo.from_attributes(attributes, location=location)
    check_self_digest(text, attributes, location=location)
    if info.name != group.cell:
        problem = f"is the cell line {info.name}, not {group.cell}"
        with contextlib.suppress(StoreError, UsageError):
            read_manifest(folder, info.manifest, info.manifest_objects)
            # All of it is that cell line, not its attributes alone.
            group.own_name = check_name(info.name, "cell line")
        if not group.own_name or not group.home.local:
            raise StoreError(location, problem)
        group.found("zarr.json", "attributes", problem)  # and what else? It may be the only sound one
    if store is not None:
        store.check_genome(info, location=location)
    return info


def _digest_all(
    groups: Sequence[_Group], threads: int, on_plan: Callable[[int], None], on_object: Callable[[int], None]
) -> None:
    """Read every object, and take down those of other content than listed."""
    jobs = [(g, name, size, sha) for g in groups for name, (size, sha) in g.objects.items()]
    on_plan(len(jobs))
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        problems = pool.map(lambda job: _compare(job[0].folder, job[1], (job[2], job[3])), jobs)
        for (group, name, size, _), problem in zip(jobs, problems, strict=True):
            if problem:
                group.found(name, "damaged", problem)
            on_object(size)


def _compare(folder: GroupStorage | None, name: str, listed: ObjectDigest) -> str | StoreError:
    """What is wrong with the content of an object; nothing where it has the digest it must have."""
    found = ""
    try:
        if folder is not None:
            with folder.open(name, listed) as file:
                found = file.sha256()
    except OSError as e:
        return f"cannot be read ({e.strerror})"
    except StoreError as e:
        return e
    expected = listed[1]
    return "" if found == expected else f"its sha256 is {found[:16]}..., the manifest says {expected[:16]}..."
