"""Objects of remote stores, kept on the local disk under their digests.

``CACHE/<first two digits>/<sha256>``: what a name holds never changes, so versions of a store share objects, several
processes may share the folder, and nothing is ever invalid. An object is written beside and put in its place by one
rename. The least recently used are removed once the whole is larger than its limit; a process that has one open goes
on reading it, and one that comes back to it fetches it again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from ..errors import StoreError
from .base import OpenObject, file_identity

DEFAULT_LIMIT = 50_000_000_000
_TOUCH = 60.0  # seconds: reading marks an object as used no more often
_WAIT = 60.0  # seconds that one process waits for what another is fetching
_STALE = 86_400.0  # seconds after which a half-written object is taken for one of a dead process


@dataclass(frozen=True)
class ObjectCache:
    """A cache in `folder`, of about `limit` bytes (5 % more at times); the folder is made when it is first needed."""

    folder: Path
    limit: int = DEFAULT_LIMIT
    _since: list[int] = field(default_factory=list, repr=False, compare=False)

    def open(self, sha: str) -> OpenObject | None:
        """The object with this SHA-256, None where it is not there; its content may have been damaged since.

        Raises:
            OSError: it cannot be opened.
        """
        path = self._path(sha)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        state = os.fstat(handle)
        if time.time() - state.st_atime > _TOUCH:
            with contextlib.suppress(OSError):  # someone else's cache, which we may only read
                os.utime(path, ns=(time.time_ns(), state.st_mtime_ns))
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

    def add(self, sha: str, write: Callable[[BinaryIO], None]) -> OpenObject | None:
        """Put an object in, and open it. `write` is called with an empty file, and checks what it writes.

        Returns:
            None where another process or thread was fetching the same object: it is there now.

        Raises:
            StoreError: the folder cannot be written.
        """
        path, mark, new = self._path(sha), self.folder / "new" / sha, self.folder / "new" / uuid4().hex
        claimed = False
        try:
            for folder in (new.parent, path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            claimed = _claim(mark)
            if path.exists() or (not claimed and _appears(path, mark)):
                return None
            with new.open("xb") as file:
                write(file)
            # Opened before others can see it, and remove it.
            handle = os.open(new, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            new.replace(path)
        except OSError as e:
            raise StoreError(
                e.filename or self.folder,
                f"the cache of remote stores cannot be written ({e.strerror})",
                hint="make room, or name another folder with --cache or the environment variable FACTORNET_CACHE",
            ) from e
        finally:
            with contextlib.suppress(OSError):
                for done in (new, *([mark] if claimed else [])):
                    done.unlink(missing_ok=True)
        state = os.fstat(handle)
        # To look at thousands of files takes as long as to fetch a small one: not each time.
        self._since.append(state.st_size)
        if len(self._since) == 1 or sum(self._since) > self.limit / 20:
            self._since[:] = [0]
            self._trim(keep=path)
        return OpenObject(handle, size=state.st_size, identity=file_identity(state))

    def drop(self, sha: str) -> None:
        """Remove an object that is damaged."""
        with contextlib.suppress(OSError):
            self._path(sha).unlink(missing_ok=True)

    def _path(self, sha: str) -> Path:
        return self.folder / sha[:2] / sha

    def _trim(self, *, keep: Path) -> None:
        """Remove the least recently used until the rest is within the limit."""
        entries = sorted(_entries(self.folder), key=lambda found: found[0])
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.limit:
                break
            if path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size
        with contextlib.suppress(OSError):
            for left in (self.folder / "new").iterdir():
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink(missing_ok=True)


def _claim(mark: Path) -> bool:
    """Whether nobody else is fetching an object. Only a hint, not a lock: a lock may outlive a fork or a crash."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):  # done this moment
            return time.time() - mark.stat().st_mtime > _WAIT  # of one that died
    return True


def _appears(path: Path, mark: Path) -> bool:
    """Wait for an object that another fetches: whether it came."""
    with contextlib.suppress(FileNotFoundError):
        while time.time() - mark.stat().st_mtime < _WAIT:
            time.sleep(0.02)
    return path.exists()


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each object was last used, its size, and where it is."""
    for below in folder.glob("[0-9a-f][0-9a-f]"):
        with contextlib.suppress(OSError):
            for item in os.scandir(below):
                with contextlib.suppress(OSError):
                    state = item.stat(follow_symlinks=False)
                    yield state.st_atime, state.st_size, Path(item.path)


def default_cache() -> ObjectCache:
    """The cache that is used where none is named: $FACTORNET_CACHE, or a folder of the user's caches."""
    if named := os.environ.get("FACTORNET_CACHE"):
        return ObjectCache(Path(named).absolute())
    home = Path("~/Library/Caches" if sys.platform == "darwin" else "~/.cache").expanduser()
    return ObjectCache(Path(os.environ.get("XDG_CACHE_HOME") or home) / "factornet")
