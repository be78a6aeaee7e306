"""Servers on loopback for the tests: S3 (moto), and a proxy before any server that fails as it is told to."""

import contextlib
import http.client
import http.server
import logging
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

Fault = str  # "500", "503", "404", "half", "reset", "silent", "flip"


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on to another server, or does not: `fault(method, path, nth time)` says."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.fault: Callable[[str, str, int], Fault | None] = lambda method, path, nth: None
        self.seen: Counter[tuple[str, str]] = Counter()
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        """Connections that the tests break are no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        """Nothing."""

    def _answer(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        server.seen[self.command, path] += 1
        fault = server.fault(self.command, path, server.seen[self.command, path])
        if fault and fault.isdigit():
            self._send(int(fault), {}, b"fault")
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault == "silent":
            server.release.wait(30)
            self.close_connection = True
        else:
            self._pass_on(body, fault)

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        up = http.client.HTTPConnection(self.server.upstream, timeout=30)
        with contextlib.closing(up):
            up.request(self.command, self.path, body, dict(self.headers))
            answer = up.getresponse()
            content = answer.read()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "transfer-encoding")}
        if fault == "flip" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(answer.status, headers, content, half=fault == "half")

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, half: bool = False) -> None:
        self.send_response_only(status)
        if self.command != "HEAD":
            headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
            headers["Content-Length"] = str(len(content))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815


@contextlib.contextmanager
def serving(server: http.server.HTTPServer) -> Iterator[http.server.HTTPServer]:
    """A server in a thread, for the time of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, Proxy):
            server.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class S3:
    """A bucket behind a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        import boto3

        self.proxy, self.client = proxy, boto3.client("s3")
        self.bucket = f"bucket-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.bucket)
        self.url = f"s3://{self.bucket}/some/demo.zarr"

    def names(self) -> list[str]:
        """Those of the store."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [o["Key"].removeprefix("some/demo.zarr/") for page in pages for o in page.get("Contents", ())]

    def key(self, name: str) -> dict[str, str]:
        """An object of the store, for the client's methods."""
        return {"Bucket": self.bucket, "Key": f"some/demo.zarr/{name}"}


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """An S3 server on loopback; its URL."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        """Nothing."""


@contextlib.contextmanager
def web_server(folder) -> Iterator[str]:
    """A plain web server of a folder, which does not know ranges; its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def within(seconds: float, question: Callable[[], bool]) -> bool:
    """Whether it comes true in this time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.02)
    return question()
