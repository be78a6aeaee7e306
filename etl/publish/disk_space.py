"""Check, before a build starts, that its destination can be written and has enough free disk space."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ...store.errors import StoreError
from ...store.storage.atomic_swap import staging_dir
from ...store.text import format_bytes


def check_writable(location: Path) -> None:
    """Check that a store, or a zip file of one, can be created or changed.

    Args:
        location: path of it; need not exist.

    Raises:
        StoreError: a folder cannot be written.
    """
    staging = staging_dir(location)
    created = not staging.exists()
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise _not_writable(location, location.parent, e.strerror or str(e)) from e
    for folder in (staging, *((location, location / "cells") if location.is_dir() else ())):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise _not_writable(location, folder, "no permission to write, or a read-only file system")
    if created:
        with contextlib.suppress(OSError):
            staging.rmdir()


def _not_writable(location: Path, folder: Path, reason: str) -> StoreError:
    where = "" if folder == location else f" in {folder}"
    return StoreError(
        location,
        f"cannot be written: no file can be created{where} ({reason})",
        hint="choose another location, or ask for write permission",
    )


def check_disk_space(location: Path, needed: int, *, what: str, hint: str) -> None:
    """Check that the disk has room for what will be written.

    Args:
        location: path to be written; need not exist.
        needed: bytes.
        what: name of what takes them, for the message.
        hint: how to need less.

    Raises:
        StoreError: too little space is free; the message says how much is missing.
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
            hint=f"free disk space, {hint}",
        )
