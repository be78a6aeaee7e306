"""Stretches of bases that many windows share, read from a store one ahead of the one in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.reader import Store, padded_span
from ...store.schema import BIN
from ...store.windows.batch import annotation_flags
from ..network.config import NetworkConfig
from .bins import SortedWindows

_ANNOTATED = 4096  # bins whose annotation is gathered at once
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tile:
    """Clean windows of a part of the bins, N of them, and the bases they see, S; those that none sees are left out.

    Attributes:
        part: which of the placed bins, clean or not.
        codes: base codes 0..4, uint8 (S,); 4 past the ends of a chromosome.
        tracks: signal, float32 (T, S); 0 past the ends.
        starts: first base of each window among the S, int64 (N,).
        features: meta values and annotation of each, float32 (N, F).
    """

    part: slice
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    starts: NDArray[np.int64]
    features: NDArray[np.float32]


def remove_gaps(starts: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], list[slice]]:
    """Windows moved together so that no base lies between them, and the spans of bases that stay.

    Args:
        starts: first base of each window, rising, int64 (N,), N > 0.
        length: bases of a window.

    Returns:
        First base of each window once only the spans are kept, and the spans, counted from the first window.
    """
    steps = np.diff(starts)
    moved = np.concatenate([[0], np.cumsum(np.minimum(steps, length))]).astype(np.int64)
    cuts = np.flatnonzero(steps > length)
    first, last = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [starts.size - 1]])
    spans = zip((starts[first] - starts[0]).tolist(), (starts[last] - starts[0]).tolist(), strict=True)
    return moved, [slice(a, b + length) for a, b in spans]


class TileReader:
    """Reads stretches of one cell line for one kind of network.

    Raises:
        UsageError: the network takes annotation (-g), which the store does not have.
    """

    def __init__(self, store: Store, cell: str, config: NetworkConfig) -> None:
        if config.gencode and not store.has_annotation:
            raise UsageError(
                f"{store.path}: has no annotation, which the model needs (-g); "
                "make the genome anew: factornet-etl genome --gtf ... --cpg ..."
            )
        self._store, self._cell, self._config = store, cell, config
        self._meta = store.meta(cell) if config.meta else np.zeros(0, np.float32)

    def read(self, placed: SortedWindows, part: slice) -> Tile:
        """The stretch of a part of the bins, which lie on one chromosome.

        Raises:
            StoreError: a chunk is missing or damaged.
        """
        starts = placed.start[part][placed.clean[part]]
        config, length = self._config, self._config.window_length
        features = np.empty((starts.size, config.features), np.float32)
        if starts.size == 0:
            return Tile(part, np.empty(0, np.uint8), np.empty((len(config.tracks), 0), np.float32), starts, features)
        chrom = self._store.coordinates.names[int(placed.chrom[part][0])]
        features[:, : self._meta.size] = self._meta
        if config.gencode:
            features[:, self._meta.size :] = self._annotation(chrom, starts + length // 2 - BIN // 2)
        moved, spans = remove_gaps(starts, length)
        low, high = int(starts[0]), int(starts[-1]) + length

        def seen(array: Any, pad_value: float) -> NDArray[Any]:
            whole = padded_span(array, low, high, pad_value=pad_value)
            return np.concatenate([whole[span] for span in spans])

        codes = seen(self._store.sequence(chrom), 4)
        tracks = np.empty((len(config.tracks), codes.size), np.float32)
        for row, name in zip(tracks, config.tracks, strict=True):
            row[:] = seen(self._store.track(self._cell, name, chrom), 0)
        return Tile(part, codes, tracks, moved, features)

    def _annotation(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The six booleans of each 200-base bin, uint8 (bins, 6); `starts` rise."""
        low = int(starts[0])
        bits = padded_span(self._store.annotation(chrom), low, int(starts[-1]) + BIN, pad_value=0)
        bins = sliding_window_view(bits, BIN)
        pieces = (starts[i : i + _ANNOTATED] - low for i in range(0, starts.size, _ANNOTATED))
        return np.concatenate([annotation_flags(bins[piece]) for piece in pieces])


def prefetch(make: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``map(make, items)``, where a thread makes the next one while the consumer uses the last."""
    with ThreadPoolExecutor(1, thread_name_prefix="stretches") as thread:
        waiting = None
        for item in items:
            following = thread.submit(make, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
