"""Locations of stores: a local folder, a zip file or a server, behind one interface."""

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
from .files.handles import close_read
from .files.limited_read import read_cure
from .format.cell_index import CELL_INDEX, parse_cell_index
from .schema import FORMAT, check_name
from .storage.atomic_swap import recover_interrupted_swaps
from .storage.base import Entry, GroupStorage, stat_entry
from .storage.cache import ObjectCache
from .storage.local import LocalStorage
from .storage.remote import ObjectServer, RemoteStorage
from .storage.retry import RetryPolicy
from .storage.zip_archive import ZipArchive, ZipStorage
from .text import shell_word


class StoreLocation(ABC):
    """Location of a store.

    Attributes:
        location: path or URL for messages, without secrets.
        local: whether it is a folder on a local disk.
    """

    location: str
    local = False

    @abstractmethod
    def folder(self, group: str) -> GroupStorage:
        """Open the folder of a group (``""`` for the root) in its present version.

        Raises:
            OSError, StoreError: it does not exist or cannot be read.
        """

    @abstractmethod
    def top(self) -> dict[str, Entry] | None:
        """List the entries of the root and of ``cells``; None if the server cannot list.

        Raises:
            OSError, StoreError: it cannot be read.
        """

    def cells(self) -> tuple[str, ...]:
        """Return the names of the cell lines, sorted.

        Raises:
            OSError, StoreError: they cannot be listed.
        """
        names = (n.removeprefix("cells/") for n, e in (self.top() or {}).items() if n.startswith("cells/"))
        return tuple(sorted(n for n in names if _is_name(n) and self.has(n)))

    def cell_folders(self) -> tuple[str, ...]:
        """Return the names of all folders of cell lines, also of damaged ones without attributes, sorted.

        Raises:
            OSError, StoreError: they cannot be listed.
        """
        return self.cells()

    def has(self, cell: str) -> bool:
        """Return whether the store has a cell line of this name.

        Raises:
            OSError, StoreError: it cannot be read.
        """
        entry = (self.top() or {}).get(f"cells/{cell}")
        return _is_name(cell) and entry is not None and entry.kind == "folder"

    def is_gone(self, cell: str) -> bool:
        """Return whether nothing is left of a cell line that the index names, not even damaged objects.

        Raises:
            OSError, StoreError: it cannot be read.
        """
        return not self.has(cell)

    def listed(self) -> dict[str, str] | None:
        """Read the index of cell lines that export writes: names and manifest digests; None if there is none.

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
        """Open the folder of a group."""
        return LocalStorage(Path(self.path, group) if group else self.path)

    def top(self) -> dict[str, Entry]:
        """List the entries of the root and of ``cells``."""
        found = {}
        for folder, prefix in ((self.path, ""), (self.path / "cells", "cells/")):
            if prefix and (folder.is_symlink() or not folder.is_dir()):
                break
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name in os.listdir(handle):  # noqa: PTH208, pathlib takes no file descriptor
                    with contextlib.suppress(FileNotFoundError):
                        found[prefix + name] = stat_entry(name, handle)
            finally:
                close_read(handle)
        return found

    def cells(self) -> tuple[str, ...]:
        """Return the names of the cell lines, sorted."""
        folders = [n.removeprefix("cells/") for n, e in self.top().items() if n.startswith("cells/")]
        return tuple(sorted(n for n in folders if (self.path / "cells" / n / "zarr.json").is_file()))

    def cell_folders(self) -> tuple[str, ...]:
        """Return the names of all folders of cell lines, sorted."""
        return _cell_folders(self.top())

    def has(self, cell: str) -> bool:
        """Return whether there is a folder of this cell line, perhaps damaged."""
        return _is_name(cell) and (self.path / "cells" / cell).is_dir()


class ZipLocation(StoreLocation):
    """A zip file.

    Raises:
        OSError, StoreError: it does not exist, or is not the zip file of a store.
    """

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._zipped = ZipArchive(path)
        # Once: asked for each cell line, a file of thousands of them would be listed as often.
        self._top = _top_entries({name: entry.size for name, entry in self._zipped.entries.items()})

    def folder(self, group: str) -> ZipStorage:
        """Open the entries of a group."""
        prefix = f"{group}/" if group else ""
        is_known = group in self._top and self._top[group].kind == "folder"
        if not is_known and not any(n.startswith(prefix) for n in self._zipped.entries):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.location}/{group}")
        return ZipStorage(self._zipped, prefix)

    def top(self) -> dict[str, Entry]:
        """List the entries of the root and of ``cells``."""
        return self._top


class RemoteLocation(StoreLocation):
    """A server; objects read from it are cached."""

    def __init__(self, server: ObjectServer, cache: ObjectCache) -> None:
        self.server, self.location, self._cache = server, server.location, cache

    def folder(self, group: str) -> RemoteStorage:
        """Return the folder of a group; a missing one raises on reading."""
        return RemoteStorage(self.server, f"{group}/" if group else "", self._cache)

    def top(self) -> dict[str, Entry] | None:
        """List the entries of the root and of ``cells``; None if the server cannot list."""
        found = self.server.list("")
        return None if found is None else _top_entries(found)

    def cells(self) -> tuple[str, ...]:
        """Return the names of the cell lines, sorted, from the index or else from the server's listing."""
        listed = self.listed()
        if listed is not None:
            return tuple(sorted(listed))
        found = self.server.list("cells/")
        if found is None:
            raise StoreError(
                self.location,
                f"has no list of cell lines ({CELL_INDEX}), and web servers cannot list files",
                hint="name the cell lines, as in "
                f"`factornet-etl import {shell_word(self.location)} DEST --cells CELL`, or publish the output of "
                "`factornet-etl export`, which includes the list",
            )
        paths = (name.split("/") for name in found)
        return tuple(sorted(name for name, *rest in paths if rest == ["zarr.json"] and _is_name(name)))

    def cell_folders(self) -> tuple[str, ...]:
        """Return the names of all folders of cell lines, in the index or not; those of the index if it cannot list."""
        top = self.top()
        return self.cells() if top is None else _cell_folders(top)

    def has(self, cell: str) -> bool:
        """Return whether the server has the attributes of this cell line."""
        return _is_name(cell) and self._has_object(f"cells/{cell}/zarr.json")

    def is_gone(self, cell: str) -> bool:
        """Return whether nothing is left of a cell line; on a web server, neither attributes nor manifest."""
        found = self.server.list(f"cells/{cell}/")
        if found is not None:
            return not found
        return not self.has(cell) and not self._has_object(f"cells/{cell}/manifest/zarr.json")

    def _has_object(self, name: str) -> bool:
        try:
            return bool(self.folder("").read(name))
        except FileNotFoundError:
            return False


def find_location(location: str | Path, cache: ObjectCache) -> StoreLocation:
    """Find the store at a path or URL; finish an interrupted swap of a local one.

    Args:
        location: a folder, a ``.zip`` file, or a URL.
        cache: for objects read from a server.

    Raises:
        StoreError: it does not exist (a server is not asked before the first read), or the zip file is invalid.
        UsageError: unsupported kind of URL.
    """
    text = with_forward_slashes(location)
    if is_remote(text):
        return RemoteLocation(connect(text), cache)
    path = Path(text).resolve()
    if path.is_file():
        if path.suffix.lower() != ".zip":
            raise StoreError(
                location, "is a file, not a store", hint="a store is a folder, or a file that ends in .zip"
            )
        try:
            return ZipLocation(path)
        except OSError as e:
            raise StoreError(path, f"cannot be read ({e.strerror})", hint=read_cure(e)) from e
    recover_interrupted_swaps(path)
    if not path.is_dir():
        is_zip = path.suffix.lower() == ".zip"
        command = (
            f"factornet-etl export STORE {shell_word(location)}"
            if is_zip
            else f"factornet-etl genome {shell_word(location)} --fasta FILE"
        )
        raise StoreError(location, "no such store", hint=f"correct the name, or make one with `{command}`")
    return LocalLocation(path)


def check_is_store(storage: StoreLocation, shown: str) -> None:
    """Check that a location has at least part of a store, to tell a wrong path from a damaged store.

    Args:
        storage: the location.
        shown: its name in the message.

    Raises:
        StoreError: it has no part of a store; the hint names a store in a folder above or below, if there is one.
    """
    if FORMAT.encode() in _zarr_json(storage, "") or _zarr_json(storage, "genome"):
        return
    hint = "correct the address" if isinstance(storage, RemoteLocation) else "give the folder or file of a store"
    if isinstance(storage, LocalLocation):
        nearby = [*storage.path.parents[:2], *sorted(p for p in storage.path.iterdir() if p.is_dir())]
        hint = next((f"did you mean {p}?" for p in nearby if (p / "genome" / "zarr.json").is_file()), hint)
    raise StoreError(shown, f"not a FactorNet store (no zarr.json with the format {FORMAT!r} in it)", hint=hint)


def _zarr_json(storage: StoreLocation, group: str) -> bytes:
    """Return the content of a group's ``zarr.json``, empty if there is none."""
    try:
        return storage.folder(group).read("zarr.json")
    except FileNotFoundError:
        return b""


def with_forward_slashes(location: str | Path) -> str:
    """Convert a location to text; restore the second slash of a URL that was converted to a `Path`."""
    text = str(location)
    return re.sub(r"^(s3|gs|https?):/(?=[^/])", r"\1://", text) if isinstance(location, Path) else text


def _is_name(text: str) -> bool:
    try:
        return bool(check_name(text, "cell line"))
    except UsageError:
        return False


def _cell_folders(top: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the names of all folders in ``cells``, sorted."""
    return tuple(sorted(n.removeprefix("cells/") for n, e in top.items() if n[:6] == "cells/" and e.kind == "folder"))


def _top_entries(sizes: Mapping[str, int]) -> dict[str, Entry]:
    """Return the entries of the root and of ``cells``, given path and size of every object of a store."""
    found: dict[str, Entry] = {}
    for name, size in sizes.items():
        parts = name.split("/")
        for depth in (1, 2) if parts[0] == "cells" else (1,):
            if len(parts) >= depth:
                is_file = len(parts) == depth
                found["/".join(parts[:depth])] = Entry("file", size) if is_file else Entry("folder")
    return found


INSTALL = "pip install 'factornet[remote]'"


def is_remote(location: str) -> bool:
    """Return whether a location is a URL."""
    return "://" in location


def connect(url: str, *, is_folder: bool = False) -> ObjectServer:
    """Return a client of the server that a URL names, of a store or of a folder of stores; nothing is sent yet.

    Raises:
        UsageError: unsupported kind of URL, or the library for it is not installed.
    """
    if urlsplit(url).path.lower().endswith(".zip") and not is_folder:
        raise UsageError(f"{url.partition('?')[0]}: is a zip file on a server; download or import it")
    scheme = urlsplit(url).scheme.lower()
    try:
        if scheme in ("http", "https"):
            from .storage.http_server import HttpServer

            return HttpServer(url, RetryPolicy.from_environment())
        if scheme in ("s3", "gs"):
            from .storage.s3_bucket import S3Bucket

            return S3Bucket(url, RetryPolicy.from_environment(), root=is_folder)
    except ImportError as e:
        raise UsageError(f"{url.partition('?')[0]}: stores on servers need {e.name}; install it with: {INSTALL}") from e
    raise UsageError(
        f"{scheme}://: unsupported kind of URL; give a folder, a .zip file, or an s3://, gs://, https:// or http:// "
        "URL (az:// containers: their https:// address)"
    )
