"""Groups copied to object storage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ...store.errors import RemoteError, StoreError, UsageError
from ...store.format.cell_index import CELL_INDEX, format_cell_index
from ...store.location import find_location
from ...store.reader import Store
from ...store.schema import StoreInfo
from ...store.storage.base import ObjectDigest
from ...store.storage.cache import default_cache
from ...store.storage.s3_bucket import S3Bucket
from .destination import Destination
from .existing import ExistingStore, open_existing
from .group import GroupSnapshot
from .object_writers import ObjectWriter


class S3Destination(Destination):
    """Object storage: what says that a group is there is put last, and removed first where a group is replaced."""

    def __init__(self, bucket: S3Bucket, url: str) -> None:
        self._bucket, self._url, self.location = bucket, url, bucket.location
        self._info: StoreInfo | None = None
        self._cells: dict[str, str] = {}
        self._listed = b""

    def there(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """The store that is there."""
        self._info = info
        if "" not in self._bucket.list("zarr.json"):
            return None
        home = find_location(self._url, default_cache())
        there = open_existing(home, self._url, info, self._digest)
        with contextlib.suppress(FileNotFoundError):
            self._listed = home.folder("").read(CELL_INDEX)
        self._info = there.store.info
        self._cells = self._manifests()
        return there

    def _manifests(self) -> dict[str, str]:
        """Digests of the manifests of the cell lines that are there now; damaged ones are left out."""
        assert self._info is not None
        store, found = Store(self._url, self._info), {}
        names = (name.split("/") for name in self._bucket.list("cells/"))
        for cell in [parts[0] for parts in names if parts[1:] == ["zarr.json"]]:
            try:
                found[cell] = store.cell(cell).manifest
            except RemoteError:
                raise
            except (StoreError, UsageError):
                continue  # not listed until it is replaced
        return found

    def _digest(self, path: str) -> str:
        try:
            return _bucket_digest(self._bucket, path)
        except FileNotFoundError:
            return ""

    @contextmanager
    def receiving(self, parts: Sequence[GroupSnapshot]) -> Iterator[None]:
        """The list of cell lines is brought up to date at the end."""
        yield
        self._put_list()

    @contextmanager
    def group(self, part: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Put the objects, then what says that they are there."""
        if part.group != "genome" and self._manifests().get(part.cell) != self._cells.get(part.cell):
            raise StoreError(
                f"{self.location}/{part.group}",
                "was put there, replaced or removed by another process in the meantime, and is left as it is",
                hint="run the same command again",
            )
        there = self._bucket.list(f"{part.group}/")
        self._bucket.delete([part.seal] if self._replaces(part, there) else [])
        yield _S3ObjectWriter(self._bucket, f"{part.group}/", there)
        keep = part.listed
        self._bucket.delete(f"{part.group}/{n}" for n in there if f"{part.group}/{n}" not in keep)
        self._bucket.put(part.seal, part.text)
        self._put_list()

    def _put_list(self) -> None:
        """Others may put cell lines there at the same time: all that are there now are listed."""
        listing = format_cell_index(self._manifests())
        if listing != self._listed:
            self._bucket.put(CELL_INDEX, listing)
            self._listed = listing

    def _replaces(self, part: GroupSnapshot, there: dict[str, int]) -> bool:
        return part.group != "genome" and "zarr.json" in there and self._cells.get(part.cell) != part.digest


class _S3ObjectWriter:
    def __init__(self, bucket: S3Bucket, prefix: str, there: dict[str, int]) -> None:
        self._bucket, self._prefix, self._there = bucket, prefix, there

    def has(self, name: str, listed: ObjectDigest) -> bool:
        return self._there.get(name) == listed[0] and self._digest(name) == listed[1]

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        content = b"".join(pieces)
        for _ in range(2):
            self._bucket.put(self._prefix + name, content)
            if self._digest(name) == listed[1]:
                return
        raise RemoteError(self._bucket.url(self._prefix + name), "did not arrive as it was sent, twice")

    def _digest(self, name: str) -> str:
        return _bucket_digest(self._bucket, self._prefix + name)


def _bucket_digest(bucket: S3Bucket, key: str) -> str:
    """SHA-256 of what is there: the server's own, or, of servers that take none, of what it gives back."""
    return bucket.digest(key) or bucket.digest_by_reading(key)
