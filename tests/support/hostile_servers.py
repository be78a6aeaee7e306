"""Servers on loopback that drip, never end, or lie: each behaviour is a function that answers one connection."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\n"


def drip(begin: bytes, piece: bytes, *, wait: float = 0.1) -> Answer:
    """Send `begin`, then `piece` for ever, with pauses."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(piece)
            time.sleep(wait)

    return answer


def steady(content: bytes, *, rate: int) -> Answer:
    """Send a body at a steady rate, in bytes per second: slow, but honest."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(content))
        for i in range(0, len(content), rate // 20):
            connection.sendall(content[i : i + rate // 20])
            time.sleep(0.05)

    return answer


def once(content: bytes, head: bytes = OK) -> Answer:
    """Send a response with this body."""
    head += b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(content)
    return lambda connection: connection.sendall(head + content)


def raw(content: bytes) -> Answer:
    """Send bytes as they are."""
    return lambda connection: connection.sendall(content)


def redirect(target: bytes) -> Answer:
    """Redirect to another location."""
    return once(b"", b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n")


ENDLESS = b" " * 65536
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "body": drip(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "body without length": drip(OK + b"\r\n", b" "),
    "chunks": drip(CHUNKED, b"1\r\n \r\n"),
    "chunk size": drip(CHUNKED, b"0"),
    "chunk extension": drip(CHUNKED + b"1;", b"x"),
    "trailers": drip(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-a: b\r\n"),
    "headers": drip(OK, b"X-a: b\r\n"),
    "one header": drip(OK + b"X-a: ", b"b"),
    "status line": drip(b"HTTP/1.1 200 ", b"O"),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "redirect": drip(b"HTTP/1.1 302 Found\r\nContent-Length: 9\r\nLocation: /x\r\n", b"X-a: b\r\n"),
    "error": drip(b"HTTP/1.1 500 No\r\n", b"X-a: b\r\n"),
    "nothing": lambda connection: time.sleep(30),
}
"""Answers that are too slow, but never silent for long."""

ENDLESS_ANSWERS = {
    "body": drip(OK + b"\r\n", ENDLESS, wait=0),
    "huge length": drip(OK + b"Content-Length: 99999999999999999\r\n\r\n", ENDLESS, wait=0),
    "chunks": drip(CHUNKED, b"10000\r\n" + ENDLESS + b"\r\n", wait=0),
    "empty lines": drip(b"", b"\r\n" * 1000, wait=0),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, wait=0),
    "headers": drip(OK, b"X-a: b\r\n" * 1000, wait=0),
    "one header": drip(OK + b"X-a: ", ENDLESS, wait=0),
    "trailers": drip(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-a: b\r\n" * 1000, wait=0),
    "chunk size": drip(CHUNKED, b"0" * 1000, wait=0),
}
"""Answers that never end, at full speed."""

LIES = {
    "to a file": redirect(b"file:///etc/passwd"),
    "to itself": redirect(b"/x"),
    "to a bad address": redirect(b"http://[::1"),
    "to a bad port": redirect(b"http://a:99999999/"),
    "to port 0": redirect(b"http://127.0.0.1:0/"),
    "to a port in words": redirect(b"http://a:b/"),
    "to no host": redirect(b"http:///x"),
    "to a label too long": redirect(b"http://" + b"a" * 70 + b"/"),
    "to an empty label": redirect(b"http://a..b/"),
    "to control characters": redirect(b"http://a\x1b[31m/\x00"),
    "to bytes that are no text": redirect(b"http://\xff\xfe/\x80"),
    "negative length": raw(OK + b"Content-Length: -5\r\n\r\n{}"),
    "length in words": raw(OK + b"Content-Length: many\r\n\r\n{}"),
    "length of 5000 digits": raw(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "two lengths": raw(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "huge chunk": raw(CHUNKED + b"ffffffffffffffff\r\nabc"),
    "negative chunk": raw(CHUNKED + b"-5\r\nabc"),
    "chunk of words": raw(CHUNKED + b"many\r\nabc"),
    "junk": raw(b"\x00" * 1000),
    "103 Early Hints": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9),
    "status of words": raw(b"HTTP/1.1 fine OK\r\n\r\n"),
    "status 99999": raw(b"HTTP/1.1 99999 OK\r\n\r\n"),
    "other protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "closed": raw(b""),
    "deep JSON": once(b'{"a":' + b"[" * 1_000_000),
    "JSON of one huge number": once(b"9" * 1_000_000),
    "gzip": once(gzip.compress(b"[" * 10_000_000), OK + b"Content-Encoding: gzip\r\n"),
}
"""Answers that are wrong in form."""


class HostileServer:
    """Server that gives every connection the same answer.

    Attributes:
        requests: number of connections.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer, self._listening = answer, socket.create_server(("127.0.0.1", 0), backlog=50)
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.requests += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if connection.recv(65536):
                self._answer(connection)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # or closing would reset the connection, and discard what was sent
                    pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes up `accept`
        self._listening.close()


@contextlib.contextmanager
def hostile_server(answer: Answer) -> Iterator[HostileServer]:
    """Run a server that gives this answer to every request."""
    server = HostileServer(answer)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(10)
