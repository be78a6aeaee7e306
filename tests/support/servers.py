"""Servers on loopback for the tests: S3 (moto), a web server, and a proxy that injects faults."""

import contextlib
import http.client
import http.server
import logging
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit
from uuid import uuid4

Fault = str  # "500", "503", "404", "half", "reset", "silent", "flip", "page", "called a page"
PAGE = b"\n<!DOCTYPE html>\n<html><body>Please log in.</body></html>"


class Proxy(http.server.ThreadingHTTPServer):
    """Proxy that forwards requests to another server, or fails them.

    Attributes:
        fault: called with method, path and the request's number for these (from 1); the fault, or None to forward.
        seen: number of requests by method and path.
        release: set to end "silent" faults.
    """

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
        """Ignore connections that the tests break."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        """Log nothing."""

    def _handle(self) -> None:
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
        elif fault == "page":
            self._send(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE)
        else:
            self._forward(body, fault)

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, body, dict(self.headers))
            response = upstream.getresponse()
            content = response.read()
            headers = {k: v for k, v in response.getheaders() if k.lower() not in ("connection", "transfer-encoding")}
        if fault == "called a page":
            headers = {k: v for k, v in headers.items() if k.lower() != "content-type"} | {"Content-Type": "text/html"}
        if fault == "flip" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(response.status, headers, content, half=fault == "half")

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

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815


@contextlib.contextmanager
def serving(server: http.server.HTTPServer) -> Iterator[http.server.HTTPServer]:
    """Run a server in a thread during the block."""
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
    """New bucket behind a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        import boto3

        self.proxy, self.client = proxy, boto3.client("s3")
        self.bucket = f"bucket-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=self.bucket)
        self.url = f"s3://{self.bucket}/some/demo.zarr"

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Put objects of the store into the server's memory, which takes a hundredth of the time of requests."""
        from moto.core.models import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for name, content in objects.items():
            backend.put_object(self.bucket, self.key(name)["Key"], content)

    def names(self) -> list[str]:
        """Return the names of the objects of the store, not of the catalogue and the card beside it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="some/demo.zarr/")
        return [o["Key"].removeprefix("some/demo.zarr/") for page in pages for o in page.get("Contents", ())]

    def key(self, name: str) -> dict[str, str]:
        """Return bucket and key of an object of the store, as arguments of the client's methods."""
        return {"Bucket": self.bucket, "Key": f"some/demo.zarr/{name}"}


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """Run an S3 server on loopback; yield its URL."""
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
        """Log nothing."""


@contextlib.contextmanager
def web_server(folder) -> Iterator[str]:
    """Run a web server of a folder, without range requests; yield its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Return whether the condition becomes true within this time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
