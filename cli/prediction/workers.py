"""Workers of a prediction, from the options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...store.errors import UsageError
from ...store.location import is_remote
from ...store.machine import peak_memory
from ...store.reader import Store
from ...store.text import format_bytes, format_count
from ..common.arguments import positive_int
from ..common.output import print_line
from ..common.worker_options import add_worker_options

if TYPE_CHECKING:
    import torch

    from ...model.model_dir.weights import LoadedModel
    from ...model.prediction.runs.workers import RegionWorkers


def add_prediction_worker_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the processes that predict regions."""
    processes = "some Mb of a region at a time each, on a GPU each where there are some; those that die are replaced"
    add_worker_options(parser, processes=processes, condition="with --regions: ")
    parser.add_argument(
        "--worker-threads", type=positive_int, metavar="N", help="threads that a worker computes with; default: 1"
    )


def check_worker_options(options: argparse.Namespace) -> None:
    """Check that the options of workers go with the others.

    Raises:
        UsageError: they do not.
    """
    given = [name for name in ("workers", "scheduler") if getattr(options, name) is not None]
    if given and options.bed is not None:
        raise UsageError(f"--{given[0]} needs --regions, which are divided among workers; -b is predicted in one pass")
    if options.worker_threads is not None and not given:
        raise UsageError("--worker-threads needs --workers or --scheduler; OMP_NUM_THREADS limits a single process")


@contextmanager
def workers_from_args(
    options: argparse.Namespace, store: Store, models: Sequence[LoadedModel], n_parts: int, folder: Path
) -> Iterator[RegionWorkers | None]:
    """Start, or connect to, the workers that the options name; None where they name none.

    Args:
        options: of the command.
        store: must be visible to workers, unless it is on a server.
        models: likewise.
        n_parts: parts of the regions; there are no more workers.
        folder: that the outputs are written below.

    Raises:
        UsageError: as for `open_workers`.
    """
    if options.workers is None and options.scheduler is None:
        yield None
        return
    from ...model.prediction.runs.workers import WorkerOptions, open_workers

    count = min(options.workers or 1, n_parts)
    if count < (options.workers or 1) and not options.json:
        of = f"{format_count(count, 'part')} of the regions"
        print_line(f"--workers {options.workers}: {count} started, one for each of {of}")
    paths = [folder.absolute(), *(model.folder for model in models if model.folder is not None)]
    paths += [] if is_remote(store.path) else [Path(store.path).absolute()]
    chosen = WorkerOptions(count=count, scheduler=options.scheduler, threads=options.worker_threads or 1)
    with open_workers(chosen, device=options.device, locations=paths) as workers:
        yield workers


def device_from_args(options: argparse.Namespace, workers: RegionWorkers | None) -> torch.device:
    """Return the device that all workers have, or that of ``--device`` on this machine.

    Raises:
        UsageError: as for `choose_device`.
    """
    from ...model.data.device import choose_device

    return choose_device(options.device) if workers is None else workers.device


def describe_memory(workers: RegionWorkers | None) -> str:
    """Return the peak memory of this process, and of the largest worker, as text."""
    own = f"peak memory {format_bytes(peak_memory())}"
    return own if workers is None else f"{own}, {format_bytes(workers.peak_rss)} per worker"


def memory_fields(workers: RegionWorkers | None) -> dict[str, int]:
    """Return the same in bytes, for JSON."""
    own = {"peak_rss": peak_memory()}
    return own if workers is None else own | {"worker_peak_rss": workers.peak_rss}
