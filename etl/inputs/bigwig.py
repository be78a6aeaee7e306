"""A bigWig signal as float32 without gaps; the file is looked over before pyBigWig may touch it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.genome.intervals import GenomeCoordinates
from .bigwig_format import CURE, check_structure, read_blocks
from .chrom_aliases import abbreviate, alias_hint, file_names

_NO_SIGNAL = 1e30
"""Values of this size stand for "no value" (1e38, the largest float): no experiment counts that far."""


def check_bigwig(path: Path) -> None:
    """Refuse a file that would crash pyBigWig or be read short.

    Raises:
        InputError: missing, not a bigWig (a bigBed, a web page), cut short or damaged.
    """
    if not path.is_file():
        raise InputError(path, "no such file", hint="correct bigwig.txt or the path given")
    check_structure(path)


@dataclass(frozen=True)
class CheckedBigWig:
    """A checked bigWig and what it calls the store's chromosomes; `missing` are those it does not have."""

    path: Path
    names: dict[str, str]
    missing: tuple[str, ...]


def open_bigwig(
    path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], *, allow_missing: bool
) -> CheckedBigWig:
    """Check a bigWig against the store's chromosomes.

    Raises:
        InputError: names do not match, a chromosome is missing (unless `allow_missing`), or has another length.
    """
    check_bigwig(path)
    with closing(_open(path)) as reader:
        lengths: dict[str, int] = reader.chroms() or {}
    names = file_names(coordinates.names, lengths, aliases, file=path)
    if not names:
        raise InputError(
            path,
            f"no chromosome of the store; the file has {abbreviate(lengths)}, the store {abbreviate(coordinates.names)}",
            hint=alias_hint(lengths, coordinates.names),
        )
    for name, theirs in names.items():
        expected = coordinates.lengths[coordinates.index(name)]
        if lengths[theirs] != expected:
            raise InputError(
                path,
                f"{theirs} has {lengths[theirs]} bases, the store's {name} has {expected}",
                hint="is it of another assembly, or was the FASTA cut short?",
            )
    missing = tuple(n for n in coordinates.names if n not in names)
    if missing and not allow_missing:
        raise InputError(
            path,
            f"no signal for {abbreviate(missing)}; the file has {abbreviate(lengths)}",
            hint="give a complete file, or take absent chromosomes as 0 with --allow-missing-chroms",
        )
    return CheckedBigWig(path, names, missing)


def _open(path: Path) -> pyBigWig.bigWigFile:
    try:
        reader = pyBigWig.open(str(path))
    except RuntimeError as e:
        raise InputError(path, f"pyBigWig cannot open it ({e})", hint=CURE) from e
    if not reader.isBigWig():
        raise InputError(path, "not a bigWig", hint=CURE)
    return reader


@dataclass(frozen=True)
class SignalSummary:
    """Of the values of a span: `covered` bases have one, the rest were gaps; the other figures are over covered."""

    covered: int = 0
    gaps: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    negative: int = 0

    def __add__(self, other: SignalSummary) -> SignalSummary:
        return SignalSummary(
            self.covered + other.covered,
            self.gaps + other.gaps,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
            self.negative + other.negative,
        )


def read_values(path: Path, chrom: str, start: int, stop: int) -> tuple[NDArray[np.float32], SignalSummary]:
    """Signal of ``start:stop``, float32 (stop - start,), gaps as 0, and its summary.

    Blocks are unpacked to be checked, so their items are in memory, and are spread over the bases here: pyBigWig would
    unpack them again, and go base by base.

    Args:
        path: of a checked bigWig.
        chrom: the file's own name for the chromosome.
        start: first base.
        stop: past the last base.

    Raises:
        InputError: the data are damaged, give a base two values, or one that is infinite or no signal (1e30 or more).
    """
    values, summary, end = np.zeros(stop - start, np.float32), SignalSummary(), 0
    for block in read_blocks(path, chrom, start, stop):
        first, last = (np.clip(at - start, 0, values.size) for at in (block.starts, block.stops))
        abbreviate = (first < last) & ~np.isnan(block.values)
        first, last, signal = first[abbreviate], last[abbreviate], block.values[abbreviate]
        if not signal.size:
            continue
        twice = first < np.concatenate([[end], last[:-1]])
        odd = twice | (np.abs(signal) >= _NO_SIGNAL)
        if odd.any():
            i = int(np.argmax(odd))
            raise _odd_value(path, float(signal[i]), f"{chrom}:{start + first[i]}", twice=bool(twice[i]))
        end = last[-1]
        lengths = last - first
        _spread(values, first, last, signal)
        low, high = float(signal.min()), float(signal.max())
        total, negative = float(np.dot(signal.astype(np.float64), lengths)), int(lengths[signal < 0].sum())
        summary += SignalSummary(int(lengths.sum()), 0, total, low, high, negative)
    return values, replace(summary, gaps=values.size - summary.covered)


def _spread(
    values: NDArray[np.float32], first: NDArray[np.int64], last: NDArray[np.int64], signal: NDArray[np.float32]
) -> None:
    """Put the signal of each item to the bases ``first:last`` that it covers."""
    lengths = last - first
    spread = np.repeat(signal, lengths)
    if (first[1:] == last[:-1]).all():
        values[first[0] : last[-1]] = spread
    else:
        before = np.cumsum(lengths) - lengths
        values[np.repeat(first - before, lengths) + np.arange(spread.size)] = spread


def _odd_value(path: Path, value: float, location: str, *, twice: bool) -> InputError:
    if twice:
        return InputError(
            path, f"two values for {location}", hint="make the file anew, of intervals that do not overlap"
        )
    what = f"value {value:g}, which is no signal," if np.isfinite(value) else "infinite value"
    return InputError(path, f"{what} at {location}", hint="replace it by a number, or leave a gap there")


def read_by_pybigwig(path: Path, chrom: str, start: int, stop: int) -> NDArray[np.float32]:
    """The same values as pyBigWig reads them: a witness that shares no code with `read_values`.

    Raises:
        InputError: the data are damaged.
    """
    for _ in read_blocks(path, chrom, start, stop):
        pass  # what is damaged may crash pyBigWig
    with closing(_open(path)) as reader:
        values: NDArray[np.float32] = reader.values(chrom, start, stop, numpy=True)
    return np.nan_to_num(values, nan=0)
