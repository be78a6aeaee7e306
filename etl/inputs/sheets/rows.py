"""Read the rows of the sheets of a cell-line folder, and check the files and names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ....store.errors import InputError, Problems, UsageError
from ....store.files.limited_read import is_there
from ....store.schema import check_name
from ....store.text import format_count, is_number
from ..bed import text_lines

_Fields = tuple[int, list[str]]


@dataclass
class SheetRows:
    """What is found while tables are read, besides their rows.

    Attributes:
        problems: errors of rows.
        commented: rows behind a ``#``.
    """

    problems: Problems
    commented: list[str] = field(default_factory=list)


def read_rows(
    table: Path, widths: tuple[int, ...], columns: str, files: tuple[int, ...], found: SheetRows
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
    lines: list[tuple[int, str]] = []
    with found.problems.catch():
        lines = list(_text_lines(table, columns)) if is_there(table) else []
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
        if not files and is_number(fields[0]):
            return text
        if files and all((folder / name).is_file() for name in listed_files(folder, fields[0])):
            return f"{text}; write ./{fields[0]} if the name begins so" if row is line else text
    return ""


def _split_row(line: str, widths: tuple[int, ...], files: tuple[int, ...], folder: Path) -> list[str]:
    """Return the columns of a line, by its tabs if that gives rows of this width whose files exist, else by spaces."""
    words = [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', line)]
    cells = [cell.strip().strip('"') for cell in line.split("\t") if cell.strip()]
    # Terms behind a name, and columns without a file, have no spaces.
    cells = [word for i, cell in enumerate(cells) for word in ([cell] if i in files else cell.split())]
    possible = [fields for fields in (cells, words) if "\t" in line and len(fields) in widths]
    for fields in possible:
        named = [name for i in files if i < len(fields) for name in listed_files(folder, fields[i])]
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


def check_file(table: Path, line: int, name: str, columns: str) -> Path:
    """Return the path of a file that a row names.

    Raises:
        InputError: there is no such file.
    """
    path = table.parent / name
    if path.is_file():
        return path
    if path.exists():
        problem = "is not a file"
    else:
        problem = "is a broken symbolic link" if path.is_symlink() else "does not exist"
    hint = f"put it into {table.parent} or correct the row ({columns})"
    raise InputError(table, f"file {name!r} {problem}", hint=hint, line=line)


def check_unique(seen: set[str], name: str, table: Path, line: int) -> str:
    """Add the name of a row to those of other rows, and return it.

    Raises:
        InputError: another row has it.
    """
    if name in seen:
        raise InputError(table, f"{name!r} is named twice", hint="keep one row", line=line)
    seen.add(name)
    return name


def check_name_in(name: str, what: str, table: Path, line: int) -> str:
    """Return a name that a row gives.

    Raises:
        InputError: it cannot be the name of a group of a store.
    """
    try:
        return check_name(name, what)
    except UsageError as e:
        raise InputError(table, str(e), line=line) from e


def listed_files(folder: Path, text: str) -> list[str]:
    """Return the files of a column: one, or several read files separated by commas."""
    if "," not in text or (folder / text).is_file():
        return [text]
    return [name.strip() for name in text.split(",") if name.strip()]
