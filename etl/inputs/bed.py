"""Read peaks and regions from BED files and the peak files of common programs, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...store.errors import InputError
from ...store.files.bgzip import check_bgzip_end
from ...store.files.limited_read import check_is_file
from ...store.format.tables import Peaks
from ...store.genome.intervals import GenomeCoordinates, IntArray
from ...store.text import format_count
from .chrom_aliases import abbreviate, alias_hint, likely_aliases
from .peak_columns import (
    BED,
    NO_SUMMIT,
    OUTSIDE,
    UNREADABLE,
    SummitEvidence,
    column_hint,
    find_summit,
    has_blocks,
    kind_by_name,
    kind_by_track,
    may_be_narrow_peak,
    read_heading,
    read_interval,
    split_fields,
)

_AS_TEXT = "save it as text (UTF-8), with tabs between the columns"
_SIGNAL = "give a text file; signal is listed in the bigwig.txt of a cell line"
_READS = "give a text file; reads are listed in the bigwig.txt of a cell line"
_OTHER_FORMATS = {
    b"\xff\xfe": ("UTF-16 text", "convert it (iconv -f UTF-16 -t UTF-8)"),
    b"\xfe\xff": ("UTF-16 text", "convert it (iconv -f UTF-16 -t UTF-8)"),
    b"PK\x03\x04": ("a zip archive or a workbook of a spreadsheet", _AS_TEXT),
    b"\xd0\xcf\x11\xe0": ("a workbook of a spreadsheet", _AS_TEXT),
    b"\xeb\xf2\x89\x87": ("a bigBed", "convert it (bigBedToBed)"),
    b"\x87\x89\xf2\xeb": ("a bigBed", "convert it (bigBedToBed)"),
    b"\x26\xfc\x8f\x88": ("a bigWig", _SIGNAL),
    b"\x88\x8f\xfc\x26": ("a bigWig", _SIGNAL),
    b"\x89HDF": ("an HDF5 file", "give a text file"),
    b"CRAM": ("a file of aligned reads", _READS),
    b"BZh": ("a bzip2 file", "decompress it (bunzip2)"),
    b"\xfd7zXZ": ("an xz file", "decompress it (unxz)"),
}
"""What a file that is not text is, and what to do about it, by its first bytes."""


@dataclass(frozen=True)
class PeakFile:
    """Peaks of a file, and how many of its lines are unusual.

    Attributes:
        peaks: those on chromosomes of the store.
        dropped: number of peaks by chromosome that is not in the store.
        likely_aliases: store name by name in the file, of dropped chromosomes that the store has by the look of it.
        n_summits_outside: summits outside their peak (ENCODE has some), stored as none (-1).
        n_duplicates: peaks equal to an earlier one, summit included.
        n_repeated: further lines of an interval with another summit (MACS's ``--call-summits``; ENCODE has them).
        n_clipped: peaks that reached past an end of their chromosome, and were cut there.
        n_unreadable_summits: lines of a narrowPeak whose column 10 is no summit, stored as none.
        n_not_summits: lines with a number in column 10 that may be a summit, in a file that is no narrowPeak.
    """

    peaks: Peaks
    dropped: dict[str, int] = field(default_factory=dict)
    likely_aliases: dict[str, str] = field(default_factory=dict)
    n_summits_outside: int = 0
    n_duplicates: int = 0
    n_repeated: int = 0
    n_clipped: int = 0
    n_unreadable_summits: int = 0
    n_not_summits: int = 0


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line of a plain or gzipped file, without line ends.

    Lines end in LF, CRLF or CR. A byte order mark is left out; bytes that are not UTF-8, as in comments of older
    editors, become escapes (``\\xe9``).

    Raises:
        InputError: not text, a gzip or bgzip file that is cut short or damaged, or a pipe.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # read twice, here and by callers
        raise InputError(path, "is a pipe or device", hint="write it to a file first, which is read twice")
    with path.open("rb") as raw:
        first = raw.read(6)
    for magic, (what, cure) in _OTHER_FORMATS.items():
        if first.startswith(magic):
            raise InputError(path, f"it is {what}, not text", hint=cure)
    check_bgzip_end(path)
    number, open_text = 0, gzip.open if first[:2] == b"\x1f\x8b" else open
    try:
        with open_text(path, "rt", encoding="utf-8-sig", errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                if number == 1 and line.startswith("BAM\1"):
                    raise InputError(path, "it is a BAM file, not text", hint=_READS)
                if "\0" in line:
                    problem = f"not text after line {number - 1} (byte 0)"
                    raise InputError(path, problem, hint="give a BED or narrowPeak file")
                yield number, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        problem = f"gzip data is cut short or damaged after line {number} ({e})"
        raise InputError(path, problem, hint="download the file again") from e


def read_intervals(path: str | Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> IntArray:
    """Read the intervals of a BED file in file order.

    Args:
        path: of the file.
        coordinates: of the store's chromosomes.
        aliases: name in the file -> name in the store, where they differ.

    Returns:
        Chromosome index, start and stop; int64 (3, intervals).

    Raises:
        InputError: as `read_peaks`; also a chromosome that is not in the store, or a file without intervals.
    """
    path = Path(path)
    file = read_peaks(path, coordinates, aliases, in_file_order=True)
    if file.dropped:
        n, total = sum(file.dropped.values()), sum(file.dropped.values()) + file.peaks.start.size
        where = abbreviate([f"{chrom} ({count:,})" for chrom, count in file.dropped.items()])
        problem = f"{n:,} of {format_count(total, 'interval')} on chromosomes that the store lacks: {where}"
        hint = f"{alias_hint(file.dropped, coordinates.names)}; remove lines that shall have no score"
        raise InputError(path, problem, hint=hint)
    if file.peaks.start.size == 0:
        raise InputError(path, "no interval in the file", hint="give a BED file with intervals to predict")
    return np.stack([file.peaks.chrom, file.peaks.start, file.peaks.stop])


def read_peaks(
    path: Path,
    coordinates: GenomeCoordinates,
    aliases: Mapping[str, str],
    *,
    in_file_order: bool = False,
    max_past: int = 0,
) -> PeakFile:
    """Read the peaks of a file on the store's chromosomes, sorted unless `in_file_order`.

    BED and its relatives (narrowPeak, broadPeak, gappedPeak, BED12, with further columns of any kind) are read by their
    columns 1 to 3. A heading that names the columns, anywhere in the file, is followed: MACS's .xls and HOMER's peaks
    count from 1. Columns are separated by tabs or spaces; comment, ``track`` and ``browser`` lines are skipped.

    Column 10 is the summit relative to the start in a narrowPeak only, which becomes a position on the chromosome, -1
    where there is none. A file is a narrowPeak if its name says so (``.narrowPeak``), else if a track line does, else
    if its content looks like one (`peak_columns.SummitEvidence`). Each line is a peak, also where several have the
    same interval: so the original FactorNet read them, and ENCODE's files have them.

    Args:
        path: plain or gzipped.
        coordinates: the store's chromosomes.
        aliases: name in the file -> name in the store.
        in_file_order: keep the order of the lines.
        max_past: bases by which a peak may reach past an end of its chromosome; it is cut there.

    Raises:
        InputError: no such file, a line without three columns, positions that are not whole numbers, start >= stop,
            a peak past its chromosome by more than `max_past`, or peaks of which none is on a chromosome of the store.
    """
    check_is_file(path)
    index = coordinates.indices
    rows, evidence, dropped, n_clipped = array("q"), SummitEvidence(), dict[str, int](), 0
    for row in _read_rows(path, evidence):
        name = aliases.get(row.chrom, row.chrom)
        if name not in index:
            dropped[name] = dropped.get(name, 0) + 1
            continue
        start, stop = row.start, row.stop
        if start < 0 or stop > coordinates.lengths[index[name]]:
            start, stop = _clip(path, row, name, coordinates.lengths[index[name]], max_past)
            n_clipped += 1
        summit = row.summit if row.summit < 0 or start <= row.summit < stop else OUTSIDE
        rows.extend((index[name], start, stop, summit, row.guessed))
    if dropped and not rows:
        names = f"the file has {abbreviate(dropped)}, the store {abbreviate(coordinates.names)}"
        problem = f"no peak on a chromosome of the store; {names}"
        raise InputError(path, problem, hint=alias_hint(dropped, coordinates.names))
    table = np.frombuffer(rows, np.int64).reshape(-1, 5)
    file = _count(table, narrow=evidence.is_narrow_peak, in_file_order=in_file_order)
    likely = likely_aliases(dropped, coordinates.names)
    return replace(file, dropped=dropped, likely_aliases=likely, n_clipped=n_clipped)


class _Row(NamedTuple):
    """A line with a peak.

    Attributes:
        number: of the line, from 1.
        chrom: name in the file.
        start, stop: 0-based and half-open; start < stop.
        summit: a position on the chromosome, or a result of `find_summit` that is none.
        guessed: whether the summit is one only if the content of the file looks like a narrowPeak.
    """

    number: int
    chrom: str
    start: int
    stop: int
    summit: int
    guessed: bool


def _read_rows(path: Path, evidence: SummitEvidence) -> Iterator[_Row]:
    """Yield the peaks of a file; add the lines of which only the content can tell what they are to `evidence`."""
    columns, kind = BED, kind_by_name(path)
    by_name = kind is not None
    for number, line in text_lines(path):
        fields = split_fields(line)
        if not any(fields):
            continue
        if fields[0].startswith("#") or fields[0] in ("track", "browser"):
            heading = read_heading(fields)
            columns = heading if heading and ("\t" in line or heading.chrom == 0) else columns
            announced = kind_by_track(fields)
            kind = kind if by_name or announced is None else announced
            continue
        try:
            chrom, start, stop, one_based = read_interval(fields, columns)
        except ValueError:
            if heading := read_heading(fields):
                columns = heading
                continue
            fields = line.split()  # tabs and spaces may be mixed
            try:
                chrom, start, stop, one_based = read_interval(fields, columns)
            except ValueError as e:
                raise InputError(path, str(e), hint=column_hint(fields), line=number) from e
        if start >= stop:
            raise InputError(path, f"{chrom}:{start}-{stop} is not an interval", hint=column_hint(()), line=number)
        named, tenth = columns.summit is not None, may_be_narrow_peak(fields, columns)
        guessed = tenth and not named and kind is None
        if guessed and not evidence.add(fields, stop - start):
            summit = UNREADABLE
        elif tenth and not named and has_blocks(fields):
            summit = NO_SUMMIT if kind is False else UNREADABLE
        elif named or (tenth and kind is not False):
            summit = find_summit(fields, columns, start, one_based=one_based)
        else:
            summit = NO_SUMMIT
        yield _Row(number, chrom, start, stop, summit, guessed)


def _clip(path: Path, row: _Row, chrom: str, length: int, max_past: int) -> tuple[int, int]:
    """Return start and stop of a peak that reaches past an end of its chromosome, cut there.

    Raises:
        InputError: it does so by more than `max_past` bases, or no base of it is on the chromosome.
    """
    start, stop = max(row.start, 0), min(row.stop, length)
    past = (start - row.start) + (row.stop - stop)
    if past <= max_past and start < stop:
        return start, stop
    where = f"{chrom}:{row.start}-{row.stop}"
    cut = "cut intervals at the ends of their chromosome (bedClip -truncate)"
    if row.start < 0:
        problem = f"{where} is not an interval, it starts before the chromosome"
        hint = f"{cut}, or write CHROM START STOP 0-based and half-open"
    else:
        problem = f"{where} ends past the chromosome's {length} bases"
        hint = f"is the file of another assembly? If not, {cut}"
    raise InputError(path, problem, hint=hint, line=row.number)


def _count(table: IntArray, *, narrow: bool, in_file_order: bool) -> PeakFile:
    """Return the peaks of a table (chrom, start, stop, summit, guessed), int64 (peaks, 5), and count unusual ones.

    Args:
        table: of the file.
        narrow: whether guessed summits are summits.
        in_file_order: keep the order of the rows.
    """
    chrom, start, stop, summit, guessed = (column.copy() for column in table.T)
    no_summits = (guessed > 0) & (not narrow)
    n_not_summits = int((no_summits & (summit != NO_SUMMIT) & (summit != UNREADABLE)).sum())
    summit[no_summits] = NO_SUMMIT
    n_outside, n_unreadable = (int((summit == code).sum()) for code in (OUTSIDE, UNREADABLE))
    summit[summit < 0] = NO_SUMMIT
    order = np.lexsort((summit, stop, start, chrom))
    same = np.ones(max(0, order.size - 1), bool)
    for column in (chrom, start, stop):
        same &= np.diff(column[order]) == 0
    n_duplicates = int((same & (np.diff(summit[order]) == 0)).sum())
    columns = (chrom, start, stop, summit)
    return PeakFile(
        Peaks(*(columns if in_file_order else (c[order] for c in columns))),
        n_summits_outside=n_outside,
        n_duplicates=n_duplicates,
        n_repeated=int(same.sum()) - n_duplicates,
        n_unreadable_summits=n_unreadable,
        n_not_summits=n_not_summits,
    )
