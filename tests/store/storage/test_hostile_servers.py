"""Servers that drip, never end, or lie: one error that names the URL, in bounded time and memory."""

from __future__ import annotations

import hashlib
import io
import re
import time
import tracemalloc

import numpy as np
import pytest
from support.hostile_servers import CHUNKED, ENDLESS_ANSWERS, LIES, OK, SLOW, drip, hostile_server, once, raw, steady

from factornet.store import StoreError, open_store
from factornet.store.errors import RemoteError
from factornet.store.storage.cache import ObjectCache
from factornet.store.storage.http_server import HttpServer
from factornet.store.storage.remote import RemoteStorage
from factornet.store.storage.retry import RetryPolicy
from factornet.store.storage.s3_bucket import S3Bucket
from factornet.store.storage.transfer_limit import MIN_RATE, TransferLimit

TIMEOUT = 0.6  # seconds
ONE_TRY = RetryPolicy(tries=1, wait=0.01, timeout=TIMEOUT)
BOUND = 5.0  # seconds: the timeout, and what a busy machine adds


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """One try of half a second, and a cache of the test's own."""
    settings = {"FACTORNET_TIMEOUT": str(TIMEOUT), "FACTORNET_TRIES": "1", "FACTORNET_CACHE": str(tmp_path / "cache")}
    settings |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "NO_PROXY": "127.0.0.1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def http_storage(url, tmp_path, policy=ONE_TRY) -> RemoteStorage:
    return RemoteStorage(HttpServer(f"{url}/s.zarr", policy), "", ObjectCache(tmp_path / "cache"))


def s3_storage(url, tmp_path, monkeypatch, policy=ONE_TRY) -> RemoteStorage:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    return RemoteStorage(S3Bucket("s3://bucket/s.zarr", policy), "", ObjectCache(tmp_path / "cache"))


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_slow_server_is_an_error_within_the_timeout(answer, kind, quick, tmp_path, monkeypatch):
    with hostile_server(answer) as server:
        storage = (
            http_storage(server.url, tmp_path) if kind == "http" else s3_storage(server.url, tmp_path, monkeypatch)
        )
        begin = time.monotonic()
        with pytest.raises(RemoteError, match=r"too slow: \d+ bytes while waiting for \d+ s, .*timeout of 0.6 s"):
            storage.read("zarr.json")
        assert time.monotonic() - begin < BOUND
        assert server.requests == 1


def test_slow_server_is_tried_again(tmp_path):
    with hostile_server(SLOW["body"]) as server:
        with pytest.raises(RemoteError, match=rf"{server.url}/s.zarr/zarr.json: too slow: .*\(3 tries"):
            http_storage(server.url, tmp_path, RetryPolicy(tries=3, wait=0.01, timeout=0.3)).read("zarr.json")
        assert server.requests == 3


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_slow_but_steady_server_is_read(kind, quick, tmp_path, monkeypatch):
    """50 kB/s for three times the timeout."""
    content, policy = np.random.default_rng(0).bytes(150_000), RetryPolicy(tries=1, timeout=1)
    with hostile_server(steady(content, rate=50_000)) as server:
        storage = (
            http_storage(server.url, tmp_path, policy)
            if kind == "http"
            else s3_storage(server.url, tmp_path, monkeypatch, policy)
        )
        with storage.open("c/0", (len(content), hashlib.sha256(content).hexdigest())) as opened:
            assert opened.read(0, len(content)) == content
        assert storage.read("zarr.json") == content


@pytest.mark.parametrize("answer", ENDLESS_ANSWERS.values(), ids=ENDLESS_ANSWERS)
@pytest.mark.parametrize("kind", ["http", pytest.param("s3", marks=pytest.mark.slow)])
def test_endless_answer_is_an_error_in_bounded_memory(answer, kind, quick, tmp_path, monkeypatch):
    with hostile_server(answer) as server:
        storage = (
            http_storage(server.url, tmp_path) if kind == "http" else s3_storage(server.url, tmp_path, monkeypatch)
        )
        tracemalloc.start()
        try:
            with pytest.raises(StoreError, match=rf"{storage.location}/zarr.json: "):
                storage.read("zarr.json")
            assert tracemalloc.get_traced_memory()[1] < 40_000_000
            with pytest.raises(StoreError, match=rf"{storage.location}/c/0: "):
                storage.open("c/0", (1000, "0" * 64))
        finally:
            tracemalloc.stop()


def test_listed_object_is_never_read_beyond_its_size(quick, tmp_path):
    """Neither what the server announces is read, nor what it sends without."""
    for answer in (once(bytes(2_000_000)), raw(OK + b"\r\n" + bytes(2_000_000))):
        with hostile_server(answer) as server:
            with pytest.raises(RemoteError, match=r"c/0: more than the 1000 bytes that the manifest lists"):
                http_storage(server.url, tmp_path).open("c/0", (1000, "0" * 64))
            assert not list((tmp_path / "cache/new").iterdir())


@pytest.mark.parametrize("answer", ["100 Continue", "empty lines"])
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_headers_without_end_of_a_large_object_are_an_error_at_once(answer, kind, quick, tmp_path, monkeypatch):
    """The size of the object allows for no more headers."""
    with hostile_server(ENDLESS_ANSWERS[answer]) as server:
        storage = (
            http_storage(server.url, tmp_path) if kind == "http" else s3_storage(server.url, tmp_path, monkeypatch)
        )
        with pytest.raises(RemoteError, match=r"sends without end, \d{7} bytes so far|ProtocolError|ConnectionClosed"):
            storage.open("c/0", (2**40, "0" * 64))


def test_zarr_json_has_a_largest_size(quick, tmp_path):
    begin = time.monotonic()
    message = r"zarr.json: more than 4194304 bytes, too large for a zarr.json"
    answer = drip(OK + b"Content-Length: 5000000\r\n\r\n", bytes(4000))
    with hostile_server(answer) as server, pytest.raises(StoreError, match=message):
        http_storage(server.url, tmp_path).read("zarr.json")
    assert time.monotonic() - begin < BOUND, "what the server announces is refused before it is read"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # botocore leaves a socket open
@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
@pytest.mark.parametrize("kind", ["http", "s3"])
def test_answer_in_wrong_form_is_one_line(answer, kind, quick, monkeypatch):
    with hostile_server(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(StoreError) as caught:
            open_store(f"{server.url}/s.zarr" if kind == "http" else "s3://bucket/s.zarr")
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 700
    assert re.match(r"http://127.0.0.1:\d+/s.zarr|s3://bucket/s.zarr", text)


PAGE = b"<?xml version='1.0'?><ListBucketResult><IsTruncated>true</IsTruncated>%s</ListBucketResult>"
OBJECT = b"<Contents><Key>s.zarr/a</Key><Size>%s</Size></Contents>"
TOKEN = b"<NextContinuationToken>x</NextContinuationToken>"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (once(PAGE % (OBJECT % b"1" + TOKEN)), r"lists objects without end \(1 so far\)"),
        (once(PAGE % (OBJECT % b"1")), "lists objects without end"),
        (once(PAGE % (OBJECT % b"many")), "not a response of S3"),
        (once(PAGE % b"<Contents><Size>1</Size></Contents>"), "lists an object without key or size"),
        (once(b"<a>" * 100_000), "HTTP 500"),  # botocore takes it for an error of the server
        (SLOW["body"], "too slow"),
        (ENDLESS_ANSWERS["chunks"], "sends without end"),
    ],
)
def test_listing_of_object_storage_is_bounded(answer, message, quick, tmp_path, monkeypatch):
    with hostile_server(answer) as server, pytest.raises(StoreError, match=message):
        s3_storage(server.url, tmp_path, monkeypatch).listing()


def test_upload_to_a_server_that_does_not_read_is_an_error(quick, monkeypatch):
    with hostile_server(SLOW["nothing"]) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(RemoteError, match=r"too slow"):
            S3Bucket("s3://bucket/s.zarr", ONE_TRY).put("c/0", bytes(50_000_000))


class Clock:
    """Socket and clock whose reads take a given time."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.timeout = 0.0, 0.0
        monkeypatch.setattr("factornet.store.storage.transfer_limit.time.monotonic", lambda: self.now)

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def receive(self, limit: TransferLimit, size: int, seconds: float, *, times: int = 1) -> None:
        """Receive `size` bytes through a limit, `times` times."""
        for _ in range(times):
            limit.receive(self, lambda: self.read(size, seconds))

    def read(self, size: int, seconds: float) -> int:
        self.now += min(seconds, self.timeout)
        if seconds > self.timeout:
            raise TimeoutError
        return size


def limit_of(timeout: float) -> TransferLimit:
    limit = TransferLimit(timeout=timeout)
    limit.expect_body(2**30)
    return limit


def test_transfer_ends_within_timeout_plus_size_by_rate(monkeypatch):
    """Whatever the pace of the server, and whatever time the client takes in between."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        clock, limit, received = Clock(monkeypatch), limit_of(10), 0
        waited, pace = 0.0, rng.uniform(0, 3)
        try:
            while received < 2**20:
                size, seconds = int(rng.integers(1, 4096)), pace * rng.exponential(0.1)
                begin = clock.now
                clock.receive(limit, size, seconds)
                received += size
                waited += clock.now - begin
                clock.now += 100
        except TimeoutError:
            assert "too slow" in limit.problem
        assert waited <= 10 + received / MIN_RATE + 1e-6


@pytest.mark.parametrize(("rate", "ends"), [(50_000, True), (MIN_RATE + 1000, True), (MIN_RATE - 1000, False)])
def test_steady_rate_above_the_minimum_is_enough(rate, ends, monkeypatch):
    clock, limit = Clock(monkeypatch), limit_of(2)
    with io.BytesIO() if ends else pytest.raises(TimeoutError):
        clock.receive(limit, rate // 10, 0.1, times=1000)


def test_fast_begin_buys_no_longer_silence(monkeypatch):
    clock, limit = Clock(monkeypatch), limit_of(2)
    clock.receive(limit, 2**29, 0.1)
    with pytest.raises(TimeoutError):
        clock.receive(limit, 1, 0.1, times=25)


def test_chunk_framing_counts(quick, tmp_path):
    """Chunks of one byte have six bytes of framing: the size is reached, the limit of framing is not."""
    content = bytes(range(256)) * 400
    body = b"".join(b"1\r\n%c\r\n" % c for c in content)
    with hostile_server(raw(CHUNKED + body + b"0\r\n\r\n")) as server:
        storage = http_storage(server.url, tmp_path)
        with storage.open("c/0", (len(content), hashlib.sha256(content).hexdigest())) as opened:
            assert opened.size == len(content)
