"""Groups of a store on a server: objects are downloaded whole to the cache, verified by SHA-256, and read there.

Whole, because an object is verified before its first use anyway (`format.manifest`). So servers need no range requests,
nothing is downloaded twice, and a downloaded object is read like a local file, in forked processes too.
"""

from __future__ import annotations

import errno
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from ..errors import ContentError, StoreError
from ..text import format_foreign
from .base import Entry, GroupStorage, ObjectDigest, OpenObject
from .cache import ObjectCache
from .retry import RetryPolicy, TransientError

PIECE_SIZE = 1024 * 1024
_MAX_JSON_SIZE = 4 * 1024 * 1024  # bytes of a zarr.json; one with all cell lines and inputs has some 100 kB
_DAMAGED_HINT = "it was damaged there, or replaced while it was in use: rerun, or else export the store there again"


class TooLargeError(Exception):
    """A server sends, or announces, more bytes of an object than were asked for."""


def limit_pieces(pieces: Iterable[bytes], *, announced: str | int | None, max_size: int) -> Iterator[bytes]:
    """Yield the pieces of a body that has at most `max_size` bytes.

    Args:
        pieces: of the body.
        announced: the ``Content-Length`` that the server sends, if any.
        max_size: largest number of bytes.

    Raises:
        TooLargeError: the server announces or sends more.
        TransientError: the body has not the form of HTTP.
    """
    left = max_size
    if announced is not None and re.fullmatch(r"[0-9]{1,18}", str(announced)) and int(announced) > left:
        raise TooLargeError
    try:
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise TooLargeError
            yield piece
    except ValueError as e:  # of http.client: a chunk of negative size
        raise TransientError(f"the body has not the form of HTTP ({format_foreign(e)})") from e


def skip_bytes(pieces: Iterable[bytes], n_bytes: int) -> Iterator[bytes]:
    """Yield the pieces of a body without its first bytes."""
    for piece in pieces:
        kept = piece[n_bytes:]
        n_bytes -= min(n_bytes, len(piece))
        if kept:
            yield kept


def range_begins_at(content_range: object, begin: int) -> bool:
    """Return whether the ``Content-Range`` of a partial response says that it begins at an offset."""
    return re.match(rf"bytes {begin}-", str(content_range)) is not None


class ObjectServer(ABC):
    """Server of a store's objects.

    Attributes:
        location: URL of the store without credentials or signatures, for messages.
        retry_policy: number and timing of tries.
    """

    location: str
    retry_policy: RetryPolicy

    @abstractmethod
    def get(self, key: str, *, max_size: int, begin: int = 0) -> AbstractContextManager[Iterator[bytes]]:
        """Yield the body of an object in pieces, in a single try, which takes a limited time (`transfer_limit`).

        Args:
            key: of the object.
            max_size: largest number of bytes of the whole object.
            begin: offset of the first byte to be yielded. Those before it are received again, and skipped, from a
                server that does not support range requests.

        Raises:
            TransientError: another try may succeed.
            TooLargeError: the server announces or sends more than `max_size` bytes.
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
            with self._server.get(self._prefix + name, max_size=_MAX_JSON_SIZE) as pieces:
                return b"".join(pieces)

        try:
            return self._server.retry_policy.call(once, url=url)
        except TooLargeError as e:
            problem = f"more than {_MAX_JSON_SIZE} bytes, too large for a zarr.json"
            raise StoreError(url, problem, hint="correct the URL") from e

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
            try:
                with self._server.get(self._prefix + name, max_size=size) as pieces:
                    for piece in pieces:
                        digest.update(piece)
                        file.write(piece)
            except TooLargeError as e:
                raise TransientError(f"more than the {size} bytes that the manifest lists", 2, _DAMAGED_HINT) from e
            if file.tell() != size:
                raise TransientError(f"{file.tell()} bytes, the manifest lists {size}", 3, _DAMAGED_HINT)
            if digest.hexdigest() != sha:
                raise TransientError("damaged: its digest is not the one in the manifest", 2, _DAMAGED_HINT)

        try:
            self._server.retry_policy.call(once, url=url)
        except FileNotFoundError as e:
            problem = f"{e.strerror}; the manifest lists it with {size} bytes"
            raise ContentError(url, problem, hint=_DAMAGED_HINT) from None
