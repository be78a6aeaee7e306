"""Read FactorNet's cell-line folders: bigwig.txt, chip.txt and meta.txt, next to the files they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...store.attribute_checks import is_term
from ...store.cell_info import Track
from ...store.errors import InputError, Problems, UsageError
from ...store.files.folder_name import folder_name
from ...store.schema import check_name
from ...store.text import format_count
from .bed import text_lines
from .chrom_aliases import abbreviate
from .provenance import read_sources
from .read_files import is_read_file

_Fields = tuple[int, list[str]]
_MAX_FLOAT32 = 3.4e38
_TERMS = ("assay", "units")
_TRACK_COLUMNS = (
    "FILE NAME [assay=ASSAY] [units=UNITS] (a bigWig or a file of reads, the name of its track, what its values are)"
)


@dataclass(frozen=True)
class SignalFile:
    """A track of bigwig.txt: a bigWig, or files of reads whose cuts are added up.

    Attributes:
        name: of the track.
        paths: one bigWig; or alignments or fragments, of one row or of several with this name.
        assay: what was measured; empty where the table does not say.
        units: of the values; empty where the table does not say.
    """

    name: str
    paths: tuple[Path, ...]
    assay: str = ""
    units: str = ""

    @property
    def has_reads(self) -> bool:
        """Whether it is made from reads, by the names of its files."""
        return is_read_file(self.paths[0])

    @property
    def path(self) -> Path:
        """The first file: of a bigWig the only one."""
        return self.paths[0]


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
    """

    name: str
    path: Path
    tracks: tuple[SignalFile, ...]
    chip: tuple[ChipFiles, ...]
    meta: tuple[tuple[str, float], ...]
    commented: tuple[str, ...] = ()
    sources: dict[str, dict[str, str]] = field(default_factory=dict)

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
        return [rows] if n else []


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
    if not any(table.exists() for table in (bigwig, chip, meta)):
        raise UsageError(f"{path}: holds none of bigwig.txt, chip.txt and meta.txt; see data/README.md")
    rows = _Rows(problems or Problems())
    tracks, factors, values = _read_tracks(bigwig, rows), _read_chip(chip, rows), _read_meta(meta, rows)
    sources: dict[str, dict[str, str]] = {}
    with rows.problems.catch():
        sources = read_sources(path)
    return CellFolder(name, path, tracks, factors, values, tuple(rows.commented), sources)


@dataclass
class _Rows:
    """What is found while tables are read, besides their rows.

    Attributes:
        problems: errors of rows.
        commented: rows behind a ``#``.
    """

    problems: Problems
    commented: list[str] = field(default_factory=list)


def describe_track(track: SignalFile | Track) -> str:
    """Return name, assay and units of a track as bigwig.txt has them."""
    terms = (f"{key}={getattr(track, key)}" for key in _TERMS if getattr(track, key))
    return " ".join((track.name, *terms))


def _read_rows(
    table: Path, widths: tuple[int, ...], columns: str, files: tuple[int, ...], found: _Rows
) -> Iterator[_Fields]:
    """Yield line number and fields of each row.

    Columns are separated by tabs or spaces. A line with tabs is first read by its tabs alone, so that file names may
    have spaces; in other lines such a name needs quotes.

    Args:
        table: may be absent.
        widths: allowed numbers of columns.
        columns: what they are, for messages.
        files: columns with names of files.
        found: rows behind a ``#`` are added to it; other comments, such as a heading, are not. Of a table that is not
            text no row is yielded, and of a row of other columns only its error is added, where they are collected.
    """
    if not table.exists():
        return
    lines: list[tuple[int, str]] = []
    with found.problems.catch():
        lines = list(_text_lines(table, columns))
    for number, line in lines:
        if line.lstrip().startswith(("#", '"#')):
            if row := _commented_row(line, widths, files, table.parent):
                found.commented.append(f"{table.name}:{number} ({row})")
            continue
        if not line.strip():
            continue
        fields = _split_row(line, widths, files, table.parent)
        if len(fields) not in widths:
            expected = " or ".join(map(str, widths))
            problem = f"{format_count(len(fields), 'column')}, expected {expected}"
            hint = f"write {columns}"
            if files and len(fields) > max(widths):
                hint += "; if a file name has spaces, separate the columns by tabs or put it in quotes"
            elif len(fields) < min(widths) and {*",;"} & {*line}:
                hint += "; separate the columns by tabs, not commas or semicolons"
            with found.problems.catch():
                raise InputError(table, problem, hint=hint, line=number)
            continue
        yield number, fields


def _commented_row(line: str, widths: tuple[int, ...], files: tuple[int, ...], folder: Path) -> str:
    """Return the text of a comment that is a row without its ``#``, or of a file whose name begins so; else empty."""
    text = " ".join(line.replace('"', "").split())
    for row in (line, line.replace("#", "", 1)):
        fields = _split_row(row, widths, files, folder)
        if len(fields) not in widths:
            continue
        if not files and _is_number(fields[0]):
            return text
        if files and all((folder / name).is_file() for name in _listed_files(folder, fields[0])):
            return f"{text}; write ./{fields[0]} if the name begins so" if row is line else text
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _split_row(line: str, widths: tuple[int, ...], files: tuple[int, ...], folder: Path) -> list[str]:
    """Return the columns of a line, by its tabs if that gives rows of this width whose files exist, else by spaces."""
    words = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', line)]
    cells = [cell.strip().strip('"') for cell in line.split("\t") if cell.strip()]
    # Terms behind a name, and columns without a file, have no spaces.
    cells = [word for i, cell in enumerate(cells) for word in ([cell] if i in files else cell.split())]
    possible = [fields for fields in (cells, words) if "\t" in line and len(fields) in widths]
    for fields in possible:
        named = [name for i in files if i < len(fields) for name in _listed_files(folder, fields[i])]
        if all((folder / name).is_file() for name in named):
            return fields
    return possible[0] if possible else words


def _text_lines(table: Path, columns: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines of a table; those of `text_lines`, with a hint that fits.

    Raises:
        InputError: not text.
    """
    try:
        yield from text_lines(table)
    except OSError as e:
        raise InputError(table, f"cannot be read as text ({e})", hint=f"write {columns}") from e
    except InputError as e:
        raise InputError(table, f"cannot be read as text: {e.problem}", hint=f"{e.hint}; write {columns}") from e


def _check_file(table: Path, line: int, name: str, columns: str) -> Path:
    path = table.parent / name
    if path.is_file():
        return path
    if path.exists():
        problem = "is not a file"
    else:
        problem = "is a broken symbolic link" if path.is_symlink() else "does not exist"
    hint = f"put it into {table.parent} or correct the row ({columns})"
    raise InputError(table, f"file {name!r} {problem}", hint=hint, line=line)


def _check_unique(seen: set[str], name: str, table: Path, line: int) -> str:
    if name in seen:
        raise InputError(table, f"{name!r} is named twice", hint="keep one row", line=line)
    seen.add(name)
    return name


def _check_name(name: str, what: str, table: Path, line: int) -> str:
    try:
        return check_name(name, what)
    except UsageError as e:
        raise InputError(table, str(e), line=line) from e


def _read_tracks(table: Path, found: _Rows) -> tuple[SignalFile, ...]:
    columns, rows = _TRACK_COLUMNS, dict[str, SignalFile]()
    for line, fields in _read_rows(table, (2, 3, 4), columns, (0,), found):
        with found.problems.catch():
            row = _read_track(table, line, fields, found.problems)
            rows[row.name] = _join_rows(rows[row.name], row, table, line) if row.name in rows else row
    for name in rows:
        for end, other in (("_fwd", "_rev"), ("_rev", "_fwd")):
            if name.endswith(end) and name.removesuffix(end) + other not in rows:
                partner = name.removesuffix(end) + other
                problem = f"track {name!r} has no partner {partner!r}"
                with found.problems.catch():
                    raise InputError(table, problem, hint="add it, or rename the track")
    return tuple(row for row in rows.values() if row.paths)


def _read_track(table: Path, line: int, fields: list[str], problems: Problems) -> SignalFile:
    """Return a row of bigwig.txt; without files where one of them is collected as a problem."""
    file, track, *terms = fields
    paths: tuple[Path, ...] = ()
    with problems.catch():
        paths = tuple(_check_file(table, line, name, _TRACK_COLUMNS) for name in _listed_files(table.parent, file))
    name = _check_name(track, "track", table, line)
    if len({is_read_file(path) for path in paths}) > 1:
        problem = f"{name!r} has a bigWig and reads"
        raise InputError(table, problem, hint="give one of both, or two tracks", line=line)
    if len(set(paths)) != len(paths):
        raise InputError(table, f"{name!r} has a file twice", hint="name it once", line=line)
    return SignalFile(name, paths, **_read_terms(terms, table, line))


def _listed_files(folder: Path, text: str) -> list[str]:
    """Return the files of a column: one, or several read files separated by commas."""
    if "," not in text or (folder / text).is_file():
        return [text]
    return [name.strip() for name in text.split(",") if name.strip()]


def _join_rows(first: SignalFile, row: SignalFile, table: Path, line: int) -> SignalFile:
    """Return the track of two rows of one name, which add up.

    Raises:
        InputError: they are of bigWigs, share a file, or differ in assay or units.
    """
    if not (first.paths and row.paths):
        return first  # a file of one of them does not exist
    if not (first.has_reads and row.has_reads):
        raise InputError(table, f"{row.name!r} is named twice", hint="keep one row", line=line)
    if (first.assay, first.units) != (row.assay, row.units):
        problem = f"{describe_track(row)!r} differs from the row before, {describe_track(first)!r}"
        raise InputError(table, problem, hint="write the same assay and units in all rows of a track", line=line)
    if set(first.paths) & set(row.paths):
        raise InputError(table, f"{row.name!r} has a file twice", hint="name it once", line=line)
    return replace(first, paths=first.paths + row.paths)


def _read_terms(columns: list[str], table: Path, line: int) -> dict[str, str]:
    """Return the assay and units of a row, as far as they are given."""
    terms: dict[str, str] = {}
    for column in columns:
        key, equals, value = column.partition("=")
        if not equals or key not in _TERMS or key in terms:
            problem = f"{column!r} is not assay=... or units=..., each once"
            raise InputError(table, problem, hint=f"write {_TRACK_COLUMNS}", line=line)
        if not value or not is_term(value):
            problem = f"{key} = {value!r}"
            raise InputError(table, problem, hint="use letters, digits and . _ + - only", line=line)
        terms[key] = value
    return terms


def _read_chip(table: Path, found: _Rows) -> tuple[ChipFiles, ...]:
    columns, seen, rows = "CONSERVATIVE FACTOR [RELAXED] (peak files and the factor's name)", set[str](), []
    for line, (file, factor, *relaxed_file) in _read_rows(table, (2, 3), columns, (0, 2), found):
        files = []
        for name in (file, *relaxed_file):
            with found.problems.catch():
                files.append(_check_file(table, line, name, columns))
        with found.problems.catch():
            name = _check_unique(seen, _check_name(factor, "factor", table, line), table, line)
            if len(files) == 1 + len(relaxed_file):
                rows.append(ChipFiles(name, files[0], files[1] if relaxed_file else None))
    return tuple(rows)


def _read_meta(table: Path, found: _Rows) -> tuple[tuple[str, float], ...]:
    columns, seen, rows = "VALUE NAME (a number first, then its name)", set[str](), []
    for line, (text, name) in _read_rows(table, (2,), columns, (), found):
        with found.problems.catch():
            value = _meta_value(table, line, text, name, columns)
            rows.append((_check_unique(seen, name, table, line), value))
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
