"""Gather windows in exact random order from arrays that are memory-mapped or in memory.

Windows need not be grouped by position, so an epoch's order is one permutation of its plan. A thread gathers a few
blocks of float32 signal ahead of the consumer, which hides the latency of the disk; more threads gain nothing, as one
fills the memory bus (docs/performance.md). Codes are gathered by the thread that uses them: they are a third of the
bytes, and found in its cache when they are looked up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..format.sharded import ShardedArray
from ..format.value_tables.coded_array import CodedArray
from ..reader import Store
from ..schema import BIN
from .batch import WindowBlock
from .gather import ArrayGatherer
from .in_memory import not_held
from .inputs import ANNOTATION, SEQUENCE, ArrayKind, annotation_flags
from .planned import PlannedArrays, PlannedWindows
from .signal_windows import SignalArray, SignalGatherer

BLOCK_WINDOWS = 512
"""Windows to gather at once, at least: numpy copies without Python's lock from 500 on."""
BLOCK_CODED_WINDOWS = 2048
"""The same where codes are gathered: calls cost more there than what fits a cache."""
AHEAD = 3
"""Blocks gathered before the consumer asks for them."""


def random_access_blocks(
    store: Store, windows: PlannedWindows, rng: np.random.Generator | None, *, coded: bool = False
) -> Generator[WindowBlock, None, None]:
    """Yield the windows, a few batches per block.

    Args:
        store: a raw store, or one that holds its arrays in memory.
        windows: what to read.
        rng: draws the order; None keeps genome order, that of a compressed store.
        coded: yield the codes of the signal, which must all be kept as codes, instead of its values.

    Raises:
        StoreError: an array is missing or damaged; before the first block.
    """
    settings, n = windows.settings, len(windows.plan)
    if n == 0:
        return
    gatherer = Gatherer(store, windows)
    order = windows.order(rng)
    n_batches = -(-(BLOCK_CODED_WINDOWS if coded else BLOCK_WINDOWS) * settings.world_size // settings.batch_size)
    affordable = settings.pool_bytes * settings.world_size // (windows.window_bytes * settings.batch_size * (AHEAD + 1))
    size = max(1, min(n_batches, affordable)) * settings.batch_size
    if coded:
        for first in range(0, n, size):
            yield gatherer.block(order[first : first + size], coded=True)
        return
    executor = ThreadPoolExecutor(1, thread_name_prefix="window-gather")
    pending: deque[Future[WindowBlock]] = deque()
    try:
        for first in range(0, n, size):
            pending.append(executor.submit(gatherer.block, order[first : first + size]))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class Gatherer:
    """Gathers windows from the arrays that a plan needs, which are all opened at once.

    Raises:
        UsageError: an array is not in memory.
        StoreError: an array is missing or damaged.
    """

    def __init__(self, store: Store, windows: PlannedWindows) -> None:
        self._windows = windows
        self._arrays = arrays = PlannedArrays.of(store, windows)
        self._sequence = _gatherer_of(store, arrays.sequence, SEQUENCE)
        self._annotation = _gatherer_of(store, arrays.annotation, ANNOTATION)
        self._signal = SignalGatherer([_in_memory(store, path) for path in arrays.signal])

    @property
    def has_codes(self) -> bool:
        """Whether all signal is kept as codes."""
        return self._signal.all_codes

    def block(self, order: NDArray[np.int64], *, coded: bool = False) -> WindowBlock:
        """Gather this rank's windows of consecutive whole batches.

        Args:
            order: rows of the plan, batch after batch.
            coded: gather the codes of the signal instead of its values.
        """
        windows, arrays, length = self._windows, self._arrays, self._windows.settings.window_length
        index, sizes = windows.shard(order)
        chrom, starts = windows.plan.chrom[index], windows.starts[index]
        codes = self._sequence.windows(arrays.chrom_row[chrom], starts, length)
        signal_row = arrays.signal_row[windows.plan.cell[index], chrom]
        gather = self._signal.codes if coded else self._signal.windows
        tracks = gather(signal_row, starts[:, None], length)
        features = windows.features(index)
        if windows.inputs.gencode:
            bits = self._annotation.windows(arrays.chrom_row[chrom], windows.plan.bin_starts[index], BIN)
            features[:, windows.inputs.annotation_columns] = annotation_flags(bits)
        return WindowBlock(sizes, index, codes, tracks, features)


def _gatherer_of(store: Store, paths: list[str], kind: ArrayKind) -> ArrayGatherer:
    arrays = [np.asarray(_in_memory(store, path)) for path in paths]
    return ArrayGatherer(arrays, kind.dtype, pad_value=kind.pad_value)


def _in_memory(store: Store, path: str) -> SignalArray:
    array = store.array(path)
    if isinstance(array, ShardedArray):
        raise not_held(store, path, "memory")
    return array if isinstance(array, CodedArray) else np.asarray(array)
