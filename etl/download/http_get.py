"""One GET request of a download, and its response: status, size, range, body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ...store.errors import StoreError
from ...store.storage.remote import TooLargeError, limit_pieces
from ...store.storage.retry import RestRefusedError, RetryPolicy, TransientError
from ...store.storage.transfer_limit import POOL_CLASSES
from ...store.text import format_foreign

_CHUNK_SIZE = 1024 * 1024
_TRANSIENT_STATUS = (408, 425, 429)  # and all from 500 on


def get(url: str, headers: dict[str, str], retry_policy: RetryPolicy) -> Any:
    """Send a GET request; return the response, its body not yet read.

    Raises:
        TransientError: a fault that may pass.
        StoreError: any other status than 200 and 206.
    """
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _LimitedAdapter())
            sent = {"Accept-Encoding": "identity", **headers}
            response = session.get(url, headers=sent, stream=True, timeout=retry_policy.timeout)
    except (RequestException, HTTPError, ValueError) as e:  # ValueError: a redirect to what is no URL
        raise TransientError(f"cannot be reached ({format_foreign(e)})") from e
    if response.status_code == 416 and "Range" in headers:
        raise RestRefusedError
    if response.status_code in _TRANSIENT_STATUS or response.status_code >= 500:
        raise TransientError(f"HTTP {response.status_code}")
    if response.status_code not in (200, 206):
        raise StoreError(url, f"HTTP {response.status_code} {format_foreign(response.reason)}")
    return response


def read_body(url: str, response: Any, *, max_size: int) -> Iterator[bytes]:
    """Yield the body of a response in pieces, as it was sent: not decompressed.

    Raises:
        StoreError: it has more than `max_size` bytes; before the first piece if the server announces so.
    """
    pieces = response.raw.stream(_CHUNK_SIZE, decode_content=False)
    try:
        yield from limit_pieces(pieces, announced=announced_size(response), max_size=max_size)
    except TooLargeError as e:
        raise StoreError(url, f"sends more than the {max_size} bytes expected") from e


def announced_size(response: Any) -> int | None:
    """Return the Content-Length of a response, None where it is missing or no size."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def first_byte(response: Any, requested: int) -> int:
    """Return the offset at which the body begins: 0 where the server sends the whole file."""
    if response.status_code != 206:
        return 0
    content_range = response.headers.get("Content-Range", "")
    found = re.match(r"bytes (\d+)-", content_range)
    if not found or int(found[1]) != requested:
        raise TransientError(f"requested bytes from {requested} on, got {content_range!r}", limit=2)
    return requested


class _LimitedAdapter(HTTPAdapter):
    """Adapter whose connections keep to the limit of the transfer."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager
