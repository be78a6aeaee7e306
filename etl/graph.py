"""Run shard tasks as a dask graph, on as many processes as the memory allows."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, cast

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed

from ..store.errors import FactorNetError, UsageError
from .tasks import ShardReport, ShardTask

WORKER_MEMORY = 700 * 1024 * 1024
"""Memory to reckon with for one worker at the default shard size: 64 MiB of values, what reading and packing them
takes, and the libraries (measured, docs/decisions.md)."""


@dataclass(frozen=True)
class Resources:
    """How much of the machine to use.

    Attributes:
        workers: processes; 1 works in this process.
        max_memory: bytes that all workers together may take, or None for no limit.
    """

    workers: int = 1
    max_memory: int | None = None

    def affordable_workers(self) -> int:
        """Workers that fit the memory.

        Raises:
            UsageError: not even one does.
        """
        if self.max_memory is None:
            return self.workers
        fit = self.max_memory // WORKER_MEMORY
        if fit < 1:
            raise UsageError(
                f"--max-memory {self.max_memory / 1e9:.2f} GB is less than one worker needs "
                f"({WORKER_MEMORY / 1e9:.2f} GB); give more"
            )
        return min(self.workers, fit)


OnReport = Callable[[ShardReport], None]
OnPlan = Callable[[Sequence[ShardTask]], None]


class _Watch(Callback):
    """Hands each finished task's report on, as it comes."""

    def __init__(self, on_report: OnReport) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_report = on_report

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        if isinstance(result, ShardReport):
            self._on_report(result)


def _call(task: ShardTask) -> ShardReport:
    return task()


def run(tasks: Sequence[ShardTask], resources: Resources, *, on_report: OnReport) -> list[ShardReport]:
    """Run all tasks, and return their reports in the order of the tasks.

    Args:
        tasks: independent of each other.
        resources: processes and memory.
        on_report: called in this process as each task ends.

    Raises:
        FactorNetError: what a task raised; nothing more is started then.
        UsageError: a worker was killed (out of memory), or memory for none.
    """
    nodes = [delayed(_call, pure=False, traverse=False)(task) for task in tasks]
    workers = min(resources.affordable_workers(), max(1, len(tasks)))
    with _Watch(on_report):
        if workers == 1:
            return list(compute(*nodes, scheduler="synchronous"))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            try:
                done = compute(*nodes, scheduler="processes", pool=pool, num_workers=workers, chunksize=1)
            except BrokenProcessPool as e:
                raise UsageError(
                    "a worker process was killed, most likely for want of memory; use fewer (-p) or set --max-memory"
                ) from e
            except Exception as e:
                pool.shutdown(cancel_futures=True)
                raise _plain(e) from None
            return cast("list[ShardReport]", list(done))


def _plain(error: Exception) -> Exception:
    """The error as the task raised it, without dask's wrapping."""
    original = getattr(error, "exception", error)
    return original if isinstance(original, FactorNetError) else error
