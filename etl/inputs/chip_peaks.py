"""Read the peaks of a row of chip.txt, and report what is unusual in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import InputError, Problems
from ...store.genome import intervals
from ...store.genome.intervals import GenomeCoordinates
from ...store.genome.peak_coverage import chromosomes_without_peaks
from ...store.schema import BOUND_BASES
from ...store.text import format_count
from .bed import PeakFile, read_peaks
from .cell_line_folder import ChipFiles
from .chrom_aliases import abbreviate, describe_aliases

_MAX_PAST = 1000
"""Bases by which a peak may reach past an end of its chromosome and be cut there: MACS extends reads past the ends, by
less than this, and does not know where the ends are."""

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


def read_peak_set(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> PeakFile:
    """Read the peaks of a file of chip.txt, sorted; those that reach past an end of their chromosome are cut there.

    Blacklists and BED files of annotation are read so too: their authors round the ends.

    Raises:
        InputError: as `read_peaks`; a peak reaches past its chromosome by more than 1,000 bases.
    """
    return read_peaks(path, coordinates, aliases, max_past=_MAX_PAST)


def read_factor(
    row: ChipFiles, coordinates: GenomeCoordinates, aliases: Mapping[str, str], problems: Problems | None = None
) -> FactorPeaks | None:
    """Read and check the peaks of a row of chip.txt; return None if a problem of its files was collected.

    Args:
        row: of chip.txt.
        coordinates: the store's chromosomes.
        aliases: name in the files -> name in the store, of chromosomes.
        problems: collects the errors of both files; by default the first is raised.

    Raises:
        InputError: as `read_peak_set`; a file without peaks, or too many conservative peaks that overlap no relaxed
            peak.
    """
    problems, found = problems or Problems(), list[PeakFile]()
    for path in filter(None, (row.conservative, row.relaxed)):
        with problems.catch():
            found.append(_read_peaks_of(row, path, coordinates, aliases))
    if row.relaxed is None or len(found) < 2:
        return FactorPeaks(row.factor, found[0], None, 0) if row.relaxed is None and found else None
    with problems.catch():
        return _compare_peaks(row, found[0], found[1], coordinates)
    return None


def _read_peaks_of(row: ChipFiles, path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> PeakFile:
    file = read_peak_set(path, coordinates, aliases)
    if file.peaks.start.size == 0:
        optional = "; relaxed peaks are optional" if path == row.relaxed else ""
        hint = f"give the peaks of {row.factor}, or remove its row from chip.txt{optional}"
        raise InputError(path, "no peak in the file", hint=hint)
    return file


def _compare_peaks(
    row: ChipFiles, conservative: PeakFile, relaxed: PeakFile, coordinates: GenomeCoordinates
) -> FactorPeaks:
    """Check that conservative peaks lie in relaxed ones."""
    assert row.relaxed is not None
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


def describe_factor(factor: FactorPeaks, coordinates: GenomeCoordinates) -> dict[str, Any]:
    """Return the numbers of peaks of a factor, for the summary of its cell line; `notes_on_factors` puts them in words.

    Returns:
        ``conservative`` and ``relaxed`` (None if there is no such file): peaks in the store; ``dropped``: conservative
        peaks by chromosome that the store lacks; ``narrow``: conservative peaks in which no bin is bound; ``outside``:
        those that overlap no relaxed peak; ``files``: what is unusual in each file, without zeros.
    """
    peaks, relaxed = factor.conservative.peaks, None if factor.relaxed is None else factor.relaxed.peaks
    files = {"conservative": factor.conservative, "relaxed": factor.relaxed}
    described = {name: _describe_file(file, coordinates) for name, file in files.items() if file is not None}
    if relaxed is not None and (narrow := int((relaxed.stop - relaxed.start < BOUND_BASES).sum())):
        described["relaxed"]["narrow"] = narrow
    return {
        "conservative": int(peaks.start.size),
        "relaxed": None if relaxed is None else int(relaxed.start.size),
        "dropped": factor.conservative.dropped,
        "narrow": int((peaks.stop - peaks.start < BOUND_BASES).sum()),
        "outside": factor.n_outside,
        "files": described,
    }


def _describe_file(file: PeakFile, coordinates: GenomeCoordinates) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "dropped": file.dropped,
        "aliases": file.likely_aliases,
        "clipped": file.n_clipped,
        "duplicates": file.n_duplicates,
        "repeated": file.n_repeated,
        "summits_outside": file.n_summits_outside,
        "summits_unreadable": file.n_unreadable_summits,
        "no_summits": file.n_not_summits,
        "without": chromosomes_without_peaks(file.peaks.chrom, coordinates),
    }
    return {key: value for key, value in counts.items() if value}


def notes_on_factors(factors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return notes on the peaks of the factors of a cell line.

    Args:
        factors: what `describe_factor` says of each, by name.
    """
    notes = [note for name, summary in factors.items() for note in _factor_notes(name, summary)]
    without: dict[tuple[str, ...], list[str]] = {}
    for name, summary in factors.items():
        for which, counts in summary.get("files", {}).items():
            if chroms := tuple(counts.get("without", ())):
                without.setdefault(chroms, []).append(name if which == "conservative" else f"{name} ({which})")
    for chroms, names in without.items():
        which = "that chromosome" if len(chroms) == 1 else "those chromosomes"
        problem = f"no peak on {abbreviate(chroms)} of {abbreviate(names)}: every bin there counts as unbound"
        notes.append(f"{problem}; if the file lacks {which}, give a complete one")
    return notes


def _factor_notes(name: str, summary: Mapping[str, Any]) -> list[str]:
    """Return notes on what was dropped, clipped or is unusual in the peaks of a factor.

    Args:
        name: of the factor.
        summary: as of `describe_factor`.
    """
    notes = []
    for which, counts in summary.get("files", {}).items():
        notes += _file_notes("" if which == "conservative" else f"{which} ", counts)
    n_peaks, narrow, outside = (summary.get(key, 0) for key in ("conservative", "narrow", "outside"))
    if narrow:
        notes.append(
            f"{narrow} of {n_peaks} conservative peaks are shorter than {BOUND_BASES} bases, too narrow for any bin to "
            "be bound; give whole peaks instead of summits, or widen them (bedtools slop -b 100)"
        )
    if narrow := summary.get("files", {}).get("relaxed", {}).get("narrow"):
        notes.append(
            f"{narrow} of {summary['relaxed']} relaxed peaks are shorter than {BOUND_BASES} bases; give whole peaks "
            "instead of summits, since bins beside them are unbound"
        )
    if outside:
        notes.append(f"{outside} of {n_peaks} conservative peaks overlap no relaxed peak, kept")
    if (n_relaxed := summary.get("relaxed")) is not None and n_peaks > n_relaxed:
        notes.append(
            f"{format_count(n_peaks, 'conservative peak')} and only {n_relaxed} relaxed: the columns of chip.txt look "
            "exchanged; conservative peaks are the first, relaxed ones the third"
        )
    return [f"factor {name}: {note}" for note in notes]


def _file_notes(which: str, counts: Mapping[str, Any]) -> list[str]:
    """Return notes on the peaks of one file; `which` is put before the word peak."""
    notes, get = [], counts.get
    if dropped := get("dropped"):
        most = sorted(dropped, key=lambda chrom: (-dropped[chrom], chrom))
        shown = abbreviate([f"{dropped[chrom]} on {chrom}" for chrom in most])
        likely = get("aliases")
        hint = f"; {describe_aliases(likely)}" if likely else ""
        notes.append(f"{which}peaks dropped, {shown} (not in the store){hint}")
    if n := get("clipped"):
        notes.append(f"{format_count(n, f'{which}peak')} reached past an end of the chromosome, clipped there")
    if n := get("summits_outside"):
        notes.append(f"{format_count(n, 'summit')} outside the {which}peak, stored as none")
    if n := get("summits_unreadable"):
        notes.append(f"column 10 of {format_count(n, f'{which}peak')} is no summit, stored as none")
    if n := get("no_summits"):
        lines = format_count(n, f"{which}peak")
        notes.append(f"column 10 of {lines} not read as a summit: by name and content the file is no narrowPeak")
    if n := get("duplicates"):
        notes.append(f"{format_count(n, f'duplicate {which}peak')}, kept")
    if n := get("repeated"):
        lines = format_count(n, "line")
        notes.append(f"{lines} with the same interval as another {which}peak, and another summit; each is a peak")
    return notes
