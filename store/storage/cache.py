"""Cache of objects of remote stores on the local disk, by SHA-256.

``CACHE/<first two digits>/<sha256>``: the content of a name never changes, so versions of a store share objects,
several processes can share the directory, and nothing needs to be invalidated. An object is written under another name
and renamed. Once all objects together exceed the limit, the least recently used are removed; a process with such an
object open can still read it, and downloads it again when it needs it later.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import platformdirs

from ..errors import InputError, StoreError
from ..files.handles import close_read
from ..files.outputs import remove
from .base import OpenObject, file_identity

DEFAULT_LIMIT = 50_000_000_000
"""Default size limit, bytes."""
_ACCESS_RESOLUTION = 60.0  # seconds between two updates of an object's time of last use
_WAIT = 60.0  # seconds to wait for another process's download of the same object
_STALE = 86_400.0  # seconds after which a partial object is considered abandoned


@dataclass(frozen=True)
class ObjectCache:
    """Cache directory of bounded size, created on first use.

    Attributes:
        folder: the directory.
        limit: bytes of all objects, exceeded by 5 % at times.
    """

    folder: Path
    limit: int = DEFAULT_LIMIT
    _added_since_trim: list[int] = field(default_factory=list, repr=False, compare=False)

    def open(self, sha: str) -> OpenObject | None:
        """Open the object with this SHA-256; return None if it is not cached. Its content is not verified.

        Raises:
            OSError: it cannot be opened.
        """
        path = self._path(sha)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):  # a folder or pipe, which nobody can read as an object
            close_read(handle)
            self.drop(sha)
            return None
        if time.time() - state.st_atime > _ACCESS_RESOLUTION:
            with contextlib.suppress(OSError):  # a cache without write permission
                os.utime(path, ns=(time.time_ns(), state.st_mtime_ns))
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

    def add(self, sha: str, write: Callable[[BinaryIO], None]) -> OpenObject | None:
        """Add an object and open it.

        Args:
            sha: SHA-256 of the object, hexadecimal.
            write: writes the object to an empty file, and verifies it.

        Returns:
            The opened object; None where another process or thread added it in the meantime.

        Raises:
            StoreError: the directory cannot be written.
        """
        path, claim, partial = self._path(sha), self.folder / "new" / sha, self.folder / "new" / uuid4().hex
        claimed = False
        try:
            for folder in (partial.parent, path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            claimed = _claim(claim)
            if path.exists() or (not claimed and _wait_for(path, claim)):
                return None
            with partial.open("xb") as file:
                write(file)
            # Opened before the rename: afterwards another process may remove it.
            handle = os.open(partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            partial.replace(path)
        except OSError as e:
            raise StoreError(
                e.filename or self.folder,
                f"cannot write to the cache of remote stores ({e.strerror})",
                hint="free disk space, or set another cache folder by the environment variable FACTORNET_CACHE",
            ) from e
        finally:
            with contextlib.suppress(OSError):
                for leftover in (partial, *([claim] if claimed else [])):
                    leftover.unlink(missing_ok=True)
        state = os.fstat(handle)
        # Listing thousands of files takes as long as downloading a small object: not every time.
        self._added_since_trim.append(state.st_size)
        if len(self._added_since_trim) == 1 or sum(self._added_since_trim) > self.limit / 20:
            self._added_since_trim[:] = [0]
            self._trim(keep=path)
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

    def drop(self, sha: str) -> None:
        """Remove a damaged object, or what is in its place."""
        with contextlib.suppress(InputError):
            remove(self._path(sha))

    def _path(self, sha: str) -> Path:
        return self.folder / sha[:2] / sha

    def _trim(self, *, keep: Path) -> None:
        """Remove the least recently used objects above the limit, and abandoned partial ones."""
        entries = sorted(_entries(self.folder), key=lambda entry: entry[0])
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.limit:
                break
            if path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size
        with contextlib.suppress(OSError):
            for partial in (self.folder / "new").iterdir():
                if time.time() - partial.stat().st_mtime > _STALE:
                    partial.unlink(missing_ok=True)


def _claim(claim: Path) -> bool:
    """Create the claim file of an object; return whether no other process is downloading it.

    Only advisory, unlike a lock, which could outlive a fork or a crash.
    """
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):  # released in between
            return time.time() - claim.stat().st_mtime > _WAIT  # its process has died
    return True


def _wait_for(path: Path, claim: Path) -> bool:
    """Wait while another process holds the claim of an object; return whether the object was added."""
    with contextlib.suppress(FileNotFoundError):
        while time.time() - claim.stat().st_mtime < _WAIT:
            time.sleep(0.02)
    return path.exists()


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield time of last use, size and path of each object."""
    for prefix in folder.glob("[0-9a-f][0-9a-f]"):
        with contextlib.suppress(OSError):
            for entry in os.scandir(prefix):
                with contextlib.suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    yield state.st_atime, state.st_size, Path(entry.path)


def default_cache() -> ObjectCache:
    """Return the cache in $FACTORNET_CACHE, or in the user's cache folder (``~/.cache/factornet`` on Linux)."""
    if folder := os.environ.get("FACTORNET_CACHE"):
        return ObjectCache(Path(folder).absolute())
    return ObjectCache(Path(platformdirs.user_cache_dir("factornet")))
