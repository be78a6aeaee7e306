"""Build a group in a staging folder, publish it in one step: readers see the old version or the new, always whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ...store.errors import FactorNetError, StoreError, UsageError
from ...store.files.atomic_write import fsync_path, write_cure
from ...store.files.locks import LockFile, LockHeldError
from ...store.storage.atomic_swap import (
    SWAP,
    final_path,
    has_no_reader,
    lock_file,
    old_versions_dir,
    restore_swapped,
    staging_dir,
    swap_dirs,
)
from .cell_index_writer import refresh_cell_index
from .disk_space import PUBLISH_LOCK, describe_failure


class InterruptedBuildError(FactorNetError):
    """A build was interrupted through no fault of its inputs (a worker was killed); finished parts are kept."""


@contextmanager
def staging(store: Path, name: str, *, keep: bool = False) -> Iterator[Path]:
    """Yield a folder to build `name` in, locked against a second build of the same name.

    The folder is ``<store>.building/<name>``, on the store's own file system, so that publishing is a rename. It is
    empty at first and removed at the end.

    Args:
        store: folder of the store; need not exist.
        name: of the group, see `final_path`.
        keep: start with what an earlier, killed build left, and keep the folder when this one is interrupted (Ctrl-C,
            `InterruptedBuildError`).

    Raises:
        StoreError: another process is building the same (the message names it), or the disk is full or faulty.
    """
    folder, kept = staging_dir(store) / name, False
    with _locked(store, name, wait=False):
        try:
            restore_swapped(store, name)
            _remove_unread_versions(store, name)
            if not keep:
                _remove_tree(folder)
            folder.mkdir(exist_ok=True)
            yield folder
        except (KeyboardInterrupt, InterruptedBuildError):
            kept = keep
            raise
        except OSError as e:
            path, cure = Path(os.fsdecode(e.filename or folder)), write_cure(e, "")
            state = "nothing was published, and what was there before is unchanged"
            raise StoreError(path, describe_failure(e, path), hint=f"{cure}; {state}" if cure else state) from e
        finally:
            if not kept:
                _remove_tree(folder)
            _remove_unread_versions(store, name)


def _remove_tree(folder: Path) -> None:
    """Remove a folder as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)
    # rmtree holds a descriptor for each level: where a build failed for lack of them, one must do.
    for root, folders, files in os.walk(folder, topdown=False):
        for path in (Path(root, name) for name in (*files, *folders)):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    _remove_empty_folders(folder)


@contextmanager
def _locked(store: Path, name: str, *, wait: bool) -> Iterator[None]:
    """Hold the lock of `name`, and remove the folders of the lock file that are empty at the end.

    Raises:
        StoreError: another process holds it (never with `wait`), or it cannot be held in this file system.
    """
    path, root = lock_file(store, name), staging_dir(store)
    try:
        held = LockFile.acquire(path, wait=wait)
    except LockHeldError as e:
        raise StoreError(final_path(store, name), f"is being built by {e.holder}", hint=e.hint) from e
    except OSError as e:
        _remove_empty_folders(path.parent, root)
        hint = write_cure(e, "build where files can be created and locked")
        raise StoreError(path, f"cannot be created and locked ({describe_failure(e, path)})", hint=hint) from e
    try:
        yield
    finally:
        held.release()
        replaced: list[Path] = []
        with contextlib.suppress(OSError):  # another process may have removed the folder while it is listed
            replaced += root.glob(".old/*")
        _remove_empty_folders(path.parent, *replaced, root / ".old", root)


def _remove_empty_folders(*folders: Path) -> None:
    """Remove folders that are there and empty, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _remove_unread_versions(store: Path, name: str) -> None:
    """Remove replaced versions that no process reads any more."""
    with contextlib.suppress(OSError):
        for old in list(old_versions_dir(store, name).iterdir()):
            if (old.name != SWAP or final_path(store, name).exists()) and has_no_reader(old):
                shutil.rmtree(old, ignore_errors=True)


def move_aside(folder: Path, store: Path, name: str) -> Path:
    """Move a folder among the replaced versions of `name`; call it inside `staging` of that name.

    Returns:
        Its new path.

    Raises:
        OSError: it cannot be moved.
    """
    versions = old_versions_dir(store, name)
    while True:
        try:
            versions.mkdir(parents=True, exist_ok=True)
            return folder.rename(versions / uuid4().hex[:8])
        except (FileNotFoundError, FileExistsError):
            if versions.exists() or not folder.exists():
                raise  # else another process has just removed the folder of versions, which was empty


Version = tuple[int, int, int]
"""Device, inode and time of modification of a file or folder: they differ once it has been replaced."""


def version_at(location: Path) -> Version | None:
    """Return the version of the file or folder at a path; None if there is none."""
    try:
        status = location.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def check_not_replaced(location: Path, seen: Version | None) -> None:
    """Check that a path still holds the version seen when it was decided what to do.

    Args:
        location: the path.
        seen: what `version_at` returned then.

    Raises:
        StoreError: another process has created, replaced or removed it.
    """
    if version_at(location) != seen:
        change = "removed" if not location.exists() else "created" if seen is None else "replaced"
        raise StoreError(
            location,
            f"was {change} by another process in the meantime, and is left unchanged",
            hint="run the same command again",
        )


@contextmanager
def explaining_replacement(location: Path, seen: Version | None) -> Iterator[None]:
    """Name the cause where reading the version seen at a path fails: another process has replaced or removed it.

    Raises:
        StoreError: as for `check_not_replaced`.
    """
    try:
        yield
    except (StoreError, UsageError) as error:
        try:
            check_not_replaced(location, seen)
        except StoreError as change:
            raise change from error
        raise


def publish(staged: Path, store: Path, name: str, *, check: Callable[[], None]) -> None:
    """Move a finished folder to its final path in one step; call it inside `staging` of that name.

    The version it replaces is kept in the staging folder while a process reads it, and removed by this build or a
    later one.

    Args:
        staged: the finished folder.
        store: folder of the store.
        name: of the group, as for `staging`.
        check: called while no other process can publish in the store; raises if `staged` must not be published.

    Raises:
        OSError: the disk failed; the previous version is unchanged.
        StoreError: as raised by `check`; or the new version is published, but the disk did not confirm it.
    """
    for path in [*staged.rglob("*"), staged]:
        fsync_path(path)
    with _locked(store, PUBLISH_LOCK, wait=True):
        check()
        _move_to_final_path(staged, store, name)


def _move_to_final_path(staged: Path, store: Path, name: str) -> None:
    final = final_path(store, name)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        # Out of the staging folder first: a later build must not take the old version for shards of its own.
        _replace(move_aside(staged, store, name), final)
    else:
        staged.rename(final)
    try:
        refresh_cell_index(store)
        for folder in (final.parent, final.parent.parent):
            fsync_path(folder)
    except OSError as e:
        raise StoreError(
            final,
            f"is published, but the disk did not confirm it ({e.strerror})",
            hint="check it with `factornet-etl verify`",
        ) from e


def _replace(swapped: Path, final: Path) -> None:
    """Exchange a new version, which is among the old ones, and that at the final path."""
    old_versions = swapped.parent
    try:
        swap_dirs(swapped, final)
    except NotImplementedError:
        # Two renames. If this process is killed between them, the next one to open or build the store moves the old
        # version back (`atomic_swap.recover_interrupted_swaps`).
        final.rename(old_versions / SWAP)
        try:
            swapped.rename(final)
        except OSError:
            (old_versions / SWAP).rename(final)
            raise
        with contextlib.suppress(OSError):
            (old_versions / SWAP).rename(old_versions / uuid4().hex[:8])
