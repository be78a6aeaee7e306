"""Copy groups from stores into a store, wherever each lies: export, import and merge are this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from ...store.errors import StoreError, UsageError
from ...store.reader import Store
from ..publish.transaction import InterruptedBuildError
from .destination import Destination
from .existing import ExistingStore, GroupStatus
from .group import GroupSnapshot, snapshot_cell_line, snapshot_genome


@dataclass(frozen=True)
class CopyReport:
    """What became of a copy.

    Attributes:
        place: where to.
        copied: groups that were put there.
        mended: groups that were there, damaged, and were replaced.
        skipped: groups that were there, equal.
        objects: put there.
        bytes: of these.
        kept: objects of the copied groups that were there: an interrupted copy had put them, or they were not damaged.
    """

    location: str
    copied: tuple[str, ...]
    mended: tuple[str, ...]
    skipped: tuple[str, ...]
    objects: int
    bytes: int
    kept: int


def copy_groups(
    sources: Sequence[Store],
    target: Destination,
    *,
    cells: Sequence[str] | None = None,
    force: bool = False,
    mend_genome: bool = True,
    threads: int = 4,
    on_plan: Callable[[int], None] = lambda objects: None,
    on_object: Callable[[int], None] = lambda size: None,
) -> CopyReport:
    """Copy the genome and cell lines; each object is compared with its manifest as it is read, and again as it lies.

    A group appears at the target whole. Those that are there, with a manifest of equal digest and all that it
    lists, are left as they are; damaged ones are replaced. What an interrupted copy has put there is used.

    Args:
        sources: stores of one genome.
        target: where to; a store of the same genome may be there.
        cells: which cell lines; None for all, an empty sequence for the genome alone.
        force: replace cell lines of other content; and compare what is there by digests, not by names and sizes only.
        mend_genome: replace the genome that is there if it is damaged; else it is not looked at.
        threads: that read and write.
        on_plan: called with the number of objects to compare, where there are any, and then of these and those to copy.
        on_object: called with the bytes of each object as it is compared, or copied.

    Raises:
        StoreError: genomes or cell lines are in each other's way (both digests are named); a source is damaged; a
            server or disk failed.
        UsageError: no source has such a cell line.
        CutShortError: the copy ended before its end, and can be gone on with.
    """
    _refuse_itself(sources, target)
    there = target.there(sources[0].info)
    parts = _plan(sources, there.store if there else None, cells)
    target.check_writable()
    counts = _Counts(on_object)
    if there is not None and force:
        on_plan(sum(len(p.objects) for p in parts))
    look = partial(there.state, deep=force, threads=threads, on_object=counts.compare) if there else _absent
    if there is not None and target.whole:
        parts = [*parts, *_also_damaged(sources, there, parts, look)]
    states = {p.group: look(p) for p in parts if mend_genome or there is None or p.group != "genome"}
    todo = [p for p in parts if states.get(p.group, "equal") != "equal"]
    if there is not None and not force:
        _refuse_clash(there, [p for p in todo if states[p.group] in ("other", "unknown")])
    mended = tuple(p.group for p in todo if states[p.group] in ("damaged", "unknown"))
    copied = tuple(p.group for p in todo if p.group not in mended)
    skipped = tuple(p.group for p in parts if p not in todo)
    if target.whole and there is not None and (todo or there.has_wrong_list()):
        todo = _rest(there, todo) + todo
    on_plan(counts.compared + sum(len(p.objects) for p in todo))
    with target.receiving(todo):
        for part in todo:
            _copy_part(part, target, threads, counts)
    return CopyReport(target.location, copied, mended, skipped, counts.objects, counts.bytes, counts.kept)


def _refuse_itself(sources: Sequence[Store], target: Destination) -> None:
    """See that no source is the target, or inside it, or around it; places are without links by now."""
    for source in sources:
        a, b = f"{source.location}/", f"{target.location}/"
        if a == b:
            raise UsageError(f"{target.location}: is the same place as what is copied; name another")
        if a.startswith(b) or b.startswith(a):
            inner, outer = sorted((source.location, target.location), key=len, reverse=True)
            raise UsageError(f"{inner}: lies inside {outer}, and one is copied to the other; name a place beside it")


def _absent(part: GroupSnapshot) -> GroupStatus:
    return "absent"


def _refuse_clash(there: ExistingStore, parts: Sequence[GroupSnapshot]) -> None:
    def told(part: GroupSnapshot) -> str:
        digest = there.manifest(part)
        what = f"manifest {digest[:16]}..." if digest else "damaged, so that it cannot be told what it was"
        return f"{part.cell} ({what}, {part.folder.location}: {part.digest[:16]}...)"

    if parts:
        raise StoreError(
            there.store.location,
            f"has other content of {', '.join(map(told, parts))}",
            hint="give --force to replace what is there",
        )


def _also_damaged(
    sources: Sequence[Store],
    there: ExistingStore,
    parts: Sequence[GroupSnapshot],
    look: Callable[[GroupSnapshot], GroupStatus],
) -> Iterator[GroupSnapshot]:
    """Other cell lines of a file that is written as a whole: damaged ones that a source has."""
    planned = {p.group for p in parts}
    for cell in there.store.cells:
        source = next((s for s in sources if f"cells/{cell}" not in planned and s.home.has(cell)), None)
        if source is not None:
            try:
                part = snapshot_cell_line(source, cell)
            except StoreError:
                continue  # damaged there: it was not asked for
            if look(part) == "damaged":
                yield part


def _rest(there: ExistingStore, todo: Sequence[GroupSnapshot]) -> list[GroupSnapshot]:
    """What else is in a file that can only be written as a whole."""
    try:
        return there.rest({p.group for p in todo})
    except StoreError as e:
        raise StoreError(
            f"{e}; the file is written as a whole",
            "replace this as well, or delete the file and run the same command again",
        ) from e


class _Counts:
    """How many objects and bytes were copied so far, and how many were there."""

    def __init__(self, add: Callable[[int], None]) -> None:
        self._tell = add
        self.objects = self.bytes = self.kept = self.compared = 0

    def compare(self, size: int) -> None:
        self.compared += 1
        self._tell(size)

    def count(self, size: int, *, kept: bool) -> None:
        if kept:
            self.kept += 1
        else:
            self.objects += 1
            self.bytes += size
        self._tell(size)


def _plan(sources: Sequence[Store], there: Store | None, cells: Sequence[str] | None) -> list[GroupSnapshot]:
    """The genome and each cell line, of the first source that has it.

    Raises:
        StoreError: genomes differ, or encodings, or cell lines of one name.
        UsageError: no source has a cell line that was named.
    """
    _refuse_others([*([there] if there else []), *sources])
    parts: dict[str, GroupSnapshot] = {}
    has = {id(s): s.cells for s in sources} if cells is None or len(sources) > 1 else {}
    for source in sources:
        names: Iterable[str] = has.get(id(source), ()) if cells is None else cells
        for name in dict.fromkeys(names):
            if len(sources) > 1 and name not in has[id(source)]:
                continue
            part = snapshot_cell_line(source, name)
            other = parts.setdefault(name, part)
            if other.digest != part.digest:
                raise StoreError(
                    f"cell line {name} differs",
                    f"manifest {other.digest} in {other.folder.location}, {part.digest} in {part.folder.location}",
                    hint="leave one of these stores out",
                )
    if missing := [c for c in cells or () if c not in parts]:
        listed = ", ".join(sorted({c for names in has.values() for c in names})) or "none"
        raise UsageError(f"no cell line {missing[0]!r} in {', '.join(s.location for s in sources)}; there is {listed}")
    return [snapshot_genome(sources[0]), *parts.values()]


def _refuse_others(stores: Sequence[Store]) -> None:
    first = stores[0]
    for other in stores[1:]:
        for what, a, b in (
            ("encoding", first.info.encoding, other.info.encoding),
            ("genome", first.info.genome_manifest, other.info.genome_manifest),
        ):
            if a != b:
                raise StoreError(
                    other.location,
                    f"has another {what} than {first.location} ({what} {b} and {a})",
                    hint=f"cell lines go only into stores of their own {what}",
                )


def _copy_part(part: GroupSnapshot, target: Destination, threads: int, counts: _Counts) -> None:
    with target.group(part) as sink, ThreadPoolExecutor(threads, thread_name_prefix="copy") as pool:

        def copy(name: str) -> tuple[int, bool]:
            listed = part.objects[name]
            kept = sink.has(name, listed)
            if not kept:
                sink.put(name, listed, part.pieces(name))
            return listed[0], kept

        later = f". Once that is done the same command goes on; what was copied so far is kept {target.kept}"
        try:
            for size, kept in pool.map(copy, part.objects):
                counts.count(size, kept=kept)
        except StoreError as e:
            raise InterruptedBuildError(f"{e}{later}") from e
        except OSError as e:
            raise InterruptedBuildError(
                f"{target.location}: cannot be written ({e.strerror or e}); see to the disk{later}"
            ) from e
        finally:
            pool.shutdown(cancel_futures=True)
