"""Limits of a transfer: a minimum rate, and a largest number of bytes.

A timeout of each read does not bound a transfer: a server that sends a byte per second, or ``100 Continue`` for ever,
never exceeds it. So every transfer has a credit of waiting time. It begins with the timeout, which is also its maximum,
falls while the client waits for the server, and grows with each byte by 1 / `MIN_RATE` seconds; a transfer without
credit has failed. A server may thus be silent for the timeout, and a transfer of `size` bytes takes at most
``timeout + size / MIN_RATE``. Time that the client itself needs, to write or to verify, does not count.

The limit is checked where bytes leave the socket, below the HTTP client: interim responses, headers, chunk sizes and
redirects count as bodies do. `TransferLimit` is found through a context variable, since connections are pooled and the
libraries in between pass no arguments on.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .retry import TransientError

MIN_RATE = 16 * 1024
"""Bytes per second below which a transfer uses up its credit."""

_OVERHEAD = 4 * 1024 * 1024  # bytes of headers, redirects and buffers, in addition to those of the object
_SEND_SIZE = 256 * 1024  # bytes handed to a socket at once


class TransferLimit:
    """Credit of waiting time and of bytes of one transfer.

    Args:
        timeout: largest credit, in seconds.

    Attributes:
        problem: why the transfer failed; empty as long as it has not.
    """

    def __init__(self, *, timeout: float) -> None:
        self.problem = ""
        self._timeout = self._credit = timeout
        self._bytes_left, self._transferred, self._waited = _OVERHEAD, 0, 0.0

    def expect_body(self, max_size: int) -> None:
        """Allow for a body of this size, and as many bytes of framing; before, only headers may arrive."""
        self._bytes_left += 2 * max_size

    def receive(self, sock: Any, action: Callable[[], int]) -> int:
        """Run one read of a socket; return its number of bytes.

        Raises:
            TimeoutError: the credit is used up.
            OSError: more bytes than allowed, or the read failed.
        """
        size = self.transfer(sock, action)
        self._bytes_left -= size
        if self._bytes_left < 0:
            self.problem = f"the server sends without end, {self._transferred} bytes so far"
            raise OSError(self.problem)
        return size

    def transfer(self, sock: Any, action: Callable[[], int]) -> int:
        """Run one read or write of a socket; return its number of bytes.

        Raises:
            TimeoutError: the credit is used up.
            OSError: the read or write failed.
        """
        sock.settimeout(max(self._credit, 0.001))
        begin = time.monotonic()
        try:
            size = action()
        except TimeoutError:
            self._waited += time.monotonic() - begin
            self._fail()
        waited = time.monotonic() - begin
        self._transferred += size
        self._waited += waited
        self._credit = min(self._timeout, self._credit - waited + size / MIN_RATE)
        if self._credit <= 0:
            self._fail()
        return size

    def _fail(self) -> None:
        rate = f"less than {MIN_RATE // 1024} KiB/s with a timeout of {self._timeout:g} s"
        self.problem = f"too slow: {self._transferred} bytes while waiting for {self._waited:.0f} s, {rate}"
        raise TimeoutError(self.problem)


_current: ContextVar[TransferLimit | None] = ContextVar("transfer_limit", default=None)


@contextmanager
def limit_transfer(*, timeout: float) -> Iterator[TransferLimit]:
    """Limit what the connections of this module transfer during the block, which is a single try.

    Args:
        timeout: seconds that a server may be silent.

    Yields:
        The limit, to be told the size of the body.

    Raises:
        TransientError: the transfer was too slow, or too large; in place of the exception of the HTTP client.
    """
    limit, outer = TransferLimit(timeout=timeout), _current.get()
    _current.set(limit)
    try:
        yield limit
    except Exception as e:
        if limit.problem:
            raise TransientError(limit.problem) from e
        raise
    finally:
        _current.set(outer)


class _LimitedReader(io.RawIOBase):
    """Unbuffered reader of a socket that keeps to the current limit."""

    def __init__(self, sock: Any) -> None:
        self._sock, self._raw = sock, sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        limit = _current.get()
        read = self._raw.readinto
        return int((read(buffer) if limit is None else limit.receive(self._sock, lambda: read(buffer) or 0)) or 0)

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _LimitedSocket:
    """Connected socket, plain or TLS, that keeps to the current limit; all else is the socket's own."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a buffered reader; http.client requests no other file."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r} is not supported")
        return io.BufferedReader(_LimitedReader(self._sock), 64 * 1024)

    def sendall(self, data: Any) -> None:
        """Send all bytes; slow uploads have the same credit as downloads."""
        limit, view = _current.get(), memoryview(data).cast("B")
        if limit is None:
            self._sock.sendall(view)
            return
        while view:
            piece = view[:_SEND_SIZE]
            view = view[limit.transfer(self._sock, lambda piece=piece: int(self._sock.send(piece))) :]  # type: ignore[misc]


class LimitedConnection:
    """Mixin of connections of urllib3: what they transfer keeps to the current limit."""

    sock: Any

    def connect(self) -> None:
        """Connect, and limit the socket."""
        super().connect()  # type: ignore[misc]
        self.sock = _LimitedSocket(self.sock)

    def _tunnel(self) -> None:
        """Read the response of a proxy within the limit, too."""
        sock, self.sock = self.sock, _LimitedSocket(self.sock)
        super()._tunnel()  # type: ignore[misc]
        self.sock = sock


class _HttpConnection(LimitedConnection, HTTPConnection):
    pass


class _HttpsConnection(LimitedConnection, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


POOL_CLASSES: dict[str, Any] = {"http": _HttpPool, "https": _HttpsPool}
"""Values of ``pool_classes_by_scheme`` of a pool manager whose connections are limited."""
