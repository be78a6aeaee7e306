"""A bigWig signal as float32 without gaps; the file is looked over before pyBigWig may touch it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ..store.axis import GenomeAxis
from ..store.errors import InputError
from .aliases import alias_hint, file_names, some
from .bigwig_structure import CURE, check_structure, read_signal

_NO_SIGNAL = 1e30
"""Values of this size stand for "no value" (1e38, the largest float): no experiment counts that far."""


def check_bigwig(path: Path) -> None:
    """Refuse a file that would crash pyBigWig or be read short.

    Raises:
        InputError: missing, not a bigWig (a bigBed, a web page), cut short or damaged.
    """
    if not path.is_file():
        raise InputError(path, "no such file", cure="correct bigwig.txt or the path given")
    check_structure(path)


@dataclass(frozen=True)
class SignalSource:
    """A checked bigWig and what it calls the store's chromosomes; `missing` are those it does not have."""

    path: Path
    names: dict[str, str]
    missing: tuple[str, ...]


def open_source(path: Path, axis: GenomeAxis, aliases: Mapping[str, str], *, allow_missing: bool) -> SignalSource:
    """Check a bigWig against the store's chromosomes.

    Raises:
        InputError: names do not match, a chromosome is missing (unless `allow_missing`), or has another length.
    """
    check_bigwig(path)
    with closing(_open(path)) as reader:
        lengths: dict[str, int] = reader.chroms() or {}
    names = file_names(axis.names, lengths, aliases, file=path)
    if not names:
        raise InputError(
            path,
            f"no chromosome of the store; the file has {some(lengths)}, the store {some(axis.names)}",
            cure=alias_hint(lengths, axis.names),
        )
    for name, theirs in names.items():
        expected = axis.lengths[axis.index(name)]
        if lengths[theirs] != expected:
            raise InputError(
                path,
                f"{theirs} has {lengths[theirs]} bases, the store's {name} has {expected}",
                cure="is it of another assembly, or was the FASTA cut short?",
            )
    missing = tuple(n for n in axis.names if n not in names)
    if missing and not allow_missing:
        raise InputError(
            path,
            f"no signal for {some(missing)}; the file has {some(lengths)}",
            cure="give a complete file, or take absent chromosomes as 0 with --allow-missing-chroms",
        )
    return SignalSource(path, names, missing)


def _open(path: Path) -> pyBigWig.bigWigFile:
    try:
        reader = pyBigWig.open(str(path))
    except RuntimeError as e:
        raise InputError(path, f"pyBigWig cannot open it ({e})", cure=CURE) from e
    if not reader.isBigWig():
        raise InputError(path, "not a bigWig", cure=CURE)
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

    Args:
        path: of a checked bigWig.
        chrom: the file's own name for the chromosome.
        start: first base.
        stop: past the last base.

    Raises:
        InputError: the data are damaged, or hold a value that is infinite or no signal (1e30 or more).
    """
    values = read_signal(path, chrom, start, stop)
    gap = np.isnan(values)
    gaps = int(np.count_nonzero(gap))
    if gaps == values.size:
        return np.zeros(values.size, np.float32), SignalSummary(gaps=gaps)
    known = values[~gap] if gaps else values
    low, high = float(known.min()), float(known.max())
    if max(-low, high) >= _NO_SIGNAL:
        i = int(np.flatnonzero(np.abs(values) >= _NO_SIGNAL)[0])
        what = "infinite value" if np.isinf(values[i]) else f"value {values[i]:g}, which is no signal,"
        cure = "replace it by a number, or leave a gap there"
        raise InputError(path, f"{what} at {chrom}:{start + i}", cure=cure)
    total, negative = float(known.sum(dtype=np.float64)), int(np.count_nonzero(known < 0)) if low < 0 else 0
    if gaps:
        values[gap] = 0
    return values, SignalSummary(known.size, gaps, total, low, high, negative)


def read_by_pybigwig(path: Path, chrom: str, start: int, stop: int) -> NDArray[np.float32]:
    """The same values as pyBigWig reads them: a witness that shares no code with `read_values`.

    Raises:
        InputError: the data are damaged.
    """
    read_signal(path, chrom, start, stop)  # what is damaged may crash pyBigWig
    with closing(_open(path)) as reader:
        values: NDArray[np.float32] = reader.values(chrom, start, stop, numpy=True)
    return np.nan_to_num(values, nan=0)
