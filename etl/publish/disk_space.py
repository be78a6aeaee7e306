"""How much room on the disk a build will take, reckoned before it is begun."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ...store.errors import StoreError
from ...store.storage.atomic_swap import staging_dir
from ...store.text import format_bytes


def check_writable(location: Path) -> None:
    """See that a store, or a zip file of one, can be made or changed.

    Args:
        place: of it; need not be there.

    Raises:
        StoreError: it cannot.
    """
    beside = staging_dir(location)
    made = not beside.exists()
    try:
        beside.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise _unwritable(location, location.parent, e.strerror or str(e)) from e
    for folder in (beside, *((location, location / "cells") if location.is_dir() else ())):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise _unwritable(location, folder, "no permission to write, or a read-only file system")
    if made:
        with contextlib.suppress(OSError):
            beside.rmdir()


def _unwritable(location: Path, folder: Path, reason: str) -> StoreError:
    where = "" if folder == location else f" in {folder}"
    return StoreError(
        location,
        f"cannot be written: nothing can be made{where} ({reason})",
        hint="name a place where you may write, or ask for leave to write there",
    )


def check_disk_space(location: Path, needed: int, *, what: str, hint: str) -> None:
    """See that there is room for what is to be made.

    Args:
        place: what is to be made; need not be there.
        needed: bytes.
        what: it takes them, for the message.
        cure: how to need less.

    Raises:
        StoreError: there is not; the message says how much is missing.
    """
    parent = location.resolve().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise StoreError(
            location,
            f"{what} takes {format_bytes(needed)}, {format_bytes(free)} are free there: "
            f"{format_bytes(needed - free)} are missing",
            hint=f"make room, {hint}",
        )
