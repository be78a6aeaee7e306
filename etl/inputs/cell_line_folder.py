"""FactorNet's cell-line folder: bigwig.txt, chip.txt and meta.txt beside the files they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...store.errors import InputError, UsageError
from ...store.schema import check_name
from ...store.text import format_count

_LARGEST = 3.4e38
"""What a float32 can hold."""


@dataclass(frozen=True)
class SignalFile:
    """One row of bigwig.txt."""

    name: str
    path: Path


@dataclass(frozen=True)
class ChipFiles:
    """One row of chip.txt; `relaxed` is None where the row has two columns."""

    factor: str
    conservative: Path
    relaxed: Path | None


@dataclass(frozen=True)
class CellFolder:
    """What a cell-line folder says. Empty tuples where a sheet is absent."""

    name: str
    path: Path
    tracks: tuple[SignalFile, ...]
    chip: tuple[ChipFiles, ...]
    meta: tuple[tuple[str, float], ...]

    @property
    def files(self) -> list[Path]:
        """The files that the sheets name, row by row."""
        peaks = [f for row in self.chip for f in (row.conservative, row.relaxed) if f is not None]
        return [*(t.path for t in self.tracks), *peaks]


def read_cell_folder(path: Path) -> CellFolder:
    """Read the sheets of a folder; the cell line is named after the folder.

    Raises:
        InputError: a sheet has a wrong column, a name twice, or names a file that is not there.
        UsageError: no such folder, or a folder without any sheet.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: no such cell-line folder; it must hold bigwig.txt, chip.txt, meta.txt")
    name = check_name(path.resolve().name, "cell line")
    sheets = [path / s for s in ("bigwig.txt", "chip.txt", "meta.txt")]
    if not any(s.exists() for s in sheets):
        raise UsageError(f"{path}: none of bigwig.txt, chip.txt and meta.txt is there; see data/README.md")
    return CellFolder(name, path, _read_tracks(sheets[0]), _read_chip(sheets[1]), _read_meta(sheets[2]))


def _rows(sheet: Path, widths: tuple[int, ...], columns: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row; columns are parted by tabs or runs of spaces."""
    if not sheet.exists():
        return
    try:
        text = sheet.read_text(encoding="utf-8-sig")  # spreadsheets put a mark in front
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(sheet, f"cannot be read as text ({e})", hint=f"write {columns}") from e
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) not in widths:
            expected = " or ".join(map(str, widths))
            raise InputError(
                sheet,
                f"{format_count(len(fields), 'column')}, expected {expected}",
                hint=f"write {columns}",
                line=number,
            )
        yield number, fields


def _existing(sheet: Path, line: int, name: str, columns: str) -> Path:
    found = sheet.parent / name
    if not found.is_file():
        state = "is a dangling link" if found.is_symlink() else "is not there"
        raise InputError(
            sheet,
            f"file {name!r} {state}",
            hint=f"put it into {sheet.parent} or correct the row ({columns})",
            line=line,
        )
    return found


def _once(seen: set[str], name: str, sheet: Path, line: int) -> str:
    if name in seen:
        raise InputError(sheet, f"{name!r} is named twice", hint="keep one row", line=line)
    seen.add(name)
    return name


def _named(name: str, what: str, sheet: Path, line: int) -> str:
    try:
        return check_name(name, what)
    except UsageError as e:
        raise InputError(sheet, str(e), line=line) from e


def _read_tracks(sheet: Path) -> tuple[SignalFile, ...]:
    columns, seen, rows = "FILE NAME (a bigWig and the name of its track)", set[str](), []
    for line, (file, name) in _rows(sheet, (2,), columns):
        path = _existing(sheet, line, file, columns)
        rows.append(SignalFile(_once(seen, _named(name, "track", sheet, line), sheet, line), path))
    for name in seen:
        for end, other in (("_fwd", "_rev"), ("_rev", "_fwd")):
            if name.endswith(end) and name.removesuffix(end) + other not in seen:
                partner = name.removesuffix(end) + other
                raise InputError(
                    sheet, f"track {name!r} has no partner {partner!r}", hint="add it, or rename the track"
                )
    return tuple(rows)


def _read_chip(sheet: Path) -> tuple[ChipFiles, ...]:
    columns, seen, rows = "CONSERVATIVE FACTOR [RELAXED] (peak files and the factor's name)", set[str](), []
    for line, (file, factor, *more) in _rows(sheet, (2, 3), columns):
        conservative = _existing(sheet, line, file, columns)
        relaxed = _existing(sheet, line, more[0], columns) if more else None
        rows.append(ChipFiles(_once(seen, _named(factor, "factor", sheet, line), sheet, line), conservative, relaxed))
    return tuple(rows)


def _read_meta(sheet: Path) -> tuple[tuple[str, float], ...]:
    columns, seen, rows = "VALUE NAME (a number first, then its name)", set[str](), []
    for line, (text, name) in _rows(sheet, (2,), columns):
        try:
            value = float(text.replace("_", "?"))  # float() would take 1_0
        except ValueError as e:
            raise InputError(sheet, f"{text!r} is not a number", hint=f"write {columns}", line=line) from e
        if not abs(value) <= _LARGEST:
            raise InputError(sheet, f"{name} is {text}", hint="give a finite number", line=line)
        rows.append((_once(seen, name, sheet, line), value))
    return tuple(rows)
