"""Summarise a finished cell line: figures for its attributes, notes for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...store.cell_info import Track
from ...store.genome.intervals import GenomeCoordinates
from ..inputs.bigwig import CheckedBigWig
from ..inputs.chip_peaks import FactorPeaks, describe_factor, notes_on_factors
from ..shards.tasks import ShardReport
from .parts.tracks import describe_tracks, track_notes


def summarise(
    tracks: Sequence[Track],
    factors: Sequence[FactorPeaks],
    reports: Sequence[ShardReport],
    reads: Mapping[str, Mapping[str, Any]],
    coordinates: GenomeCoordinates,
) -> dict[str, Any]:
    """Return figures of a cell line: of each track its values, of each factor its peaks and the bins of each label.

    Args:
        tracks: of the cell line.
        factors: of the cell line.
        reports: of all tasks.
        reads: figures of the reads of each track that is made from some.
        coordinates: the store's chromosomes.
    """
    summary: dict[str, Any] = {"tracks": describe_tracks((t.name for t in tracks), reports), "factors": {}}
    summary |= {"reads": dict(reads)} if reads else {}
    counts = [r.counts for r in reports if r.name == "labels"]
    for i, factor in enumerate(factors):
        unbound, bound, ambiguous = (sum(c[i][label] for c in counts) for label in range(3))
        bins = {"unbound": unbound, "bound": bound, "ambiguous": ambiguous}
        summary["factors"][factor.name] = {**describe_factor(factor, coordinates), "bins": bins}
    return summary


def cell_notes(
    tracks: Sequence[Track],
    bigwigs: Sequence[CheckedBigWig],
    summary: Mapping[str, Any],
    reports: Sequence[ShardReport],
) -> list[str]:
    """Return notes on the tracks and factors of a cell line with this summary."""
    notes = [f"track {t.name}: shared, kept with the genome" for t in tracks if t.shared]
    for track, bigwig in zip(tracks, bigwigs, strict=True):
        notes += [] if track.shared else track_notes(track.name, bigwig, reports)
    return notes + notes_on_factors(summary["factors"])
