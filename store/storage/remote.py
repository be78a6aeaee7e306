"""Groups of a store on a server: objects are downloaded whole to the cache, verified by SHA-256, and read there.

Whole, because an object is verified before its first use anyway (`format.manifest`). So servers need no range requests,
nothing is downloaded twice, and a downloaded object is read like a local file, in forked processes too.
"""

from __future__ import annotations

import errno
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from ..errors import ContentError, StoreError
from .base import Entry, GroupStorage, ObjectDigest, OpenObject
from .cache import ObjectCache
from .retry import RetryPolicy, TransientError

PIECE_SIZE = 1024 * 1024
_MAX_JSON_SIZE = 64 * 1024 * 1024  # bytes of a zarr.json; one with all cell lines and inputs has some 100 kB
_DAMAGED_HINT = "it was damaged there, or replaced while it was in use: rerun, or else export the store there again"


class ObjectServer(ABC):
    """Server of a store's objects.

    Attributes:
        location: URL of the store without credentials or signatures, for messages.
        retry_policy: number and timing of tries.
    """

    location: str
    retry_policy: RetryPolicy

    @abstractmethod
    def get(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the body of an object in pieces, in a single try.

        Raises:
            TransientError: another try may succeed.
            FileNotFoundError: no such object.
            StoreError: the server refuses it.
        """

    @abstractmethod
    def list(self, prefix: str) -> Mapping[str, int] | None:
        """Return key, relative to `prefix`, and size of all objects below it; None where the server has no listing.

        Raises:
            StoreError: the server refuses, or failed after all retries.
        """

    def url(self, key: str) -> str:
        """Return the URL of an object, for messages."""
        return f"{self.location}/{key}"


class RemoteStorage(GroupStorage):
    """Directory of a group on a server.

    Args:
        server: of the store.
        prefix: ``""`` or a path that ends in ``/``.
        cache: of downloaded objects.
    """

    def __init__(self, server: ObjectServer, prefix: str, cache: ObjectCache) -> None:
        self.location = server.url(prefix).rstrip("/")
        self._server, self._prefix, self._cache = server, prefix, cache
        self._verified: dict[str, tuple[int, int, int]] = {}

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """Open an object in the cache, downloading it first if needed.

        A cached object is verified by its SHA-256 before its first use, and downloaded again if damaged.

        Raises:
            FileNotFoundError: no manifest lists it.
            StoreError: the server refuses it or sends other content, or the cache cannot be written.
        """
        if listed is None:
            raise FileNotFoundError(errno.ENOENT, "is not listed in a manifest", f"{self.location}/{name}")
        sha = listed[1]
        opened = None
        while opened is None:
            opened = self._open_cached(sha) or self._cache.add(sha, lambda file: self._download(name, listed, file))
        self._verified[sha] = opened.identity
        return opened

    def _open_cached(self, sha: str) -> OpenObject | None:
        opened = self._cache.open(sha)
        if opened is not None and opened.identity != self._verified.get(sha) and opened.sha256() != sha:
            opened.close()
            self._cache.drop(sha)
            return None
        return opened

    def read(self, name: str) -> bytes:
        """Return the current content of a small object on the server, not cached.

        Raises:
            FileNotFoundError: no such object.
            StoreError: the server refuses it, or failed after all retries.
        """
        url = self._server.url(self._prefix + name)

        def once() -> bytes:
            content = io.BytesIO()
            with self._server.get(self._prefix + name) as pieces:
                for piece in pieces:
                    if content.write(piece) and content.tell() > _MAX_JSON_SIZE:
                        raise StoreError(
                            url, f"more than {_MAX_JSON_SIZE} bytes, too large for a zarr.json", hint="correct the URL"
                        )
            return content.getvalue()

        return self._server.retry_policy.call(once, url=url)

    def listing(self) -> dict[str, Entry] | None:
        """Return all objects below the group by path; None where the server has no listing.

        Raises:
            StoreError: the server refuses, or failed after all retries.
        """
        found = self._server.list(self._prefix)
        return None if found is None else {k: Entry("file", size) for k, size in found.items()}

    def _download(self, name: str, listed: ObjectDigest, file: BinaryIO) -> None:
        size, sha = listed
        url = self._server.url(self._prefix + name)

        def once() -> None:
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            with self._server.get(self._prefix + name) as pieces:
                for piece in pieces:
                    digest.update(piece)
                    if file.write(piece) and file.tell() > size:
                        raise TransientError(f"more than the {size} bytes that the manifest lists", 2, _DAMAGED_HINT)
            if file.tell() != size:
                raise TransientError(f"{file.tell()} bytes, the manifest lists {size}", 3, _DAMAGED_HINT)
            if digest.hexdigest() != sha:
                raise TransientError("damaged: its digest is not the one in the manifest", 2, _DAMAGED_HINT)

        try:
            self._server.retry_policy.call(once, url=url)
        except FileNotFoundError as e:
            problem = f"{e.strerror}; the manifest lists it with {size} bytes"
            raise ContentError(url, problem, hint=_DAMAGED_HINT) from None
