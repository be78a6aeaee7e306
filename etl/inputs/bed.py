"""Read peaks and regions from narrowPeak and BED files, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...store.errors import InputError
from ...store.format.tables import Peaks
from ...store.genome.intervals import GenomeCoordinates, IntArray
from ...store.text import format_count
from .chrom_aliases import abbreviate, alias_hint

_NARROW_PEAK_COLUMNS = 10


@dataclass(frozen=True)
class PeakFile:
    """Peaks of a file.

    Attributes:
        peaks: those on chromosomes of the store.
        dropped: number of peaks by chromosome that is not in the store.
        n_summits_outside: summits past the end of their peak (ENCODE has some), stored as none (-1).
        n_duplicates: peaks equal to an earlier one, summit included.
    """

    peaks: Peaks
    dropped: dict[str, int]
    n_summits_outside: int = 0
    n_duplicates: int = 0


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line of a plain or gzipped file, without line ends.

    Raises:
        InputError: not text, or a gzip file that is cut short or damaged.
    """
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if gzipped else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        problem = f"gzip data is cut short or damaged after line {number} ({e})"
        raise InputError(path, problem, hint="download the file again") from e
    except UnicodeDecodeError as e:
        problem = f"not text after line {number} ({e.reason})"
        raise InputError(path, problem, hint="give a BED or narrowPeak file") from e


def read_intervals(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> IntArray:
    """Read the intervals of a BED file in file order.

    Returns:
        Chromosome index, start and stop; int64 (3, intervals).

    Raises:
        InputError: as `read_peaks`; also a chromosome that is not in the store, or a file without intervals.
    """
    file = read_peaks(path, coordinates, aliases, in_file_order=True)
    if file.dropped:
        problem = f"intervals on {', '.join(file.dropped)}, which the store lacks ({', '.join(coordinates.names)})"
        raise InputError(path, problem, hint=alias_hint(file.dropped, coordinates.names))
    if file.peaks.start.size == 0:
        raise InputError(path, "no interval in the file", hint="give a BED file with intervals to predict")
    return np.stack([file.peaks.chrom, file.peaks.start, file.peaks.stop])


def read_peaks(
    path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], *, in_file_order: bool = False
) -> PeakFile:
    """Read the peaks of a narrowPeak or BED file on the store's chromosomes, sorted unless `in_file_order`.

    Columns are separated by tabs or spaces; comment, ``track`` and ``browser`` lines are skipped. Column 10 of a
    narrowPeak is the summit relative to the start; it becomes a position on the chromosome, -1 where there is none.

    Raises:
        InputError: no such file, a line without three columns, positions that are not whole numbers, start < 0,
            start >= stop, a stop past the chromosome's end, or peaks of which none is on a chromosome of the store.
    """
    if not path.is_file():
        raise InputError(path, "no such file", hint="correct the path")
    index = {name: i for i, name in enumerate(coordinates.names)}
    rows: list[tuple[int, int, int, int]] = []
    dropped: dict[str, int] = {}
    n_summits_outside = 0
    for number, line in text_lines(path):
        fields = line.split()
        if not fields or line.startswith("#") or fields[0] in ("track", "browser"):
            continue
        name, start, stop, summit = _parse_row(path, number, fields)
        name = aliases.get(name, name)
        if name not in index:
            dropped[name] = dropped.get(name, 0) + 1
            continue
        if stop > coordinates.lengths[index[name]]:
            raise InputError(
                path,
                f"{name}:{start}-{stop} ends past the chromosome's {coordinates.lengths[index[name]]} bases",
                hint="is the file of another assembly?",
                line=number,
            )
        n_summits_outside += summit >= stop - start
        rows.append((index[name], start, stop, start + summit if 0 <= summit < stop - start else -1))
    if dropped and not rows:
        names = f"the file has {abbreviate(dropped)}, the store {abbreviate(coordinates.names)}"
        problem = f"no peak on a chromosome of the store; {names}"
        raise InputError(path, problem, hint=alias_hint(dropped, coordinates.names))
    table = np.array(rows if in_file_order else sorted(rows), np.int64).reshape(-1, 4)
    peaks = Peaks(*(np.ascontiguousarray(column) for column in table.T))
    return PeakFile(peaks, dropped, n_summits_outside, n_duplicates=len(rows) - len(set(rows)))


def _parse_row(path: Path, number: int, fields: list[str]) -> tuple[str, int, int, int]:
    """Return chromosome name, start, stop, and the summit relative to the start (-1: none)."""
    hint = "write CHROM START STOP with whole numbers, 0-based and half-open"
    if len(fields) < 3:
        raise InputError(path, f"{format_count(len(fields), 'column')}, expected 3 or more", hint=hint, line=number)
    try:
        start, stop = _parse_int(fields[1]), _parse_int(fields[2])
        summit = _parse_int(fields[9]) if len(fields) >= _NARROW_PEAK_COLUMNS else -1
    except ValueError as e:
        raise InputError(path, f"not a whole number ({e})", hint=hint, line=number) from e
    if start < 0 or start >= stop:
        raise InputError(path, f"{fields[0]}:{start}-{stop} is not an interval", hint=hint, line=number)
    return fields[0], start, stop, summit


def _parse_int(text: str) -> int:
    if not text.removeprefix("-").isdecimal():  # int() would take 1_000 and +5
        raise ValueError(repr(text))
    return int(text)
