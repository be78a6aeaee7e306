"""From a plan to batches: read the store in slabs, cut many windows from each, emit them in random order.

Reading a window at a time through zarr is slower than FactorNet was; reading a slab and cutting all windows in it is
ten to a hundred times faster (benchmarks/). So the plan is put in a random order of places, and cut into pools; all
windows of a pool are gathered in memory, slab by slab, and emitted shuffled across the pool while the next pool is
read. Memory is bounded by two pools, whatever the size of genome or plan. Order and content depend on the plan and
the seed alone, never on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import UsageError
from .plan import Plan, generator
from .reader import Store, read_span
from .schema import BIN, FEATURES


@dataclass(frozen=True)
class StreamSettings:
    """How to stream.

    Attributes:
        length: model window, bases.
        batch: windows a batch; the last one of an epoch may be smaller.
        pool_bytes: memory for the windows of one pool; two pools are held.
        slab: bases read at once.
        threads: readers.
        meta: whether batches carry the cell line's values.
        gencode: whether batches carry the annotation of the bin, after the values.
        share: (rank, size): yield the rank-th of `size` equal parts of every batch. The last batch of an epoch may
            leave some ranks less than others, or nothing; all get the same number of batches.
    """

    length: int
    batch: int = 100
    pool_bytes: int = 128 * 1024 * 1024
    slab: int = 4 * 1024 * 1024
    threads: int = 2
    meta: bool = False
    gencode: bool = False
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        rank, size = self.share
        if not 0 <= rank < size or self.batch % size:
            raise UsageError(f"a batch of {self.batch} windows cannot be shared by {size} processes (this is {rank})")


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows ready for a model; B of them.

    Attributes:
        index: their place in the plan, int64 (B,).
        codes: base codes 0..4, uint8 (B, L); 4 past the ends of a chromosome.
        tracks: signal, float32 (B, tracks, L); 0 past the ends of a chromosome.
        features: meta values, then six booleans (does the bin, as drawn, overlap a CpG island, CDS, intron, promoter,
            5' UTR, 3' UTR), float32 (B, features); features is 0 unless the settings ask for them.
        labels: targets, uint8 (B, tasks).
    """

    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Pool:
    """Windows of one pool, in the order they are emitted, `sizes` of them at a time."""

    sizes: list[int]
    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    features: NDArray[np.float32]


def shared_tracks(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Track names of the cell lines, which must be the same in the same order.

    Raises:
        UsageError: they differ; both lists are named.
    """
    return _shared("tracks", {cell: store.cell(cell).track_names for cell in cells})


def shared_meta(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the cell lines' values, which must be the same in the same order, and some.

    Raises:
        UsageError: they differ, or there are none.
    """
    names = _shared("meta values", {cell: store.cell(cell).meta for cell in cells})
    if not names:
        raise UsageError(
            f"{store.path}: cell line {cells[0]} has no meta values (meta.txt), which the model needs (-m)"
        )
    return names


def _shared(what: str, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    first, *others = names
    for other in others:
        if names[other] != names[first]:
            raise UsageError(
                f"cell lines must have the same {what} in the same order: "
                f"{first} has {', '.join(names[first]) or 'none'}; {other} has {', '.join(names[other]) or 'none'}"
            )
    return names[first]


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


def share_of(pool: NDArray[np.int64], batch: int, rank: int, size: int) -> tuple[NDArray[np.int64], list[int]]:
    """The rank-th of `size` parts of each batch of a pool, one after the other, and how many windows each has."""
    starts = np.arange(0, pool.size, batch)
    windows = np.minimum(pool.size - starts, batch)
    first, stop = windows * rank // size, windows * (rank + 1) // size
    place = np.arange(pool.size) % batch
    mine = (place >= np.repeat(first, windows)) & (place < np.repeat(stop, windows))
    return pool[mine], (stop - first).tolist()


class WindowStream:
    """Batches of a plan's windows.

    Args:
        store: an open store.
        plan: what to read.
        settings: how.
        seed: order of the windows; None keeps them in order of place (prediction).

    Iterating again reads again, in the same order.
    """

    def __init__(self, store: Store, plan: Plan, settings: StreamSettings, *, seed: tuple[int, ...] | None) -> None:
        self._store, self._plan, self._settings, self._seed = store, plan, settings, seed
        self._tracks = shared_tracks(store, plan.cells)
        self._meta = np.zeros((len(plan.cells), 0), np.float32)
        if settings.meta:
            shared_meta(store, plan.cells)
            self._meta = np.stack([store.meta(cell) for cell in plan.cells])
        if settings.gencode and not store.has_annotation:
            raise UsageError(
                f"{store.path}: has no annotation, which the model needs (-g); "
                "make the genome anew: factornet-etl genome --gtf ... --cpg ..."
            )
        self._starts = plan.window_starts(settings.length)
        places = store.axis.place(plan.chrom, self._starts) // settings.slab
        # One array to compare: windows of one slab share a chromosome too, since a slab is read from one array.
        self._places = places * len(store.axis.names) + plan.chrom

    def __len__(self) -> int:
        """Number of batches."""
        return (len(self._plan) + self._settings.batch - 1) // self._settings.batch

    def __iter__(self) -> Iterator[Batch]:
        rng = None if self._seed is None else generator(*self._seed)
        window_bytes = self._settings.length * (1 + 4 * len(self._tracks))
        pool = max(1, self._settings.pool_bytes // window_bytes // self._settings.batch) * self._settings.batch
        pools = emission_order(self._places, pool, rng)
        if not pools:
            return
        executor = ThreadPoolExecutor(self._settings.threads, thread_name_prefix="window-stream")
        try:
            current, jobs = self._begin(executor, pools[0])
            for following in pools[1:]:
                for job in jobs:
                    job.result()
                filled = current
                current, jobs = self._begin(executor, following)
                yield from self._cut(filled)
                del filled
            for job in jobs:
                job.result()
            yield from self._cut(current)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _cut(self, pool: _Pool) -> Iterator[Batch]:
        stop = 0
        for size in pool.sizes:
            rows = slice(stop, stop := stop + size)
            index = pool.index[rows]
            yield Batch(index, pool.codes[rows], pool.tracks[rows], pool.features[rows], self._plan.label[index])

    def _begin(self, executor: ThreadPoolExecutor, index: NDArray[np.int64]) -> tuple[_Pool, list[Future[None]]]:
        """Start to fill a pool; each slab is one job, and jobs write to disjoint rows."""
        index, sizes = share_of(index, self._settings.batch, *self._settings.share)
        n, length, meta = index.size, self._settings.length, self._meta.shape[1]
        pool = _Pool(
            sizes,
            index,
            np.empty((n, length), np.uint8),
            np.empty((n, len(self._tracks), length), np.float32),
            np.empty((n, meta + len(FEATURES) * self._settings.gencode), np.float32),
        )
        pool.features[:, :meta] = self._meta[self._plan.cell[index]]
        rows = np.argsort(self._places[index], kind="stable")
        places = self._places[index][rows]
        cuts = np.flatnonzero(np.diff(places)) + 1
        jobs = np.split(rows, cuts) if n else []
        return pool, [executor.submit(self._fill, pool, job) for job in jobs]

    def _fill(self, pool: _Pool, rows: NDArray[np.int64]) -> None:
        """Read one place and cut the windows of these rows of the pool from it."""
        windows = pool.index[rows]
        chrom = self._store.axis.names[int(self._plan.chrom[windows[0]])]
        starts, cells = self._starts[windows], self._plan.cell[windows]
        length = self._settings.length
        low, high = int(starts.min()), int(starts.max()) + length
        codes = padded_span(self._store.sequence(chrom), low, high, outside=4)
        pool.codes[rows] = sliding_window_view(codes, length)[starts - low]
        if self._settings.gencode:
            pool.features[rows, self._meta.shape[1] :] = self._annotation(chrom, windows)
        for cell in np.unique(cells):
            mine = cells == cell
            name = self._plan.cells[cell]
            for t, track in enumerate(self._tracks):
                signal = padded_span(self._store.track(name, track, chrom), low, high, outside=0)
                pool.tracks[rows[mine], t] = sliding_window_view(signal, length)[starts[mine] - low]

    def _annotation(self, chrom: str, windows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The six booleans of each window's bin, uint8 (windows, 6)."""
        starts = self._plan.start[windows] + self._plan.jitter[windows]
        low, high = int(starts.min()), int(starts.max()) + BIN
        bits = padded_span(self._store.annotation(chrom), low, high, outside=0)
        inside = np.bitwise_or.reduce(sliding_window_view(bits, BIN)[starts - low], axis=1)
        return np.unpackbits(inside[:, None], axis=1, count=len(FEATURES), bitorder="little")


def padded_span(array: zarr.Array[Any], start: int, stop: int, *, outside: float) -> NDArray[Any]:
    """Positions ``start:stop`` of a chromosome's array, with `outside` before its first and after its last."""
    inner = read_span(array, min(max(start, 0), array.shape[0]), max(min(stop, array.shape[0]), 0))
    before, after = min(max(-start, 0), stop - start), min(max(stop - array.shape[0], 0), stop - start)
    if before == after == 0:
        return inner
    return np.pad(inner, (before, after), constant_values=outside)
