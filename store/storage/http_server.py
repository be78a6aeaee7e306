"""Stores on web servers, by urllib3. Nothing is asked of the server but GET."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, SSLError

from ..errors import StoreError, UsageError
from .remote import PIECE, ObjectServer
from .retry import RetryPolicy, TransientError

_REDIRECTS = 5
_BUSY = (408, 425, 429)  # besides all from 500 on


class HttpServer(ObjectServer):
    """A store below a URL, which may have a query (a signature) that goes with every request.

    Args:
        url: of the store; redirects from https to http, or to anything else, are refused.
        patience: how often to ask.

    Raises:
        UsageError: the URL names no host.
    """

    def __init__(self, url: str, retry_policy: RetryPolicy) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise UsageError(f"{url}: names no host; write it as https://host/path/hg19.zarr")
        self._parts, self.retry_policy = parts, retry_policy
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        self.location = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "factornet"}
        if parts.username is not None:
            self._headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        self._pools: dict[int, Any] = {}

    @contextmanager
    def get(self, key: str) -> Iterator[Iterator[bytes]]:
        """The body of an object, piece by piece; one try.

        Raises:
            TryAgainError, FileNotFoundError, StoreError: as for `ObjectServer`.
        """
        url = urlunsplit(self._parts._replace(netloc=urlsplit(self.location).netloc, path=self._path(key), fragment=""))
        try:
            response = self._follow(url)
            try:
                _raise_for(response.status, self.url(key))
                yield response.stream(PIECE, decode_content=False)
            finally:
                response.close()
        except SSLError as e:
            raise StoreError(
                self.url(key), f"no secure connection ({e})", hint="look at the server's certificate"
            ) from e
        except LocationParseError as e:
            raise StoreError(self.url(key), str(e), hint="correct the URL") from e
        except HTTPError as e:
            raise _broken(e, self.url(key)) from e

    def list(self, prefix: str) -> Mapping[str, int] | None:
        """Nothing: web servers do not list."""
        return None

    def _path(self, key: str) -> str:
        return f"{self._parts.path.rstrip('/')}/{quote(key)}"

    def _follow(self, url: str) -> Any:
        """The answer, after redirects."""
        headers = self._headers
        for _ in range(_REDIRECTS + 1):
            response = self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(self.retry_policy.timeout),
            )
            to = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not to:
                return response
            response.close()
            before, to = urlsplit(url), urljoin(url, to)
            scheme = urlsplit(to).scheme
            if scheme not in ("http", "https") or (before.scheme, scheme) == ("https", "http"):
                raise StoreError(
                    self.location, f"redirects to {to.partition('?')[0]}, which is refused", hint="correct the URL"
                )
            if urlsplit(to).netloc != before.netloc:  # a password is for the server that it was given for
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = to
        raise StoreError(self.location, f"more than {_REDIRECTS} redirects", hint="correct the URL")

    def _pool(self, url: str) -> Any:
        """Connections of this process: those of the parent are not shared by a forked one."""
        proxy = "" if proxy_bypass(urlsplit(url).hostname or "") else getproxies().get(urlsplit(url).scheme, "")
        pid = os.getpid()
        if pid not in self._pools:
            self._pools = {pid: {}}
        pools = self._pools[pid]
        if proxy not in pools:
            pools[proxy] = urllib3.ProxyManager(proxy, maxsize=8) if proxy else urllib3.PoolManager(maxsize=8)
        return pools[proxy]


def _raise_for(status: int, url: str) -> None:
    """What a status other than 200 means.

    Raises:
        TryAgainError, FileNotFoundError, StoreError: as for `ObjectServer.get`.
    """
    if status == 200:
        return
    if status in (404, 410):
        raise FileNotFoundError(errno.ENOENT, f"HTTP {status}: there is no such object", url)
    if status >= 500 or status in _BUSY:
        raise TransientError(f"HTTP {status}")
    why = "access is refused; see that you may read it" if status in (401, 403) else "correct the URL"
    raise StoreError(url, f"HTTP {status}: {why}")


def _broken(error: HTTPError, url: str) -> Exception:
    """What a failed connection means: some faults will not pass."""
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, SSLError):
        return StoreError(url, f"no secure connection ({reason})", hint="look at the server's certificate")
    return TransientError(f"{type(reason).__name__}: {reason}")
