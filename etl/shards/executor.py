"""Run shard tasks as a dask graph: in this process, on as many as the memory allows, or on dask.distributed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed

from ...store.errors import FactorNetError, UsageError
from ...store.machine import available_memory
from ...store.text import format_bytes
from ..publish.transaction import InterruptedBuildError
from .cluster import local_cluster, remote_cluster, run_on
from .signals import shield_children_from_signals
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
        cluster: whether the processes are a dask.distributed cluster of their own, which replaces those that die.
        scheduler: address of a dask.distributed scheduler whose workers do the work instead, or None.
    """

    workers: int = 1
    max_memory: int | None = None
    cluster: bool = False
    scheduler: str | None = None

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
                f"--max-memory {format_bytes(self.max_memory)} is less than one worker needs "
                f"({format_bytes(WORKER_MEMORY)}); give more"
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


def run(tasks: Sequence[ShardTask], resources: Resources, *, on_report: OnReport, location: Path) -> list[ShardReport]:
    """Run all tasks, and return their reports in the order of the tasks.

    Args:
        tasks: independent of each other.
        resources: processes and memory.
        on_report: called in this process as each task ends.
        place: folder that they write to.

    Raises:
        FactorNetError: what a task raised; nothing more is started then.
        CutShortError: a worker was killed (out of memory).
        UsageError: there is no memory for even one, or no such cluster.
    """
    if not tasks:
        return []
    nodes = [delayed(_call, pure=False, traverse=False)(task) for task in tasks]
    if resources.scheduler is not None:
        with remote_cluster(resources.scheduler, location) as client:
            return run_on(client, nodes, on_report)
    workers = _workers_that_fit(min(resources.affordable_workers(), len(tasks)))
    if resources.cluster:
        memory = None if resources.max_memory is None else resources.max_memory // workers
        with local_cluster(workers, memory) as client:
            return run_on(client, nodes, on_report)
    with _Watch(on_report):
        return _run_here(nodes, workers)


def _run_here(nodes: Sequence[Any], workers: int) -> list[ShardReport]:
    if workers == 1:
        return list(compute(*nodes, scheduler="synchronous"))
    # A server imports all once and forks the workers, of which it has a whole process to itself: no thread, no lock.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    with ExitStack() as stack:
        with shield_children_from_signals():
            pool = stack.enter_context(ProcessPoolExecutor(workers, context, initializer=_end_with_parent))
            for _ in range(workers):  # start them all, before an interrupt can come between one and the next
                pool.submit(int)
        try:
            done = compute(*nodes, scheduler="processes", pool=pool, num_workers=workers, chunksize=1)
        except BrokenProcessPool as e:
            raise InterruptedBuildError(
                "a worker process was killed, most likely for want of memory; use fewer (-p) or set --max-memory, "
                "and run the command again: what is finished will not be done again"
            ) from e
        except Exception as e:
            pool.shutdown(cancel_futures=True)
            raise _plain(e) from None
        return cast("list[ShardReport]", list(done))


def _end_with_parent() -> None:
    """In a worker: end as soon as the command has, by SIGKILL too; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _workers_that_fit(workers: int) -> int:
    """So many workers, or less where the machine has no memory left for as many.

    Reckoned at half of `WORKER_MEMORY`, which is what was seen at the default shard size.

    Raises:
        UsageError: there is none for even one; the message says how much is missing.
    """
    free, each = available_memory(), WORKER_MEMORY // 2
    if free < each:
        raise UsageError(
            f"a build needs about {format_bytes(each)} of memory, {format_bytes(free)} are free: "
            f"{format_bytes(each - free)} are missing; end other programs, or build on another machine"
        )
    return min(workers, free // each)


def _plain(error: Exception) -> Exception:
    """The error as the task raised it, without dask's wrapping."""
    original = getattr(error, "exception", error)
    return original if isinstance(original, FactorNetError) else error
