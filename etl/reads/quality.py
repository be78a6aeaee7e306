"""Measure the quality of cuts: complexity, share in peaks, enrichment at transcription starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import GenomeCoordinates, IntArray, Intervals
from .cuts import CutCollection

TSS_REACH = 2000
"""Bases of the profile on both sides of a transcription start."""
_FLANK, _MIDDLE = 100, 50


@dataclass(frozen=True)
class KnownPlaces:
    """Places where cuts are expected, in the coordinates of the reads.

    Attributes:
        peaks: merged; None if there are none to compare with.
        tss: transcription starts, absolute bases, each once; None if they are not known.
        is_reverse: whether the gene of each is on the reverse strand.
    """

    peaks: Intervals | None = None
    tss: IntArray | None = None
    is_reverse: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


@dataclass(frozen=True)
class CutQuality:
    """Quality of cuts.

    Attributes:
        cuts: all.
        places: bases and strands with at least one cut.
        once: with exactly one.
        twice: with exactly two.
        in_peaks: cuts in peaks; None without peaks.
        tss_profile: cuts at each base around all transcription starts, in the direction of the genes,
            (2 x 2,000 + 1,); None without them.
    """

    cuts: int
    places: int
    once: int
    twice: int
    in_peaks: int | None = None
    tss_profile: IntArray | None = None

    @property
    def tss_enrichment(self) -> float | None:
        """Mean of the 101 bases at the starts, over that of the 100 outermost on both sides; None where that is 0."""
        if self.tss_profile is None:
            return None
        outside = np.concatenate([self.tss_profile[:_FLANK], self.tss_profile[-_FLANK:]]).mean()
        middle = self.tss_profile[TSS_REACH - _MIDDLE : TSS_REACH + _MIDDLE + 1].mean()
        return float(middle / outside) if outside else None

    def describe(self) -> dict[str, Any]:
        """Return all as JSON, with ENCODE's ratios NRF, PBC1 and PBC2; None where their divisor is 0."""
        return {
            "nrf": self.places / self.cuts if self.cuts else None,
            "pbc1": self.once / self.places if self.places else None,
            "pbc2": self.once / self.twice if self.twice else None,
            "in_peaks": self.in_peaks,
            "tss_enrichment": self.tss_enrichment,
            "tss_profile": None if self.tss_profile is None else self.tss_profile.tolist(),
        }


def measure_quality(
    cuts: CutCollection, coordinates: GenomeCoordinates, known: KnownPlaces, cluster: int = 0
) -> CutQuality:
    """Return the quality of the cuts of a cluster."""
    totals = np.zeros(4, np.int64)
    in_peaks = 0
    profile = None if known.tss is None else np.zeros(2 * TSS_REACH + 1, np.int64)
    for chrom in range(len(coordinates.names)):
        for strand in (False, True):
            positions = cuts.sorted((cluster, chrom, strand))
            if not positions.size:
                continue
            times = np.unique(positions, return_counts=True)[1]
            totals += [positions.size, times.size, (times == 1).sum(), (times == 2).sum()]
            absolute = positions + coordinates.offsets[chrom]
            if known.peaks is not None:
                first, last = (np.searchsorted(absolute, at) for at in known.peaks)
                in_peaks += int((last - first).sum())
            if profile is not None and known.tss is not None:
                own = (known.tss >= coordinates.offsets[chrom]) & (known.tss < coordinates.ends[chrom])
                profile += _profile(absolute, known.tss[own], known.is_reverse[own])
    cut, places, once, twice = totals.tolist()
    return CutQuality(cut, places, once, twice, None if known.peaks is None else in_peaks, profile)


def _profile(cuts: IntArray, tss: IntArray, is_reverse: NDArray[np.bool_]) -> IntArray:
    """Return cuts by distance from the starts of one chromosome; sorted `cuts` are all of the same one."""
    first = np.searchsorted(cuts, tss - TSS_REACH)
    counts = np.searchsorted(cuts, tss + TSS_REACH, side="right") - first
    row = np.repeat(np.arange(tss.size), counts)
    which = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts - first, counts)
    distance = (cuts[which] - tss[row]) * np.where(is_reverse[row], -1, 1)
    return np.bincount(distance + TSS_REACH, minlength=2 * TSS_REACH + 1)


def quality_notes(found: Mapping[str, Any]) -> list[str]:
    """Return lines on quality, from the figures of `CutQuality.describe` and the number of cuts."""
    notes = []
    if found["nrf"] is not None:
        nrf, pbc1 = found["nrf"], found["pbc1"]
        notes.append(f"complexity: {nrf:.3f} places per cut (NRF), {pbc1:.3f} of them with one cut (PBC1)")
    if found["in_peaks"] is not None and found["cuts"]:
        cuts = found["cuts"] + sum(found.get("cuts_not_in_store", {}).values())
        notes.append(f"in peaks: {found['in_peaks']:,} cuts, {found['in_peaks'] / cuts:.1%}")
    if found["tss_profile"] is not None:
        value = found["tss_enrichment"]
        text = "not known, no cut 2,000 bases away" if value is None else f"{value:.1f}"
        notes.append(f"enrichment at transcription starts: {text}")
    return notes
