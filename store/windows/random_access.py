"""Windows of a raw store: gathered from memory-mapped arrays in exact random order.

Nothing need be grouped by place here, so an epoch's order is one permutation of its plan. A thread gathers a few
blocks ahead of the consumer, which hides what waits for the disk; more threads gain nothing, as one fills the memory
bus (docs/performance.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..reader import Store
from ..schema import BIN
from .batch import WindowBlock, Windows, annotation_flags, shard_batch
from .gather import ArrayGatherer

BLOCK_WINDOWS = 512
"""Windows to gather at once, at least: numpy copies without Python's lock from 500 on."""
AHEAD = 3
"""Blocks gathered before the consumer asks for them."""


def random_access_blocks(
    store: Store, windows: Windows, rng: np.random.Generator | None
) -> Generator[WindowBlock, None, None]:
    """The windows, a few batches a block.

    Args:
        store: a raw store.
        windows: what to read.
        rng: order of the windows, or None for the order of place, which is then that of a compressed store.

    Raises:
        StoreError: an array is missing or damaged; before the first block.
    """
    settings, n = windows.settings, len(windows.plan)
    if n == 0:
        return
    gatherer = Gatherer(store, windows)
    order = np.argsort(windows.places, kind="stable") if rng is None else rng.permutation(n)
    batches = -(-BLOCK_WINDOWS * settings.world_size // settings.batch_size)
    affordable = settings.pool_bytes * settings.world_size // (windows.bytes_each * settings.batch_size * (AHEAD + 1))
    size = max(1, min(batches, affordable)) * settings.batch_size
    executor = ThreadPoolExecutor(1, thread_name_prefix="window-gather")
    waiting: deque[Future[WindowBlock]] = deque()
    try:
        for first in range(0, n, size):
            waiting.append(executor.submit(gatherer.block, order[first : first + size]))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class Gatherer:
    """Gathers windows from the arrays that a plan needs, which are all opened at once.

    Raises:
        StoreError: an array is missing or damaged.
    """

    def __init__(self, store: Store, windows: Windows) -> None:
        self._windows = windows
        plan, names = windows.plan, store.coordinates.names
        chroms = np.unique(plan.chrom).tolist()
        self._chrom = np.full(len(names), -1, np.int64)
        self._chrom[chroms] = np.arange(len(chroms))
        self._sequence = ArrayGatherer([np.asarray(store.sequence(names[c])) for c in chroms], np.uint8, pad_value=4)
        bits = [np.asarray(store.annotation(names[c])) for c in chroms] if windows.settings.gencode else []
        self._bits = ArrayGatherer(bits, np.uint8, pad_value=0)
        # Number of the array for (cell line, chromosome, track), over those pairs of the first two that occur.
        self._track = np.full((len(plan.cells), len(names), len(windows.tracks)), -1, np.int64)
        pairs = [divmod(p, len(names)) for p in np.unique(plan.cell * len(names) + plan.chrom).tolist()]
        signal = [np.asarray(store.track(plan.cells[i], t, names[c])) for i, c in pairs for t in windows.tracks]
        for k, (i, c) in enumerate(pairs):
            self._track[i, c] = np.arange(len(windows.tracks)) + k * len(windows.tracks)
        self._signal = ArrayGatherer(signal, np.float32, pad_value=0)

    def block(self, index: NDArray[np.int64]) -> WindowBlock:
        """Those of the windows at `index` of the plan that fall to this process."""
        windows, settings = self._windows, self._windows.settings
        index, sizes = shard_batch(index, settings.batch_size, settings.rank, settings.world_size)
        chrom, starts = windows.plan.chrom[index], windows.starts[index]
        codes = self._sequence.windows(self._chrom[chrom], starts, settings.window_length)
        which = self._track[windows.plan.cell[index], chrom]
        tracks = self._signal.windows(which, starts[:, None], settings.window_length)
        features = windows.features_of(index)
        if settings.gencode:
            bits = self._bits.windows(self._chrom[chrom], windows.plan.bin_starts[index], BIN)
            features[:, windows.meta.shape[1] :] = annotation_flags(bits)
        return WindowBlock(sizes, index, codes, tracks, features)
