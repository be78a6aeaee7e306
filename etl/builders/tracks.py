"""Tracks: arrays to write signal to, and the tasks that do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import zarr

from ...store.format.layout import Layout, create_array
from ...store.genome.intervals import GenomeCoordinates
from ..inputs.bigwig import CheckedBigWig
from ..shards.tasks import ShardReport, ShardTask, WriteSignal, shard_regions


def create_track(parent: zarr.Group, folder: str, name: str, coordinates: GenomeCoordinates, layout: Layout) -> None:
    """Create the (empty) arrays of a track, one a chromosome, under ``parent/folder/name``."""
    group = parent.require_group(folder).create_group(name)
    for chrom, length in zip(coordinates.names, coordinates.lengths, strict=True):
        create_array(
            group,
            chrom,
            shape=(length,),
            dtype="float32",
            dimension_names=(f"position_{chrom}",),
            layout=layout.for_rows(length),
            attributes={"gaps": "0"},
        )


def signal_tasks(
    root: Path, path: str, name: str, coordinates: GenomeCoordinates, source: CheckedBigWig
) -> list[ShardTask]:
    """One task a shard of the track at `path` of the store being built at `root`."""
    return [
        WriteSignal(target, name, source.path.resolve(), source.names.get(chrom))
        for chrom in coordinates.names
        for target in shard_regions(root, f"{path}/{chrom}")
    ]


def signal_notes(name: str, source: CheckedBigWig, reports: Sequence[ShardReport]) -> list[str]:
    """What a user should know of a track: chromosomes that were missing or are empty, and values below 0."""
    mine = [(r.chrom, r.signal) for r in reports if r.name == name and r.signal is not None]
    covered = {chrom for chrom, signal in mine if signal.covered}
    empty = [c for c in source.names if c not in covered]
    negative = sum(signal.negative for _, signal in mine)
    notes = [f"no signal on {', '.join(source.missing)}, taken as 0"] if source.missing else []
    notes += [f"not one value on {', '.join(empty)}, taken as 0"] if empty else []
    if negative:
        notes.append(f"{negative} bases have a negative value (lowest {min(s.low for _, s in mine):g}), kept as it is")
    return [f"track {name}: {note}" for note in notes]
