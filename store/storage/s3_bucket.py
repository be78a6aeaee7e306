"""Stores in object storage that speaks S3, by boto3. Settings are those of the AWS tools (AWS_ENDPOINT_URL and so on).

One request is one try: how often to try is `RetryPolicy`'s to say, as for any server. Clients are made anew in a forked
process: nothing here has threads of its own.
"""

from __future__ import annotations

import errno
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, SSLError
from botocore.exceptions import HTTPClientError as ConnectionFault

from ..errors import StoreError, UsageError
from .remote import PIECE, ObjectServer
from .retry import RetryPolicy, T, TransientError

_GOOGLE = "https://storage.googleapis.com"
_TEMPORARY = ("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling", "ThrottlingException")
_LARGEST = 5 * 1024**3  # bytes that one PUT takes


class S3Bucket(ObjectServer):
    """A store below ``s3://bucket/prefix``, or ``gs://`` through its S3 interface (with HMAC keys).

    Args:
        url: of the store.
        patience: how often to ask.

    Raises:
        UsageError: the URL names no bucket, or lacks the prefix.
    """

    def __init__(self, url: str, retry_policy: RetryPolicy) -> None:
        parts = urlsplit(url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        if not self._bucket or not self._prefix:
            raise UsageError(f"{url}: names no place of a store; write it as {parts.scheme}://bucket/hg19.zarr")
        self.location, self.retry_policy = f"{parts.scheme}://{self._bucket}/{self._prefix}", retry_policy
        self._google = parts.scheme == "gs"
        self._clients: dict[int, Any] = {}

    @contextmanager
    def get(self, key: str) -> Iterator[Iterator[bytes]]:
        """The body of an object, piece by piece; one try.

        Raises:
            TryAgainError, FileNotFoundError, StoreError: as for `ObjectServer`.
        """
        with self._faults(key):
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(key))["Body"]
            try:
                yield body.iter_chunks(PIECE)
            finally:
                body.close()

    def list(self, prefix: str) -> dict[str, int]:
        """Key and size of all that is below a path.

        Raises:
            StoreError: refused, or the server failed to the end.
        """
        whole = self._key(prefix)

        def once() -> dict[str, int]:
            with self._faults(prefix):
                pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=whole)
                return {o["Key"][len(whole) :]: int(o["Size"]) for page in pages for o in page.get("Contents", ())}

        return self._insist(prefix, once)

    def digest(self, key: str) -> str | None:
        """SHA-256 that the server took of an object, in hexadecimal, None where it has none.

        Raises:
            FileNotFoundError, StoreError: there is no such object, or the server failed.
        """

        def once() -> str | None:
            with self._faults(key):
                head = self._client.head_object(Bucket=self._bucket, Key=self._key(key), ChecksumMode="ENABLED")
                return _hex(head.get("ChecksumSHA256"))

        return self._insist(key, once)

    def digest_by_reading(self, key: str) -> str:
        """SHA-256 of what the server gives, in hexadecimal.

        Raises:
            FileNotFoundError, StoreError: there is no such object, or the server failed.
        """

        def once() -> str:
            found = sha256()
            with self.get(key) as pieces:
                for piece in pieces:
                    found.update(piece)
            return found.hexdigest()

        return self._insist(key, once)

    def put(self, key: str, content: bytes) -> None:
        """Put an object; the server compares its SHA-256.

        Raises:
            StoreError: refused, too large, or the server failed to the end.
        """
        if len(content) > _LARGEST:
            raise StoreError(
                self.url(key), f"{len(content)} bytes, an upload takes {_LARGEST}", hint="export another store"
            )
        checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": b64encode(sha256(content).digest()).decode()}

        def once() -> None:
            with self._faults(key):
                self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=content, **checksum)

        self._insist(key, once)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over.

        Raises:
            StoreError: refused, or the server failed to the end.
        """
        for key in keys:

            def once(key: str = key) -> None:
                with self._faults(key):
                    self._client.delete_object(Bucket=self._bucket, Key=self._key(key))

            self._insist(key, once)

    def _insist(self, key: str, action: Callable[[], T]) -> T:
        return self.retry_policy.call(action, url=self.url(key))

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    @property
    def _client(self) -> Any:
        """The client of this process."""
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
            # Ours is SHA-256, given with each object; not every S3-like server knows those that boto3 would add.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **anonymous,
        )
        region = session.region_name or "us-east-1"
        try:
            endpoint = {"endpoint_url": _GOOGLE} if self._google else {}
            return session.client("s3", config=config, region_name=region, **endpoint)
        except (BotoCoreError, ValueError) as e:
            raise StoreError(self.location, f"cannot be reached ({e})", hint="look at your AWS settings") from e

    @contextmanager
    def _faults(self, key: str) -> Iterator[None]:
        """Turn the library's errors into ours."""
        url = self.url(key)
        try:
            yield
        except ClientError as e:
            raise _meaning(e.response, url) from e
        except NoCredentialsError as e:
            raise StoreError(url, e, hint="give AWS credentials, as for the AWS command line") from e
        except SSLError as e:
            raise StoreError(url, f"no secure connection ({e})", hint="look at the server's certificate") from e
        except (ConnectionFault, ConnectionError, TimeoutError) as e:
            raise TransientError(f"{type(e).__name__}: {e}") from e
        except BotoCoreError as e:  # bodies that end early among them
            raise TransientError(f"{type(e).__name__}: {e}") from e


def _meaning(response: Mapping[str, Any], url: str) -> Exception:
    """What an answer of the server that is no success means."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket":
        return StoreError(url, f"HTTP {status}: there is no such bucket", hint="correct the name, or make it first")
    if status == 404:
        return FileNotFoundError(errno.ENOENT, "HTTP 404: there is no such object", url)
    if status >= 500 or status == 429 or code in _TEMPORARY:
        return TransientError(f"HTTP {status} {code}".rstrip())
    if status in (401, 403):
        return StoreError(
            url,
            f"HTTP {status} {code}: access is refused (also said of what is not there, to whom may not list)",
            hint="see that your AWS credentials may do this",
        )
    return StoreError(
        url, f"HTTP {status} {code}: {response.get('Error', {}).get('Message', '')}", hint="correct the URL"
    )


def _hex(checksum: str | None) -> str | None:
    return b64decode(checksum).hex() if checksum else None
