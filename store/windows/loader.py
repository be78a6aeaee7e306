"""From a plan to batches, in bounded memory.

A compressed store is read in slabs and emitted from pools of windows (`pools`); a raw store is gathered from memory
maps in exact random order (`permuted`). The windows are the same, byte for byte. Order and content depend on the plan
and the seed alone, never on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np

from ..errors import UsageError
from ..reader import Store
from ..sampling.plan import SamplingPlan, make_rng
from .batch import Batch, StreamSettings, Windows
from .random_access import Gatherer, random_access_blocks
from .shuffle_buffer import shuffled_blocks


def common_tracks(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Track names of the cell lines, which must be the same in the same order.

    Raises:
        UsageError: they differ; both lists are named.
    """
    return _shared("tracks", {cell: store.cell(cell).track_names for cell in cells})


def common_meta(store: Store, cells: tuple[str, ...]) -> tuple[str, ...]:
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


class WindowStream:
    """Batches of a plan's windows.

    Args:
        store: an open store.
        plan: what to read.
        settings: how.
        seed: order of the windows; None keeps them in order of place (prediction).

    Iterating again reads again, in the same order.

    Raises:
        UsageError: the cell lines' tracks or values differ, or the store lacks what the settings ask for.
        StoreError: an array of a raw store is missing or damaged (of a compressed store, this shows on reading).
    """

    def __init__(
        self, store: Store, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None
    ) -> None:
        self._store, self._seed = store, seed
        tracks = common_tracks(store, plan.cells)
        meta = np.zeros((len(plan.cells), 0), np.float32)
        if settings.meta:
            common_meta(store, plan.cells)
            meta = np.stack([store.meta(cell) for cell in plan.cells])
        if settings.gencode and not store.has_annotation:
            raise UsageError(
                f"{store.path}: has no annotation, which the model needs (-g); "
                "make the genome anew: factornet-etl genome --gtf ... --cpg ..."
            )
        self._windows = Windows(store.coordinates, plan, settings, tracks, meta)
        if store.random_access:
            Gatherer(store, self._windows)  # opens every array in question: what is wrong with one shows now

    def __len__(self) -> int:
        """Number of batches."""
        batch = self._windows.settings.batch_size
        return (len(self._windows.plan) + batch - 1) // batch

    def __iter__(self) -> Iterator[Batch]:
        rng = None if self._seed is None else make_rng(*self._seed)
        read = random_access_blocks if self._store.random_access else shuffled_blocks
        with closing(read(self._store, self._windows, rng)) as blocks:
            for block in blocks:
                yield from block.cut(self._windows.plan)
                del block  # let go of it before the next one is made: memory is bounded by what `read` holds
