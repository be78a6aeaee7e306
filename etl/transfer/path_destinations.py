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
from ...store.format.cell_index import CELL_LIST, cell_list
from ...store.location import Home, ZipHome, find_home
from ...store.reader import open_store
from ...store.schema import StoreInfo
from ...store.storage.atomic_swap import GENOME_FOLDER, building, cell_work, home_of
from ...store.storage.base import Listed
from ...store.storage.cache import default_cache
from ...store.storage.files import sync
from ...store.storage.zip_archive import CURE, ZipReader
from ..publish.cell_index_writer import write_cell_list
from ..publish.disk_space import refuse_full_disk, refuse_unwritable
from ..publish.transaction import Version, publish, refuse_replaced, staging, version_at
from .destination import Target
from .existing import There, open_there
from .group import Part, compared
from .object_writers import FolderSink, Sink, ZipSink, files_below
from .zip_writer import ZipWriter


class _PathTarget(Target):
    """On a disk."""

    def __init__(self, path: Path) -> None:
        self._path, self.place = path, str(path)
        self._seen: dict[Path, Version | None] = {}
        self._genome = ""

    def _refuse_replaced(self, place: Path) -> None:
        refuse_replaced(place, self._seen.get(place))

    @property
    def kept(self) -> str:
        """The folder beside the store."""
        return f"in {building(self._path)}, which may be removed"

    def there(self, info: StoreInfo | None = None) -> There | None:
        """The store that is there."""
        cells = self._path / "cells"
        self._seen = {p: version_at(p) for p in (self._path, self._path / "genome", *cells.glob("*"))}
        self._genome = info.genome_manifest if info else ""
        if not os.path.lexists(self._path):
            return None
        home = self._home()
        return open_there(home, self._path, info, partial(_digest_in, home))

    @abstractmethod
    def _home(self) -> Home:
        """What is there."""

    def refuse_unwritable(self) -> None:
        """See that the building folder can be made, and that what is there can be changed."""
        refuse_unwritable(self._path)


def _digest_in(home: Home, path: str) -> str:
    """SHA-256 of an object, empty where there is none that can be read."""
    sha = hashlib.sha256()
    try:
        with home.folder("").open(path) as opened:
            for piece in opened.pieces():
                sha.update(piece)
    except (OSError, StoreError):
        return ""
    return sha.hexdigest()


class LocalTarget(_PathTarget):
    """A folder: each group is put together beside the store, and moved into its place."""

    def _home(self) -> Home:
        if not self._path.is_dir():
            raise StoreError(f"{self.place}: is there, and is no FactorNet store; give another name")
        return find_home(self._path, default_cache())

    @contextmanager
    def receiving(self, parts: Sequence[Part]) -> Iterator[None]:
        """The list of cell lines is brought up to date at the end."""
        there = {p.group: files_below(self._path / p.group) for p in parts}
        needed = sum(p.size for p in parts) - _size(building(self._path))
        needed -= sum(f.stat().st_size for p in parts for n, f in there[p.group].items() if n in p.objects)
        refuse_full_disk(self._path, needed, what="the copy", cure="or name a place on another disk")
        yield
        write_cell_list(self._path)

    @contextmanager
    def group(self, part: Part) -> Iterator[Sink]:
        """Build in the store's building folder, and publish."""
        genome = part.group == "genome"
        again = genome and self._seen.get(self._path) is not None
        work_name = GENOME_FOLDER if again else "genome" if genome else cell_work(part.cell)
        final = home_of(self._path, work_name)
        with staging(self._path, work_name, keep=True) as work:
            self._refuse_replaced(final)
            staged = work / "copy"
            folder = staged / "genome" if genome else staged
            sink = FolderSink(folder, self._path / part.group)
            yield sink
            sink.keep_only(part.objects)
            (staged / "zarr.json").write_bytes(part.text)
            if again:  # the cell lines stay: only the genome's folder is moved, and the root's attributes
                publish(folder, self._path, work_name, check=partial(self._refuse_replaced, final))
                (staged / "zarr.json").replace(self._path / "zarr.json")
                sync(self._path)
            else:
                check = partial(self._refuse_replaced, final) if genome else self._refuse_other_genome
                publish(staged, self._path, work_name, check=check)

    def _refuse_other_genome(self) -> None:
        """See that the store has not become one of another genome."""
        if open_store(self._path).info.genome_manifest != self._genome:
            raise StoreError(f"{self.place}: the genome was replaced during the copy; run the same command again")


class ZipTarget(_PathTarget):
    """A zip file: written beside, compared, and put in its place by one rename."""

    whole = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer: ZipWriter | None = None
        self._lock = threading.Lock()

    def _home(self) -> Home:
        if not self._path.is_file():
            raise StoreError(f"{self.place}: is there, and is no file; give another name")
        try:
            return ZipHome(self._path)
        except StoreError as e:
            reason = str(e).removesuffix(CURE)
            raise StoreError(f"{reason}give another name, or delete it and run the same command again") from e
        except OSError as e:
            raise StoreError(f"{self.place}: cannot be read ({e.strerror})") from e

    @contextmanager
    def receiving(self, parts: Sequence[Part]) -> Iterator[None]:
        """Write all of the file."""
        if not parts:
            yield
            return
        listing = cell_list({p.cell: p.digest for p in parts if p.group != "genome"})
        expected = {name: listed for p in parts for name, listed in p.listed.items()}
        expected[CELL_LIST] = (len(listing), hashlib.sha256(listing).hexdigest())
        with staging(self._path, "zip", keep=True) as work, ExitStack() as stack:
            self._refuse_replaced(self._path)
            needed = sum(size for size, _ in expected.values()) - _size(work)
            refuse_full_disk(self._path, needed, what="the zip file", cure="or name a place on another disk")
            new = work / "store.zip"
            new.touch()
            file = stack.enter_context(new.open("r+b"))
            self._writer = ZipWriter(file, expected)
            yield
            self._add(CELL_LIST, listing)
            self._writer.finish()
            _compare_zip(new, expected)
            sync(new)
            new.replace(self._path)
            sync(self._path.parent)

    def _add(self, name: str, content: bytes) -> None:
        if self._writer is not None and name not in self._writer.done:
            self._writer.add(name, len(content), [content])

    @contextmanager
    def group(self, part: Part) -> Iterator[Sink]:
        """Append the objects of a group."""
        assert self._writer is not None
        yield ZipSink(self._writer, f"{part.group}/", self._lock)
        self._add(part.seal, part.text)


def _compare_zip(path: Path, expected: dict[str, Listed]) -> None:
    zipped = ZipReader(path)
    if zipped.entries.keys() != expected.keys():
        raise StoreError(f"{path}: lacks {sorted(expected.keys() - zipped.entries.keys())}; check the disk")
    for name, listed in expected.items():
        with zipped.open(name) as opened:
            for _ in compared(opened, listed, place=f"{path}/{name}", cure="check the disk"):
                pass


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which need not be there."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
