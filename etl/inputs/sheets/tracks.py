"""Read the tracks of bigwig.txt: bigWigs, and files of reads that add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ....store.attribute_checks import is_term
from ....store.cell_info import Track
from ....store.errors import InputError, Problems
from ..read_files import is_read_file
from .rows import SheetRows, check_file, check_name_in, listed_files, read_rows

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


def describe_track(track: SignalFile | Track) -> str:
    """Return name, assay and units of a track as bigwig.txt has them."""
    terms = (f"{key}={getattr(track, key)}" for key in _TERMS if getattr(track, key))
    return " ".join((track.name, *terms))


def read_tracks(table: Path, found: SheetRows) -> tuple[SignalFile, ...]:
    """Return the tracks of bigwig.txt, which may be absent; those without a file that exists are left out.

    Raises:
        InputError: a row is wrong, or a track of one strand has no partner; collected where `found` collects.
    """
    columns, rows = _TRACK_COLUMNS, dict[str, SignalFile]()
    for line, fields in read_rows(table, (2, 3, 4), columns, (0,), found):
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
        paths = tuple(check_file(table, line, name, _TRACK_COLUMNS) for name in listed_files(table.parent, file))
    name = check_name_in(track, "track", table, line)
    if len({is_read_file(path) for path in paths}) > 1:
        problem = f"{name!r} has a bigWig and reads"
        raise InputError(table, problem, hint="give one of both, or two tracks", line=line)
    if len(set(paths)) != len(paths):
        raise InputError(table, f"{name!r} has a file twice", hint="name it once", line=line)
    return SignalFile(name, paths, **_read_terms(terms, table, line))


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
