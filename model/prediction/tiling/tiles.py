"""Read tiles: stretches of a chromosome whose bases many windows share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ....store.reader import Store
from ....store.schema import BIN
from ....store.windows.inputs import ANNOTATION, SEQUENCE, SIGNAL, ArrayKind, annotation_flags, genome_path
from ...data.inputs import network_inputs
from ...network.block_config import BlockConfig
from ...network.mean_signal import MeanSignal
from ...network.variants import AnyConfig
from ..bins import SortedWindows
from .span_buffer import SpanBuffer

_ANNOTATED = 4096  # bins whose annotation is gathered at once
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tile:
    """N clean windows of one chromosome and the S bases in them; bases in no window are left out.

    Attributes:
        rows: of the sorted windows, clean or not.
        codes: base codes 0..4, uint8 (S,); 4 past the ends of a chromosome.
        tracks: signal, float32 (T, S), that of tracks before the means over cell lines; 0 past the ends.
        starts: first base of each window among the S, int64 (N,).
        features: meta values and annotation of each window, float32 (N, F).
        annotation: bits of each base, uint8 (S,), for networks over blocks that use them; None for others.
    """

    rows: slice
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    starts: NDArray[np.int64]
    features: NDArray[np.float32]
    annotation: NDArray[np.uint8] | None = None


def remove_gaps(starts: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], list[slice]]:
    """Move windows together so that no base is between them.

    Args:
        starts: first base of each window, sorted, int64 (N,), N > 0.
        length: of a window, bases.

    Returns:
        New first base of each window, and the spans of bases to keep, both counted from the first window.
    """
    steps = np.diff(starts)
    moved = np.concatenate([[0], np.cumsum(np.minimum(steps, length))]).astype(np.int64)
    cuts = np.flatnonzero(steps > length)
    first, last = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [starts.size - 1]])
    spans = zip((starts[first] - starts[0]).tolist(), (starts[last] - starts[0]).tolist(), strict=True)
    return moved, [slice(a, b + length) for a, b in spans]


class TileReader:
    """Reads tiles of one cell line for a network.

    Args:
        store: an open store.
        cell: cell line.
        config: of the network.
        means: mean signal that the network sees beside the tracks; None where it sees none.
        buffer: from which arrays are read; readers of one buffer read in the order of the genome (`SpanBuffer`). None
            makes one for this reader.

    Raises:
        UsageError: the cell line's tracks or meta values are not the network's, or the network uses annotation and
            the store has none.
    """

    def __init__(
        self,
        store: Store,
        cell: str,
        config: AnyConfig,
        means: MeanSignal | None = None,
        *,
        buffer: SpanBuffer | None = None,
    ) -> None:
        self._store, self._cell, self._length = store, cell, config.window_length
        self._buffer = buffer or SpanBuffer(store)
        self._inputs = network_inputs(config, store, (cell,))
        self._means = means
        self._signals = len(config.signals) if isinstance(config, BlockConfig) else len(config.tracks)
        self._has_annotation = isinstance(config, BlockConfig) and config.annotation

    def read(self, windows: SortedWindows, rows: slice) -> Tile:
        """Read the tile of some windows, which are on one chromosome.

        Raises:
            StoreError: a chunk is missing or damaged.
        """
        starts = windows.start[rows][windows.clean[rows]]
        inputs, length = self._inputs, self._length
        features = inputs.features(np.zeros(starts.size, np.int64))
        tracks = np.empty((self._signals, 0), SIGNAL.dtype)
        if starts.size == 0:
            return Tile(rows, np.empty(0, SEQUENCE.dtype), tracks, starts, features)
        chrom = self._store.coordinates.names[int(windows.chrom[rows][0])]
        self._buffer.move_to(chrom, int(starts[0]))
        if inputs.gencode:
            features[:, inputs.annotation_columns] = self._annotation(chrom, starts + length // 2 - BIN // 2)
        moved, spans = remove_gaps(starts, length)
        low, high = int(starts[0]), int(starts[-1]) + length

        def bases_in_windows(path: str, kind: ArrayKind) -> NDArray[Any]:
            span = self._buffer.read(path, low, high, pad_value=kind.pad_value)
            return np.concatenate([span[kept] for kept in spans])

        codes = bases_in_windows(genome_path(SEQUENCE, chrom), SEQUENCE)
        tracks = np.empty((self._signals, codes.size), SIGNAL.dtype)
        for row, name in zip(tracks, inputs.tracks, strict=False):  # those of the mean signal come after them
            row[:] = bases_in_windows(self._store.track_path(self._cell, name, chrom), SIGNAL)
        if self._means is not None:
            span = self._means.bases(chrom, low, high)
            tracks[len(inputs.tracks) :] = np.concatenate([span[:, kept] for kept in spans], axis=1)
        annotation = None
        if self._has_annotation:
            annotation = bases_in_windows(genome_path(ANNOTATION, chrom), ANNOTATION)
        return Tile(rows, codes, tracks, moved, features, annotation)

    def _annotation(self, chrom: str, starts: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the six booleans of each 200-base bin, uint8 (bins, 6); `starts` are sorted."""
        low, path = int(starts[0]), genome_path(ANNOTATION, chrom)
        bits = self._buffer.read(path, low, int(starts[-1]) + BIN, pad_value=ANNOTATION.pad_value)
        bins = sliding_window_view(bits, BIN)
        blocks = (starts[i : i + _ANNOTATED] - low for i in range(0, starts.size, _ANNOTATED))
        return np.concatenate([annotation_flags(bins[block]) for block in blocks])


def prefetch(make: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield ``map(make, items)``; a thread makes the next result while the consumer uses the last."""
    with ThreadPoolExecutor(1, thread_name_prefix="tiles") as thread:
        pending = None
        for item in items:
            following = thread.submit(make, item)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()
