"""Find where a cell line's chromatin is open: blocks of 50 bases with the highest signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..genome import intervals
from ..genome.intervals import Intervals
from ..reader import Store
from ..schema import STRIDE
from ..spans import read_span

OPEN_FRACTION = 0.02
"""Share of all blocks with a signal above which a block is open; peaks of DNase-seq cover 1 to 3 % of a genome."""
_BASES_AT_ONCE = 16 * 2**20  # whole shards


def block_means(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of blocks of 50 bases, float32 (n // 50,), of a signal (n,); a rest is left out."""
    whole = signal[: signal.size // STRIDE * STRIDE]
    return np.asarray(whole.reshape(-1, STRIDE).mean(axis=1, dtype=np.float32))


def open_blocks(store: Store, cell: str, *, fraction: float = OPEN_FRACTION) -> Intervals:
    """Return merged blocks with a signal in the highest `fraction` of any track of the cell line's own, above 0.

    Tracks that all cell lines share, such as uniqueness, say nothing of a cell line and are left out. Each track is
    read once; 2 bytes per block are held, 124 MB for a human genome.

    Args:
        store: an open store.
        cell: name of the cell line.
        fraction: of all blocks of the genome.

    Returns:
        Absolute coordinates; empty without tracks of the cell line's own.

    Raises:
        UsageError: no such cell line.
        StoreError: an array of the store is missing or damaged.
    """
    found = [Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for track in store.cell(cell).tracks:
        if track.shared:
            continue
        by_chrom = [_chromosome_means(store, cell, track.name, chrom) for chrom in store.coordinates.names]
        threshold = _upper_quantile(np.concatenate(by_chrom), fraction)
        for offset, means in zip(store.coordinates.offsets, by_chrom, strict=True):
            starts = offset + STRIDE * np.flatnonzero((means >= threshold) & (means > 0))
            found.append(Intervals(starts, starts + STRIDE))
    return intervals.union(*found)


def _chromosome_means(store: Store, cell: str, track: str, chrom: str) -> NDArray[np.float16]:
    array = store.track(cell, track, chrom)
    step = _BASES_AT_ONCE // STRIDE * STRIDE
    pieces = [
        block_means(read_span(array, first, min(first + step, array.shape[0])))
        for first in range(0, array.shape[0], step)
    ]
    with np.errstate(over="ignore"):  # a mean beyond 65,504 is infinite, and open
        return np.concatenate(pieces).astype(np.float16)


def _upper_quantile(values: NDArray[np.float16], fraction: float) -> np.float16:
    rank = min(int(values.size * (1 - fraction)), values.size - 1)
    return np.float16(np.partition(values, rank)[rank])
