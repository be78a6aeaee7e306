"""Copy groups from stores into a store, wherever each lies: export, import and merge are this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..store.errors import StoreError, UsageError
from ..store.reader import Store
from .parts import Part, cell_part, genome_part
from .publish import CutShortError
from .targets import Target


@dataclass(frozen=True)
class CopyReport:
    """What became of a copy.

    Attributes:
        place: where to.
        copied: groups that were put there.
        skipped: groups that were there, with equal digests.
        objects: put there.
        bytes: of these.
        kept: objects of the copied groups that an earlier, interrupted copy had put there.
    """

    place: str
    copied: tuple[str, ...]
    skipped: tuple[str, ...]
    objects: int
    bytes: int
    kept: int


def copy_groups(
    sources: Sequence[Store],
    target: Target,
    *,
    cells: Sequence[str] | None = None,
    force: bool = False,
    threads: int = 4,
    on_plan: Callable[[int], None] = lambda objects: None,
    on_object: Callable[[int], None] = lambda size: None,
) -> CopyReport:
    """Copy the genome and cell lines; each object is compared with its manifest as it is read, and again as it lies.

    A group appears at the target whole. Groups that are there with equal digests are left as they are. What an
    interrupted copy has put there is used.

    Args:
        sources: stores of one genome.
        target: where to; a store of the same genome may be there.
        cells: which cell lines; None for all, an empty sequence for the genome alone.
        force: replace cell lines of other content.
        threads: that read and write.
        on_plan: called with the number of objects, before the first is copied.
        on_object: called with the bytes of each object as it is there.

    Raises:
        StoreError: genomes or cell lines are in each other's way (both digests are named); a source is damaged; a
            server or disk failed.
        UsageError: no source has such a cell line.
        CutShortError: the copy ended before its end, and can be gone on with.
    """
    there = target.store()
    parts = _plan(sources, there, cells)
    before = _digests(there)
    clash = [p for p in parts if p.group != "genome" and before.get(p.group, p.digest) != p.digest]
    if clash and not force:
        raise StoreError(
            f"{target.place}: has other content of "
            + ", ".join(
                f"{p.cell} (manifest {before[p.group][:16]}..., {p.folder.place}: {p.digest[:16]}...)" for p in clash
            )
            + "; give --force to replace what is there"
        )
    todo = [p for p in parts if before.get(p.group) != p.digest]
    skipped = tuple(p.group for p in parts if p not in todo)
    if target.whole and there is not None and todo:
        replaced = {p.group for p in todo}
        todo = [p for p in _all_parts(there) if p.group not in replaced] + todo
    on_plan(sum(len(p.objects) for p in todo))
    counts = _Counts(on_object)
    with target.receiving(todo):
        for part in todo:
            _copy_part(part, target, threads, counts)
    copied = tuple(p.group for p in todo if p.group not in skipped)
    return CopyReport(target.place, copied, skipped, counts.objects, counts.bytes, counts.kept)


class _Counts:
    """How many objects and bytes were copied so far, and how many were there."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self.objects = self.bytes = self.kept = 0

    def count(self, size: int, *, kept: bool) -> None:
        if kept:
            self.kept += 1
        else:
            self.objects += 1
            self.bytes += size
        self._tell(size)


def _plan(sources: Sequence[Store], there: Store | None, cells: Sequence[str] | None) -> list[Part]:
    """The genome and each cell line, of the first source that has it.

    Raises:
        StoreError: genomes differ, or encodings, or cell lines of one name.
        UsageError: no source has a cell line that was named.
    """
    _refuse_others([*([there] if there else []), *sources])
    parts: dict[str, Part] = {}
    has = {id(s): s.cells for s in sources} if cells is None or len(sources) > 1 else {}
    for source in sources:
        names: Iterable[str] = has.get(id(source), ()) if cells is None else cells
        for name in dict.fromkeys(names):
            if len(sources) > 1 and name not in has[id(source)]:
                continue
            part = cell_part(source, name)
            other = parts.setdefault(name, part)
            if other.digest != part.digest:
                raise StoreError(
                    f"cell line {name} differs: manifest {other.digest} in {other.folder.place}, {part.digest} in "
                    f"{part.folder.place}; leave one of these stores out"
                )
    if missing := [c for c in cells or () if c not in parts]:
        listed = ", ".join(sorted({c for names in has.values() for c in names})) or "none"
        raise UsageError(f"no cell line {missing[0]!r} in {', '.join(s.place for s in sources)}; there is {listed}")
    return [genome_part(sources[0]), *parts.values()]


def _refuse_others(stores: Sequence[Store]) -> None:
    first = stores[0]
    for other in stores[1:]:
        for what, a, b in (
            ("encoding", first.info.encoding, other.info.encoding),
            ("genome", first.info.genome_manifest, other.info.genome_manifest),
        ):
            if a != b:
                raise StoreError(
                    f"{other.place}: has another {what} than {first.place} ({what} {b} and {a}); cell lines go only "
                    f"into stores of their own {what}"
                )


def _digests(store: Store | None) -> dict[str, str]:
    """Group -> digest of its manifest, of what is there; of a damaged cell line, none that is equal to another."""
    if store is None:
        return {}
    found = {"genome": store.info.genome_manifest}
    for cell in store.cells:
        try:
            found[f"cells/{cell}"] = store.cell(cell).manifest
        except StoreError:
            found[f"cells/{cell}"] = "damaged"
    return found


def _all_parts(store: Store) -> list[Part]:
    return [genome_part(store), *(cell_part(store, c) for c in store.cells)]


def _copy_part(part: Part, target: Target, threads: int, counts: _Counts) -> None:
    with target.group(part) as sink, ThreadPoolExecutor(threads, thread_name_prefix="copy") as pool:

        def copy(name: str) -> tuple[int, bool]:
            listed = part.objects[name]
            kept = sink.has(name, listed)
            if not kept:
                sink.put(name, listed, part.pieces(name))
            return listed[0], kept

        try:
            for size, kept in pool.map(copy, part.objects):
                counts.count(size, kept=kept)
        except StoreError as e:
            raise CutShortError(f"{e}; what was copied so far is kept, and the same command goes on from there") from e
        finally:
            pool.shutdown(cancel_futures=True)
