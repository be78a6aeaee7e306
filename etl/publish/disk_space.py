"""Check, before a build starts, that its result can be published and has enough disk space; name files that fail."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from uuid import uuid4

from ...store.errors import StoreError
from ...store.files.atomic_write import write_cure
from ...store.files.outputs import why_not_replaceable
from ...store.storage.atomic_swap import final_path, lock_file, old_versions_dir, staging_dir
from ...store.text import format_bytes

PUBLISH_LOCK = "publish"
"""Name of the lock that is held while a group is moved into place."""
_NO_PERMISSION = "no permission to write, or a read-only file system"


def check_writable(location: Path) -> None:
    """Check that a store, or a zip file of one, can be created or changed.

    Args:
        location: path of it; need not exist.

    Raises:
        StoreError: a folder cannot be written.
    """
    _check_staging_dir(location)
    folders = (location, location / "cells") if location.is_dir() else ()
    _check_access(location, [location.parent, *folders])
    _check_access(location, [lock_file(location, PUBLISH_LOCK)])


def check_publishable(store: Path, name: str) -> None:
    """Check that a group can be built next to a store and moved into place at the end.

    Args:
        store: folder of the store; need not exist.
        name: of the group, as for `transaction.staging`.

    Raises:
        StoreError: a folder or lock file cannot be written, or what exists at the final path cannot be replaced.
    """
    final = final_path(store, name)
    _check_staging_dir(store)
    locks = (lock_file(store, name), lock_file(store, PUBLISH_LOCK))
    _check_access(store, [_nearest(final.parent), old_versions_dir(store, name), *locks])
    _check_same_mount(store, final if final.is_dir() else final.parent)
    try:
        status = final.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(final, "exists, but is no folder", hint="move it away")
    _check_access(store, [final])
    if why := why_not_replaceable(final):
        raise _not_writable(store, final, why)


def _check_staging_dir(location: Path) -> None:
    """Check that the staging folder exists or can be created, and can be written."""
    staging = staging_dir(location)
    created = not staging.exists()
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        if not isinstance(e, FileExistsError) or os.path.lexists(staging):  # else another process has just removed it
            raise _not_writable(location, location.parent, e.strerror or str(e)) from e
    try:
        _check_access(location, [staging, staging / ".locks"])
    finally:
        if created:
            with contextlib.suppress(OSError):
                staging.rmdir()


def _check_same_mount(store: Path, folder: Path) -> None:
    """Check that what lies next to a store can be renamed to a folder, or into it, as far as the system says so."""
    if not folder.is_dir():
        return
    nothing = f".{uuid4().hex}"
    try:
        (store.parent / nothing).rename(folder / nothing)  # Linux compares the mounts before it looks for the file
    except OSError as error:
        if error.errno == errno.EXDEV:
            problem = (
                f"cannot be written: {folder} is mounted there, and what is built in {store.parent} cannot be moved"
            )
            hint = "mount the folder that the store is in, and give the store by its path in that"
            raise StoreError(store, problem, hint=hint) from error


def _check_access(location: Path, paths: list[Path]) -> None:
    """Check that all that exist of some folders and files can be written."""
    for path in paths:
        # Asked again: other processes create and remove these folders, and what is no longer there cannot be written.
        if all(path.exists() and not _is_accessible(path) for _ in range(3)):
            raise _not_writable(location, path, _NO_PERMISSION)


def _is_accessible(path: Path) -> bool:
    return os.access(path, os.W_OK | (os.X_OK if path.is_dir() else os.R_OK))


def _nearest(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _not_writable(location: Path, path: Path, reason: str) -> StoreError:
    if path.is_file() and reason == _NO_PERMISSION:
        problem = f"cannot be written: no access to {path} ({reason})"
    else:
        where = "" if path == location else f" in {path}"
        problem = f"cannot be written: no file can be created{where} ({reason})"
    return StoreError(location, problem, hint="choose another location, or ask for write permission")


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
    free = shutil.disk_usage(_nearest(location.resolve().parent)).free
    if free < needed:
        raise StoreError(
            location,
            f"{what} takes {format_bytes(needed)}, {format_bytes(free)} are free there: "
            f"{format_bytes(needed - free)} are missing",
            hint=f"free disk space, {hint}",
        )


def failure_cure(error: OSError | RuntimeError) -> str:
    """Return what to do about a failed write, see `write_cure`; libraries that raise RuntimeError give text alone."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)
    reason = str(error)
    named = next((OSError(code, "") for code in codes if os.strerror(code) in reason), OSError())
    return write_cure(error if isinstance(error, OSError) else named, "check permissions and the disk")


def describe_failure(error: OSError | RuntimeError, path: Path) -> str:
    """Describe why a file cannot be written; with the free space, where the disk or the user's share of it is full."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    full = (errno.ENOSPC, errno.EDQUOT)
    if getattr(error, "errno", None) in full or any(os.strerror(code) in reason for code in full):
        with contextlib.suppress(OSError):
            folder = _nearest(path.resolve().parent)
            reason += f", {format_bytes(shutil.disk_usage(folder).free)} are free there"
            inodes = os.statvfs(folder)
            reason += ", but no inode for another file" if inodes.f_files and not inodes.f_favail else ""
    return reason
