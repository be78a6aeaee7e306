"""Read the peaks of a row of chip.txt, and report what is unusual in them."""

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

_MAX_OUTSIDE = 0.25
"""Largest allowed share of conservative peaks that overlap no relaxed peak; it is 0 in all 29 pairs of ENCODE-DREAM."""


@dataclass(frozen=True)
class FactorPeaks:
    """Peaks of one factor.

    A factor may bind in relaxed peaks and does bind in conservative ones, which should be inside relaxed ones.

    Attributes:
        name: of the factor.
        conservative: its conservative peaks.
        relaxed: its relaxed peaks; None where chip.txt names none.
        n_outside: conservative peaks that overlap no relaxed peak.
    """

    name: str
    conservative: PeakFile
    relaxed: PeakFile | None
    n_outside: int


def read_factor(row: ChipFiles, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> FactorPeaks:
    """Read and check the peaks of a row of chip.txt.

    Raises:
        InputError: as `read_peaks`; a file without peaks, or too many conservative peaks that overlap no relaxed peak.
    """
    hint = f"give the peaks of {row.factor}, or remove its row from chip.txt"
    conservative = read_peaks(row.conservative, coordinates, aliases)
    if conservative.peaks.start.size == 0:
        raise InputError(row.conservative, "no peak in the file", hint=hint)
    if row.relaxed is None:
        return FactorPeaks(row.factor, conservative, None, 0)
    relaxed = read_peaks(row.relaxed, coordinates, aliases)
    if relaxed.peaks.start.size == 0:
        raise InputError(row.relaxed, "no peak in the file", hint=f"{hint}; relaxed peaks are optional")
    merged = intervals.merge(relaxed.peaks.to_intervals(coordinates))
    outside = ~intervals.overlaps(conservative.peaks.to_intervals(coordinates), merged)
    if outside.mean() > _MAX_OUTSIDE:
        i = int(np.flatnonzero(outside)[0])
        peaks = conservative.peaks
        first = f"{coordinates.names[peaks.chrom[i]]}:{peaks.start[i]}-{peaks.stop[i]}"
        raise InputError(
            row.conservative,
            f"{outside.sum()} of {outside.size} peaks overlap no peak of {row.relaxed.name}, the first is {first}",
            hint="check that both files are of this cell line and factor, and the conservative file is in the first "
            "column of chip.txt; if so, leave out the relaxed file",
        )
    return FactorPeaks(row.factor, conservative, relaxed, int(outside.sum()))


def factor_notes(factor: FactorPeaks) -> list[str]:
    """Return notes on peaks of a factor that were dropped or are unusual."""
    file, notes = factor.conservative, []
    if file.dropped:
        counts = ", ".join(f"{n} on {chrom}" for chrom, n in sorted(file.dropped.items()))
        notes.append(f"peaks dropped, {counts} (not in the store)")
    if file.n_summits_outside:
        notes.append(f"{format_count(file.n_summits_outside, 'summit')} outside the peak, stored as none")
    if file.n_duplicates:
        notes.append(f"{format_count(file.n_duplicates, 'duplicate peak')}, kept")
    if factor.n_outside:
        notes.append(f"{factor.n_outside} of {file.peaks.start.size} conservative peaks overlap no relaxed peak, kept")
    return [f"factor {factor.name}: {note}" for note in notes]


def shared_peak_notes(
    chip: tuple[ChipFiles, ...], states: tuple[InputFingerprint, ...], others: list[CellInfo]
) -> list[str]:
    """Return notes on peak files from which other cell lines of the store were built, which is likely a mix-up."""
    digests = {s.path: s.sha256 for s in states}
    notes = []
    for row in chip:
        for cell in others:
            inputs = {i["sha256"] for i in cell.provenance.get("inputs", [])}
            if digests[row.conservative] in inputs:
                notes.append(
                    f"factor {row.factor}: {row.conservative.name} is identical to a file of cell line {cell.name}; "
                    "check to which it belongs"
                )
    return notes
