"""Where groups are copied to: a local folder, a zip file, or object storage."""

from __future__ import annotations

import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..store.cell_list import CELL_LIST, cell_list
from ..store.errors import StoreError, UsageError
from ..store.exchange import cell_work
from ..store.folder import Listed
from ..store.homes import with_slashes
from ..store.patience import RemoteError
from ..store.reader import Store, open_store
from ..store.remote import connect, is_remote
from ..store.schema import check_name
from ..store.zipped import ZipReader
from .listing import write_cell_list
from .parts import Part, compared
from .publish import file_digest, publish, staging, sync
from .room import refuse_full_disk
from .zipwriter import ZipWriter

if TYPE_CHECKING:
    from ..store.bucket import Bucket


class Sink(Protocol):
    """Takes the objects of one group, from several threads."""

    def has(self, name: str, listed: Listed) -> bool:
        """Whether an object is there already, with the right content."""

    def put(self, name: str, listed: Listed, pieces: Iterable[bytes]) -> None:
        """Put an object, and compare what is there then.

        Raises:
            StoreError, OSError: it could not be put, or is not what it should be.
        """


class Target(ABC):
    """A place that groups are copied to.

    Attributes:
        place: for messages.
        whole: whether it can only be written as a whole, with the groups that are there already.
    """

    place: str
    whole = False

    @abstractmethod
    def store(self) -> Store | None:
        """The store that is there, None where there is none.

        Raises:
            StoreError: something else is there, or it is damaged.
        """

    @abstractmethod
    def receiving(self, parts: Sequence[Part]) -> AbstractContextManager[None]:
        """The time in which these groups are copied."""

    @abstractmethod
    def group(self, part: Part) -> AbstractContextManager[Sink]:
        """The time in which one group is copied; at its end, unless by an error, the group is in place."""


def open_target(place: str | Path) -> Target:
    """The target that a user names: ``s3://`` or ``gs://``, a name that ends in ``.zip``, or else a folder.

    Raises:
        UsageError: it cannot be written to.
    """
    text = with_slashes(place)
    if is_remote(text):
        server = connect(text)
        from ..store.bucket import Bucket

        if not isinstance(server, Bucket):
            raise UsageError(f"{server.place}: web servers are only read from; give a folder, a .zip file or s3://")
        return BucketTarget(server, text)
    path = Path(text).resolve()
    check_name(path.name, "store")
    return ZipTarget(path) if path.suffix == ".zip" else LocalTarget(path)


class _FolderSink:
    """Files in a folder that is being built; `done` is asked for once, so what lies there is digested once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str, listed: Listed) -> bool:
        file = self._folder / name
        return file.is_file() and file.stat().st_size == listed[0] and file_digest(file) == listed[1]

    def put(self, name: str, listed: Listed, pieces: Iterable[bytes]) -> None:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            for piece in pieces:
                out.write(piece)
        if not self.has(name, listed):
            raise StoreError(f"{file}: is not as it was written; check the disk")

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove what an earlier try left that is none of these."""
        wanted = set(names)
        for file in self._folder.rglob("*"):
            if not file.is_dir() and str(file.relative_to(self._folder)) not in wanted:
                file.unlink()


class LocalTarget(Target):
    """A folder: each group is put together beside the store, and moved into its place."""

    def __init__(self, path: Path) -> None:
        self._path, self.place = path, str(path)

    def store(self) -> Store | None:
        """The store that is there."""
        return open_store(self._path) if os.path.lexists(self._path) else None

    @contextmanager
    def receiving(self, parts: Sequence[Part]) -> Iterator[None]:
        """The list of cell lines is brought up to date at the end."""
        needed = sum(p.size for p in parts) - _size(self._path.with_name(f"{self._path.name}.building"))
        refuse_full_disk(self._path, needed, what="the copy", cure="or name a place on another disk")
        yield
        write_cell_list(self._path)

    @contextmanager
    def group(self, part: Part) -> Iterator[Sink]:
        """Build in the store's building folder, and publish."""
        genome = part.group == "genome"
        work_name = "genome" if genome else cell_work(part.cell)
        with staging(self._path, work_name, keep=True) as work:
            staged = work / "copy"
            sink = _FolderSink(staged / "genome" if genome else staged)
            yield sink
            sink.keep_only(part.objects)
            (staged / "zarr.json").write_bytes(part.text)
            publish(staged, self._path, work_name)


class ZipTarget(Target):
    """A zip file: written beside, compared, and put in its place by one rename."""

    whole = True

    def __init__(self, path: Path) -> None:
        self._path, self.place = path, str(path)
        self._writer: ZipWriter | None = None
        self._lock = threading.Lock()

    def store(self) -> Store | None:
        """The store that is there."""
        return open_store(self._path) if os.path.lexists(self._path) else None

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
        yield _ZipSink(self._writer, f"{part.group}/", self._lock)
        self._add(part.seal, part.text)


class _ZipSink:
    def __init__(self, writer: ZipWriter, prefix: str, lock: threading.Lock) -> None:
        self._writer, self._prefix, self._lock = writer, prefix, lock

    def has(self, name: str, listed: Listed) -> bool:
        return self._prefix + name in self._writer.done

    def put(self, name: str, listed: Listed, pieces: Iterable[bytes]) -> None:
        source = iter(pieces)
        first = next(source, b"")  # what takes long to get is got before the others have to wait
        with self._lock:
            self._writer.add(self._prefix + name, listed[0], _chain(first, source))


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _compare_zip(path: Path, expected: dict[str, Listed]) -> None:
    zipped = ZipReader(path)
    if zipped.entries.keys() != expected.keys():
        raise StoreError(f"{path}: lacks {sorted(expected.keys() - zipped.entries.keys())}; check the disk")
    for name, listed in expected.items():
        with zipped.open(name) as opened:
            for _ in compared(opened, listed, place=f"{path}/{name}"):
                pass


class BucketTarget(Target):
    """Object storage: what says that a group is there is put last, and removed first where a group is replaced."""

    def __init__(self, bucket: Bucket, url: str) -> None:
        self._bucket, self._url, self.place = bucket, url, bucket.place
        self._cells: dict[str, str] = {}

    def store(self) -> Store | None:
        """The store that is there."""
        if "" not in self._bucket.list("zarr.json"):
            return None
        store = open_store(self._url)
        self._cells = {cell: store.cell(cell).manifest for cell in store.cells}
        return store

    @contextmanager
    def receiving(self, parts: Sequence[Part]) -> Iterator[None]:
        """Nothing has to be held or ended."""
        yield

    @contextmanager
    def group(self, part: Part) -> Iterator[Sink]:
        """Put the objects, then what says that they are there."""
        there = self._bucket.list(f"{part.group}/")
        self._bucket.delete([part.seal] if self._replaces(part, there) else [])
        yield _BucketSink(self._bucket, f"{part.group}/", there)
        keep = part.listed
        self._bucket.delete(f"{part.group}/{n}" for n in there if f"{part.group}/{n}" not in keep)
        self._bucket.put(part.seal, part.text)
        if part.group != "genome":
            self._cells[part.cell] = part.digest
        self._bucket.put(CELL_LIST, cell_list(self._cells))

    def _replaces(self, part: Part, there: dict[str, int]) -> bool:
        return part.group != "genome" and "zarr.json" in there


class _BucketSink:
    def __init__(self, bucket: Bucket, prefix: str, there: dict[str, int]) -> None:
        self._bucket, self._prefix, self._there = bucket, prefix, there

    def has(self, name: str, listed: Listed) -> bool:
        return self._there.get(name) == listed[0] and self._digest(name) == listed[1]

    def put(self, name: str, listed: Listed, pieces: Iterable[bytes]) -> None:
        content = b"".join(pieces)
        for _ in range(2):
            self._bucket.put(self._prefix + name, content)
            if self._digest(name) == listed[1]:
                return
        raise RemoteError(f"{self._bucket.url(self._prefix + name)}: did not arrive as it was sent, twice")

    def _digest(self, name: str) -> str:
        """SHA-256 of what is there: the server's own, or, of servers that take none, of what it gives back."""
        key = self._prefix + name
        return self._bucket.digest(key) or self._bucket.digest_by_reading(key)


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which need not be there."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
