"""Destinations in object storage."""

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
    """Object storage: attributes make a group visible, so they are written last, and deleted first in a replacement."""

    def __init__(self, bucket: S3Bucket, url: str) -> None:
        self._bucket, self._url, self.location = bucket, url, bucket.location
        self._info: StoreInfo | None = None
        self._cells: dict[str, str] = {}
        self._index = b""

    def find_existing(self, info: StoreInfo | None = None) -> ExistingStore | None:
        """Return the store that exists at the URL, None if there is none."""
        self._info = info
        if "" not in self._bucket.list("zarr.json"):
            return None
        location = find_location(self._url, default_cache())
        existing = open_existing(location, self._url, info, self._digest)
        with contextlib.suppress(FileNotFoundError):
            self._index = location.folder("").read(CELL_INDEX)
        self._info = existing.store.info
        self._cells = self._manifests()
        return existing

    def _manifests(self) -> dict[str, str]:
        """Return the digest of the manifest of each existing cell line; damaged ones are left out."""
        assert self._info is not None
        store, found = Store(self._url, self._info), {}
        names = (name.split("/") for name in self._bucket.list("cells/"))
        for cell in [path[0] for path in names if path[1:] == ["zarr.json"]]:
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
    def transaction(self, snapshots: Sequence[GroupSnapshot]) -> Iterator[None]:
        """Update the list of cell lines after the copy."""
        yield
        self._put_cell_index()

    @contextmanager
    def write_group(self, snapshot: GroupSnapshot) -> Iterator[ObjectWriter]:
        """Write the objects of a group, then its attributes."""
        if snapshot.group != "genome" and self._manifests().get(snapshot.cell) != self._cells.get(snapshot.cell):
            raise StoreError(
                f"{self.location}/{snapshot.group}",
                "was written, replaced or removed by another process during the copy, and is left as it is",
                hint="run the same command again",
            )
        existing = self._bucket.list(f"{snapshot.group}/")
        self._bucket.delete([snapshot.attributes_path] if self._replaces(snapshot, existing) else [])
        yield _S3ObjectWriter(self._bucket, f"{snapshot.group}/", existing)
        keep = snapshot.all_objects
        self._bucket.delete(f"{snapshot.group}/{n}" for n in existing if f"{snapshot.group}/{n}" not in keep)
        self._bucket.put(snapshot.attributes_path, snapshot.attributes)
        self._put_cell_index()

    def _put_cell_index(self) -> None:
        """Write the list of all cell lines that exist now, those of other processes included."""
        index = format_cell_index(self._manifests())
        if index != self._index:
            self._bucket.put(CELL_INDEX, index)
            self._index = index

    def _replaces(self, snapshot: GroupSnapshot, existing: dict[str, int]) -> bool:
        """Return whether a visible cell line of other content is replaced."""
        is_visible = snapshot.group != "genome" and "zarr.json" in existing
        return is_visible and self._cells.get(snapshot.cell) != snapshot.manifest


class _S3ObjectWriter(ObjectWriter):
    """Writer of objects below a prefix of a bucket, of which `existing` has the sizes."""

    def __init__(self, bucket: S3Bucket, prefix: str, existing: dict[str, int]) -> None:
        self._bucket, self._prefix, self._existing = bucket, prefix, existing

    def has(self, name: str, listed: ObjectDigest) -> bool:
        """Return whether the object is already written, with this size and digest."""
        return self._existing.get(name) == listed[0] and self._digest(name) == listed[1]

    def put(self, name: str, listed: ObjectDigest, pieces: Iterable[bytes]) -> None:
        """Write an object and compare the digest of what arrived; try twice.

        Raises:
            RemoteError: other bytes arrived.
        """
        content = b"".join(pieces)
        for _ in range(2):
            self._bucket.put(self._prefix + name, content)
            if self._digest(name) == listed[1]:
                return
        raise RemoteError(self._bucket.url(self._prefix + name), "has other content than was sent, after 2 tries")

    def _digest(self, name: str) -> str:
        return _bucket_digest(self._bucket, self._prefix + name)


def _bucket_digest(bucket: S3Bucket, key: str) -> str:
    """Return the SHA-256 of an object: the server's own, or, of servers that keep none, of the downloaded content."""
    return bucket.digest(key) or bucket.digest_by_reading(key)
