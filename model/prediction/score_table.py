"""Read scores of intervals from text: bedGraph as FactorNet and its users write it, ENCODE-DREAM submissions."""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.files.bgzip import check_bgzip_end
from ...store.files.file_kinds import file_kind, is_gzipped
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from ...store.text import UNROUND_HINT, format_count, is_rounded, parse_position
from .bins import Bins

_LINES = 16384  # lines parsed at once
_NO_SCORE = frozenset(("na", "nan", "n/a", "null", "none", "."))
_LARGEST = float(np.finfo(np.float32).max)
_HINT = "write CHROM START STOP SCORE, with chromosomes of the store"


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Intervals with a score on chromosomes of the store, in file order.

    Attributes:
        bins: the intervals.
        scores: float32 (n,).
        other_chromosomes: number of lines by chromosome that the store lacks.
        n_without_score: lines whose score is missing (``NA``, ``nan``, ``.``).
        n_past_end: lines that end past their chromosome, by less than a bin.
        n_headings: lines with the names of columns.
        n_more_columns: lines with more than four columns; the others are not used.
    """

    bins: Bins
    scores: NDArray[np.float32]
    other_chromosomes: Mapping[str, int] = field(default_factory=dict)
    n_without_score: int = 0
    n_past_end: int = 0
    n_headings: int = 0
    n_more_columns: int = 0


def read_score_table(
    path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str] | None = None
) -> ScoreTable:
    """Read lines ``chrom start stop score``, gzipped or not; more columns may follow.

    Columns are separated by tabs or spaces, and may be in quotes; positions are read by `parse_position`. Comments,
    ``track`` and ``browser`` lines and a heading are skipped.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        aliases: name in the file -> name in the store.

    Raises:
        InputError: the file does not exist, is damaged or of another format, a line is not ``chrom start stop score``,
            an interval is outside its chromosome, or a score is infinite.
    """
    reader = _TableReader(path, coordinates, aliases or {})
    for number, lines in _line_blocks(path):
        if not reader.add_plain(lines):
            for i, line in enumerate(lines, number):
                reader.add(i, line)
    return reader.table()


class _TableReader:
    """Collects the lines of a table."""

    def __init__(self, path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> None:
        self._path, self._coordinates = path, coordinates
        index = coordinates.indices
        self._index = index | {name: index[target] for name, target in aliases.items() if target in index}
        self._columns: tuple[array[Any], ...] = tuple(array(kind) for kind in "qqqf")
        self._others, self._counts, self._begun = Counter[str](), Counter[str](), False

    def table(self) -> ScoreTable:
        chrom, start, stop, scores = (np.array(column) for column in self._columns)
        counts = {f"n_{name}": n for name, n in self._counts.items()}
        return ScoreTable(
            bins=Bins(chrom, start, stop), scores=scores.astype(np.float32), other_chromosomes=self._others, **counts
        )

    def add_plain(self, lines: list[str]) -> bool:
        """Add many lines at once, if all are as `factornet-predict` writes them; else none, and return False."""
        fields = "".join(lines).split()
        chrom = list(map(self._index.get, fields[::4]))
        start, stop = fields[1::4], fields[2::4]
        if len(fields) != 4 * len(lines) or None in chrom or not all(map(str.isdecimal, chain(start, stop))):
            return False
        try:
            columns = [np.array(column, np.int64) for column in (chrom, list(map(int, start)), list(map(int, stop)))]
            scores = np.array(list(map(float, fields[3::4])))
        except (ValueError, OverflowError):
            return False
        ends = np.array(self._coordinates.lengths)[columns[0]]
        plain = (columns[1] < columns[2]) & (columns[2] <= ends) & (np.abs(scores) <= _LARGEST)
        if not plain.all() or "_" in "".join(fields[3::4]) or not all(line.count("\t") == 3 for line in lines):
            return False
        for column, values in zip(self._columns, (*columns, scores), strict=True):
            column.frombytes(values.astype(column.typecode).tobytes())
        self._begun = True
        return True

    def add(self, number: int, line: str) -> None:
        """Add a line.

        Raises:
            InputError: as for `read_score_table`.
        """
        fields = [field.strip('"') for field in line.split(None, 4)]
        if not fields or line.startswith("#") or fields[0] in ("track", "browser"):
            return
        if not self._begun and _is_heading(fields):
            self._counts["headings"] += 1
            self._begun = True
            return
        try:
            start, stop, score = parse_position(fields[1]), parse_position(fields[2]), _score(fields[3])
        except (IndexError, ValueError) as e:
            raise _unreadable(self._path, number, line, fields) from e
        self._begun = True
        self._counts["more_columns"] += len(fields) > 4
        chrom = self._index.get(fields[0])
        if chrom is None:
            self._others[fields[0]] += 1
            return
        name, length = self._coordinates.names[chrom], self._coordinates.lengths[chrom]
        if not 0 <= start < stop or start >= length or stop >= length + BIN:
            hint = f"an interval lies within 0 and the {length:,} bases of {name}"
            raise InputError(self._path, f"cannot be read: {line.strip()[:60]!r}", hint=hint, line=number)
        if stop > length or score is None:
            self._counts["past_end" if stop > length else "without_score"] += 1
            return
        for column, value in zip(self._columns, (chrom, start, stop, score), strict=True):
            column.append(value)


def read_bedgraph(path: Path, coordinates: GenomeCoordinates) -> tuple[Bins, NDArray[np.float32]]:
    """Return bins and scores, float32 (bins,), of a bedGraph, gzipped or not; `read_score_table` counts what it lacks.

    Raises:
        InputError: as for `read_score_table`.
    """
    table = read_score_table(path, coordinates)
    return table.bins, table.scores


def check_is_file(path: Path) -> None:
    """Check that a file of scores exists and can be read more than once.

    Raises:
        InputError: it does not, or is a folder or a pipe.
    """
    if path.is_dir():
        raise InputError(path, "is a folder", hint="give a file of scores: a bedgraph or a bigWig")
    if not path.exists():
        raise InputError(path, "no such file", hint="write it with factornet-predict")
    if not path.is_file():
        raise InputError(path, "is a pipe or device", hint="write it to a file first, which is read twice")


def _line_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield lines of a text file, gzipped or not, many at once, and the number of the first of them, from 1.

    Raises:
        InputError: it does not exist, is damaged, or not text.
    """
    check_is_file(path)
    if kind := file_kind(path):
        record = path.with_suffix("")
        hint = (
            f"give {record}" if path.suffix == ".json" and record.is_file() else "give a bedgraph or a bigWig of scores"
        )
        raise InputError(path, f"is {kind}, no table of scores", hint=hint)
    check_bgzip_end(path)
    try:
        opened = gzip.open if is_gzipped(path) else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            number = 1
            while lines := list(islice(file, _LINES)):
                yield number, lines
                number += len(lines)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as e:
        raise InputError(path, f"damaged, or not text ({e})", hint="copy it again, or predict again") from e


def _is_heading(fields: list[str]) -> bool:
    return len(fields) > 3 and not any(text[0].isdigit() or text[0] in "+-." for text in fields[1:3])


def _score(text: str) -> float | None:
    """Return a score; None where it is missing."""
    if text.lower() in _NO_SCORE:
        return None
    score = float(text)
    if not abs(score) <= _LARGEST or "_" in text:
        raise ValueError(text)
    return score


def _unreadable(path: Path, number: int, line: str, fields: list[str]) -> InputError:
    """Return the error of a line that is not ``chrom start stop score``."""
    shown, hint = f"cannot be read: {line.strip()[:60]!r}", _HINT
    if len(fields) < 4:
        shown += f", {format_count(len(fields), 'column')}, expected 4 or more"
    elif fields[0] in ("fixedStep", "variableStep"):
        shown, hint = "is a wiggle file, no table of scores", "convert it with wigToBigWig"
    elif any(map(is_rounded, fields[1:3])):
        hint = UNROUND_HINT
    elif all(text.isdecimal() for text in fields[2:4]) and not fields[1].isdecimal():
        hint = f"remove the first column, the names of rows (write.table of R: row.names=FALSE); {_HINT}"
    elif all(text.isdecimal() for text in fields[1:3]):
        shown += f", its score is {fields[3][:20]!r}"
        hint = "write CHROM START STOP SCORE, with a finite number as score (the fourth column of a BED file is a name)"
    return InputError(path, shown, hint=hint, line=number)
