"""Compute what baselines know of a bin: the best hit of a motif in it, and the mean signal around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import GenomeCoordinates
from ...store.reader import Store
from ...store.schema import BIN, STRIDE
from ...store.spans import padded_span
from ...store.windows.inputs import check_has_tracks
from ..motifs.pwm import scan_best_hit, scan_windows
from ..prediction.bins import Bins

_BASES_AT_ONCE = 2**20  # 25 MB of signal, its sums and encoded sequence
_DENSE = 2  # times that bins contain each base on average, from which scanning all bases costs less than each bin


def bin_signal(store: Store, cell: str, bins: Bins, *, track: str, widths: Sequence[int]) -> NDArray[np.float32]:
    """Return the mean signal in windows of several widths around the middle of each bin, float32 (bins, widths).

    Past the ends of a chromosome the signal is 0.

    Args:
        store: an open store.
        cell: cell line.
        bins: in any order.
        track: a track of the cell line.
        widths: bases of the windows.

    Raises:
        UsageError: no such cell line or track.
        StoreError: an array of the store is missing or damaged.
    """
    check_has_tracks(store, (cell,), (track,))
    means = np.empty((len(bins), len(widths)), np.float32)
    for rows, chrom in _tiles(bins, store.coordinates):
        array, middle = store.track(cell, track, chrom), bins.middle[rows]
        first = int(middle[0]) - max(widths) // 2
        signal = padded_span(array, first, int(middle[-1]) + -(-max(widths) // 2), pad_value=0)
        sums = np.concatenate([[0], np.cumsum(signal, dtype=np.float64)])
        for i, width in enumerate(widths):
            start = middle - width // 2 - first
            means[rows, i] = (sums[start + width] - sums[start]) / width
    return means


def bin_motif(store: Store, bins: Bins, *, log_odds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the highest log odds of a motif in the 200 bases around each bin's middle, float32 (bins,).

    Args:
        store: an open store.
        bins: in any order.
        log_odds: of the motif, (w, 4), as `pwm.log_odds` returns them.

    Raises:
        UsageError: the motif is longer than a bin.
        StoreError: the sequence is missing or damaged.
    """
    best = np.empty(len(bins), np.float32)
    for rows, chrom in _tiles(bins, store.coordinates):
        start = bins.middle[rows] - BIN // 2
        first = int(start[0])
        codes = padded_span(store.sequence(chrom), first, int(start[-1]) + BIN, pad_value=4)
        start -= first
        if start.size * BIN >= _DENSE * codes.size and not (start % STRIDE).any():
            best[rows] = scan_windows(codes, log_odds, length=BIN, stride=STRIDE)[start // STRIDE]
        else:
            best[rows] = scan_best_hit(np.lib.stride_tricks.sliding_window_view(codes, BIN)[start], log_odds)
    return best


def _tiles(bins: Bins, coordinates: GenomeCoordinates) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Yield rows of bins in genome order, those within `_BASES_AT_ONCE` of a chromosome at once, and its name."""
    order = bins.genome_order()
    chroms = bins.chrom[order]
    position, ends = coordinates.to_absolute(chroms, bins.middle[order]), coordinates.ends
    first = 0
    while first < order.size:
        reach = min(int(position[first]) + _BASES_AT_ONCE, int(ends[chroms[first]]) + 1)
        stop = int(np.searchsorted(position, reach))
        yield order[first:stop], coordinates.names[int(chroms[first])]
        first = stop
