"""Compare a cell line with others: files that were given twice, tracks and meta values that differ."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...store.cell_info import CellInfo, Track
from ...store.errors import StoreError
from ...store.reader import Store
from ..inputs.cell_line_folder import CellFolder
from ..inputs.chrom_aliases import abbreviate
from ..inputs.sheets.tracks import SignalFile


@dataclass(frozen=True)
class UsedFile:
    """An input file of a cell line.

    Attributes:
        cell: name of the cell line.
        name: of the file.
        use: what it was given for, such as ``track DNase``; empty where that was not recorded.
        size: in bytes.
        sha256: returns the digest of its content.
        group: uses of one group and cell line may be of one file: all tracks made from reads, both peak sets of a
            factor. A bigWig has none.
    """

    cell: str
    name: str
    use: str
    size: int
    sha256: Callable[[], str]
    group: str = ""


def read_other_cells(store: Store, names: Iterable[str]) -> list[CellInfo]:
    """Return the cell lines of a store that are not among `names`, and whose attributes can be read."""
    others, left_out = list[CellInfo](), set(names)
    for name in store.cells:
        if name not in left_out:
            with suppress(StoreError):
                others.append(store.cell(name))
    return others


def used_files(inputs: CellFolder, store: Store, digest: Callable[[Path], str]) -> list[UsedFile]:
    """Return the files of a cell line, without those of tracks that are kept with the genome.

    Args:
        inputs: of the cell line.
        store: that it is built into.
        digest: returns the SHA-256 digest of a file, in hexadecimal.
    """

    def used(path: Path, use: str, group: str) -> UsedFile:
        return UsedFile(inputs.name, path.name, use, path.stat().st_size, partial(digest, path), group)

    tracks = [t for t in inputs.tracks if t.name not in store.info.shared]
    files = [used(path, f"track {t.name}", "reads" if t.has_reads else "") for t in tracks for path in t.paths]
    for row in inputs.chip:
        factor = f"factor {row.factor}"
        files.append(used(row.conservative, factor, factor))
        if row.relaxed is not None:
            files.append(used(row.relaxed, f"relaxed peaks of {factor}", factor))
    return files


def recorded_files(cell: CellInfo) -> list[UsedFile]:
    """Return the files that a cell line of a store was built from."""
    return [
        UsedFile(cell.name, file["name"], "", file["size"], partial(str, file["sha256"]))
        for file in cell.provenance.get("inputs", [])
    ]


def repeated_file_notes(files: Sequence[UsedFile], others: Iterable[UsedFile]) -> list[str]:
    """Return notes on files whose content was given before, for another use or cell line: likely a mix-up.

    Files are read only where their sizes are equal.

    Args:
        files: of one cell line.
        others: of other cell lines.
    """
    notes, given = [], {f: list(group) for f, group in _by_size(others).items()}
    for file in files:
        candidates = [o for o in given.get(file.size, []) if not _may_share(file, o)]
        same = [o for o in candidates if o.sha256() == file.sha256()]
        if same:
            other = same[0]
            whose = f" ({other.use})" if other.use else ""
            where = f"a file of cell line {other.cell}" if other.cell != file.cell else other.name
            notes.append(f"{file.use}: {file.name} is identical to {where}{whose}; check to which it belongs")
        given.setdefault(file.size, []).append(file)
    return notes


def _by_size(files: Iterable[UsedFile]) -> dict[int, list[UsedFile]]:
    found: dict[int, list[UsedFile]] = {}
    for file in files:
        found.setdefault(file.size, []).append(file)
    return found


def _may_share(file: UsedFile, other: UsedFile) -> bool:
    return file.cell == other.cell and file.group == other.group != ""


def difference_notes(
    planned: Sequence[CellFolder], existing: Sequence[CellInfo], shared: Container[str] = ()
) -> list[str]:
    """Return how cell lines differ that are likely to be trained on together: tracks, their terms, meta values.

    Differences between existing cell lines alone are left out, and tracks of the genome, which belong to all.

    Args:
        planned: to be built.
        existing: other cell lines of the store.
        shared: names of tracks that are kept with the genome.
    """
    before = [_Columns(c.name, _own(c.tracks, shared), c.meta) for c in existing]
    cells = [*before, *(_Columns(c.name, _own(c.tracks, shared), tuple(name for name, _ in c.meta)) for c in planned)]
    known = set(_differences(before))
    return [note for note in _differences(cells) if note not in known]


def _own(tracks: Iterable[SignalFile | Track], shared: Container[str]) -> list[SignalFile | Track]:
    return [track for track in tracks if track.name not in shared]


@dataclass(frozen=True)
class _Columns:
    """Names of the tracks and meta values of a cell line."""

    name: str
    tracks: Sequence[SignalFile | Track]
    meta: tuple[str, ...]


def _differences(cells: Sequence[_Columns]) -> list[str]:
    notes, names = [], sorted({track.name for cell in cells for track in cell.tracks})
    for name in names:
        having = {cell.name: track for cell in cells for track in cell.tracks if track.name == name}
        if lacking := [cell.name for cell in cells if cell.name not in having]:
            verb = "lacks" if len(lacking) == 1 else "lack"
            notes.append(f"track {name}: {abbreviate(lacking)} {verb} it; training on all takes tracks that all have")
        for term in ("assay", "units"):
            values = {cell: getattr(track, term) or "not stated" for cell, track in having.items()}
            if len(set(values.values())) > 1:
                shown = abbreviate(f"{value} in {cell}" for cell, value in values.items())
                verb = "are" if term == "units" else "is"
                notes.append(f"track {name}: {term} {verb} not stated alike: {shown}")
    metas = {cell.name: cell.meta for cell in cells}
    if len(set(metas.values())) > 1:
        shown = abbreviate(f"{len(names)} in {cell}" for cell, names in metas.items())
        notes.append(f"meta values differ between cell lines ({shown}); training with them needs the same in all")
    return notes
