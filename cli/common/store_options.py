"""Options of the commands that read a store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...store.reader import Store, open_store
from ...store.storage.cache import DEFAULT_LIMIT, ObjectCache, default_cache
from .arguments import parse_size

STORE_VARIABLE = "FACTORNET_STORE"
"""Environment variable with the store of commands that are not given any."""
STORE_HELP = "a store made by factornet-etl: folder, .zip file, s3://bucket/name, https://host/name"


def add_store_options(group: argparse._ActionsContainer) -> None:
    """Add ``--store``, and the options of the cache for stores on servers."""
    default = os.environ.get(STORE_VARIABLE) or None
    group.add_argument(
        "--store",
        metavar="STORE",
        required=default is None,
        default=default,
        help=f"{STORE_HELP}; default: ${STORE_VARIABLE}",
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="cache for stores on servers; default: $FACTORNET_CACHE, or the user's cache folder",
    )
    group.add_argument(
        "--cache-size",
        type=parse_size,
        default=f"{DEFAULT_LIMIT // 10**9}GB",
        metavar="SIZE",
        help="limit of the cache, such as 20GB; the least recently used is removed",
    )


def open_store_from_args(options: argparse.Namespace) -> Store:
    """Open the store that the options name.

    Raises:
        StoreError, UsageError: as for `open_store`.
    """
    folder = options.cache.absolute() if options.cache else default_cache().folder
    return open_store(options.store, cache=ObjectCache(folder, options.cache_size))


@contextmanager
def temporary_cache() -> Iterator[ObjectCache]:
    """Provide a cache that keeps nothing longer than it is read, for copying and verifying; removed at the end."""
    with TemporaryDirectory(prefix="factornet-") as folder:
        yield ObjectCache(Path(folder), 0)
