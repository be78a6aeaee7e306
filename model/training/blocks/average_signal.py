"""Average the signal of cell lines over blocks, for the model to keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....store.errors import UsageError
from ....store.reader import Store
from ....store.sampling.open_blocks import block_means
from ....store.schema import STRIDE
from ....store.spans import read_span
from ...network.mean_signal import MeanSignal, block_count, encode_means

_BASES_AT_ONCE = 4 * 2**20


def own_tracks(store: Store, cells: tuple[str, ...], tracks: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the tracks that are a cell line's own, and not shared by all, in every one of the cell lines."""
    own = [{track.name for track in store.cell(cell).tracks if not track.shared} for cell in cells]
    return tuple(name for name in tracks if all(name in names for names in own))


def cells_with_tracks(store: Store, tracks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cell lines of a store that have all of the tracks as their own."""
    return tuple(cell for cell in store.cells if own_tracks(store, (cell,), tracks) == tracks)


def average_signal(store: Store, cells: tuple[str, ...], tracks: tuple[str, ...]) -> MeanSignal:
    """Return the mean signal of cell lines; negative values count as 0.

    Every track of every cell line is read once; 3 bytes per block and track are held, 190 MB for a human genome.

    Args:
        store: an open store.
        cells: cell lines, at least one.
        tracks: their own tracks, at least one.

    Raises:
        UsageError: a cell line is unknown or lacks a track.
        StoreError: an array of the store is missing or damaged.
    """
    if not cells or not tracks:
        raise UsageError(f"cannot average {len(tracks)} tracks of {len(cells)} cell lines; give at least one of each")
    names = store.coordinates.names
    logs = {c: np.stack([_chromosome_mean(store, cells, t, c) for t in tracks]) for c in names}
    return encode_means(logs, {c.name: c.digest for c in store.info.chromosomes})


def _chromosome_mean(store: Store, cells: tuple[str, ...], track: str, chrom: str) -> NDArray[np.float16]:
    """Return log(1 + mean) of each block of a chromosome, float16 (blocks,)."""
    length = store.coordinates.lengths[store.coordinates.index(chrom)]
    total, step = np.zeros(block_count(length), np.float32), _BASES_AT_ONCE // STRIDE * STRIDE
    for cell in cells:
        array = store.track(cell, track, chrom)
        for first in range(0, length, step):
            signal = read_span(array, first, min(first + step, length)).clip(min=0)
            if signal.size % STRIDE:
                signal = np.pad(signal, (0, -signal.size % STRIDE))
            means = block_means(signal)
            total[first // STRIDE : first // STRIDE + means.size] += means
    return np.log1p(total / len(cells)).astype(np.float16)
