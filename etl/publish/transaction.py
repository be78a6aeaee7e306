"""Build beside, publish in one step: readers see the old of a group or the new, always the whole of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from ...store.errors import FactorNetError, StoreError
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
from ...store.storage.files import fsync_path
from ...store.storage.locks import lock
from .cell_index_writer import refresh_cell_index


class InterruptedBuildError(FactorNetError):
    """A build that ended through no fault of its input (a worker was killed): what is finished of it is kept."""


@contextmanager
def staging(store: Path, name: str, *, keep: bool = False) -> Iterator[Path]:
    """A folder beside the store to build `name` in, held against a second build of the same.

    The folder is ``<store>.building/<name>``, on the store's own file system, so that publishing is a rename. It is
    empty at first, and is removed at the end. With `keep`, it holds what an earlier build left that was killed, and is
    left as it is by an interrupt (Ctrl-C) or the death of a worker.

    Raises:
        StoreError: another process is building the same (it is named), or the disk is full or faulty.
    """
    root = staging_dir(store)
    lock = _locked(store, name, wait=False)
    folder, kept = root / name, False
    try:
        restore_swapped(store, name)
        _clear_retired(store, name)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        yield folder
    except (KeyboardInterrupt, InterruptedBuildError):
        kept = keep
        raise
    except OSError as e:
        raise StoreError(
            e.filename or folder,
            e.strerror or str(e),
            hint="the build was given up, nothing was published, and what was there before is as it was",
        ) from e
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
        _clear_retired(store, name)
        _unlock(lock, root)


def _locked(store: Path, name: str, *, wait: bool) -> IO[str]:
    """The lock file of `name`, locked, with a word on who holds it; where that is another, it is waited for or not."""
    path = lock_file(store, name)
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except FileNotFoundError:
            continue  # the build that was there before has just removed the folder
        except OSError as e:
            if isinstance(e, FileExistsError) and not path.parent.is_file():
                continue  # the same: there when it was to be made, gone when it was looked at
            raise StoreError(path.parent, f"cannot make the folder to build in ({e.strerror})") from e
        try:
            acquired = lock(file.fileno(), wait=wait)
        except OSError as e:
            file.close()
            raise StoreError(
                path, f"cannot be locked ({e.strerror})", hint="build on a disk that has file locks"
            ) from e
        if not acquired:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise StoreError(
                final_path(store, name), f"is being built already, by {holder}", hint="wait for it, or end that process"
            )
        if _leads_to(path, file):
            file.truncate(0)
            now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
            file.flush()
            return file
        file.close()


def _leads_to(path: Path, lock: IO[str]) -> bool:
    """Whether the file is still there: one that its last holder removed guards nothing, others would make another."""
    try:
        return path.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except FileNotFoundError:
        return False


def _unlock(lock: IO[str], root: Path) -> None:
    """Remove the lock file, and the folders around it where nothing else is in them."""
    path = Path(lock.name)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    lock.close()
    with contextlib.suppress(OSError):
        for folder in (path.parent, *root.glob(".old/*"), root / ".old", root):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _clear_retired(store: Path, name: str) -> None:
    """Remove replaced versions that nobody reads any more."""
    with contextlib.suppress(OSError):
        for old in list(old_versions_dir(store, name).iterdir()):
            if (old.name != SWAP or final_path(store, name).exists()) and has_no_reader(old):
                shutil.rmtree(old, ignore_errors=True)


Version = tuple[int, int, int]
"""What tells a file or folder from one that has taken its place."""


def version_at(location: Path) -> Version | None:
    """Which file or folder is there; None where there is none."""
    try:
        state = location.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns


def check_not_replaced(location: Path, seen: Version | None) -> None:
    """See that what was found at a place, when it was decided what to do, is there still.

    Raises:
        StoreError: another process has put something there, replaced it, or removed it.
    """
    if version_at(location) != seen:
        did = "removed" if not location.exists() else "put there" if seen is None else "replaced"
        raise StoreError(
            location,
            f"was {did} by another process in the meantime, and is left as it is",
            hint="run the same command again",
        )


def publish(staged: Path, store: Path, name: str, *, check: Callable[[], None]) -> None:
    """Move a finished folder into its place, the store's genome or a cell line; inside `staging` of that name.

    What was there is kept beside the store while a process reads it, and removed by this build or a later one.

    Args:
        staged: the folder.
        store: into which.
        name: of the group, as for `staging`.
        check: refuses where it must not be published any more; nothing else is published in the store meanwhile.

    Raises:
        OSError: the disk failed; what was there is there still.
        StoreError: `check` refused; or the new version is in its place, but the disk failed to confirm it.
    """
    for path in [*staged.rglob("*"), staged]:
        fsync_path(path)
    lock = _locked(store, "publish", wait=True)
    try:
        check()
        _put(staged, store, name)
    finally:
        _unlock(lock, staging_dir(store))


def _put(staged: Path, store: Path, name: str) -> None:
    final = final_path(store, name)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        _replace(staged, final, old_versions_dir(store, name))
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
            hint="check it with factornet-etl verify",
        ) from e


def _replace(staged: Path, final: Path, aside: Path) -> None:
    aside.mkdir(parents=True, exist_ok=True)
    other = aside / uuid4().hex[:8]
    # Out of the way of a later build first: it must not take the old version for shards of its own.
    staged.rename(other)
    try:
        swap_dirs(other, final)
    except NotImplementedError:
        # Two renames. Killed between them, the next to open or build moves the old version back (`swap_dirs.recover_interrupted_swaps`).
        final.rename(aside / SWAP)
        try:
            other.rename(final)
        except OSError:
            (aside / SWAP).rename(final)
            raise
        with contextlib.suppress(OSError):
            (aside / SWAP).rename(aside / uuid4().hex[:8])
