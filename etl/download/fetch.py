"""Fetch public inputs, through pooch: from the first server that gives them, resumed, compared with their digests.

A file is written as ``.<name>.part`` and takes its name when it is whole and has its digest. What is known of files
without a published digest is kept in ``fetched.json`` beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pooch
import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ...store.errors import StoreError
from ...store.storage.files import file_digest
from ...store.storage.retry import RetryPolicy, TransientError
from ..publish.disk_space import check_disk_space
from .registry import Download

OnBytes = Callable[[str, int, int], None]
"""Called with a file's name, its bytes that are here, and those it has in all (0 where the server does not say)."""

_PIECE = 1024 * 1024
_BUSY = (408, 425, 429)  # besides all from 500 on
_RECORD = "fetched.json"


@dataclass(frozen=True)
class Fetched:
    """A file that is here: its path, whether it had to be fetched, and what it was compared with."""

    download: Download
    path: Path
    new: bool
    compared_with: str


def fetch(
    downloads: Sequence[Download],
    folder: Path,
    *,
    retry_policy: RetryPolicy,
    on_bytes: OnBytes = lambda name, here, total: None,
) -> list[Fetched]:
    """Fetch files into a folder; those that are there, and as they must be, are left.

    Raises:
        StoreError: no server gives a file, or none with the digest it must have; the disk is full. What is here of it
            is kept, and the next call goes on from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch_one(d, folder, retry_policy, on_bytes) for d in downloads]


def _fetch_one(download: Download, folder: Path, retry_policy: RetryPolicy, on_bytes: OnBytes) -> Fetched:
    path, problems = folder / download.name, []
    recorded = _read_record(folder).get(download.name, {})
    for url in download.urls:
        try:
            digest, source = _expected(download, url, recorded, retry_policy)
            before = path.stat().st_mtime_ns if path.exists() else None
            resume = _Resume(download, folder, retry_policy, on_bytes)
            pooch.get_logger().setLevel("ERROR")
            pooch.retrieve(url, known_hash=digest or None, fname=download.name, path=folder, downloader=resume)
        except (StoreError, ValueError) as e:
            problems.append(f"{e}")
            continue
        new = path.stat().st_mtime_ns != before
        if new or not recorded:
            _write_record(folder, download.name, url, path)
        return Fetched(download, path, new, source)
    raise StoreError(
        path,
        f"no server gave it as it must be: {'; '.join(problems)}",
        hint="try again later (what is here is kept), or get it by other means and put it there",
    )


def _expected(download: Download, url: str, recorded: dict[str, Any], retry_policy: RetryPolicy) -> tuple[str, str]:
    """The digest that a file must have, empty where nobody says, and who says so."""
    if download.digest:
        return download.digest, "the registry"
    if recorded:
        return f"sha256:{recorded['sha256']}", f"the first download ({recorded['when']})"
    if download.digests:
        listed = download.listed_at(url)
        return f"md5:{_listed_digest(listed, download.name, retry_policy)}", listed
    return "", "nothing: nobody publishes its digest; it is taken down now"


def _listed_digest(url: str, name: str, retry_policy: RetryPolicy) -> str:
    """MD5 that a publisher's list gives for a file; digest and name may stand in either order.

    Raises:
        StoreError: the list cannot be had, or does not name the file.
    """

    def ask() -> str:
        with _get(url, {}, retry_policy) as answer:
            return str(answer.text)

    for line in retry_policy.call(ask, url=url).splitlines():
        words = line.split()
        digests = [w.lower() for w in words if re.fullmatch(r"[0-9a-fA-F]{32}", w)]
        if digests and any(w.lstrip("*./") == name for w in words):
            return digests[0]
    raise StoreError(url, f"lists no MD5 of {name}")


@dataclass(frozen=True)
class _Resume:
    """Downloads for pooch, going on with what an earlier call left."""

    download: Download
    folder: Path
    retry_policy: RetryPolicy
    on_bytes: OnBytes

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        """Fetch `url` into `output_file`.

        Raises:
            StoreError: the server does not give it, or the disk is full.
        """
        part = self.folder / f".{self.download.name}.part"
        self.retry_policy.call(lambda: self._go_on(url, part), url=url)
        _version(part).unlink(missing_ok=True)
        part.replace(output_file)

    def _go_on(self, url: str, part: Path) -> None:
        """One try: fetch what is missing of the part."""
        here = part.stat().st_size if part.exists() else 0
        version = _version(part).read_text() if here and _version(part).exists() else ""
        asked = {"Range": f"bytes={here}-", "If-Range": version} if here and version else {}
        with _get(url, asked, self.retry_policy) as answer:
            begin = _begin(answer, here if asked else 0)
            length = int(answer.headers.get("Content-Length") or 0)
            check_disk_space(part, length, what=self.download.name, hint="or fetch to another disk")
            # A validator that a server gives to each version of a file; without it a part cannot be trusted later.
            tag = answer.headers.get("ETag", "")
            _version(part).write_text(
                tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
            )
            with part.open("r+b" if begin else "wb") as file:
                file.seek(begin)
                file.truncate()
                self._copy(answer, file, begin, length)

    def _copy(self, answer: Any, file: Any, begin: int, length: int) -> None:
        here, total = begin, begin + length if length else 0
        try:
            for piece in answer.raw.stream(_PIECE, decode_content=False):
                file.write(piece)
                here += len(piece)
                self.on_bytes(self.download.name, here, total)
        except (HTTPError, RequestException) as e:
            raise TransientError(f"the connection broke after {here} bytes") from e
        if total and here != total:
            raise TransientError(f"the connection ended after {here} of {total} bytes")


def _version(part: Path) -> Path:
    return part.with_suffix(".version")


def _begin(answer: Any, here: int) -> int:
    """From which byte on the body is: 0 where the server sends all of it."""
    if answer.status_code != 206:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) != here:
        raise TransientError(f"asked for bytes from {here} on, got {answer.headers.get('Content-Range')!r}", limit=2)
    return here


def _get(url: str, headers: dict[str, str], retry_policy: RetryPolicy) -> Any:
    """The answer of a server, its body not yet read.

    Raises:
        TryAgainError: it may help to ask again.
        StoreError: it will not.
    """
    try:
        answer = requests.get(
            url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=retry_policy.timeout
        )
    except RequestException as e:
        raise TransientError(f"cannot be reached ({e})") from e
    if answer.status_code in _BUSY or answer.status_code >= 500:
        raise TransientError(f"the server answers {answer.status_code}")
    if answer.status_code not in (200, 206):
        raise StoreError(url, f"the server answers {answer.status_code} {answer.reason}")
    return answer


def _read_record(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / _RECORD
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {name: {"sha256": str(e["sha256"]), "when": str(e["when"]), **e} for name, e in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise StoreError(
            path, f"is damaged ({e!r})", hint="remove it, and what cannot be verified is fetched anew"
        ) from e


def _write_record(folder: Path, name: str, url: str, path: Path) -> None:
    entry = {
        "url": url,
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    beside = folder / f".{_RECORD}.new"
    beside.write_text(json.dumps({**_read_record(folder), name: entry}, indent=1) + "\n", encoding="utf-8")
    beside.replace(folder / _RECORD)
