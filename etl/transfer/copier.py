"""Copy groups of one or several stores to a destination: what export, import and merge do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...store.errors import StoreError, UsageError
from ...store.format.manifest import check_may_be_damaged
from ...store.reader import Store
from ..publish.disk_space import describe_failure, failure_cure
from ..publish.transaction import InterruptedBuildError
from .destination import Destination
from .existing import ExistingStore, GroupStatus
from .group import GroupSnapshot, snapshot_cell_line, snapshot_genome


@dataclass(frozen=True)
class CopyReport:
    """What a copy did.

    Attributes:
        location: path or URL of the destination.
        copied: groups that were written.
        repaired: damaged groups that were replaced.
        skipped: groups that already existed, equal.
        objects: number of objects written.
        bytes: their size.
        kept: number of objects that already existed, from an interrupted copy or in a group that was repaired.
    """

    location: str
    copied: tuple[str, ...]
    repaired: tuple[str, ...]
    skipped: tuple[str, ...]
    objects: int
    bytes: int
    kept: int


def copy_groups(
    sources: Sequence[Store],
    destination: Destination,
    *,
    cells: Sequence[str] | None = None,
    force: bool = False,
    repair_genome: bool = True,
    threads: int = 4,
    on_plan: Callable[[int], None] = lambda objects: None,
    on_object: Callable[[int], None] = lambda size: None,
) -> CopyReport:
    """Copy the genome and cell lines; compare every object with its manifest when it is read and when it is written.

    A group becomes visible at the destination only when it is complete. Groups that already exist with the same
    manifest and all its objects are skipped, damaged ones are replaced. Objects of an interrupted copy are kept.

    Args:
        sources: stores of one genome.
        destination: where to copy to; a store of the same genome may exist there.
        cells: names of cell lines; None for all, empty for the genome alone.
        force: replace cell lines of other content, and compare existing objects by digest, not only by name and size.
        repair_genome: replace the existing genome if it is damaged; if False, it is not checked.
        threads: number of copying threads.
        on_plan: called with the number of objects to be compared, if any, and then with that of all objects to be
            compared or copied.
        on_object: called with the bytes of each object once it is compared or copied.

    Raises:
        StoreError: genomes or cell lines differ (both digests are in the message), or the destination cannot be
            written to.
        UsageError: no source has such a cell line, or a source and the destination overlap.
        InterruptedBuildError: a source is damaged, or a server or disk failed; the same copy can be resumed.
    """
    _check_no_overlap(sources, destination)
    existing = destination.find_existing(sources[0].info)
    snapshots = _snapshot_groups(sources, existing.store if existing else None, cells)
    destination.check_writable()
    counts = _Counts(on_object)
    if existing is not None and force:
        on_plan(sum(len(s.objects) for s in snapshots))
    status = partial(existing.status, deep=force, threads=threads, on_object=counts.compare) if existing else _absent
    if existing is not None and destination.rewritten_whole:
        snapshots = [*snapshots, *_other_damaged(sources, existing, snapshots, status)]
    checked = [s for s in snapshots if repair_genome or existing is None or s.group != "genome"]
    statuses = {s.group: status(s) for s in checked}
    todo = [s for s in snapshots if statuses.get(s.group, "equal") != "equal"]
    if existing is not None and not force:
        _check_no_conflict(existing, [s for s in todo if statuses[s.group] in ("other", "unknown")])
    repaired = tuple(s.group for s in todo if statuses[s.group] in ("damaged", "unknown"))
    copied = tuple(s.group for s in todo if s.group not in repaired)
    skipped = tuple(s.group for s in snapshots if s not in todo)
    if destination.rewritten_whole and existing is not None and (todo or existing.has_outdated_cell_index()):
        todo = _remaining_groups(existing, todo) + todo
    on_plan(counts.compared + sum(len(s.objects) for s in todo))
    with destination.transaction(todo):
        for snapshot in todo:
            _copy_group(snapshot, destination, threads, counts)
    return CopyReport(destination.location, copied, repaired, skipped, counts.objects, counts.bytes, counts.kept)


def _check_no_overlap(sources: Sequence[Store], destination: Destination) -> None:
    """Check that no source is the destination, inside it, or around it; links in both paths are resolved already."""
    for source in sources:
        a, b = f"{source.location}/", f"{destination.location}/"
        if a == b:
            raise UsageError(f"{destination.location}: is the store to be copied; name another destination")
        if a.startswith(b) or b.startswith(a):
            inner, outer = sorted((source.location, destination.location), key=len, reverse=True)
            raise UsageError(f"{inner}: is inside {outer}, and one is copied to the other; name another destination")


def _absent(snapshot: GroupSnapshot) -> GroupStatus:
    return "absent"


def _check_no_conflict(existing: ExistingStore, snapshots: Sequence[GroupSnapshot]) -> None:
    """Raise an error that names the digests of existing cell lines of other content, if there are any."""

    def describe(snapshot: GroupSnapshot) -> str:
        digest = existing.manifest(snapshot)
        found = f"manifest {digest[:16]}..." if digest else "damaged, its manifest is not known"
        return f"{snapshot.cell} ({found}, {snapshot.storage.location}: {snapshot.manifest[:16]}...)"

    if snapshots:
        raise StoreError(
            existing.store.location,
            f"has other content of {', '.join(map(describe, snapshots))}",
            hint="use the force option to replace it",
        )


def _other_damaged(
    sources: Sequence[Store],
    existing: ExistingStore,
    snapshots: Sequence[GroupSnapshot],
    status: Callable[[GroupSnapshot], GroupStatus],
) -> Iterator[GroupSnapshot]:
    """Yield intact versions of other cell lines that are damaged in a file that is rewritten whole."""
    planned = {s.group for s in snapshots}
    for cell in existing.store.cells:
        source = next((s for s in sources if f"cells/{cell}" not in planned and s.storage.has(cell)), None)
        if source is not None:
            try:
                snapshot = snapshot_cell_line(source, cell)
            except StoreError as e:
                check_may_be_damaged(e, source.location)
                continue  # damaged in the source too, and not among the cell lines to be copied
            if status(snapshot) == "damaged":
                yield snapshot


def _remaining_groups(existing: ExistingStore, todo: Sequence[GroupSnapshot]) -> list[GroupSnapshot]:
    """Return the groups that a file which is rewritten whole takes over from its old version.

    Raises:
        StoreError: one of them is damaged.
    """
    try:
        return existing.snapshots_without({s.group for s in todo})
    except StoreError as e:
        check_may_be_damaged(e, e.location)
        raise StoreError(
            e.location,
            f"{e.problem}, and the file can only be rewritten whole",
            hint="replace this group too, or delete the file and run the same command again",
        ) from e


class _Counts:
    """Numbers of objects and bytes copied, kept and compared so far.

    Args:
        on_object: called with the bytes of each object.
    """

    def __init__(self, on_object: Callable[[int], None]) -> None:
        self._on_object = on_object
        self.objects = self.bytes = self.kept = self.compared = 0

    def compare(self, size: int) -> None:
        self.compared += 1
        self._on_object(size)

    def copy(self, size: int, *, kept: bool) -> None:
        if kept:
            self.kept += 1
        else:
            self.objects += 1
            self.bytes += size
        self._on_object(size)


def _snapshot_groups(
    sources: Sequence[Store], existing: Store | None, cells: Sequence[str] | None
) -> list[GroupSnapshot]:
    """Return the genome, and each cell line from the first source that has it.

    Raises:
        StoreError: the stores differ in genome or encoding, or two of them have different cell lines of one name.
        UsageError: no source has a cell line of `cells`.
    """
    _check_compatible([*([existing] if existing else []), *sources])
    snapshots: dict[str, GroupSnapshot] = {}
    available = {id(s): s.cells for s in sources} if cells is None or len(sources) > 1 else {}
    for source in sources:
        names: Iterable[str] = available.get(id(source), ()) if cells is None else cells
        for name in dict.fromkeys(names):
            if len(sources) > 1 and name not in available[id(source)]:
                continue
            snapshot = snapshot_cell_line(source, name)
            other = snapshots.setdefault(name, snapshot)
            if other.manifest != snapshot.manifest:
                raise StoreError(
                    snapshot.storage.location,
                    f"differs from {other.storage.location} (manifest {snapshot.manifest} and {other.manifest})",
                    hint="leave one of these stores out",
                )
    if missing := [c for c in cells or () if c not in snapshots]:
        listed = ", ".join(sorted({c for names in available.values() for c in names})) or "none"
        raise UsageError(f"no cell line {missing[0]!r} in {', '.join(s.location for s in sources)}; there is {listed}")
    return [snapshot_genome(sources[0]), *snapshots.values()]


def _check_compatible(stores: Sequence[Store]) -> None:
    first = stores[0]
    for other in stores[1:]:
        for attribute, a, b in (
            ("encoding", first.info.encoding, other.info.encoding),
            ("genome", first.info.genome_manifest, other.info.genome_manifest),
        ):
            if a != b:
                raise StoreError(
                    other.location,
                    f"has another {attribute} than {first.location} ({attribute} {b} and {a})",
                    hint=f"cell lines can only be copied between stores of one {attribute}",
                )


def _copy_group(snapshot: GroupSnapshot, destination: Destination, threads: int, counts: _Counts) -> None:
    with destination.write_group(snapshot) as writer, ThreadPoolExecutor(threads, thread_name_prefix="copy") as pool:

        def copy(name: str) -> tuple[int, bool]:
            listed = snapshot.objects[name]
            kept = writer.has(name, listed)
            if not kept:
                writer.put(name, listed, snapshot.pieces(name))
            return listed[0], kept

        resume = f". Run the same command again to resume; what was copied so far is kept in {destination.staged_at}"
        try:
            for size, kept in pool.map(copy, snapshot.objects):
                counts.copy(size, kept=kept)
        except StoreError as e:
            raise InterruptedBuildError(f"{e}{resume}") from e
        except OSError as e:
            path = Path(os.fsdecode(e.filename or destination.location))
            problem = f"{path}: cannot be written ({describe_failure(e, path)}); {failure_cure(e)}"
            raise InterruptedBuildError(f"{problem}{resume}") from e
        finally:
            pool.shutdown(cancel_futures=True)
