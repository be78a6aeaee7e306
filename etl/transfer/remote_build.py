"""Build into object storage: in a local work folder first, which is then copied as any store is."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...store.errors import StoreError
from ...store.reader import Store, open_store
from ...store.storage.cache import ObjectCache, default_cache
from ...store.storage.locks import lock
from .copy_groups import CopyReport, copy_groups
from .group import snapshot_genome
from .open_destination import open_destination


@contextmanager
def work_folder(url: str, work: Path | None) -> Iterator[Path]:
    """Where the local store lies that is built for the one at `url`; it is removed at the end, unless by an error.

    Args:
        url: of the store.
        work: folder to work in, in a folder of our own: what lies there may be the user's, a store of this name too;
            one beside the cache of remote stores where None. The same for the same store, so that a build that was
            killed is gone on with.

    Raises:
        StoreError: another process works there.
    """
    name = f".factornet-work-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    folder = (work or default_cache().folder / "work").absolute() / name
    folder.mkdir(parents=True, exist_ok=True)
    held = _hold(folder, url)
    try:
        yield folder / "store.zarr"
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def _hold(folder: Path, url: str) -> int:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not lock(held):
        os.close(held)
        raise StoreError(
            folder,
            f"another process builds for {url} there",
            hint="wait for it, or name another folder with --work DIR",
        )
    return held


def start_work(url: str, local: Path, cache: ObjectCache) -> Store:
    """Make a local store to build cell lines into: attributes and manifest of the genome at `url`, and no values.

    Returns:
        The store at `url`.

    Raises:
        StoreError, UsageError: there is none, or it cannot be written to.
    """
    open_destination(url)
    store = open_store(url, cache=cache)
    part = snapshot_genome(store)
    if local.exists():
        shutil.rmtree(local)  # what a killed build has finished lies beside it
    for name in part.objects:
        if name == "zarr.json" or name.startswith("manifest/"):
            file = local / "genome" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"".join(part.pieces(name)))
    (local / "zarr.json").write_bytes(part.text)
    return store


def send(local: Path, url: str, *, cell: str | None, force: bool) -> CopyReport:
    """Copy what was built to `url`: the genome, or a cell line of it.

    Raises:
        StoreError, CutShortError: as for `copy_groups`.
    """
    cells = [] if cell is None else [cell]
    # The local genome has no values (`start_work`): the one that is there is not looked at.
    whole = cell is None
    report = copy_groups([open_store(local)], open_destination(url), cells=cells, force=force, mend_genome=whole)
    if cell is not None:
        shutil.rmtree(local / "cells" / cell, ignore_errors=True)
    return report


def check_no_store(url: str) -> None:
    """See that no store is at `url` yet.

    Raises:
        StoreError: one is.
    """
    target = open_destination(url)
    if target.there() is not None:
        raise StoreError(
            target.location, "is there already", hint="give another name, or remove it by hand to start over"
        )
