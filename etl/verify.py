"""Compare all of a store with what it says of itself: every byte is covered by a digest (`store.manifest`)."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..store.errors import StoreError, UsageError
from ..store.exchange import heal
from ..store.folder import Folder
from ..store.manifest import Objects, check_seal, parse_objects
from ..store.reader import read_attributes, read_manifest
from ..store.schema import CellInfo, StoreInfo
from .structure import cell_arrays, genome_arrays, structure_faults

_PIECE = 8 * 1024 * 1024

Kind = Literal["missing", "damaged", "added", "link", "manifest", "attributes", "schema", "differs"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with one object: its path in the store, what kind of fault, in words, and what repairs it."""

    path: str
    kind: Kind
    problem: str
    cure: str


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

    store: Path
    path: str
    raw: bool
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    folder: Folder | None = None

    def found(self, name: str, kind: Kind, problem: str) -> None:
        """Take down a finding."""
        path = f"{self.path}/{name}" if name else self.path
        self.findings.append(Finding(path, kind, problem, self._cure(path, kind)))

    def _cure(self, path: str, kind: Kind) -> str:
        if kind == "added":
            return f"rm {self.store / path}"
        if kind == "link":
            return f"put the file itself in its place, or copy {self.store / self.path} anew"
        if self.raw:
            return f"copy {self.store / self.path} anew, or unpack again: factornet-etl unpack SOURCE {self.store}"
        if self.path == "genome":
            return f"copy {self.store / path} anew, or make the store anew: factornet-etl genome"
        cell = self.path.removeprefix("cells/")
        return f"factornet-etl build {self.store} PATH/TO/{cell} --repair, or copy {self.store / self.path} anew"


def verify_store(
    path: Path,
    *,
    cells: Sequence[str] | None = None,
    quick: bool = False,
    threads: int = 2,
    on_plan: Callable[[int], None] = lambda objects: None,
    on_object: Callable[[int], None] = lambda size: None,
) -> VerifyReport:
    """Look at every object of a store.

    Args:
        path: of the store, compressed or raw.
        cells: which cell lines (the genome comes in any case); None for all, and for what lies beside them too.
        quick: compare sizes instead of digests; attributes and manifests are read in any case.
        threads: that read and digest.
        on_plan: called with the number of objects that will be read.
        on_object: called with the size of each as it is done.

    Raises:
        StoreError: there is no store.
        UsageError: no such cell line.
    """
    store = path.resolve()
    heal(store)
    if not store.is_dir():
        raise StoreError(f"{path}: no such store; correct the path")
    root, info = _look_at_root(store)
    raw = info is not None and info.encoding == "raw"
    folder = store / "cells"
    there = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    for cell in cells or ():
        if cell not in there:
            raise UsageError(f"{path}: no cell line {cell!r} in the store; it has {', '.join(there) or 'none'}")
    if cells is None:
        root.findings += _strays(store)
    groups = [_Group(store, "genome", raw), *(_Group(store, f"cells/{c}", raw) for c in cells or there)]
    for group in groups:
        _look_at_group(group, info)
    if not quick:
        _digest_all(groups, threads, on_plan, on_object)
    return VerifyReport(
        tuple(g.path for g in groups),
        sum(len(g.objects) for g in groups) + len(groups),  # the attributes of store and cell lines too
        sum(size for g in groups for size, _ in g.objects.values()),
        tuple(f for g in (root, *groups) for f in g.findings),
    )


def _look_at_root(store: Path) -> tuple[_Group, StoreInfo | None]:
    root = _Group(store, "", raw=False)
    kind: Kind = "attributes" if (store / "zarr.json").exists() else "missing"
    try:
        text, attributes = read_attributes(Folder(store))
        kind = "schema"
        info = StoreInfo.from_attributes(attributes, place=str(store))
        kind = "attributes"
        check_seal(text, attributes, place=str(store))
    except StoreError as e:
        cure = f"copy {store / 'zarr.json'} anew"
        root.findings.append(Finding("zarr.json", kind, f"{e} (the genome cannot be judged without it)", cure))
        return root, None
    return root, info


def _strays(store: Path) -> Iterator[Finding]:
    """What lies beside the genome and the cell lines and belongs to no group; and links in their place."""
    known = {store / "zarr.json": False, store / "genome": True, store / "cells": True}
    folder = store / "cells"
    inside = list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    for path in sorted([*store.iterdir(), *inside]):
        name, cure = str(path.relative_to(store)), f"rm -r {path}"
        if path.is_symlink():
            yield Finding(name, "link", f"is a link to {path.readlink()}", "put the folder itself in its place")
        elif path.parent == store and (path not in known or known[path] != path.is_dir()):
            yield Finding(name, "added", "is no part of a store", cure)
        elif path.parent == folder and not path.is_dir():
            yield Finding(name, "added", "is no cell line", cure)


def _look_at_group(group: _Group, info: StoreInfo | None) -> None:
    """All that shows without reading the large objects: attributes, manifest, sizes, links, what is too much."""
    home = group.store / group.path
    if home.is_symlink() or home.parent.is_symlink():
        return  # said already, as a stray
    try:
        folder = group.folder = Folder(home)
        states = dict(folder.walk())
    except OSError as e:
        group.found("", "missing", f"cannot be read ({e.strerror})")
        return
    for name, state in list(states.items()):
        if not stat.S_ISREG(state.st_mode):
            _not_a_file(group, home / name, name, state.st_mode)
    expected = _listed(group, folder, info)
    if expected is None:
        return
    for name, (size, _) in expected.items():
        if name not in states:
            group.found(name, "missing", f"is missing, the manifest lists it with {size} bytes")
        elif stat.S_ISREG(states[name].st_mode):
            if states[name].st_size != size:
                group.found(name, "damaged", f"has {states[name].st_size} bytes, the manifest says {size}")
            else:
                group.objects[name] = expected[name]
    own = set() if group.path == "genome" else {"zarr.json"}
    for name, state in states.items():
        if name not in expected and name not in own and stat.S_ISREG(state.st_mode):
            group.found(name, "added", "is in no manifest")


def _not_a_file(group: _Group, path: Path, name: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        inside = path.resolve().is_relative_to(group.store)
        where = "" if inside else ", which leads out of the store"
        group.found(name, "link", f"is a link to {path.readlink()}{where}")
    else:
        group.found(name, "added", "is neither file nor folder")


def _listed(group: _Group, folder: Folder, info: StoreInfo | None) -> Objects | None:
    """What must be in the group, the objects of the manifest included; None where that cannot be known."""
    try:
        if group.path == "genome":
            if info is None:
                return None  # the root says what the genome's manifest is, and the root is damaged
            cell, digest, listed = None, info.genome_manifest, info.genome_manifest_objects
        else:
            cell = _cell_info(group, folder)
            digest, listed = cell.manifest, cell.manifest_objects
    except StoreError as e:
        there = any(name == "zarr.json" for name, _ in folder.walk())
        kind: Kind = "schema" if "schema version" in str(e) else "attributes"
        group.found("zarr.json", kind if there else "missing", f"{e}")
        return None
    try:
        own = parse_objects(listed, place=str(folder.path))
        objects = {**read_manifest(folder, digest, listed), **own}
    except StoreError as e:
        _manifest_fault(group, folder, e)
        return None
    if info is not None:
        arrays = cell_arrays(cell, info) if cell else genome_arrays(folder, objects, info)
        for name, fault in structure_faults(folder, objects, arrays, raw=group.raw):
            group.found(name, "schema", fault)
    return objects


def _manifest_fault(group: _Group, folder: Folder, error: StoreError) -> None:
    there = {name for name, _ in folder.walk()}
    for name in ("manifest/zarr.json", "manifest/c/0"):
        if name not in there or name in str(error):
            group.found(name, "manifest" if name in there else "missing", str(error))
            return
    group.found("manifest", "manifest", str(error))


def _cell_info(group: _Group, folder: Folder) -> CellInfo:
    place = str(folder.path)
    text, attributes = read_attributes(folder)
    info = CellInfo.from_attributes(attributes, place=place)
    check_seal(text, attributes, place=place)
    if info.name != folder.path.name:
        raise StoreError(f"{place}: is the cell line {info.name}; give the folder its name back")
    return info


def _digest_all(
    groups: Sequence[_Group], threads: int, on_plan: Callable[[int], None], on_object: Callable[[int], None]
) -> None:
    """Read every object, and take down those of other content than listed."""
    jobs = [(g, name, size, sha) for g in groups for name, (size, sha) in g.objects.items()]
    on_plan(len(jobs))
    with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
        problems = pool.map(lambda job: _compare(job[0].folder, job[1], job[3]), jobs)
        for (group, name, size, _), problem in zip(jobs, problems, strict=True):
            if problem:
                group.found(name, "damaged", problem)
            on_object(size)


def _compare(folder: Folder | None, name: str, expected: str) -> str:
    """What is wrong with the content of an object; nothing where it has the digest it must have."""
    sha = hashlib.sha256()
    try:
        if folder is not None:
            with folder.open(name) as file:
                while piece := file.read(_PIECE):
                    sha.update(piece)
    except OSError as e:
        return f"cannot be read ({e.strerror})"
    found = sha.hexdigest()
    return "" if found == expected else f"its sha256 is {found[:16]}..., the manifest says {expected[:16]}..."
