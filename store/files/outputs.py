"""Outputs of commands, files and folders: one writer at a time, and nothing left behind by a killed one."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, OutputExistsError, UsageError
from .atomic_write import TEMPORARY_NAME, fsync_path, write_cure
from .handles import close_read
from .locks import LockFile, LockHeldError, LockState, lock, read_lock


@dataclass(frozen=True, eq=False)
class OutputLock:
    """Lock of an output that is held: its lock file, and the folder itself where the output is one that exists."""

    path: Path
    _folders: ExitStack

    def lock_folder(self) -> None:
        """Lock the folder itself, if it exists: whoever has mounted it elsewhere sees no lock file next to it.

        Call it again where the folder has been created or replaced. A file system without locks of folders has none.

        Raises:
            InputError: another process holds it.
        """
        self._folders.close()
        handle = -1
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            free = lock(handle)
        except OSError:
            free = True  # no folder, one that cannot be listed, or a file system that locks no folders
        if handle >= 0:
            self._folders.callback(close_read, handle)
        if not free:
            problem = "is being written by another process, which has this folder under another path"
            raise InputError(self.path, problem, hint="wait for it, or end that process")


@contextmanager
def output_lock(path: Path, *, parents: bool = False, wait: bool = False) -> Iterator[OutputLock]:
    """Hold the lock of an output file or folder: ``.<name>.lock`` next to it, and the folder itself where it exists.

    Temporary files that a killed process left, for this file or in this folder, are removed.

    Args:
        path: the output; need not exist.
        parents: create the folder that it will be in, where that does not exist.
        wait: wait for another process that writes it, where that takes a moment only.

    Raises:
        InputError: another process writes it (the error names it; never with `wait`), or the lock cannot be created.
    """
    target = resolve_output(path)
    if not (parents or target.parent.is_dir()):
        raise InputError(path, "its folder does not exist", hint="create it first")
    try:
        held = LockFile.acquire(lock_path(target), wait=wait)
    except LockHeldError as e:
        raise InputError(path, f"is being written by {e.holder}", hint=e.hint) from e
    except OSError as e:
        problem = f"cannot be written: {e.filename or lock_path(target)} cannot be created and locked ({e.strerror})"
        cure = write_cure(e, "choose a folder where files can be created and locked")
        raise InputError(path, problem, hint=cure) from e
    with held, ExitStack() as folders:
        output = OutputLock(target, folders)
        output.lock_folder()
        remove_temporary_files(target.parent, target.name)
        if target.is_dir():
            remove_temporary_files(target)
        yield output


def lock_path(path: Path) -> Path:
    """Return the path of the lock file of an output."""
    target = resolve_output(path)
    return target.with_name(f".{target.name}.lock")


def read_output_lock(path: Path) -> LockState | None:
    """Return the state of the lock of an output, without taking it; None where there is no lock file."""
    return read_lock(lock_path(path))


def check_output_file(path: Path, *, overwrite: bool) -> None:
    """Check that an output file may be written; call it while its lock is held.

    Raises:
        OutputExistsError: it exists and `overwrite` is false.
        UsageError: it is no file, or of another user and cannot be replaced.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is a device or pipe, which cannot be replaced in one step; give the name of a file")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path}: already exists; give another name, or allow to overwrite it")
    if path.exists() and (why := why_not_replaceable(path)):
        raise UsageError(f"{path}: cannot be replaced: {why}; give another name")


def why_not_replaceable(path: Path) -> str:
    """Return why what is at a path cannot be replaced by a rename, although its folder may be writable; else ""."""
    parent, status = path.parent.stat(), path.lstat()
    if parent.st_mode & stat.S_ISVTX and os.geteuid() not in (0, parent.st_uid, status.st_uid):
        return "it belongs to another user, and its folder is sticky"
    return ""


def resolve_output(path: Path) -> Path:
    """Return the absolute path of an output, links in it resolved, the output itself excepted if it is a file's.

    A file is replaced by a rename, so a link to one is replaced, not followed; a link to a folder is followed.
    """
    absolute = path.absolute()
    follow = absolute.is_dir() or (absolute.is_symlink() and not absolute.exists())
    return absolute.resolve() if follow else absolute.parent.resolve() / absolute.name


def remove_temporary_files(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of `replacing` in a folder, of all files or of one; no process may be writing them.

    Args:
        folder: the folder.
        name: of the file whose temporary files are removed; None for all.
    """
    for path in folder.glob(".*.part*"):
        match = re.fullmatch(TEMPORARY_NAME, path.name)
        if match and name in (None, match["stem"] + match["suffix"]):
            path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, if there is one.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:  # rmtree names a file without its folder
        raise InputError(path, f"cannot be removed ({error.strerror or error})", hint="check permissions") from error


@contextmanager
def staged_folder(path: Path, *, replaced: Sequence[str] = ()) -> Iterator[Path]:
    """Yield an empty folder next to a path, moved there at the end; the caller holds the lock of that path.

    When the block raises, the folder is removed; one that a killed process left is removed first.

    Args:
        path: of the folder; where it exists, the files in it that `replaced` names give way to the new ones.
        replaced: patterns of names of files and folders in it; all others are kept. The first is removed first and
            moved last: where that file stands, all others stand too.

    Raises:
        InputError: it cannot be created or moved.
    """
    target = resolve_output(path)
    staged = target.with_name(f".{target.name}.part")
    try:
        remove(staged)
        staged.mkdir()
        yield staged
        # The folder that somebody is in stays: where another takes its place, a shell there sees neither.
        if target.is_dir() and (any(target.iterdir()) or target.samefile(".")):
            for old in [p for pattern in replaced for p in target.glob(pattern)]:
                remove(old)
            for new in sorted(staged.iterdir(), key=lambda p: (p.match(replaced[0]) if replaced else False, p.name)):
                new.replace(target / new.name)
        else:
            staged.rename(target)  # also in place of an empty folder
        fsync_path(target.parent)
    except InputError as error:
        if not Path(error.path).is_relative_to(staged):
            raise
        where = _final_path(error.path, staged, path)
        raise type(error)(where, error.problem, hint=error.hint, line=error.line) from error
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise InputError(_final_path(error.filename, staged, path), problem, hint=write_cure(error)) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _final_path(name: object, staged: Path, path: Path) -> Path:
    """Return where the file of an error would be at the end, if it is in a staged folder; else the folder's path."""
    file = Path(name) if isinstance(name, str | Path) else staged
    return path / file.relative_to(staged) if file.is_relative_to(staged) else path
