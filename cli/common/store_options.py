"""Options that say where a store is, for every command that reads one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...store.reader import Store, open_store
from ...store.storage.cache import DEFAULT_LIMIT, ObjectCache, default_cache
from .arguments import parse_size

STORE_HELP = "a store made by factornet-etl: folder, .zip file, s3://bucket/name, https://host/name"


def add_store(group: argparse._ActionsContainer) -> None:
    """``--store``, and where objects of a store on a server are kept."""
    group.add_argument("--store", metavar="STORE", required=True, help=STORE_HELP)
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where to keep what was read of a store on a server; default: $FACTORNET_CACHE, or the user's caches",
    )
    group.add_argument(
        "--cache-size",
        type=parse_size,
        default=f"{DEFAULT_LIMIT // 10**9}GB",
        metavar="SIZE",
        help="of the cache, as 20GB; what was not used for longest is removed",
    )


def open_store_from_args(options: argparse.Namespace) -> Store:
    """The store that these options name.

    Raises:
        StoreError, UsageError: as for `open_store`.
    """
    folder = options.cache.absolute() if options.cache else default_cache().folder
    return open_store(options.store, cache=ObjectCache(folder, options.cache_size))


@contextmanager
def temporary_cache() -> Iterator[ObjectCache]:
    """A cache for what is read once (copied, verified): it holds what is being read, and is removed at the end."""
    with TemporaryDirectory(prefix="factornet-") as folder:
        yield ObjectCache(Path(folder), 0)
