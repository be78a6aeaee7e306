"""Peak and region files (narrowPeak, BED; gzipped or not) as arrays."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.format.tables import Peaks
from ...store.genome.intervals import GenomeCoordinates
from ...store.text import format_count
from .chrom_aliases import abbreviate, alias_hint

_NARROW_PEAK_COLUMNS = 10


@dataclass(frozen=True)
class PeakFile:
    """Peaks of a file, sorted.

    Attributes:
        peaks: those on chromosomes of the store.
        dropped: chromosome outside the store -> number of peaks.
        beyond: summits that lie past the end of their peak (ENCODE has some), kept as none (-1).
        repeated: peaks that equal an earlier one, summit included.
    """

    peaks: Peaks
    dropped: dict[str, int]
    beyond: int = 0
    repeated: int = 0


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a plain or gzipped file, without line ends.

    Raises:
        InputError: not text, or a gzip file that is cut short or damaged.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise InputError(
            path, f"gzip data is cut short or damaged after line {number} ({e})", hint="fetch it anew"
        ) from e
    except UnicodeDecodeError as e:
        raise InputError(
            path, f"not text after line {number} ({e.reason})", hint="give a BED or narrowPeak file"
        ) from e


def read_intervals(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> NDArray[np.int64]:
    """Chromosome index, start and stop of a BED file's intervals in their own order, int64 (3, intervals).

    Raises:
        InputError: as for `read_peaks`; here a chromosome outside the store is an error too, and so is an empty file.
    """
    found = read_peaks(path, coordinates, aliases, in_file_order=True)
    if found.dropped:
        raise InputError(
            path,
            f"intervals on {', '.join(found.dropped)}, which the store does not have ({', '.join(coordinates.names)})",
            hint=alias_hint(found.dropped, coordinates.names),
        )
    if found.peaks.start.size == 0:
        raise InputError(path, "no interval in the file", hint="give a BED file with intervals to predict")
    return np.stack([found.peaks.chrom, found.peaks.start, found.peaks.stop])


def read_peaks(
    path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], *, in_file_order: bool = False
) -> PeakFile:
    """Peaks of a narrowPeak or BED file on the store's chromosomes.

    Columns are parted by tabs or spaces; comment, ``track`` and ``browser`` lines are passed over. The summit is
    column 10 of a narrowPeak (relative to the start), and -1 in other files.

    Raises:
        InputError: a line without three columns, positions that are not whole numbers, start < 0, start >= stop, a
            stop past the chromosome's end, or no line on a chromosome of the store.
    """
    if not path.is_file():
        raise InputError(path, "no such file", hint="correct the path")
    index = {name: i for i, name in enumerate(coordinates.names)}
    rows: list[tuple[int, int, int, int]] = []
    dropped: dict[str, int] = {}
    beyond = 0
    for number, line in text_lines(path):
        fields = line.split()
        if not fields or line.startswith("#") or fields[0] in ("track", "browser"):
            continue
        name, start, stop, summit = _parse(path, number, fields)
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
        beyond += summit >= stop - start
        rows.append((index[name], start, stop, start + summit if 0 <= summit < stop - start else -1))
    if dropped and not rows:
        raise InputError(
            path,
            f"no peak on a chromosome of the store; the file has {abbreviate(dropped)}, the store {abbreviate(coordinates.names)}",
            hint=alias_hint(dropped, coordinates.names),
        )
    table = np.array(rows if in_file_order else sorted(rows), np.int64).reshape(-1, 4)
    repeated = len(rows) - len(set(rows))
    return PeakFile(Peaks(*(np.ascontiguousarray(c) for c in table.T)), dropped, beyond, repeated)


def _parse(path: Path, number: int, fields: list[str]) -> tuple[str, int, int, int]:
    hint = "write CHROM START STOP with whole numbers, 0-based and half-open"
    if len(fields) < 3:
        raise InputError(path, f"{format_count(len(fields), 'column')}, expected 3 or more", hint=hint, line=number)
    try:
        start, stop = _whole(fields[1]), _whole(fields[2])
        summit = _whole(fields[9]) if len(fields) >= _NARROW_PEAK_COLUMNS else -1
    except ValueError as e:
        raise InputError(path, f"not a whole number ({e})", hint=hint, line=number) from e
    if start < 0 or start >= stop:
        raise InputError(path, f"{fields[0]}:{start}-{stop} is not an interval", hint=hint, line=number)
    return fields[0], start, stop, summit


def _whole(text: str) -> int:
    if not text.removeprefix("-").isdecimal():  # int() would take 1_000 and +5
        raise ValueError(repr(text))
    return int(text)
