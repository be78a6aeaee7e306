"""Destinations on a local file system: a folder, or a zip file."""

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
from ...store.files.atomic_write import fsync_path, naming_file
from ...store.files.limited_read import read_cure
from ...store.format.cell_index import CELL_INDEX, format_cell_index
from ...store.location import StoreLocation, ZipLocation, find_location
from ...store.reader import open_store
from ...store.schema import StoreInfo
from ...store.storage.atomic_swap import GENOME_DIR, cell_line_staging_name, final_path, staging_dir
from ...store.storage.base import ObjectDigest
from ...store.storage.cache import default_cache
from ...store.storage.zip_archive import ZipArchive
from ..publish.cell_index_writer import write_cell_index, write_cells_group
from ..publish.disk_space import check_disk_space, check_writable
from ..publish.transaction import Version, check_not_replaced, publish, staging, version_at
from .destination import Destination
from .existing import ExistingStore, open_existing
from .group import GroupSnapshot, verified_pieces
from .object_writers import DirectoryWriter, ObjectWriter, ZipObjectWriter, files_below
from .zip_writer import ZipWriter


class _PathDestination(Destination):
    """A destination on a local file system, with a staging folder next to it."""

    def __init__(self, path: Path) -> None:
        self._path, self.location = path, str(path)
        self._seen: dict[Path, Version | None] = {}
        self._genome = ""

    def _check_not_replaced(self, path: Path) -> None:
        check_not_replaced(path, self._seen.get(path))

    @property
    def staged_at(self) -> str:
        """The staging folder, for messages."""
        return f"{staging_dir(self._path)}, which may be removed"

    def find_existing(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """Return the store that exists at the destination, None if there is none."""
        cells = self._path / "cells"
        self._seen = {p: version_at(p) for p in (self._path, self._path / "genome", *cells.glob("*"))}
        self._genome = info.genome_manifest if info else ""
        if not os.path.lexists(self._path):
            return None
        location = self._find_location()
        return open_existing(location, self._path, info, partial(_read_digest, location))

    @abstractmethod
    def _find_location(self) -> StoreLocation:
        """Return the location of what exists at the path.

        Raises:
            StoreError: it is of another kind.
        """

    def check_writable(self) -> None:
        """Check that the staging folder can be created, and that what exists can be changed."""
        check_writable(self._path)


def _read_digest(location: StoreLocation, path: str) -> str:
    """Return the SHA-256 of an object, empty if it cannot be read."""
    try:
        with location.folder("").open(path) as opened:
            return opened.sha256()
    except (OSError, StoreError):
        return ""


class LocalDestination(_PathDestination):
    """A folder: each group is written to the staging folder, then renamed."""

    def _find_location(self) -> StoreLocation:
        if not self._path.is_dir():
            raise StoreError(self.location, "exists, but is not a FactorNet store", hint="give another name")
        return find_location(self._path, default_cache())

    @contextmanager
    def transaction(self, snapshots: Sequence[GroupSnapshot]) -> Iterator[None]:
        """Check the disk space before the copy, and update the list of cell lines after it."""
        existing = {s.group: files_below(self._path / s.group) for s in snapshots}
        needed = sum(s.size for s in snapshots) - _size_below(staging_dir(self._path))
        needed -= sum(_size(f) for s in snapshots for n, f in existing[s.group].items() if n in s.objects)
        check_disk_space(self._path, needed, what="the copy", hint="or name a destination on another disk")
        yield
        write_cell_index(self._path)

    @contextmanager
    def write_group(self, snapshot: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Write a group to the staging folder, then publish it."""
        is_genome = snapshot.group == "genome"
        replaces_genome = is_genome and self._seen.get(self._path) is not None
        name = GENOME_DIR if replaces_genome else "genome" if is_genome else cell_line_staging_name(snapshot.cell)
        final = final_path(self._path, name)
        with staging(self._path, name, keep=True) as work:
            self._check_not_replaced(final)
            staged = work / "copy"
            folder = staged / "genome" if is_genome else staged
            writer = DirectoryWriter(folder, self._path / snapshot.group)
            yield writer
            writer.keep_only(snapshot.objects)
            with naming_file(staged / "zarr.json"):
                (staged / "zarr.json").write_bytes(snapshot.attributes)
            if replaces_genome:  # the cell lines stay: only the genome's folder and the root's attributes are moved
                publish(folder, self._path, name, check=partial(self._check_not_replaced, final))
                (staged / "zarr.json").replace(self._path / "zarr.json")
                fsync_path(self._path)
            else:
                if is_genome:
                    write_cells_group(staged)
                check = partial(self._check_not_replaced, final) if is_genome else self._check_same_genome
                publish(staged, self._path, name, check=check)

    def _check_same_genome(self) -> None:
        """Check that the genome of the store was not replaced since the copy began."""
        if open_store(self._path).info.genome_manifest != self._genome:
            problem = "the genome was replaced during the copy"
            raise StoreError(self.location, problem, hint="run the same command again")


class ZipDestination(_PathDestination):
    """A zip file: written to the staging folder, compared, then renamed."""

    rewritten_whole = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer: ZipWriter | None = None
        self._lock = threading.Lock()

    def _find_location(self) -> StoreLocation:
        if not self._path.is_file():
            raise StoreError(self.location, "exists, but is not a file", hint="give another name")
        try:
            return ZipLocation(self._path)
        except StoreError as e:
            raise e.with_hint("give another name, or delete it and run the same command again") from e
        except OSError as e:
            raise StoreError(self.location, f"cannot be read ({e.strerror})", hint=read_cure(e)) from e

    @contextmanager
    def transaction(self, snapshots: Sequence[GroupSnapshot]) -> Iterator[None]:
        """Write the file with all groups."""
        if not snapshots:
            yield
            return
        listing = format_cell_index({s.cell: s.manifest for s in snapshots if s.group != "genome"})
        expected = {name: listed for s in snapshots for name, listed in s.all_objects.items()}
        expected[CELL_INDEX] = (len(listing), hashlib.sha256(listing).hexdigest())
        with staging(self._path, "zip", keep=True) as work, ExitStack() as stack:
            self._check_not_replaced(self._path)
            needed = sum(size for size, _ in expected.values()) - _size_below(work)
            check_disk_space(self._path, needed, what="the zip file", hint="or name a destination on another disk")
            new = work / "store.zip"
            new.touch()
            stack.enter_context(naming_file(new))
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
    def write_group(self, snapshot: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Append the objects of a group."""
        assert self._writer is not None
        yield ZipObjectWriter(self._writer, f"{snapshot.group}/", self._lock)
        self._add(snapshot.attributes_path, snapshot.attributes)


def _compare_zip(path: Path, expected: dict[str, ObjectDigest]) -> None:
    archive = ZipArchive(path)
    if archive.entries.keys() != expected.keys():
        raise StoreError(path, f"lacks {sorted(expected.keys() - archive.entries.keys())}", hint="check the disk")
    for name, listed in expected.items():
        with archive.open(name) as opened:
            for _ in verified_pieces(opened, listed, location=f"{path}/{name}", hint="check the disk"):
                pass


def _size_below(folder: Path) -> int:
    """Return the bytes of the files below a folder, which need not exist, and where others write and remove files."""
    return sum(_size(Path(root, name)) for root, _, names in os.walk(folder) for name in names)


def _size(file: Path) -> int:
    """Return the bytes of a file; 0 where another process has just removed it."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
