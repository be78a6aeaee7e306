"""Workers that predict parts of regions: processes here, or those of a dask scheduler, all on one kind of device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ....store.errors import UsageError
from ....store.workers.cluster import (
    WorkersError,
    ask_workers,
    delayed_call,
    delayed_value,
    local_cluster,
    remote_cluster,
    run_on,
)
from ...data.device import choose_device
from .region_task import RegionResult, RegionTask, WorkerRun

_ALLOCATION = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""Memory that a worker frees stays its own, as in any other process. Dask has it returned at once, and every layer of a
network, which allocates megabytes, waits for pages then: 2.6 s instead of 1.35 for 10,000 windows."""
_RESUME = "then resume: finished parts are kept"


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Which workers to use.

    Attributes:
        count: processes to start on this machine; those that die are replaced.
        scheduler: address of a dask scheduler whose workers are used instead, or None.
        threads: of each worker, to compute on a CPU.
    """

    count: int = 1
    scheduler: str | None = None
    threads: int = 1


class RegionWorkers:
    """Workers of a cluster, from `open_workers`.

    Attributes:
        device: that all of them compute on; a GPU without number stands for one of each worker's own.
        threads: of each.
        peak_rss: largest resident size that one has reported, in bytes.
    """

    def __init__(self, client: Any, device: torch.device, threads: int) -> None:
        self._client = client
        self.device, self.threads, self.peak_rss = device, threads, 0

    def run(self, run: WorkerRun, tasks: Sequence[RegionTask], on_result: Callable[[RegionResult], None]) -> None:
        """Run the tasks of a run, the first ones first; `on_result` is called here as each ends.

        Raises:
            FactorNetError: as raised by a task, or by `on_result`; no further task is started then.
            WorkersError: workers were lost, or a task failed for another reason than its input.
        """

        def receive(result: RegionResult) -> None:
            self.peak_rss = max(self.peak_rss, result.peak_rss)
            on_result(result)

        try:
            shared = delayed_value(run)
            nodes = [delayed_call(task, shared, priority=-i) for i, task in enumerate(tasks)]
            run_on(self._client, nodes, receive)
        except WorkersError as error:
            raise WorkersError(f"{error}, {_RESUME}") from error


@contextmanager
def open_workers(options: WorkerOptions, *, device: str, locations: Sequence[Path]) -> Iterator[RegionWorkers]:
    """Start workers, or connect to those of a scheduler; those that were started end with the block.

    Args:
        options: which ones.
        device: name, as for `choose_device`; "auto" is a GPU where all workers have one.
        locations: files and folders that all workers must see.

    Raises:
        WorkersError: as for `ask_workers`.
        UsageError: as for `remote_cluster`; or a worker has not the device, or with "auto" only some have a GPU.
    """
    cluster: AbstractContextManager[Any] = (
        local_cluster(options.count, None, environment=_ALLOCATION)
        if options.scheduler is None
        else remote_cluster(options.scheduler, locations)
    )
    with cluster as client:
        found = ask_workers(client, _device_type, device)
        yield RegionWorkers(client, _common_device(device, found), options.threads)


def _device_type(name: str) -> str:
    """Return, on a worker, the type of the device of that name."""
    return choose_device(name).type


def _common_device(name: str, found: dict[str, str | Exception]) -> torch.device:
    for worker, result in found.items():
        if isinstance(result, Exception):
            raise UsageError(f"worker {worker}: {result}") from result
    types = {str(result): worker for worker, result in found.items()}
    if len(types) > 1:
        with_one, without = types["cuda"], types["cpu"]
        raise UsageError(
            f"worker {without} has no GPU, {with_one} has one: their scores would differ in the last digits; name the "
            "device, or use workers of one kind"
        )
    return torch.device(next(iter(types)) if name == "auto" else name)
