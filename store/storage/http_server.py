"""Stores on web servers, read by urllib3 with GET requests alone."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, LocationValueError, SSLError

from ..errors import StoreError, UsageError
from ..files.file_kinds import WEB_PAGE, content_kind
from ..text import format_foreign
from .remote import PIECE_SIZE, ObjectServer, limit_pieces, range_begins_at, skip_bytes
from .retry import RestRefusedError, RetryPolicy, TransientError
from .transfer_limit import POOL_CLASSES, limit_transfer

_MAX_REDIRECTS = 5
_TRANSIENT_STATUSES = (408, 425, 429)  # in addition to 500 and above


class HttpServer(ObjectServer):
    """Store below a URL.

    Args:
        url: of the store; a query (such as a signature) is sent with every request. Redirects from https to http, or
            to other schemes, are refused.
        retry_policy: number and timing of tries.

    Raises:
        UsageError: the URL names no host.
    """

    def __init__(self, url: str, retry_policy: RetryPolicy) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise UsageError(f"{url}: a URL without a host; write it as https://host/path/hg19.zarr")
        self._parts, self.retry_policy = parts, retry_policy
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        self.location = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "factornet"}
        if parts.username is not None:
            self._headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        self._pools: dict[int, Any] = {}

    @contextmanager
    def get(self, key: str, *, max_size: int, begin: int = 0) -> Iterator[Iterator[bytes]]:
        """Yield the body of an object, from `begin` on, in pieces, in a single try.

        Raises:
            TransientError, TooLargeError, FileNotFoundError, StoreError: as for `ObjectServer.get`; the answer is a web
                page.
        """
        url = urlunsplit(self._parts._replace(netloc=urlsplit(self.location).netloc, path=self._path(key), fragment=""))
        with (
            limit_transfer(timeout=self.retry_policy.timeout) as limit,
            _translated_errors(self.url(key)),
            closing(self._follow(url, {"Range": f"bytes={begin}-"} if begin else {})) as response,
        ):
            is_rest = bool(begin) and response.status == 206
            if is_rest and not range_begins_at(response.headers.get("Content-Range"), begin):
                raise TransientError(f"sends another range than the one requested, from byte {begin} on", 2)
            if begin and response.status == 416:
                raise RestRefusedError
            _check_status(200 if is_rest else response.status, self.url(key))
            limit.expect_body(max_size)
            body, left = response.stream(PIECE_SIZE, decode_content=False), max_size - begin if is_rest else max_size
            pieces = limit_pieces(body, announced=response.headers.get("Content-Length"), max_size=left)
            if not is_rest and response.headers.get("Content-Type", "").lower().startswith("text/html"):
                pieces = _refuse_page(pieces, self.url(key))
            yield pieces if is_rest else skip_bytes(pieces, begin)

    def list(self, prefix: str) -> Mapping[str, int] | None:
        """Return None: web servers have no listing."""
        return None

    def _path(self, key: str) -> str:
        return f"{self._parts.path.rstrip('/')}/{quote(key)}"

    def _follow(self, url: str, more_headers: Mapping[str, str]) -> Any:
        """Return the response after redirects."""
        headers = {**self._headers, **more_headers}
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(self.retry_policy.timeout),
            )
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not target:
                return response
            response.close()
            target = self._redirected(url, target)
            if urlsplit(target).netloc != urlsplit(url).netloc:  # credentials are for the original server alone
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = target
        raise StoreError(self.location, f"more than {_MAX_REDIRECTS} redirects", hint="correct the URL")

    def _redirected(self, url: str, target: str) -> str:
        """Return the URL to which the server redirects a request of `url`.

        Raises:
            StoreError: it is no URL, or one of another scheme, or no longer secure.
        """
        shown = format_foreign(target.partition("?")[0])
        try:
            absolute = urljoin(url, target)
            before, after = urlsplit(url).scheme, urlsplit(absolute).scheme
            refused = after not in ("http", "https") or (before, after) == ("https", "http")
            if not refused and urlsplit(absolute).hostname and urlsplit(absolute).port != 0:
                return absolute
        except ValueError:  # of urllib: "Invalid IPv6 URL", "Port out of range"
            refused = False
        problem = f"redirects to {shown}, which is {'refused' if refused else 'not a URL'}"
        raise StoreError(self.location, problem, hint="correct the URL")

    def _pool(self, url: str) -> Any:
        """Return the connection pool of this process: a forked process must not use its parent's."""
        proxy = "" if proxy_bypass(urlsplit(url).hostname or "") else getproxies().get(urlsplit(url).scheme, "")
        pid = os.getpid()
        if pid not in self._pools:
            self._pools = {pid: {}}
        pools = self._pools[pid]
        if proxy not in pools:
            manager = urllib3.ProxyManager(proxy, maxsize=8) if proxy else urllib3.PoolManager(maxsize=8)
            manager.pool_classes_by_scheme = POOL_CLASSES
            pools[proxy] = manager
        return pools[proxy]


def _refuse_page(pieces: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Return the pieces of a body, unless it is a web page: some servers call all that they do not know ``text/html``.

    Raises:
        StoreError: it is a web page.
    """
    first = next(pieces, b"")
    if content_kind(first) == WEB_PAGE:
        hint = "open it in a browser: a network may ask to log in, or a proxy refuse; and correct the URL"
        raise StoreError(url, "the server answers with a web page in place of the object", hint=hint)
    yield first
    yield from pieces


@contextmanager
def _translated_errors(url: str) -> Iterator[None]:
    """Raise errors of urllib3 as `TransientError` or `StoreError`."""
    try:
        yield
    except SSLError as e:
        raise StoreError(url, f"no secure connection ({e})", hint="check the server's certificate") from e
    except (LocationValueError, UnicodeError) as e:
        raise StoreError(url, format_foreign(e), hint="correct the URL") from e
    except HTTPError as e:
        raise _connection_error(e, url) from e


def _check_status(status: int, url: str) -> None:
    """Raise the error that a status other than 200 stands for.

    Raises:
        TransientError, FileNotFoundError, StoreError: as for `ObjectServer.get`.
    """
    if status == 200:
        return
    if status in (404, 410):
        raise FileNotFoundError(errno.ENOENT, f"HTTP {status}: no such object", url)
    if status >= 500 or status in _TRANSIENT_STATUSES:
        raise TransientError(f"HTTP {status}")
    if status in (401, 403):
        raise StoreError(url, f"HTTP {status}: access denied", hint="check your permission to read it")
    raise StoreError(url, f"HTTP {status}", hint="correct the URL")


def _connection_error(error: HTTPError, url: str) -> Exception:
    """Return the error of a failed connection; certificate errors are not transient."""
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, SSLError):
        return StoreError(url, f"no secure connection ({reason})", hint="check the server's certificate")
    for cause in reason.args:
        if isinstance(cause, IncompleteRead) and isinstance(cause.partial, int) and cause.expected is not None:
            size = cause.partial + cause.expected
            return TransientError(f"the answer ended after {cause.partial:,} of {size:,} bytes")
    return TransientError(f"{type(reason).__name__}: {format_foreign(reason)}")
