"""Summarise a finished cell line: figures for its attributes, notes for the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...store.schema import Track
from ..inputs.bigwig import CheckedBigWig
from ..inputs.chip_peaks import FactorPeaks, factor_notes
from ..shards.tasks import ShardReport
from .tracks import describe_tracks, track_notes


def summarise(
    tracks: Sequence[Track], factors: Sequence[FactorPeaks], reports: Sequence[ShardReport]
) -> dict[str, Any]:
    """Return figures of a cell line: of each track its values, of each factor its peaks and the bins of each label."""
    summary: dict[str, Any] = {"tracks": describe_tracks((t.name for t in tracks), reports), "factors": {}}
    counts = [r.counts for r in reports if r.name == "labels"]
    for i, factor in enumerate(factors):
        unbound, bound, ambiguous = (sum(c[i][label] for c in counts) for label in range(3))
        summary["factors"][factor.name] = {
            "conservative": int(factor.conservative.peaks.start.size),
            "relaxed": int(factor.relaxed.peaks.start.size) if factor.relaxed else None,
            "dropped": factor.conservative.dropped,
            "bins": {"unbound": unbound, "bound": bound, "ambiguous": ambiguous},
        }
    return summary


def cell_notes(
    tracks: Sequence[Track],
    bigwigs: Sequence[CheckedBigWig],
    factors: Sequence[FactorPeaks],
    reports: Sequence[ShardReport],
) -> list[str]:
    """Return notes on the tracks and factors of a cell line."""
    notes = [f"track {t.name}: shared, kept with the genome" for t in tracks if t.shared]
    for track, bigwig in zip(tracks, bigwigs, strict=True):
        notes += [] if track.shared else track_notes(track.name, bigwig, reports)
    return notes + [note for factor in factors for note in factor_notes(factor)]
