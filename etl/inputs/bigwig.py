"""Read a bigWig signal as float32, gaps as 0; pyBigWig, which damage can crash, is the independent check."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.files.limited_read import check_is_file
from ...store.genome.bigwig_format import BigWigInfo, check_structure, read_blocks
from ...store.genome.bigwig_header import HINT
from ...store.genome.intervals import GenomeCoordinates, IntArray
from .chrom_aliases import abbreviate, alias_hint, file_names
from .signal_summary import Histogram, SignalSummary

_NO_SIGNAL = 1e30
"""Values of this size mark missing data (1e38, the largest float); no experiment counts that far."""


def check_bigwig(path: Path) -> BigWigInfo:
    """Check that a file is a whole bigWig: others crash pyBigWig or lose values without an error.

    Raises:
        InputError: missing, not a bigWig (a bigBed, a web page), cut short or damaged.
    """
    check_is_file(path, "correct bigwig.txt or the path")
    return check_structure(path)


@dataclass(frozen=True)
class CheckedBigWig:
    """A bigWig that was checked against the store's chromosomes.

    Attributes:
        path: of the file.
        names: store name -> name in the file, of the chromosomes that it has.
        missing: the store's chromosomes that it lacks.
    """

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
    names, missing = match_chromosomes(
        path, check_bigwig(path).lengths, coordinates, aliases, allow_missing=allow_missing
    )
    return CheckedBigWig(path, names, missing)


def match_chromosomes(
    path: Path,
    lengths: Mapping[str, int],
    coordinates: GenomeCoordinates,
    aliases: Mapping[str, str],
    *,
    allow_missing: bool,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Compare the chromosomes of a file of signal with the store's.

    Args:
        path: of the file, for messages.
        lengths: of its chromosomes, by their names in the file.
        coordinates: the store's chromosomes.
        aliases: name in the file -> name in the store.
        allow_missing: whether the file may lack some.

    Returns:
        Store name -> name in the file, of the chromosomes that it has; and the store's chromosomes that it lacks.

    Raises:
        InputError: names do not match, a chromosome is missing (unless `allow_missing`), or has another length.
    """
    names = file_names(coordinates.names, lengths, aliases, file=path)
    if not names:
        raise InputError(
            path,
            "no chromosome of the store; "
            f"the file has {abbreviate(lengths)}, the store {abbreviate(coordinates.names)}",
            hint=alias_hint(lengths, coordinates.names),
        )
    for name, name_in_file in names.items():
        expected = coordinates.lengths[coordinates.index(name)]
        if lengths[name_in_file] != expected:
            raise InputError(
                path,
                f"{name_in_file} has {lengths[name_in_file]} bases, the store's {name} has {expected}",
                hint="is it of another assembly, or was the FASTA cut short?",
            )
    missing = tuple(n for n in coordinates.names if n not in names)
    if missing and not allow_missing:
        raise InputError(
            path,
            f"no signal for {abbreviate(missing)}; the file has {abbreviate(lengths)}",
            hint="give a complete file, or allow missing chromosomes (their signal becomes 0)",
        )
    return names, missing


def _open(path: Path) -> pyBigWig.bigWigFile:
    try:
        reader = pyBigWig.open(str(path))
    except RuntimeError as e:
        raise InputError(path, f"pyBigWig cannot open it ({e})", hint=HINT) from e
    if not reader.isBigWig():
        raise InputError(path, "not a bigWig", hint=HINT)
    return reader


def read_values(path: Path, chrom: str, start: int, stop: int) -> tuple[NDArray[np.float32], SignalSummary]:
    """Read the signal of ``start:stop`` and its summary.

    The check of a block decompresses it, so its items are expanded to bases here: pyBigWig would decompress it again,
    and proceed base by base.

    Args:
        path: a checked bigWig.
        chrom: name of the chromosome in the file.
        start: first base, 0-based.
        stop: past the last base.

    Returns:
        float32 (stop - start,), gaps as 0; and its summary.

    Raises:
        InputError: the data are damaged, or a base has two values, an infinite one, or one of 1e30 or more (no signal).
    """
    values, summary, histogram, end = np.zeros(stop - start, np.float32), SignalSummary(), Histogram(), 0
    for block in read_blocks(path, chrom, start, stop):
        first, last = (np.clip(at - start, 0, values.size) for at in (block.starts, block.stops))
        keep = (first < last) & ~np.isnan(block.values)
        first, last, signal = first[keep], last[keep], block.values[keep]
        if not signal.size:
            continue
        twice = first < np.concatenate([[end], last[:-1]])
        invalid = twice | (np.abs(signal) >= _NO_SIGNAL)
        if invalid.any():
            i = int(np.argmax(invalid))
            raise _invalid_value(path, float(signal[i]), f"{chrom}:{start + first[i]}", twice=bool(twice[i]))
        end = last[-1]
        lengths = last - first
        _expand(values, first, last, signal)
        histogram.add(signal, lengths)
        low, high = float(signal.min()), float(signal.max())
        total, negative = float(np.dot(signal.astype(np.float64), lengths)), int(lengths[signal < 0].sum())
        summary += SignalSummary(int(lengths.sum()), 0, total, low, high, negative)
    return values, replace(summary, gaps=values.size - summary.covered, histogram=histogram.rows())


def _expand(values: NDArray[np.float32], first: IntArray, last: IntArray, signal: NDArray[np.float32]) -> None:
    """Set ``values[first:last]`` of each item to its signal; items must be sorted and disjoint."""
    lengths = last - first
    expanded = np.repeat(signal, lengths)
    if (first[1:] == last[:-1]).all():
        values[first[0] : last[-1]] = expanded
    else:
        before = np.cumsum(lengths) - lengths
        values[np.repeat(first - before, lengths) + np.arange(expanded.size)] = expanded


def _invalid_value(path: Path, value: float, location: str, *, twice: bool) -> InputError:
    if twice:
        hint = "recreate the file from intervals that do not overlap"
        return InputError(path, f"two values for {location}", hint=hint)
    what = f"value {value:g}, which is no signal," if np.isfinite(value) else "infinite value"
    return InputError(path, f"{what} at {location}", hint="replace it with a number or a gap")


def read_by_pybigwig(path: Path, chrom: str, start: int, stop: int) -> NDArray[np.float32]:
    """Read the values of `read_values` through pyBigWig, as an independent check.

    Files that pyBigWig does not read, or only in part (big-endian, several sections in a block), are read item by item.

    Raises:
        InputError: the data are damaged, or pyBigWig cannot read them.
    """
    blocks = list(read_blocks(path, chrom, start, stop))  # a damaged block could crash pyBigWig
    if check_bigwig(path).big_endian or len({block.offset for block in blocks}) < len(blocks):
        values = np.zeros(stop - start, np.float32)
        for block in blocks:
            for first, last, value in zip(block.starts, block.stops, block.values, strict=True):
                values[max(first - start, 0) : max(last - start, 0)] = value
    else:
        with closing(_open(path)) as reader:
            try:
                values = reader.values(chrom, start, stop, numpy=True)
            except RuntimeError as e:
                raise InputError(path, f"pyBigWig cannot read {chrom}:{start}-{stop} ({e})", hint=HINT) from e
    return np.nan_to_num(values, nan=0)
