"""Where groups are copied to: a local folder, a zip file, or object storage."""

from __future__ import annotations

import hashlib
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from ...store.errors import StoreError
from ...store.format.cell_index import CELL_INDEX, format_cell_index
from ...store.location import StoreLocation, ZipLocation, find_location
from ...store.reader import open_store
from ...store.schema import StoreInfo
from ...store.storage.atomic_swap import GENOME_DIR, cell_line_staging_name, final_path, staging_dir
from ...store.storage.base import ObjectDigest
from ...store.storage.cache import default_cache
from ...store.storage.files import fsync_path
from ...store.storage.zip_archive import ZipArchive
from ..publish.cell_index_writer import write_cell_index
from ..publish.disk_space import check_disk_space, check_writable
from ..publish.transaction import Version, check_not_replaced, publish, staging, version_at
from .destination import Destination
from .existing import ExistingStore, open_existing
from .group import GroupSnapshot, compared
from .object_writers import DirectoryWriter, ObjectWriter, ZipObjectWriter, files_below
from .zip_writer import ZipWriter


class _PathDestination(Destination):
    """On a disk."""

    def __init__(self, path: Path) -> None:
        self._path, self.location = path, str(path)
        self._seen: dict[Path, Version | None] = {}
        self._genome = ""

    def _refuse_replaced(self, location: Path) -> None:
        check_not_replaced(location, self._seen.get(location))

    @property
    def kept(self) -> str:
        """The folder beside the store."""
        return f"in {staging_dir(self._path)}, which may be removed"

    def there(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """The store that is there."""
        cells = self._path / "cells"
        self._seen = {p: version_at(p) for p in (self._path, self._path / "genome", *cells.glob("*"))}
        self._genome = info.genome_manifest if info else ""
        if not os.path.lexists(self._path):
            return None
        home = self._home()
        return open_existing(home, self._path, info, partial(_digest_in, home))

    @abstractmethod
    def _home(self) -> StoreLocation:
        """What is there."""

    def check_writable(self) -> None:
        """See that the building folder can be made, and that what is there can be changed."""
        check_writable(self._path)


def _digest_in(home: StoreLocation, path: str) -> str:
    """SHA-256 of an object, empty where there is none that can be read."""
    try:
        with home.folder("").open(path) as opened:
            return opened.sha256()
    except (OSError, StoreError):
        return ""


class LocalDestination(_PathDestination):
    """A folder: each group is put together beside the store, and moved into its place."""

    def _home(self) -> StoreLocation:
        if not self._path.is_dir():
            raise StoreError(self.location, "is there, and is no FactorNet store", hint="give another name")
        return find_location(self._path, default_cache())

    @contextmanager
    def receiving(self, parts: Sequence[GroupSnapshot]) -> Iterator[None]:
        """The list of cell lines is brought up to date at the end."""
        there = {p.group: files_below(self._path / p.group) for p in parts}
        needed = sum(p.size for p in parts) - _size(staging_dir(self._path))
        needed -= sum(f.stat().st_size for p in parts for n, f in there[p.group].items() if n in p.objects)
        check_disk_space(self._path, needed, what="the copy", hint="or name a place on another disk")
        yield
        write_cell_index(self._path)

    @contextmanager
    def group(self, part: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Build in the store's building folder, and publish."""
        genome = part.group == "genome"
        again = genome and self._seen.get(self._path) is not None
        work_name = GENOME_DIR if again else "genome" if genome else cell_line_staging_name(part.cell)
        final = final_path(self._path, work_name)
        with staging(self._path, work_name, keep=True) as work:
            self._refuse_replaced(final)
            staged = work / "copy"
            folder = staged / "genome" if genome else staged
            sink = DirectoryWriter(folder, self._path / part.group)
            yield sink
            sink.keep_only(part.objects)
            (staged / "zarr.json").write_bytes(part.text)
            if again:  # the cell lines stay: only the genome's folder is moved, and the root's attributes
                publish(folder, self._path, work_name, check=partial(self._refuse_replaced, final))
                (staged / "zarr.json").replace(self._path / "zarr.json")
                fsync_path(self._path)
            else:
                check = partial(self._refuse_replaced, final) if genome else self._refuse_other_genome
                publish(staged, self._path, work_name, check=check)

    def _refuse_other_genome(self) -> None:
        """See that the store has not become one of another genome."""
        if open_store(self._path).info.genome_manifest != self._genome:
            raise StoreError(
                self.location, "the genome was replaced during the copy", hint="run the same command again"
            )


class ZipDestination(_PathDestination):
    """A zip file: written beside, compared, and put in its place by one rename."""

    whole = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer: ZipWriter | None = None
        self._lock = threading.Lock()

    def _home(self) -> StoreLocation:
        if not self._path.is_file():
            raise StoreError(self.location, "is there, and is no file", hint="give another name")
        try:
            return ZipLocation(self._path)
        except StoreError as e:
            raise e.with_hint("give another name, or delete it and run the same command again") from e
        except OSError as e:
            raise StoreError(self.location, f"cannot be read ({e.strerror})") from e

    @contextmanager
    def receiving(self, parts: Sequence[GroupSnapshot]) -> Iterator[None]:
        """Write all of the file."""
        if not parts:
            yield
            return
        listing = format_cell_index({p.cell: p.digest for p in parts if p.group != "genome"})
        expected = {name: listed for p in parts for name, listed in p.listed.items()}
        expected[CELL_INDEX] = (len(listing), hashlib.sha256(listing).hexdigest())
        with staging(self._path, "zip", keep=True) as work, ExitStack() as stack:
            self._refuse_replaced(self._path)
            needed = sum(size for size, _ in expected.values()) - _size(work)
            check_disk_space(self._path, needed, what="the zip file", hint="or name a place on another disk")
            new = work / "store.zip"
            new.touch()
            file = stack.enter_context(new.open("r+b"))
            self._writer = ZipWriter(file, expected)
            yield
            self._add(CELL_INDEX, listing)
            self._writer.finish()
            _compare_zip(new, expected)
            fsync_path(new)
            new.replace(self._path)
            fsync_path(self._path.parent)

    def _add(self, name: str, content: bytes) -> None:
        if self._writer is not None and name not in self._writer.done:
            self._writer.add(name, len(content), [content])

    @contextmanager
    def group(self, part: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Append the objects of a group."""
        assert self._writer is not None
        yield ZipObjectWriter(self._writer, f"{part.group}/", self._lock)
        self._add(part.seal, part.text)


def _compare_zip(path: Path, expected: dict[str, ObjectDigest]) -> None:
    zipped = ZipArchive(path)
    if zipped.entries.keys() != expected.keys():
        raise StoreError(path, f"lacks {sorted(expected.keys() - zipped.entries.keys())}", hint="check the disk")
    for name, listed in expected.items():
        with zipped.open(name) as opened:
            for _ in compared(opened, listed, location=f"{path}/{name}", hint="check the disk"):
                pass


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which need not be there."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
