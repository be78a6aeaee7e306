"""A server of one file and its list of digests, which fails in the ways real servers do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "big.fa.gz"
CONTENT = b"".join(i.to_bytes(4, "little") for i in range(1_000_000))
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Publisher(ThreadingHTTPServer):
    """A server of one file and its list of digests, with faults that can be set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.tag, self.ranges = CONTENT, '"v1"', True
        self.digests = f"other.txt {'0' * 32}\n{NAME} {MD5[4:]}\n"
        self.cut: Callable[[int], int | None] = lambda nth: None  # bytes after which the nth response ends
        self.status: Callable[[int], int] = lambda nth: 200
        self.requested: list[str] = []  # ranges of the requests, "" for the whole file
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}"

    def handle_error(self, request, client_address) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        server = self.server
        if self.path.endswith("md5sum.txt"):
            self._send(200, server.digests.encode(), {})
            return
        nth = len(server.requested)
        wanted = self.headers.get("Range", "")
        server.requested.append(wanted)
        if server.status(nth) != 200:
            self._send(server.status(nth), b"no", {})
        elif wanted and server.ranges and self.headers.get("If-Range") == server.tag:
            begin = int(re.match(r"bytes=(\d+)-", wanted)[1])
            span = f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}"
            self._send(206, server.content[begin:], {"Content-Range": span, "ETag": server.tag}, server.cut(nth))
        else:
            self._send(200, server.content, {"ETag": server.tag}, server.cut(nth))

    def _send(self, status, body, headers, cut=None) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        part = body if cut is None else body[:cut]
        self.wfile.write(part)
        self.server.sent += len(part)
        if cut is not None:
            self.close_connection = True
