"""Build into object storage: build in a local working folder, then copy the group."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...store.errors import StoreError
from ...store.files.locks import LockFile, LockHeldError
from ...store.reader import Store, open_store
from ...store.storage.cache import ObjectCache, default_cache
from .choose_destination import open_destination
from .copier import CopyReport, copy_groups
from .group import snapshot_genome

_NEEDED = ("manifest/", "blacklist/", "assembly_gaps/")
"""What of a genome the build of a cell line reads, or publishing compares."""


@contextmanager
def working_store(url: str, parent: Path | None) -> Iterator[Path]:
    """Yield the path of the local store that is built for the one at `url`.

    It is in a folder of its own, named after the URL, so that an interrupted build is resumed and nothing of the user
    is overwritten. The folder is removed at the end, unless an error was raised.

    Args:
        url: URL of the store.
        parent: folder to create the working folder in; None for one next to the cache of remote stores.

    Raises:
        StoreError: another process works in the folder.
    """
    name = f".factornet-work-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    folder = (parent or default_cache().folder / "work").absolute() / name
    try:
        held = LockFile.acquire(folder.with_name(f"{name}.lock"))
    except LockHeldError as e:
        hint = f"{e.hint}, or name another working folder"
        raise StoreError(folder, f"is in use by {e.holder}, which builds {url}", hint=hint) from e
    with held:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder / "store.zarr"
        shutil.rmtree(folder, ignore_errors=True)


def create_working_store(url: str, local: Path, cache: ObjectCache) -> Store:
    """Create a local store to build cell lines in, with the genome at `url`: attributes, manifest and excluded regions.

    Returns:
        The store at `url`.

    Raises:
        StoreError, UsageError: there is no store at `url`, or it cannot be written to.
    """
    open_destination(url)
    store = open_store(url, cache=cache)
    genome = snapshot_genome(store)
    if local.exists():
        shutil.rmtree(local)  # finished shards of an interrupted build are in its staging folder, next to it
    for name in genome.objects:
        if name == "zarr.json" or name.startswith(_NEEDED):
            file = local / "genome" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"".join(genome.pieces(name)))
    (local / "zarr.json").write_bytes(genome.attributes)
    return store


def upload(local: Path, url: str, *, cell: str | None, force: bool) -> CopyReport:
    """Copy a cell line of the working store, or its genome if `cell` is None, to `url`.

    Raises:
        StoreError, InterruptedBuildError: as for `copy_groups`.
    """
    cells = [] if cell is None else [cell]
    # After `create_working_store` the local genome has no values to repair the remote one with.
    has_genome = cell is None
    destination = open_destination(url)
    report = copy_groups([open_store(local)], destination, cells=cells, force=force, repair_genome=has_genome)
    if cell is not None:
        shutil.rmtree(local / "cells" / cell, ignore_errors=True)
    return report


def check_no_store(url: str) -> None:
    """Check that there is no store at `url` yet.

    Raises:
        StoreError: there is one.
    """
    destination = open_destination(url)
    if destination.find_existing() is not None:
        raise StoreError(destination.location, "already exists", hint="give another name, or delete it by hand first")
