"""States of a `WindowDataset`: a position within an epoch, and all that decides which windows come in which order.

A position is a number of batches, so it means the same windows only where their order is the same. Of a compressed
store that order depends on how much is read and shuffled at once, of a raw one on the plan and the seed alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import index
from types import NoneType
from typing import Any, Self

import numpy as np

from ...store.errors import UsageError
from ...store.files.digest import sha256_of
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.text import format_foreign
from ...store.windows.batch import StreamSettings
from ...store.windows.inputs import WindowInputs

ORDER_VERSION = 1
"""Of the rules of `store.windows` that put windows in order; another one makes the states of before refused."""
_MOST, _MOST_WORKERS = 2**62, 2**16
_NAMES = {"form": "the store's form", "plan": "the plan (its digest)", "order": "the version of the order"}


@dataclass(frozen=True)
class DatasetPosition:
    """A position within an epoch.

    Attributes:
        epoch: number of the epoch, the first is 0.
        batches: of one worker, or, with `worker` None, of all.
        workers: of the loader; 1 without.
        worker: number of one worker, or None.
    """

    epoch: int
    batches: int
    workers: int
    worker: int | None

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Return the position that a state of a dataset says.

        Raises:
            UsageError: it says none.
        """
        keys = ("epoch", "batches", "workers", "worker")
        try:
            epoch, batches, workers = (index(state[key]) for key in keys[:3])
            worker = None if state["worker"] is None else index(state["worker"])
        except (TypeError, KeyError) as error:
            raise UsageError(
                f"no state of a dataset, which has whole numbers {', '.join(keys)}, got {format_foreign(state)}"
            ) from error
        if not (0 <= epoch < _MOST and 0 <= batches < _MOST and 0 < workers <= _MOST_WORKERS):
            raise UsageError(f"a state at epoch {epoch}, behind {batches} batches of {workers} workers cannot be")
        return cls(epoch, batches, workers, worker)

    def skipped(self, worker: int, workers: int) -> tuple[int, int]:
        """Return whose part of the batches a worker reads, and how many of it came before.

        A loader takes a batch of each worker in turn, beginning with the first one: which has the next one's part then.

        Raises:
            UsageError: there are more or fewer workers, whose batches are others.
        """
        if workers != self.workers or self.worker not in (None, worker):
            which = "all" if self.worker is None else f"worker {self.worker}"
            raise UsageError(
                f"the state is of {which} of {self.workers} workers, this is worker {worker} of {workers}: their "
                "batches are others; use as many workers as before"
            )
        if self.worker is not None:
            return worker, self.batches
        part = (worker + self.batches) % workers
        return part, (self.batches + workers - 1 - part) // workers

    def behind_next(self) -> Self:
        """Return the position behind the next batch of the worker that reads: all workers are then a batch further."""
        return replace(self, batches=self.batches + (self.workers if self.worker is None else 1))


@dataclass(frozen=True)
class PlanSummary:
    """What a state says of a plan.

    Attributes:
        digest: SHA-256 of its windows, their targets, and the chromosomes and cell lines that they are of.
        cells: names of its cell lines.
    """

    digest: str
    cells: tuple[str, ...]

    @classmethod
    def of(cls, plan: SamplingPlan, store: Store) -> Self:
        """Summarize the windows of a plan of a store; n windows take 33 bytes each to digest."""
        coordinates = store.coordinates
        head = [plan.cells, coordinates.names, coordinates.lengths, plan.label.shape]
        columns = [np.ascontiguousarray(c, np.int64) for c in (plan.cell, plan.chrom, plan.start, plan.jitter)]
        return cls(sha256_of([json.dumps(head).encode(), *columns, np.ascontiguousarray(plan.label)]), plan.cells)


def describe_order(
    store: Store, plan: PlanSummary, settings: StreamSettings, *, seed: int | None, drop_last: bool
) -> dict[str, Any]:
    """Return on what it depends which windows come in which order, as JSON values; None where it does not.

    Args:
        store: an open store.
        plan: of the epoch.
        settings: of the stream; `tracks` with those of a target.
        seed: of the order; None keeps genome order.
        drop_last: whether windows that fill no batch are left out.

    Raises:
        UsageError: the cell lines have no such tracks.
    """
    inputs = WindowInputs.of(store, plan.cells, meta=False, gencode=False, tracks=settings.tracks)
    is_shuffled, in_slabs = seed is not None, not store.random_access
    form = "compressed" if in_slabs else "raw or in memory"
    return {
        "order": ORDER_VERSION,
        "form": form if is_shuffled else None,
        "seed": seed,
        "batch_size": settings.batch_size,
        "world_size": settings.world_size,
        "drop_last": drop_last,
        "window_length": settings.window_length,
        "tracks": list(inputs.tracks),
        "pool_bytes": settings.pool_bytes if is_shuffled and in_slabs else None,
        "slab": settings.slab if in_slabs or not is_shuffled else None,
        "plan": plan.digest,
    }


def check_order(state: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    """Check that a state is of batches in an order.

    Args:
        state: of a dataset.
        order: of this one (`describe_order`).

    Raises:
        UsageError: it is of another order, or does not say of which; the message names all that differs.
    """
    if missing := [key for key in order if key not in state]:
        raise UsageError(
            f"the state does not say of which batches it is (no {', '.join(missing)}), as those of earlier versions: "
            "begin the epoch anew"
        )
    other = [key for key, now in order.items() if not _is_same(state[key], now)]
    # What does not matter to one of them follows from another difference, as of the form of the store.
    named = [key for key in other if key == "seed" or not (state[key] is None or order[key] is None)]
    named = named or other
    if named:
        was = "; ".join(f"{_NAMES.get(key, key)} was {_shown(state[key])}, is {_shown(order[key])}" for key in named)
        raise UsageError(f"the state is of batches of other windows: {was}; use the same plan, store and settings")


def _is_same(before: Any, now: Any) -> bool:
    """Return whether a value of a state is this one; a list may come back as a tuple."""
    if isinstance(now, list):
        return isinstance(before, (list, tuple)) and list(before) == now
    return isinstance(before, (int, str, NoneType, np.integer)) and bool(before == now)


def _shown(value: Any) -> str:
    """Return a value of a state, which may be anyone's, for messages; of a digest its beginning."""
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return format_foreign(f"{text[:16]}..." if len(text) == 64 else text or "none")
