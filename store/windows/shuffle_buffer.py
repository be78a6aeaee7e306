"""Read windows of a compressed store in slabs and emit them in random order from a shuffle buffer.

Reading one window at a time through zarr is slower than FactorNet was; reading a slab and cutting all windows in it is
ten to a hundred times faster (benchmarks/). So the slabs of a plan are put in random order and its windows divided
into buffers. All windows of a buffer are gathered in memory, slab by slab, and emitted shuffled across the buffer while
the next buffer is read. Memory is bounded by two buffers, whatever the size of genome or plan. Order and content
depend on the plan and the seed alone, never on threads.
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
from ..reader import Store
from ..schema import BIN
from ..spans import StoredArray, array_location
from .batch import WindowBlock
from .inputs import ANNOTATION, SEQUENCE, SIGNAL, annotation_flags, genome_path
from .planned import PlannedWindows

_NEAR = 2048  # positions; decoding so many takes as long as starting another span


def emission_order(
    slabs: NDArray[np.int64], buffer_size: int, rng: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Return the rows of the plan in each buffer, in the order they are emitted.

    Without a generator the order is by slab. With one, slabs come in random order and windows are shuffled within a
    buffer.

    Args:
        slabs: slab that each window starts in, (n,).
        buffer_size: windows per buffer.
        rng: random numbers, or None.
    """
    if rng is None:
        order = np.argsort(slabs, kind="stable")
        return [order[i : i + buffer_size] for i in range(0, order.size, buffer_size)]
    distinct, slab_index = np.unique(slabs, return_inverse=True)
    slab_rank = rng.permutation(distinct.size)[slab_index]
    # Windows of one slab in random order too, so that a slab that two buffers share is divided at random.
    order = np.lexsort((rng.random(slabs.size), slab_rank))
    return [rng.permutation(order[i : i + buffer_size]) for i in range(0, order.size, buffer_size)]


def shuffled_blocks(
    store: Store, windows: PlannedWindows, rng: np.random.Generator | None
) -> Generator[WindowBlock, None, None]:
    """Yield the windows, buffer after buffer; while one is consumed the next is read.

    Args:
        store: any store; meant for a compressed one.
        windows: what to read.
        rng: draws the order; None keeps genome order.

    Raises:
        StoreError: a chunk is missing or damaged.
    """
    settings = windows.settings
    n_batches = max(1, settings.pool_bytes // windows.window_bytes // settings.batch_size)
    buffers = emission_order(windows.slabs, n_batches * settings.batch_size, rng)
    if not buffers:
        return
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="window-stream")
    try:
        reader = _SlabReader(store, windows)
        current, jobs = reader.begin(executor, buffers[0])
        for following in buffers[1:]:
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
    """Fills buffers with windows from slabs."""

    def __init__(self, store: Store, windows: PlannedWindows) -> None:
        self._store, self._windows = store, windows
        self._scratch = threading.local()

    def begin(self, executor: ThreadPoolExecutor, order: NDArray[np.int64]) -> tuple[WindowBlock, list[Future[None]]]:
        """Start to fill a buffer; each slab is one job, and jobs write to disjoint rows."""
        windows, n_tracks = self._windows, len(self._windows.inputs.tracks)
        index, sizes = windows.shard(order)
        n, length = index.size, windows.settings.window_length
        codes, tracks = np.empty((n, length), SEQUENCE.dtype), np.empty((n, n_tracks, length), SIGNAL.dtype)
        block = WindowBlock(sizes, index, codes, tracks, windows.features(index))
        rows = np.lexsort((windows.starts[index], windows.slabs[index]))
        cuts = np.flatnonzero(np.diff(windows.slabs[index][rows])) + 1
        jobs = np.split(rows, cuts) if n else []
        return block, [executor.submit(self._fill, block, tracks, job) for job in jobs]

    def _fill(self, block: WindowBlock, tracks: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Read one slab and cut the windows of these rows of the block, and its tracks, from it."""
        store, plan, inputs = self._store, self._windows.plan, self._windows.inputs
        length, n_tracks = self._windows.settings.window_length, len(inputs.tracks)
        index = block.index[rows]
        chrom = store.coordinates.names[int(plan.chrom[index[0]])]
        starts, cells = self._windows.starts[index], plan.cell[index]
        sequence = store.array(genome_path(SEQUENCE, chrom))
        self._cut(sequence, starts, length, block.codes, rows, pad_value=SEQUENCE.pad_value)
        if inputs.gencode:
            bits, bit_rows = np.empty((rows.size, BIN), ANNOTATION.dtype), np.arange(rows.size)
            annotation = store.array(genome_path(ANNOTATION, chrom))
            self._cut(annotation, plan.bin_starts[index], BIN, bits, bit_rows, pad_value=ANNOTATION.pad_value)
            block.features[rows, inputs.annotation_columns] = annotation_flags(bits)
        for cell in np.unique(cells):
            of_cell = cells == cell
            for t, track in enumerate(inputs.tracks):
                signal, out_rows = store.track(plan.cells[cell], track, chrom), rows[of_cell] * n_tracks + t
                self._cut(signal, starts[of_cell], length, tracks, out_rows, pad_value=SIGNAL.pad_value)

    def _cut(
        self,
        array: StoredArray,
        starts: NDArray[np.int64],
        length: int,
        out: NDArray[Any],
        out_rows: NDArray[np.int64],
        *,
        pad_value: float,
    ) -> None:
        """Copy windows, with `pad_value` past the chromosome's ends, to rows of `length` values of `out`.

        Raises:
            StoreError: an object is missing or damaged, or a value is outside the range of valid data.
        """
        low, high = int(starts.min()), int(starts.max()) + length
        span = self._span(array, starts, low, high, length)
        first, last = max(low, 0), min(high, array.shape[0])
        span[: first - low], span[max(last - low, 0) :] = pad_value, pad_value
        valid = valid_range(array_location(array), array.dtype)
        if not copy_windows(span, starts - low, length, out.reshape(-1), out_rows * length, valid=valid):
            for start in starts.tolist():
                check_values(span[start - low : start - low + length], location=array_location(array), start=start)

    def _span(self, array: StoredArray, starts: NDArray[np.int64], low: int, high: int, length: int) -> NDArray[Any]:
        """Return positions ``low:high``; those past the ends or in no window are left undefined."""
        # One scratch array per thread, reused: to allocate memory each time takes as long as to fill it.
        size = (high - low) * array.dtype.itemsize
        scratch = getattr(self._scratch, "bytes", None)
        if scratch is None or scratch.size < size:
            scratch = self._scratch.bytes = np.empty(size, np.uint8)
        span: NDArray[Any] = scratch[:size].view(array.dtype)
        first, last = max(low, 0), min(high, array.shape[0])
        if last <= first:
            return span
        if not isinstance(array, ShardedArray):
            span[first - low : last - low] = array[first:last]
            return span
        spans = _spans_under(starts, length, array.layout.block_rows).clip(first, last)
        array.read_spans(spans, first, out=span[first - low : last - low])
        return span


def _spans_under(starts: NDArray[np.int64], length: int, block_rows: int) -> NDArray[np.int64]:
    """Return spans of whole codec blocks that cover windows, int64 (spans, 2).

    Args:
        starts: first position of each window, sorted.
        length: of a window.
        block_rows: positions per block.
    """
    first, last = starts // block_rows * block_rows, -(-(starts + length) // block_rows) * block_rows
    begins = np.flatnonzero(first[1:] > last[:-1] + _NEAR) + 1
    return np.stack([first[np.concatenate([[0], begins])], last[np.concatenate([begins - 1, [-1]])]], 1)
