"""Options of the workers that a command's tasks are shared out to, and connecting to them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...store.location import is_remote
from ...store.reader import Store
from .arguments import positive_int


def add_worker_options(parser: argparse.ArgumentParser, *, processes: str, condition: str = "") -> None:
    """Add ``--workers`` and ``--scheduler``.

    Args:
        parser: of the command.
        processes: what N processes do.
        condition: under which the options may be given, such as "with --regions: ".
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--workers", type=positive_int, metavar="N", help=f"{condition}N processes, {processes}")
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help=f"{condition}the workers of this dask scheduler (tcp://host:8786), on a shared file system",
    )


@contextmanager
def cluster_from_args(options: argparse.Namespace, *, tasks: int, locations: Sequence[Path]) -> Iterator[Any | None]:
    """Start, or connect to, the workers that the options name; None where they name none, or there is one task.

    Args:
        options: of `add_worker_options`.
        tasks: number of tasks; there are no more processes than these.
        locations: files and folders that all workers must see.

    Raises:
        UsageError: as for `remote_cluster`.
    """
    if tasks < 2 or (options.workers is None and options.scheduler is None):
        yield None
        return
    from ...store.workers.cluster import local_cluster, remote_cluster

    cluster = (
        local_cluster(min(options.workers, tasks), None)
        if options.scheduler is None
        else remote_cluster(options.scheduler, [path.absolute() for path in locations])
    )
    with cluster as client:
        yield client


def store_folder(store: Store) -> list[Path]:
    """Return the folder or file of a store as one of the places that all workers must see; none if on a server."""
    return [] if is_remote(store.path) else [Path(store.path)]
