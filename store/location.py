"""Where a store lies: a local folder, a zip file, or a server. What is above (`reader`) does not see the difference."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .errors import StoreError, UsageError
from .format.cell_index import CELL_INDEX, parse_cell_index
from .schema import FORMAT, check_name
from .storage.atomic_swap import recover_interrupted_swaps
from .storage.base import Entry, GroupStorage, stat_entry
from .storage.cache import ObjectCache
from .storage.local import LocalStorage
from .storage.remote import ObjectServer, RemoteStorage
from .storage.retry import RetryPolicy
from .storage.zip_archive import ZipArchive, ZipStorage


class StoreLocation(ABC):
    """Where a store lies.

    Attributes:
        place: where that is, for messages: nothing secret is in it.
        local: whether it is a folder on a local disk.
    """

    location: str
    local = False

    @abstractmethod
    def folder(self, group: str) -> GroupStorage:
        """The folder of a group (``""`` for the root), as it is now.

        Raises:
            OSError, StoreError: there is none, or it cannot be read.
        """

    @abstractmethod
    def top(self) -> dict[str, Entry] | None:
        """What lies directly in the root and in ``cells``; None where it cannot be listed.

        Raises:
            OSError, StoreError: it cannot be read.
        """

    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted.

        Raises:
            OSError, StoreError: they cannot be listed.
        """
        names = (n.removeprefix("cells/") for n, e in (self.top() or {}).items() if n.startswith("cells/"))
        return tuple(sorted(n for n in names if _is_name(n) and self.has(n)))

    def cell_folders(self) -> tuple[str, ...]:
        """The same, and what else lies there as a cell line does, without attributes: damaged ones.

        Raises:
            OSError, StoreError: they cannot be listed.
        """
        return self.cells()

    def has(self, cell: str) -> bool:
        """Whether there is such a cell line.

        Raises:
            OSError, StoreError: that cannot be read.
        """
        entry = (self.top() or {}).get(f"cells/{cell}")
        return _is_name(cell) and entry is not None and entry.kind == "folder"

    def is_gone(self, cell: str) -> bool:
        """Whether nothing is there of a cell line that the list names, not even a damaged one.

        Raises:
            OSError, StoreError: that cannot be read.
        """
        return not self.has(cell)

    def listed(self) -> dict[str, str] | None:
        """Cell lines of the list that export writes, and digests of their manifests; None where there is no list.

        Raises:
            OSError, StoreError: it cannot be read, or is damaged.
        """
        try:
            text = self.folder("").read(CELL_INDEX)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return parse_cell_index(text, location=f"{self.location}/cells")


class LocalLocation(StoreLocation):
    """A folder on a local disk."""

    local = True

    def __init__(self, path: Path) -> None:
        self.path, self.location = path, str(path)

    def folder(self, group: str) -> LocalStorage:
        """The folder of a group."""
        return LocalStorage(Path(self.path, group) if group else self.path)

    def top(self) -> dict[str, Entry]:
        """What lies directly in the root and in ``cells``."""
        found = {}
        for folder, prefix in ((self.path, ""), (self.path / "cells", "cells/")):
            if prefix and (folder.is_symlink() or not folder.is_dir()):
                break
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name in os.listdir(handle):  # noqa: PTH208, of a folder held open
                    with contextlib.suppress(FileNotFoundError):
                        found[prefix + name] = stat_entry(name, handle)
            finally:
                os.close(handle)
        return found

    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted."""
        folders = [n.removeprefix("cells/") for n, e in self.top().items() if n.startswith("cells/")]
        return tuple(sorted(n for n in folders if (self.path / "cells" / n / "zarr.json").is_file()))

    def cell_folders(self) -> tuple[str, ...]:
        """Names of all folders where cell lines lie, sorted."""
        return _folders(self.top())

    def has(self, cell: str) -> bool:
        """Whether there is such a cell line, perhaps damaged."""
        return _is_name(cell) and (self.path / "cells" / cell).is_dir()


class ZipLocation(StoreLocation):
    """A zip file.

    Raises:
        OSError, StoreError: there is none, or it is not one of a store.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._zipped = ZipArchive(path)

    def folder(self, group: str) -> ZipStorage:
        """The part of the file that a group is."""
        prefix = f"{group}/" if group else ""
        if not any(n.startswith(prefix) for n in self._zipped.entries):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.location}/{group}")
        return ZipStorage(self._zipped, prefix)

    def top(self) -> dict[str, Entry]:
        """What lies directly in the root and in ``cells``."""
        return _top({name: entry.size for name, entry in self._zipped.entries.items()})


class RemoteLocation(StoreLocation):
    """A server; what is read from it is kept in a cache."""

    def __init__(self, server: ObjectServer, cache: ObjectCache) -> None:
        self.server, self.location, self._cache = server, server.location, cache

    def folder(self, group: str) -> RemoteStorage:
        """The folder of a group; whether it is there shows on reading."""
        return RemoteStorage(self.server, f"{group}/" if group else "", self._cache)

    def top(self) -> dict[str, Entry] | None:
        """What lies directly in the root and in ``cells``; None where the server does not list."""
        found = self.server.list("")
        return None if found is None else _top(found)

    def cells(self) -> tuple[str, ...]:
        """Names of the cell lines, sorted: from the list that export writes, or else from the server's."""
        listed = self.listed()
        if listed is not None:
            return tuple(sorted(listed))
        found = self.server.list("cells/")
        if found is None:
            raise StoreError(
                self.location,
                f"has no list of cell lines ({CELL_INDEX}), and web servers do not list",
                hint="name those you know of to a command that takes names, as `factornet-etl import "
                f"{self.location} DEST --cells CELL`, or put there what `factornet-etl export` makes: the "
                "list is in it",
            )
        with_self_digest = (name.split("/") for name in found)
        return tuple(
            sorted(parts[0] for parts in with_self_digest if parts[1:] == ["zarr.json"] and _is_name(parts[0]))
        )

    def cell_folders(self) -> tuple[str, ...]:
        """Where the server lists, all that lies there as a cell line does, in the list of cell lines or not."""
        top = self.top()
        return self.cells() if top is None else _folders(top)

    def has(self, cell: str) -> bool:
        """Whether there is such a cell line."""
        return _is_name(cell) and self._gives(f"cells/{cell}/zarr.json")

    def is_gone(self, cell: str) -> bool:
        """Whether nothing is there of a cell line; of a web server: neither its attributes nor its manifest."""
        found = self.server.list(f"cells/{cell}/")
        if found is not None:
            return not found
        return not self.has(cell) and not self._gives(f"cells/{cell}/manifest/zarr.json")

    def _gives(self, name: str) -> bool:
        try:
            return bool(self.folder("").read(name))
        except FileNotFoundError:
            return False


def find_location(location: str | Path, cache: ObjectCache) -> StoreLocation:
    """Where the store is that a user names.

    Args:
        place: a folder, a ``.zip`` file, or a URL.
        cache: for what is read from a server.

    Raises:
        StoreError: there is none (of a server: shows on reading), or the zip file is refused.
        UsageError: no such kind of URL.
    """
    text = with_forward_slashes(location)
    if is_remote(text):
        return RemoteLocation(connect(text), cache)
    path = Path(text).resolve()
    if path.is_file():
        if path.suffix != ".zip":
            raise StoreError(location, "a file, and no store", hint="a store is a folder, or a file that ends in .zip")
        try:
            return ZipLocation(path)
        except OSError as e:
            raise StoreError(path, f"cannot be read ({e.strerror})") from e
    recover_interrupted_swaps(path)
    if not path.is_dir():
        make = "factornet-etl export STORE" if path.suffix == ".zip" else "factornet-etl genome"
        more = " --fasta FILE" if make.endswith("genome") else ""
        raise StoreError(
            location, "no such store", hint=f"correct the name, or make one with `{make} {location}{more}`"
        )
    return LocalLocation(path)


def check_is_store(home: StoreLocation, shown: str) -> None:
    """See that a place has a part of a store at least; another folder is not a damaged store.

    Raises:
        StoreError: it has none; where a store is near, the message names it.
    """
    if FORMAT.encode() in _text(home, "") or _text(home, "genome"):
        return
    near = "correct the address" if isinstance(home, RemoteLocation) else "give the folder or file of a store"
    if isinstance(home, LocalLocation):
        around = [*home.path.parents[:2], *sorted(p for p in home.path.iterdir() if p.is_dir())]
        near = next((f"did you mean {p}?" for p in around if (p / "genome" / "zarr.json").is_file()), near)
    raise StoreError(shown, f"not a FactorNet store (no zarr.json with the format {FORMAT!r} in it)", hint=near)


def _text(home: StoreLocation, group: str) -> bytes:
    """Content of the ``zarr.json`` of a group, nothing where there is none."""
    try:
        return home.folder(group).read("zarr.json")
    except FileNotFoundError:
        return b""


def with_forward_slashes(location: str | Path) -> str:
    """A place as text; of a URL that was a `Path` for a while, the second slash is put back."""
    text = str(location)
    return re.sub(r"^(s3|gs|https?):/(?=[^/])", r"\1://", text) if isinstance(location, Path) else text


def _is_name(text: str) -> bool:
    try:
        return bool(check_name(text, "cell line"))
    except UsageError:
        return False


def _folders(top: Mapping[str, Entry]) -> tuple[str, ...]:
    """Names of all folders where cell lines lie, sorted."""
    return tuple(sorted(n.removeprefix("cells/") for n, e in top.items() if n[:6] == "cells/" and e.kind == "folder"))


def _top(names: Mapping[str, int]) -> dict[str, Entry]:
    """What lies directly in the root and in ``cells``, of all objects of a store."""
    found: dict[str, Entry] = {}
    for name, size in names.items():
        parts = name.split("/")
        for depth in (1, 2) if parts[0] == "cells" else (1,):
            if len(parts) >= depth:
                whole = len(parts) == depth
                found["/".join(parts[:depth])] = Entry("file", size) if whole else Entry("folder")
    return found


INSTALL = "pip install 'factornet[remote]'"


def is_remote(location: str) -> bool:
    """Whether a store is named by a URL."""
    return "://" in location


def connect(url: str) -> ObjectServer:
    """The server that a URL names.

    Raises:
        UsageError: no server can be reached by such a URL, or the library for it is not installed.
    """
    scheme = urlsplit(url).scheme.lower()
    if urlsplit(url).path.endswith(".zip"):
        raise UsageError(f"{url.partition('?')[0]}: is a zip file on a server; download it, and give the file")
    try:
        if scheme in ("http", "https"):
            from .storage.http_server import HttpServer

            return HttpServer(url, RetryPolicy.from_environment())
        if scheme in ("s3", "gs"):
            from .storage.s3_bucket import S3Bucket

            return S3Bucket(url, RetryPolicy.from_environment())
    except ImportError as e:
        raise UsageError(f"{url.partition('?')[0]}: stores on servers need {e.name}; install it with: {INSTALL}") from e
    raise UsageError(
        f"{scheme}://: not a kind of place that a store is read from; give a folder, a .zip file, s3://, gs://, "
        "https:// or http:// (az:// containers: by their https:// address)"
    )
