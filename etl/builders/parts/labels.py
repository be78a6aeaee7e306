"""Labels of a cell line: their arrays, and the tasks that write them."""

from __future__ import annotations

from ....store.format.tables import Peaks
from ....store.genome.intervals import IntArray
from ...inputs.chip_peaks import FactorPeaks
from ...shards.tasks import ShardTask, WriteLabels
from .chromosome_arrays import ChromosomeArrays


def create_labels(arrays: ChromosomeArrays, factors: tuple[FactorPeaks, ...]) -> list[ShardTask]:
    """Create the arrays of labels of these factors; return the tasks that write them, one per shard."""
    if not factors:
        return []
    tasks: list[ShardTask] = []
    regions = arrays.labels("labels", [f.name for f in factors])
    for i, chrom in enumerate(arrays.coordinates.names):
        peaks = tuple(
            (_on_chromosome(f.conservative.peaks, i), _on_chromosome((f.relaxed or f.conservative).peaks, i))
            for f in factors
        )
        tasks += [WriteLabels(r, peaks) for r in regions[chrom]]
    return tasks


def _on_chromosome(peaks: Peaks, chrom: int) -> tuple[IntArray, IntArray]:
    """Return starts and stops of the peaks on a chromosome, given by its index."""
    selected = peaks.chrom == chrom
    return peaks.start[selected], peaks.stop[selected]
