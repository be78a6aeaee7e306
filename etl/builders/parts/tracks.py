"""Tracks of a build: their arrays, tasks, figures and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...inputs.bigwig import CheckedBigWig
from ...shards.tasks import ShardReport, ShardTask, WriteSignal
from .chromosome_arrays import ChromosomeArrays


def create_track(
    arrays: ChromosomeArrays, path: str, name: str, bigwig: CheckedBigWig, *, assay: str = "", units: str = ""
) -> list[ShardTask]:
    """Create the arrays of a track in the group `path`, and return the tasks that write them, one per shard.

    Assay and units are attributes of the arrays too: so they are covered by the manifest, which copies compare.
    """
    terms = {key: value for key, value in {"assay": assay, "units": units}.items() if value}
    regions = arrays.per_base(path, dtype="float32", attributes={"gaps": "0", **terms})
    file = bigwig.path.resolve()
    return [WriteSignal(r, name, file, bigwig.names.get(chrom)) for chrom in regions for r in regions[chrom]]


def describe_tracks(names: Iterable[str], reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Return the figures of each track for the attributes of its group (`SignalSummary.describe`), by name."""
    found = {}
    for name in names:
        signals = [r.signal for r in reports if r.name == name and r.signal is not None]
        if signals:
            found[name] = sum(signals[1:], signals[0]).describe()
    return found


def track_notes(name: str, bigwig: CheckedBigWig, reports: Sequence[ShardReport]) -> list[str]:
    """Return notes on a track for the user: chromosomes absent or without values, and negative values."""
    signals = [(r.chrom, r.signal) for r in reports if r.name == name and r.signal is not None]
    covered = {chrom for chrom, signal in signals if signal.covered}
    empty = [chrom for chrom in bigwig.names if chrom not in covered]
    negative = sum(signal.negative for _, signal in signals)
    notes = [f"no signal on {', '.join(bigwig.missing)}, taken as 0"] if bigwig.missing else []
    notes += [f"not one value on {', '.join(empty)}, taken as 0"] if empty else []
    if negative:
        lowest = min(signal.low for _, signal in signals)
        notes.append(f"{negative} bases have a negative value (lowest {lowest:g}), kept as it is")
    return [f"track {name}: {note}" for note in notes]
