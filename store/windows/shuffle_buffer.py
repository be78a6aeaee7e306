"""Windows of a compressed store: read in slabs, cut many windows from each, emit them in random order.

Reading a window at a time through zarr is slower than FactorNet was; reading a slab and cutting all windows in it is
ten to a hundred times faster (benchmarks/). So the plan is put in a random order of places, and cut into pools; all
windows of a pool are gathered in memory, slab by slab, and emitted shuffled across the pool while the next pool is
read. Memory is bounded by two pools, whatever the size of genome or plan. Order and content depend on the plan and
the seed alone, never on threads.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..format.layout import check_values, valid_range
from ..format.native import copy_windows
from ..format.sharded import ShardedArray
from ..reader import Store, StoredArray, array_location
from ..schema import BIN
from .batch import WindowBlock, Windows, annotation_flags, shard_batch

_NEAR = 2048  # positions; to unpack so many takes as long as to begin a new stretch


def emission_order(places: NDArray[np.int64], pool: int, rng: np.random.Generator | None) -> list[NDArray[np.int64]]:
    """Plan indices of each pool, in the order they are emitted.

    Without a generator the order is by place. With one, places come in random order and windows are shuffled within
    a pool.

    Args:
        places: which slab each window starts in, (n,).
        pool: windows a pool.
        rng: random numbers, or None.
    """
    if rng is None:
        order = np.argsort(places, kind="stable")
        return [order[i : i + pool] for i in range(0, order.size, pool)]
    distinct, which = np.unique(places, return_inverse=True)
    rank = rng.permutation(distinct.size)[which]
    # Ties (windows of one place) in random order too, so that a place cut by a pool's edge is cut at random.
    order = np.lexsort((rng.random(places.size), rank))
    return [rng.permutation(order[i : i + pool]) for i in range(0, order.size, pool)]


def shuffled_blocks(
    store: Store, windows: Windows, rng: np.random.Generator | None
) -> Generator[WindowBlock, None, None]:
    """The windows, pool after pool; while one is used the next is read.

    Args:
        store: any store; meant for a compressed one.
        windows: what to read.
        rng: order of the windows, or None for the order of place.
    """
    settings = windows.settings
    pool = max(1, settings.pool_bytes // windows.bytes_each // settings.batch_size) * settings.batch_size
    pools = emission_order(windows.places, pool, rng)
    if not pools:
        return
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="window-stream")
    try:
        reader = _SlabReader(store, windows)
        current, jobs = reader.begin(executor, pools[0])
        for following in pools[1:]:
            for job in jobs:
                job.result()
            filled = current
            current, jobs = reader.begin(executor, following)
            yield filled
            del filled
        for job in jobs:
            job.result()
        yield current
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class _SlabReader:
    """Fills pools of windows from slabs."""

    def __init__(self, store: Store, windows: Windows) -> None:
        self._store, self._windows = store, windows
        self._scratch = threading.local()

    def begin(self, executor: ThreadPoolExecutor, index: NDArray[np.int64]) -> tuple[WindowBlock, list[Future[None]]]:
        """Start to fill a pool; each slab is one job, and jobs write to disjoint rows."""
        windows, settings = self._windows, self._windows.settings
        index, sizes = shard_batch(index, settings.batch_size, settings.rank, settings.world_size)
        n, length = index.size, settings.window_length
        codes, tracks = np.empty((n, length), np.uint8), np.empty((n, len(windows.tracks), length), np.float32)
        pool = WindowBlock(sizes, index, codes, tracks, windows.features_of(index))
        rows = np.lexsort((windows.starts[index], windows.places[index]))
        places = windows.places[index][rows]
        cuts = np.flatnonzero(np.diff(places)) + 1
        jobs = np.split(rows, cuts) if n else []
        return pool, [executor.submit(self._fill, pool, job) for job in jobs]

    def _fill(self, pool: WindowBlock, rows: NDArray[np.int64]) -> None:
        """Read one place and cut the windows of these rows of the pool from it."""
        store, plan, length = self._store, self._windows.plan, self._windows.settings.window_length
        index = pool.index[rows]
        chrom = store.coordinates.names[int(plan.chrom[index[0]])]
        starts, cells = self._windows.starts[index], plan.cell[index]
        self._cut(store.sequence(chrom), starts, length, pool.codes, rows, pad_value=4)
        if self._windows.settings.gencode:
            bits = np.empty((rows.size, BIN), np.uint8)
            self._cut(store.annotation(chrom), plan.bin_starts[index], BIN, bits, np.arange(rows.size), pad_value=0)
            pool.features[rows, self._windows.meta.shape[1] :] = annotation_flags(bits)
        for cell in np.unique(cells):
            mine = cells == cell
            for t, track in enumerate(self._windows.tracks):
                array, location = (
                    store.track(plan.cells[cell], track, chrom),
                    rows[mine] * len(self._windows.tracks) + t,
                )
                self._cut(array, starts[mine], length, pool.tracks, location, pad_value=0)

    def _cut(
        self,
        array: StoredArray,
        starts: NDArray[np.int64],
        length: int,
        out: NDArray[Any],
        location: NDArray[np.int64],
        *,
        pad_value: float,
    ) -> None:
        """Windows of `length` positions, with `pad_value` beyond the chromosome's ends, to the `location`-th lines of `out`.

        Raises:
            StoreError: an object is missing or damaged, or a value is none that valid data have.
        """
        low, high = int(starts.min()), int(starts.max()) + length
        span = self._span(array, starts, low, high, length)
        first, last = max(low, 0), min(high, array.shape[0])
        span[: first - low], span[max(last - low, 0) :] = pad_value, pad_value
        valid = valid_range(array_location(array), array.dtype)
        if not copy_windows(span, starts - low, length, out.reshape(-1), location * length, valid=valid):
            for start in starts.tolist():
                check_values(span[start - low : start - low + length], location=array_location(array), start=start)

    def _span(self, array: StoredArray, starts: NDArray[np.int64], low: int, high: int, length: int) -> NDArray[Any]:
        """Positions ``low:high``, of which those beyond the ends or under no window are left undefined."""
        # One buffer a thread, used again: to ask for fresh memory each time takes as long as to fill it.
        size = (high - low) * array.dtype.itemsize
        buffer = getattr(self._scratch, "buffer", None)
        if buffer is None or buffer.size < size:
            buffer = self._scratch.buffer = np.empty(size, np.uint8)
        span: NDArray[Any] = buffer[:size].view(array.dtype)
        first, last = max(low, 0), min(high, array.shape[0])
        if last <= first:
            return span
        if not isinstance(array, ShardedArray):
            span[first - low : last - low] = array[first:last]
            return span
        spans = _spans_under(starts, length, array.layout.block_rows).clip(first, last)
        array.read_spans(spans, first, out=span[first - low : last - low])
        return span


def _spans_under(starts: NDArray[np.int64], length: int, block: int) -> NDArray[np.int64]:
    """Stretches of whole blocks that windows lie in, int64 (spans, 2); `starts` of the windows in order."""
    first, last = starts // block * block, -(-(starts + length) // block) * block
    begins = np.flatnonzero(first[1:] > last[:-1] + _NEAR) + 1
    return np.stack([first[np.concatenate([[0], begins])], last[np.concatenate([begins - 1, [-1]])]], 1)
