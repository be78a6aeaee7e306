"""Read FactorNet's cell-line folders: bigwig.txt, chip.txt and meta.txt, next to the files they name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...store.errors import InputError, Problems, UsageError
from ...store.files.folder_name import folder_name
from ...store.schema import check_name
from ...store.text import format_count, format_foreign
from .chrom_aliases import abbreviate
from .provenance import read_sources
from .sheets.rows import SheetRows, check_file, check_name_in, check_unique, read_rows
from .sheets.tracks import SignalFile, read_tracks

_MAX_FLOAT32 = 3.4e38
_NEARLY = re.compile(
    r"\s*(bigwig|chip|meta)s?[ _-]*(\(\d+\)|\d+|copy)?(\.(txt|text|tsv|csv|tab|xlsx?|bak|orig|old))*~?\s*"
)
"""Names like those of the tables: with other case, ends or numbers, as systems and spreadsheets give them."""


@dataclass(frozen=True)
class ChipFiles:
    """One row of chip.txt; `relaxed` is None where the row has two columns."""

    factor: str
    conservative: Path
    relaxed: Path | None


@dataclass(frozen=True)
class CellFolder:
    """Contents of a cell-line folder; a tuple is empty where its table is absent.

    Attributes:
        name: of the cell line.
        path: of the folder.
        tracks: rows of bigwig.txt.
        chip: rows of chip.txt.
        meta: rows of meta.txt, (name, value).
        commented: rows behind a ``#``, which are comments, with their table and line.
        sources: where files are from, by name, as sources.json says.
        near_misses: notes on files that are named nearly as a table that is absent.
    """

    name: str
    path: Path
    tracks: tuple[SignalFile, ...]
    chip: tuple[ChipFiles, ...]
    meta: tuple[tuple[str, float], ...]
    commented: tuple[str, ...] = ()
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    near_misses: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Signal and peak files, row by row."""
        peaks = [f for row in self.chip for f in (row.conservative, row.relaxed) if f is not None]
        return [*dict.fromkeys(f for t in self.tracks for f in t.paths), *peaks]

    @property
    def notes(self) -> list[str]:
        """What a user may not know of the tables."""
        n = len(self.commented)
        rows = f"{format_count(n, 'row')} behind a #, not read: {abbreviate(self.commented)}"
        names = {
            "track": [track.name for track in self.tracks],
            "factor": [row.factor for row in self.chip],
            "meta value": [name for name, _ in self.meta],
        }
        alike = [note for noun, of_noun in names.items() for note in _case_notes(noun, of_noun)]
        return [*self.near_misses, *([rows] if n else []), *alike]


def read_cell_folder(path: Path, problems: Problems | None = None) -> CellFolder:
    """Read the tables of a folder; the cell line has the name of the folder, or of a link to it, as given.

    Args:
        path: of the folder.
        problems: collects the errors of rows, which are then left out; by default the first is raised.

    Raises:
        InputError: a table has a wrong column, a duplicate name, or names a file that does not exist; sources.json
            has another form.
        UsageError: no such folder, or a folder without any of the tables.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such cell-line folder; it must hold bigwig.txt, chip.txt, meta.txt")
    name = check_name(folder_name(path), "cell line")
    bigwig, chip, meta = (path / table for table in ("bigwig.txt", "chip.txt", "meta.txt"))
    near_misses = _near_misses(path)
    if not any(os.path.lexists(table) for table in (bigwig, chip, meta)):
        near = "".join(f"; {note}" for note in near_misses)
        raise UsageError(f"{path}: holds none of bigwig.txt, chip.txt and meta.txt; see data/README.md{near}")
    rows = SheetRows(problems or Problems())
    tracks, factors, values = read_tracks(bigwig, rows), _read_chip(chip, rows), _read_meta(meta, rows)
    sources: dict[str, dict[str, str]] = {}
    with rows.problems.catch():
        sources = read_sources(path)
    return CellFolder(name, path, tracks, factors, values, tuple(rows.commented), sources, near_misses)


def _near_misses(folder: Path) -> tuple[str, ...]:
    """Return notes on files that are named nearly as a table that the folder lacks, such as Meta.txt, chip.txt.txt."""
    notes = []
    absent = [table for table in ("bigwig.txt", "chip.txt", "meta.txt") if not (folder / table).exists()]
    names = sorted(path.name for path in folder.iterdir() if path.is_file()) if absent else []
    for table in absent:
        for name in names:
            match = _NEARLY.fullmatch(name.casefold())
            if match and match[1] == table.removesuffix(".txt"):
                notes.append(f"no {table}; {format_foreign(name)} is not read, rename it if it is that table")
    return tuple(notes)


def _case_notes(noun: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a note for each name of which others differ by case only."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    for group in alike.values():
        if len(group) > 1:
            yield f"{noun}s {' and '.join(map(format_foreign, group))} differ by case only, kept apart"


def _read_chip(table: Path, found: SheetRows) -> tuple[ChipFiles, ...]:
    columns, seen, rows = "CONSERVATIVE FACTOR [RELAXED] (peak files and the factor's name)", set[str](), []
    for line, (file, factor, *relaxed_file) in read_rows(table, (2, 3), columns, (0, 2), found):
        files = []
        for name in (file, *relaxed_file):
            with found.problems.catch():
                files.append(check_file(table, line, name, columns))
        with found.problems.catch():
            name = check_unique(seen, check_name_in(factor, "factor", table, line), table, line)
            if len(files) == 1 + len(relaxed_file):
                rows.append(ChipFiles(name, files[0], files[1] if relaxed_file else None))
    return tuple(rows)


def _read_meta(table: Path, found: SheetRows) -> tuple[tuple[str, float], ...]:
    columns, seen, rows = "VALUE NAME (a number first, then its name)", set[str](), []
    for line, (text, name) in read_rows(table, (2,), columns, (), found):
        with found.problems.catch():
            value = _meta_value(table, line, text, name, columns)
            rows.append((check_unique(seen, name, table, line), value))
    return tuple(rows)


def _meta_value(table: Path, line: int, text: str, name: str, columns: str) -> float:
    try:
        value = float(text.replace("_", "?"))  # float() would take 1_0
    except ValueError as e:
        raise InputError(table, f"{text!r} is not a number", hint=f"write {columns}", line=line) from e
    if not abs(value) <= _MAX_FLOAT32:
        raise InputError(table, f"{name} is {text}", hint="give a finite number", line=line)
    if not name.isprintable():
        problem = f"name {name!r} has characters that cannot be printed"
        raise InputError(table, problem, hint="type it again", line=line)
    return value
