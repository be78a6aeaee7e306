"""Stores in S3-compatible object storage, by boto3, with the settings of the AWS tools (AWS_ENDPOINT_URL and so on).

boto3's own retries are off: `RetryPolicy` decides, as for every server. A forked process makes its own client; no
client here has threads.
"""

from __future__ import annotations

import errno
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, SSLError
from botocore.exceptions import HTTPClientError as HttpConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from ..errors import StoreError, UsageError
from ..files.digest import sha256_of
from ..text import format_foreign
from .remote import PIECE_SIZE, ObjectServer, TooLargeError, limit_pieces, range_begins_at, skip_bytes
from .retry import RestRefusedError, RetryPolicy, T, TransientError
from .transfer_limit import LimitedConnection, TransferLimit, limit_transfer

_GOOGLE_ENDPOINT = "https://storage.googleapis.com"
_TRANSIENT_CODES = (
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
)
_REPLACED_STATUSES = (409, 412)  # what answers a condition that does not hold
_MAX_PUT_SIZE = 5 * 1024**3  # bytes
_MAX_RESPONSE_SIZE = 16 * 1024 * 1024  # bytes of a response that is not an object; a page of a listing has up to 2 MB
_MAX_OBJECTS = 10_000_000  # in a listing; hg19 with 100 cell lines has some 100,000


class _HttpConnection(LimitedConnection, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HttpsConnection(LimitedConnection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HttpPool(AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HttpConnection


class _HttpsPool(AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HttpsConnection


_POOL_CLASSES = {"http": _HttpPool, "https": _HttpsPool}


class ReplacedError(StoreError):
    """An object has another version than the one that was to be replaced."""


class S3Bucket(ObjectServer):
    """Store below ``s3://bucket/prefix``, or ``gs://bucket/prefix`` through Google's S3 interface (with HMAC keys).

    Args:
        url: of the store.
        retry_policy: number and timing of tries.
        root: whether the prefix may be empty, for a folder of stores.

    Raises:
        UsageError: the URL lacks the bucket, or the prefix where `root` is false.
    """

    def __init__(self, url: str, retry_policy: RetryPolicy, *, root: bool = False) -> None:
        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        if not self._bucket or not (self._prefix or root):
            raise UsageError(
                f"{url}: a bucket and a path in it are needed; write it as {parts.scheme}://bucket/hg19.zarr"
            )
        self.location = f"{parts.scheme}://{self._bucket}/{self._prefix}".rstrip("/")
        self.retry_policy = retry_policy
        self._google = parts.scheme == "gs"
        self._clients: dict[int, Any] = {}

    @contextmanager
    def get(self, key: str, *, max_size: int, begin: int = 0) -> Iterator[Iterator[bytes]]:
        """Yield the body of an object, from `begin` on, in pieces, in a single try.

        Raises:
            TransientError, TooLargeError, FileNotFoundError, StoreError: as for `ObjectServer.get`.
        """
        with self._translated_errors(key, max_size=0) as limit:
            rest = {"Range": f"bytes={begin}-"} if begin else {}
            response = self._request("get_object", Key=self._key(key), **rest)
            limit.expect_body(max_size)
            is_rest = bool(begin) and range_begins_at(response.get("ContentRange"), begin)
            left = max_size - begin if is_rest else max_size
            with closing(response["Body"]) as body:
                announced = response.get("ContentLength")
                pieces = limit_pieces(body.iter_chunks(PIECE_SIZE), announced=announced, max_size=left)
                yield pieces if is_rest else skip_bytes(pieces, begin)

    def list(self, prefix: str) -> dict[str, int]:
        """Return key, relative to `prefix`, and size of all objects below it.

        Raises:
            StoreError: the server refuses, or failed after all retries.
        """
        full_prefix = self._key(prefix)

        def once() -> dict[str, int]:
            found: dict[str, int] = {}
            position: dict[str, str] = {}
            while True:
                with self._translated_errors(prefix):
                    page = self._request("list_objects_v2", Prefix=full_prefix, **position)
                before = len(found)
                for entry in page.get("Contents", ()):
                    if "Key" not in entry or "Size" not in entry:
                        raise StoreError(
                            self.url(prefix), "lists an object without key or size", hint="correct the URL"
                        )
                    found[entry["Key"][len(full_prefix) :]] = int(entry["Size"])
                if not page.get("IsTruncated"):
                    return found
                if len(found) == before or len(found) > _MAX_OBJECTS or not page.get("NextContinuationToken"):
                    problem = f"lists objects without end ({len(found)} so far)"
                    raise StoreError(self.url(prefix), problem, hint="correct the URL")
                position = {"ContinuationToken": page["NextContinuationToken"]}

        return self._retry(prefix, once)

    def digest(self, key: str) -> str | None:
        """Return the SHA-256 that the server computed of an object, in hexadecimal; None where it has none.

        Raises:
            FileNotFoundError: no such object.
            StoreError: the server refuses it, or failed after all retries.
        """

        def once() -> str | None:
            with self._translated_errors(key):
                head = self._request("head_object", Key=self._key(key), ChecksumMode="ENABLED")
                return _hex(head.get("ChecksumSHA256"))

        return self._retry(key, once)

    def digest_by_reading(self, key: str) -> str:
        """Return the SHA-256 of an object, in hexadecimal, by downloading it.

        Raises:
            FileNotFoundError: no such object.
            StoreError: the server refuses it, or failed after all retries.
        """

        def once() -> str:
            with self.get(key, max_size=_MAX_PUT_SIZE) as pieces:
                return sha256_of(pieces)

        try:
            return self._retry(key, once)
        except TooLargeError as e:
            problem = f"more than the {_MAX_PUT_SIZE} bytes that an upload may have"
            raise StoreError(self.url(key), problem, hint="remove the object") from e

    def version(self, key: str) -> str | None:
        """Return what the server tells versions of an object apart by (its ETag); None where there is none.

        Raises:
            StoreError: the server refuses, or failed after all retries.
        """

        def once() -> str | None:
            with self._translated_errors(key):
                return str(self._request("head_object", Key=self._key(key)).get("ETag", ""))

        try:
            return self._retry(key, once)
        except FileNotFoundError:
            return None

    def put(self, key: str, content: bytes, *, replaces: str | None = None) -> None:
        """Upload an object; the server verifies its SHA-256.

        Args:
            key: of the object.
            content: of it.
            replaces: the `version` that it may replace, empty for none; None for any.

        Raises:
            ReplacedError: there is another version than `replaces`.
            StoreError: it is larger than 5 GiB, the server refuses it, or failed after all retries.
        """
        if len(content) > _MAX_PUT_SIZE:
            problem = f"{len(content)} bytes, more than the {_MAX_PUT_SIZE} that an upload may have"
            raise StoreError(self.url(key), problem, hint="export a store with smaller objects")
        checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": b64encode(sha256(content).digest()).decode()}

        if replaces is not None:
            checksum |= {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}

        def once() -> None:
            with self._translated_errors(key):
                self._request("put_object", Key=self._key(key), Body=content, **checksum)

        self._retry(key, once)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; keys that do not exist are ignored.

        Raises:
            StoreError: the server refuses, or failed after all retries.
        """
        for key in keys:

            def once(key: str = key) -> None:
                with self._translated_errors(key):
                    self._request("delete_object", Key=self._key(key))

            self._retry(key, once)

    def _request(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """Return the parsed response of a request.

        Raises:
            TransientError: it has not the form of a response of S3; botocore's parsers raise all kinds of errors then.
        """
        send = getattr(self._client, operation)
        try:
            return cast("Mapping[str, Any]", send(Bucket=self._bucket, **arguments))
        except (ResponseParserError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as e:
            problem = f"not a response of S3 ({type(e).__name__}: {format_foreign(e)})"
            raise TransientError(problem, 2) from e

    def _retry(self, key: str, action: Callable[[], T]) -> T:
        return self.retry_policy.call(action, url=self.url(key))

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}".lstrip("/")

    @property
    def _client(self) -> Any:
        """The client of this process; a forked one makes its own."""
        pid = os.getpid()
        if pid not in self._clients:
            self._clients = {pid: self._connect()}
        return self._clients[pid]

    def _connect(self) -> Any:
        session = boto3.Session()
        anonymous = {"signature_version": UNSIGNED} if session.get_credentials() is None else {}
        timeout = self.retry_policy.timeout
        config = Config(
            connect_timeout=min(timeout, 20.0),
            read_timeout=timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
            # Uploads carry SHA-256; not every S3-compatible server knows the checksums that boto3 would add.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **anonymous,
        )
        region = session.region_name or "us-east-1"
        try:
            endpoint = {"endpoint_url": _GOOGLE_ENDPOINT} if self._google else {}
            client = session.client("s3", config=config, region_name=region, **endpoint)
            # botocore has no setting for it; a test with a slow server fails if these attributes are renamed.
            client._endpoint.http_session._pool_classes_by_scheme.update(_POOL_CLASSES)
            return client
        except (BotoCoreError, ValueError) as e:
            raise StoreError(self.location, f"cannot be reached ({e})", hint="check your AWS settings") from e

    @contextmanager
    def _translated_errors(self, key: str, *, max_size: int = _MAX_RESPONSE_SIZE) -> Iterator[TransferLimit]:
        """Raise botocore's errors as `TransientError`, `FileNotFoundError` or `StoreError`; limit the transfer."""
        url = self.url(key)
        try:
            with limit_transfer(timeout=self.retry_policy.timeout) as limit:
                limit.expect_body(max_size)
                yield limit
        except ClientError as e:
            raise _response_error(e.response, url) from e
        except NoCredentialsError as e:
            raise StoreError(url, e, hint="set AWS credentials, as for the AWS command line") from e
        except SSLError as e:
            raise StoreError(url, f"no secure connection ({e})", hint="check the server's certificate") from e
        except (HttpConnectionError, ConnectionError, TimeoutError, HTTPError) as e:
            raise TransientError(f"{type(e).__name__}: {format_foreign(e)}") from e
        except BotoCoreError as e:  # including bodies that end early
            raise TransientError(f"{type(e).__name__}: {format_foreign(e)}") from e


def _response_error(response: Mapping[str, Any], url: str) -> Exception:
    """Return the error that a response without success stands for."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = format_foreign(response.get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket":
        return StoreError(url, f"HTTP {status}: no such bucket", hint="correct the name, or create the bucket first")
    if status in _REPLACED_STATUSES:
        return ReplacedError(
            url, f"HTTP {status} {code}: was replaced by another process", hint="run the command again"
        )
    if status == 404:
        return FileNotFoundError(errno.ENOENT, "HTTP 404: no such object", url)
    if status >= 500 or status in (416, 429) or code in _TRANSIENT_CODES:
        return RestRefusedError() if status == 416 else TransientError(f"HTTP {status} {code}".rstrip())
    if status in (401, 403):
        return StoreError(
            url,
            f"HTTP {status} {code}: access denied (also the response for missing objects without permission to list)",
            hint="check the permissions of your AWS credentials",
        )
    message = format_foreign(response.get("Error", {}).get("Message", ""))
    return StoreError(url, f"HTTP {status} {code}: {message}", hint="correct the URL")


def _hex(checksum: str | None) -> str | None:
    return b64decode(checksum).hex() if checksum else None
