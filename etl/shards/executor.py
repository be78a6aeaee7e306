"""Run shard tasks with dask: in this process, in as many processes as memory allows, or on dask.distributed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from dask.base import compute
from dask.callbacks import Callback

from ...store.errors import FactorNetError, UsageError
from ...store.machine import available_memory, peak_memory
from ...store.text import format_bytes
from ...store.workers.cluster import WorkersError, delayed_call, local_cluster, remote_cluster, run_on
from ...store.workers.signals import shield_children_from_signals
from ...store.workers.starting import starting_processes
from ..publish.transaction import InterruptedBuildError
from .tasks import ShardReport, ShardTask

WORKER_MEMORY = 700 * 1024 * 1024
"""Bytes estimated for one worker at the default shard size: 64 MiB of values, what reading and packing them takes, and
the libraries (measured, docs/decisions.md)."""
_START_TIMEOUT = 300  # seconds in which the workers must have imported what they need
_START_METHOD = "spawn" if sys.platform == "darwin" else "forkserver"
"""How workers are started. A fork server imports everything once, and the workers that it forks start several times as
fast; on macOS, whose system libraries may start threads, forking is unsafe."""


@dataclass(frozen=True)
class Resources:
    """Processes and memory that a build may use.

    Attributes:
        workers: number of processes; 1 runs the tasks in this process.
        max_memory: bytes that all workers together may use, or None for no limit.
        cluster: whether the workers form a local dask.distributed cluster, which replaces those that die.
        scheduler: address of a dask.distributed scheduler whose workers run the tasks instead, or None.
    """

    workers: int = 1
    max_memory: int | None = None
    cluster: bool = False
    scheduler: str | None = None

    def affordable_workers(self) -> int:
        """Return the number of workers that `max_memory` allows.

        Raises:
            UsageError: it does not allow even one.
        """
        if self.max_memory is None:
            return self.workers
        allowed = self.max_memory // WORKER_MEMORY
        if allowed < 1:
            raise UsageError(
                f"max_memory of {format_bytes(self.max_memory)} is less than one worker needs "
                f"({format_bytes(WORKER_MEMORY)}); allow more"
            )
        return min(self.workers, allowed)


OnReport = Callable[[ShardReport], None]
OnPlan = Callable[[Sequence[ShardTask]], None]


class _ReportCallback(Callback):
    """Dask callback that passes on the report of each finished task."""

    def __init__(self, on_report: OnReport) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_report = on_report

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        if isinstance(result, ShardReport):
            self._on_report(result)


def _call(task: ShardTask) -> ShardReport:
    return replace(task(), peak_rss=peak_memory())


def run(tasks: Sequence[ShardTask], resources: Resources, *, on_report: OnReport, location: Path) -> list[ShardReport]:
    """Run all tasks, and return their reports in the order of the tasks.

    Args:
        tasks: independent of each other.
        resources: processes and memory.
        on_report: called in this process as each task ends.
        location: folder that they write to.

    Raises:
        FactorNetError: as raised by a task; no further task is started then.
        InterruptedBuildError: a worker was killed (out of memory, for example).
        UsageError: too little memory for even one worker, no such cluster, or as for `starting_processes`.
    """
    if not tasks:
        return []
    # They are run as they are: to optimize the graph, dask would go through all tasks for each of them.
    nodes = [delayed_call(partial(_call, task), priority=-i) for i, task in enumerate(tasks)]
    if resources.scheduler is not None:
        with remote_cluster(resources.scheduler, [location]) as client:
            return _run_on_cluster(client, nodes, on_report)
    workers = _workers_that_fit(min(resources.affordable_workers(), len(tasks)))
    if resources.cluster:
        memory = None if resources.max_memory is None else resources.max_memory // workers
        with local_cluster(workers, memory) as client:
            return _run_on_cluster(client, nodes, on_report)
    with _ReportCallback(on_report):
        if workers == 1:
            return list(compute(*nodes, scheduler="synchronous", optimize_graph=False))
        return _run_in_processes(nodes, workers)


def _run_on_cluster(client: Any, nodes: Sequence[Any], on_report: OnReport) -> list[ShardReport]:
    try:
        return run_on(client, nodes, on_report)
    except WorkersError as e:
        raise InterruptedBuildError(
            f"{e}, then run the same command again: it resumes after the finished shards"
        ) from e


def _run_in_processes(nodes: Sequence[Any], workers: int) -> list[ShardReport]:
    context = multiprocessing.get_context(_START_METHOD)
    context.set_forkserver_preload(["__main__", __name__])
    with ExitStack() as stack:
        with starting_processes(workers), shield_children_from_signals():
            pool = stack.enter_context(ProcessPoolExecutor(workers, context, initializer=_exit_with_parent))
            started = [pool.submit(int) for _ in range(workers)]  # start all of them while they are shielded
        try:
            _await_start(started)
            options = {"pool": pool, "num_workers": workers, "chunksize": 1}
            done = compute(*nodes, scheduler="processes", optimize_graph=False, **options)
        except BrokenProcessPool as e:
            raise InterruptedBuildError(
                "a worker process was killed, most likely because memory ran out; use fewer workers or set a limit "
                "of memory, then run the same command again: it resumes after the finished shards"
            ) from e
        except Exception as e:
            pool.shutdown(cancel_futures=True)
            raise _unwrap(e) from None
        return cast("list[ShardReport]", list(done))


def _await_start(started: Sequence[Future[int]]) -> None:
    """Wait for the first answer of each worker: where a thread of the pool has died, none would ever come.

    Raises:
        InterruptedBuildError: one does not answer.
    """
    _, waiting = wait(started, timeout=_START_TIMEOUT)
    if waiting:
        problem = f"{len(waiting)} of {len(started)} worker processes do not answer within {_START_TIMEOUT} s"
        raise InterruptedBuildError(f"{problem}; see what they wait for, or work in one process")
    for future in started:
        future.result()


def _exit_with_parent() -> None:
    """Make a worker exit when the parent process ends, even by SIGKILL; it would wait for tasks forever otherwise."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _workers_that_fit(workers: int) -> int:
    """Return `workers`, or fewer if the machine has not enough free memory for as many.

    The estimate is half of `WORKER_MEMORY`, which is what was measured at the default shard size.

    Raises:
        UsageError: too little for even one; the message says how much is missing.
    """
    free, per_worker = available_memory(), WORKER_MEMORY // 2
    if free < per_worker:
        raise UsageError(
            f"a build needs about {format_bytes(per_worker)} of memory, {format_bytes(free)} are free: "
            f"{format_bytes(per_worker - free)} are missing; end other programs, or build on another machine"
        )
    return min(workers, free // per_worker)


def _unwrap(error: Exception) -> Exception:
    """Return the error as the task raised it, without dask's wrapper."""
    original = getattr(error, "exception", error)
    return original if isinstance(original, FactorNetError) else error
