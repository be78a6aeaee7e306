"""Find chromosome, positions and summit in the lines of peak files, whichever program wrote them.

Pure functions of the text of a line; `bed` reads the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...store.text import UNROUND_HINT, format_count, is_rounded, parse_position

_CHROM = ("chrom", "chr", "chromosome", "seqnames", "seqname")
_START = ("start", "chromstart", "chrstart", "peakstart", "begin")
_STOP = ("end", "stop", "chromend", "chrend", "peakend")
_SUMMIT_COLUMN = 9
_NO_SUMMIT = ("", ".", "-1", "-", "*", "na", "n/a", "nan", "none", "null")
_LEAST_SHARE = 0.5
_LEAST_OFFSET = 0.05

NO_SUMMIT, OUTSIDE, UNREADABLE = -1, -2, -3
"""Results of `find_summit` that are no position."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table of peaks, counted from 0; the defaults are those of BED.

    Attributes:
        chrom: of the chromosome's name.
        start, stop: of the positions.
        length: of the number of bases, which tells whether starts count from 0 or from 1 (MACS .xls, GRanges in R).
        summit: of the summit, where a heading names it.
        absolute: whether that summit is a position on the chromosome, counted as the start is, or relative to it.
        one_based: whether starts count from 1 (HOMER).
    """

    chrom: int = 0
    start: int = 1
    stop: int = 2
    length: int | None = None
    summit: int | None = None
    absolute: bool = False
    one_based: bool = False


BED = Columns()


def split_fields(line: str) -> list[str]:
    """Return the fields of a line without quotes, separated by tabs if it has three such fields, else by spaces.

    The sign of a comment is no field of its own.
    """
    fields = line.split("\t")
    if len(fields) < 3 or not fields[1]:
        fields = re.sub(r"^\s*#\s+", "#", line).split() if "#" in line else line.split()
    if '"' in line or (fields and not fields[0].isalnum()):
        fields = [f.strip().strip('"').strip() for f in fields]
    return fields


def read_heading(fields: Sequence[str]) -> Columns | None:
    """Return the columns that a heading names; None if the fields are no heading.

    A heading names chromosome, start and end one after the other, as in ``chrom start end``, MACS's .xls or HOMER's
    ``#PeakID chr start end``, in a comment or not.
    """
    names = [re.sub(r"[^a-z0-9]", "", f.lower()) for f in fields]
    chrom = next((i for i, name in enumerate(names) if name in _CHROM), len(names))
    start, stop = chrom + 1, chrom + 2
    if stop >= len(names) or names[start] not in _START or names[stop] not in _STOP:
        return None
    length = stop + 1 if names[stop + 1 : stop + 2] in (["length"], ["width"]) else None
    homer = names[0].startswith("peakid") or "(cmd" in fields[0]
    relative = {"peak": "signalvalue", "summit": "tags"}  # of a narrowPeak, and of MACS 1
    summit = names.index("abssummit") if "abssummit" in names else None
    for name, neighbour in relative.items():
        if summit is None and name in names and neighbour in names:
            return Columns(chrom, start, stop, length, names.index(name), one_based=homer)
    return Columns(chrom, start, stop, length, summit, absolute=summit is not None, one_based=homer)


def read_interval(fields: Sequence[str], columns: Columns) -> tuple[str, int, int, bool]:
    """Return chromosome, start and stop (0-based, half-open), and whether the line counts from 1.

    Raises:
        ValueError: a column is missing, a position is not a whole number, or the length is neither stop - start nor
            stop - start + 1.
    """
    if len(fields) <= max(columns.start, columns.stop, columns.chrom):
        expected = max(columns.start, columns.stop, columns.chrom) + 1
        raise ValueError(f"{format_count(len(fields), 'column')}, expected {expected} or more")
    chrom = fields[columns.chrom]
    start, stop = parse_position(fields[columns.start]), parse_position(fields[columns.stop])
    if not chrom:
        raise ValueError("no name of a chromosome")
    one_based = columns.one_based
    if columns.length is not None:
        length = parse_position(fields[columns.length]) if len(fields) > columns.length else -1
        if length not in (stop - start, stop - start + 1):
            raise ValueError(
                f"{chrom}:{start}-{stop} with a length of {fields[columns.length :][:1]}, not {stop - start}"
            )
        one_based = length == stop - start + 1
    return chrom, start - one_based, stop, one_based


def column_hint(fields: Sequence[str]) -> str:
    """Return what to do about a line that `read_interval` does not take."""
    columns, advice = "write CHROM START STOP with whole numbers, 0-based and half-open", ""
    numbers = [re.fullmatch(r"\d+", f) is not None for f in fields]
    if numbers[1:5] == [False, False, True, True]:
        advice = "a GFF or GTF is no BED file, its starts count from 1"
    elif numbers[1:4] == [False, True, True]:
        advice = (
            "remove the first column (cut -f 2-) if it is UCSC's bin or a row name; convert a HOMER file (pos2bed.pl)"
        )
    elif fields and len(fields) < 3 and {*",;"} & {*fields[0]}:
        advice = "separate columns by tabs, not commas or semicolons"
    elif any(map(is_rounded, fields[1:3])):
        advice = UNROUND_HINT
    return f"{advice}; {columns}" if advice else columns


def kind_by_name(path: Path) -> bool | None:
    """Return whether a file is a narrowPeak by its name; None if that says nothing."""
    name = path.name.lower()
    if ".narrowpeak" in name:
        return True
    return False if any(f".{kind}" in name for kind in ("broadpeak", "gappedpeak", "bed12")) else None


def kind_by_track(fields: Iterable[str]) -> bool | None:
    """Return whether a track line announces a narrowPeak; None if it does not say the type."""
    types = [f.partition("=")[2].strip("\"'").lower() for f in fields if f.lower().startswith("type=")]
    return types[0] == "narrowpeak" if types else None


def find_summit(fields: Sequence[str], columns: Columns, start: int, *, one_based: bool) -> int:
    """Return the position of the summit, `NO_SUMMIT` for none or a placeholder (``.``, ``NA``, ``-1``), `UNREADABLE`.

    Args:
        fields: of the line.
        columns: of the file; column 10 where no heading names the summit.
        start: of the peak, 0-based.
        one_based: whether positions of the line count from 1.
    """
    column = _SUMMIT_COLUMN if columns.summit is None else columns.summit
    text = fields[column].strip() if len(fields) > column else ""
    if text.lower() in _NO_SUMMIT:
        return NO_SUMMIT
    try:
        value = parse_position(text)
    except ValueError:
        return UNREADABLE
    position = value - one_based if columns.absolute else start + value
    return position if position >= 0 else OUTSIDE


def may_be_narrow_peak(fields: Sequence[str], columns: Columns) -> bool:
    """Return whether a line has the first columns of a BED file, and as many as a narrowPeak."""
    return len(fields) > _SUMMIT_COLUMN and (columns.chrom, columns.start, columns.stop) == (0, 1, 2)


def has_blocks(fields: Sequence[str]) -> bool:
    """Return whether column 10 is a number of blocks, whose sizes and starts are in columns 11 and 12 (BED12)."""
    if len(fields) < 12 or not re.fullmatch(r"0(,\d+)*,?", fields[11]) or not re.fullmatch(r"\d+(,\d+)*,?", fields[10]):
        return False
    sizes, starts = (field.rstrip(",").split(",") for field in fields[10:12])
    return fields[9] == str(len(sizes)) and len(sizes) == len(starts)


class SummitEvidence:
    """Whether column 10 of a file is a summit, where neither its name nor a track line says so.

    It is if most of the lines with ten columns or more look like a narrowPeak: the fifth is a number, the sixth a
    strand, 7 to 9 are numbers, and the tenth is a whole number or a placeholder; no lists of blocks in columns 11 and
    12 (BED12). Besides, a number of columns 7 to 9 must have a fraction, as no counts have, and half of the numbers in
    column 10 must point into the peak, beyond its first twentieth, where counts and flags rarely do.
    """

    def __init__(self) -> None:
        self._lines = self._alike = self._numbers = self._inside = 0
        self._fraction = False

    def add(self, fields: Sequence[str], length: int) -> bool:
        """Take a line of ten columns or more into account, and the length of its peak.

        Returns:
            Whether the line looks like a narrowPeak.
        """
        self._lines += 1
        if fields[5] not in ("+", "-", "."):
            return False
        if has_blocks(fields):
            return False
        numbers = fields[4] if fields[4] != "." else "0", *fields[6:9]
        offset = find_summit(fields, BED, 0, one_based=False)
        try:
            values = [float(n) if n.lower() not in _NO_SUMMIT else -1.0 for n in numbers]
        except ValueError:
            return False
        if offset == UNREADABLE:
            return False
        self._alike += 1
        self._fraction |= any("." in n or "e" in n for n in numbers[1:]) or -1.0 in values[1:]
        self._numbers += offset != NO_SUMMIT
        self._inside += _LEAST_OFFSET * length <= offset < length
        return True

    @property
    def is_narrow_peak(self) -> bool:
        """Whether column 10 is a summit."""
        alike = self._alike > _LEAST_SHARE * self._lines
        return alike and self._fraction and 2 * self._inside >= self._numbers
