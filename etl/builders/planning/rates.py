"""Measure how fast this machine builds: by tasks of a build itself, on its own inputs, in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import zarr

from ....store.genome.intervals import GenomeCoordinates
from ...inputs.bigwig import CheckedBigWig
from ...inputs.chip_peaks import FactorPeaks
from ...shards.tasks import ShardTask
from ..cell_inputs import CellOptions
from ..parts.chromosome_arrays import ChromosomeArrays
from ..parts.labels import create_labels
from ..parts.tracks import create_track

READ_FILES_RATE = 22e6
"""Bytes of read files that become signal per second and process: 20 million reads, 1.07 GB, in 48 s
(docs/performance.md)."""
TRACK_SECONDS, TRACK_BYTES = 15e-9, 0.25
"""Per base of a track, where none can be measured because all are made from reads: 144 Mb with two tracks in 4.4 s
(docs/performance.md)."""
CELL_SECONDS = 2.0
"""Of each cell line, whatever its size: its manifest, and moving it into place (1.7 to 4 on two busy cores)."""
HASH_RATE = 400e6
"""Bytes per second of SHA-256, at the low end of processors with and without instructions for it."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How fast one process builds; None where there was nothing to measure.

    Attributes:
        track_seconds: per base of a track.
        track_bytes: per base of a track, compressed.
        label_seconds: per bin, of the labels of all these factors.
        label_bytes: the same, compressed.
    """

    track_seconds: float | None = None
    track_bytes: float | None = None
    label_seconds: float | None = None
    label_bytes: float | None = None


def measure_rates(
    coordinates: GenomeCoordinates,
    options: CellOptions,
    *,
    bigwig: CheckedBigWig | None,
    factors: tuple[FactorPeaks, ...],
) -> Rates:
    """Write a shard of a track and one of labels, from the middle of the longest chromosome.

    Args:
        coordinates: the store's chromosomes.
        options: of the build.
        bigwig: of a track; None if there is none.
        factors: of a cell line.

    Raises:
        InputError: the bigWig is damaged there.
    """
    with tempfile.TemporaryDirectory(prefix="factornet-plan-") as folder:
        root = Path(folder)
        zarr.create_group(folder, zarr_format=3)
        arrays = ChromosomeArrays(root, coordinates, options.layout)
        longest = coordinates.names[max(range(len(coordinates.lengths)), key=lambda i: coordinates.lengths[i])]
        track = _measure(root, create_track(arrays, "tracks/x", "x", bigwig), longest) if bigwig else (None, None)
        labels = _measure(root, create_labels(arrays, factors), longest) if factors else (None, None)
    return Rates(track_seconds=track[0], track_bytes=track[1], label_seconds=labels[0], label_bytes=labels[1])


def _measure(root: Path, tasks: Sequence[ShardTask], chrom: str) -> tuple[float, float]:
    """Return seconds and bytes per row of a shard of a chromosome, of the second of two tries."""
    own = [task for task in tasks if f"/{chrom}/" in task.key]
    task = own[len(own) // 2]
    task()  # what is imported and compiled once
    begin = perf_counter()
    report = task()
    return (perf_counter() - begin) / report.rows, (root / task.key).stat().st_size / report.rows
