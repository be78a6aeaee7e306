"""Groups of a store on a server: an object is fetched whole into the cache, compared with its digest, read there.

Whole, because it is compared whole before its first use anyway (`manifest`): so no server has to know ranges, nothing
is fetched twice, and what was fetched is read as from any local disk, in forked processes too.
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

PIECE = 1024 * 1024
_SMALL = 64 * 1024 * 1024  # bytes of a zarr.json at most: one with all cell lines and inputs has some 100 kB
_RESUMED = "it was damaged there, or replaced while it was in use: start again, and if that does not help copy it anew"


class ObjectServer(ABC):
    """What a store is fetched from, and where it can, put to.

    Attributes:
        place: URL of the store without anything secret, for messages.
        patience: how often to ask.
    """

    location: str
    retry_policy: RetryPolicy

    @abstractmethod
    def get(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The body of an object, piece by piece; one try.

        Raises:
            TryAgainError: it may help to ask again.
            FileNotFoundError: there is none.
            StoreError: refused.
        """

    @abstractmethod
    def list(self, prefix: str) -> Mapping[str, int] | None:
        """Key and size of all that is below a path, None where the server does not tell.

        Raises:
            StoreError: refused, or the server failed to the end.
        """

    def url(self, key: str) -> str:
        """Where an object is, for messages."""
        return f"{self.location}/{key}"


class RemoteStorage(GroupStorage):
    """A folder on a server.

    Args:
        server: that has it.
        prefix: ``""`` or a path that ends in ``/``.
        cache: where fetched objects are kept.
    """

    def __init__(self, server: ObjectServer, prefix: str, cache: ObjectCache) -> None:
        self.location = server.url(prefix).rstrip("/")
        self._server, self._prefix, self._cache = server, prefix, cache
        self._sound: dict[str, tuple[int, int, int]] = {}

    def open(self, name: str, listed: ObjectDigest | None = None) -> OpenObject:
        """An object, from the cache, where it is put first if need be.

        What is in the cache is compared with its digest before its first use here, and fetched again if it is damaged.

        Raises:
            FileNotFoundError: no manifest lists it.
            StoreError: the server does not give it, or of other content, or the cache cannot be written.
        """
        if listed is None:
            raise FileNotFoundError(errno.ENOENT, "is in no manifest", f"{self.location}/{name}")
        sha = listed[1]
        opened = None
        while opened is None:
            opened = self._cached(sha) or self._cache.add(sha, lambda file: self._fetch(name, listed, file))
        self._sound[sha] = opened.identity
        return opened

    def _cached(self, sha: str) -> OpenObject | None:
        opened = self._cache.open(sha)
        if opened is not None and opened.identity != self._sound.get(sha) and opened.sha256() != sha:
            opened.close()
            self._cache.drop(sha)
            return None
        return opened

    def read(self, name: str) -> bytes:
        """Content of a small object, as it is on the server at this moment.

        Raises:
            FileNotFoundError: there is none.
            StoreError: the server does not give it.
        """
        url = self._server.url(self._prefix + name)

        def once() -> bytes:
            content = io.BytesIO()
            with self._server.get(self._prefix + name) as pieces:
                for piece in pieces:
                    if content.write(piece) and content.tell() > _SMALL:
                        raise StoreError(
                            url, f"more than {_SMALL} bytes, which no zarr.json has", hint="correct the URL"
                        )
            return content.getvalue()

        return self._server.retry_policy.call(once, url=url)

    def listing(self) -> dict[str, Entry] | None:
        """Path and size of all below, None where the server does not tell.

        Raises:
            StoreError: refused, or the server failed to the end.
        """
        found = self._server.list(self._prefix)
        return None if found is None else {k: Entry("file", size) for k, size in found.items()}

    def _fetch(self, name: str, listed: ObjectDigest, file: BinaryIO) -> None:
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
                        raise TransientError(f"more than the {size} bytes that the manifest lists", 2, _RESUMED)
            if file.tell() != size:
                raise TransientError(f"{file.tell()} bytes, the manifest says {size}", 3, _RESUMED)
            if digest.hexdigest() != sha:
                raise TransientError("damaged: its digest is not the one in the manifest", 2, _RESUMED)

        try:
            self._server.retry_policy.call(once, url=url)
        except FileNotFoundError as e:
            problem = f"{e.strerror}; the manifest lists it with {size} bytes"
            raise ContentError(url, problem, hint=_RESUMED) from None
