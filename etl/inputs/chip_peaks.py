"""The peaks of a factor as chip.txt names them, and what a user should know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...store.errors import InputError
from ...store.genome import intervals
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import CellInfo
from ...store.text import format_count
from .bed import PeakFile, read_peaks
from .cell_line_folder import ChipFiles
from .provenance import InputFingerprint

_OUTSIDE = 0.25
"""Share of conservative peaks that may lie outside relaxed ones; of 29 pairs of ENCODE-DREAM none has a single one."""


@dataclass(frozen=True)
class FactorPeaks:
    """Peaks of one factor; `relaxed` is None where chip.txt names none, `outside` counts conservative peaks out of it.

    Relaxed peaks are where a factor may bind, conservative ones where it surely does: each of these should lie in one
    of those.
    """

    name: str
    conservative: PeakFile
    relaxed: PeakFile | None
    outside: int


def read_factor(row: ChipFiles, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> FactorPeaks:
    """Read and check the peaks of a row of chip.txt.

    Raises:
        InputError: as `read_peaks`; a file has no peak, or many conservative peaks touch no relaxed one.
    """
    hint = f"give the peaks of {row.factor}, or take its row out of chip.txt"
    conservative = read_peaks(row.conservative, coordinates, aliases)
    if conservative.peaks.start.size == 0:
        raise InputError(row.conservative, "no peak in the file", hint=hint)
    if row.relaxed is None:
        return FactorPeaks(row.factor, conservative, None, 0)
    relaxed = read_peaks(row.relaxed, coordinates, aliases)
    if relaxed.peaks.start.size == 0:
        raise InputError(row.relaxed, "no peak in the file", hint=f"{hint}; a row may name conservative peaks alone")
    merged = intervals.merge(relaxed.peaks.on(coordinates))
    lone = ~intervals.overlaps(conservative.peaks.on(coordinates), merged)
    if lone.mean() > _OUTSIDE:
        i = int(np.flatnonzero(lone)[0])
        peaks = conservative.peaks
        first = f"{coordinates.names[peaks.chrom[i]]}:{peaks.start[i]}-{peaks.stop[i]}"
        raise InputError(
            row.conservative,
            f"{lone.sum()} of {lone.size} peaks touch no peak of {row.relaxed.name}, the first is {first}",
            hint="are both of this cell line and factor, conservative in the first column of chip.txt? If so, name "
            "the conservative ones alone",
        )
    return FactorPeaks(row.factor, conservative, relaxed, int(lone.sum()))


def factor_notes(factor: FactorPeaks) -> list[str]:
    """What was left out of, or is odd in, the peaks of a factor."""
    peaks, notes = factor.conservative, []
    if peaks.dropped:
        lost = ", ".join(f"{n} on {c}" for c, n in sorted(peaks.dropped.items()))
        notes.append(f"peaks dropped, {lost} (not in the store)")
    if peaks.beyond:
        notes.append(f"{format_count(peaks.beyond, 'summit')} beyond their peak, kept as none")
    if peaks.repeated:
        notes.append(f"{format_count(peaks.repeated, 'peak')} in the file more than once, kept so")
    if factor.outside:
        notes.append(f"{factor.outside} of {peaks.peaks.start.size} conservative peaks touch no relaxed one, kept")
    return [f"factor {factor.name}: {note}" for note in notes]


def warn_shared_peak_files(
    chip: tuple[ChipFiles, ...], states: tuple[InputFingerprint, ...], others: list[CellInfo]
) -> list[str]:
    """Notes on peak files that other cell lines of the store were built of too: one is likely the wrong one's."""
    digests = {s.path: s.sha256 for s in states}
    notes = []
    for row in chip:
        for cell in others:
            theirs = {i["sha256"] for i in cell.provenance.get("inputs", [])}
            if digests[row.conservative] in theirs:
                notes.append(
                    f"factor {row.factor}: {row.conservative.name} is, byte for byte, a file of cell line {cell.name} "
                    "too; of which is it?"
                )
    return notes
