"""Download public inputs: from the first server that works, resumed, checked against their digests.

A file is written to ``.<name>.part``, under its lock, and renamed when it is complete and its digest is right. SHA-256
and source of each download are recorded in ``fetched.json`` in the same folder, with which files without a published
digest are compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ...store.errors import InputError, StoreError
from ...store.files.atomic_write import fsync_path, named_write_errors, write_atomic
from ...store.files.digest import file_digest
from ...store.files.file_kinds import WEB_PAGE, file_kind
from ...store.files.limited_read import parse_json, read_limited
from ...store.files.outputs import check_output_file, output_lock
from ...store.storage.retry import RestRefusedError, RetryPolicy, TransientError
from ...store.storage.transfer_limit import limit_transfer
from ..publish.disk_space import check_disk_space
from .digests import matches
from .http_get import announced_size, first_byte, get, read_body
from .registry import Download

OnBytes = Callable[[str, int, int], None]
"""Called with a file's name, the bytes downloaded so far, and its size (0 where unknown)."""

_MAX_LIST_SIZE = 16 * 1024 * 1024  # bytes of a list of digests
_MAX_SIZE = 20_000_000_000  # bytes of a file whose size the registry does not have; the genome of hg38 has 1 GB
_MAX_SIZES = {".hdf5": 1_000_000_000, ".json": 64_000_000, ".txt": 64_000_000}  # of a model: weights have 10 MB
_RECORD = "fetched.json"
_MAX_RECORD_SIZE = 64_000_000  # bytes


@dataclass(frozen=True)
class DownloadedFile:
    """A downloaded file.

    Attributes:
        download: its entry in the registry.
        path: where it is.
        new: whether it was downloaded by this call.
        compared_with: source of the digest that it was compared with.
        differs: whether it already existed with another content, as a sheet of a group that was edited, and was kept.
    """

    download: Download
    path: Path
    new: bool
    compared_with: str
    differs: bool = False


def download_files(
    downloads: Sequence[Download],
    folder: Path,
    *,
    retry_policy: RetryPolicy,
    on_bytes: OnBytes = lambda name, done, total: None,
) -> list[DownloadedFile]:
    """Download files into a folder, except those that already exist with the expected digest.

    Files of a group are kept if they exist, whatever they are: users write the names of their own files into sheets.

    Raises:
        StoreError: no server has a file with the expected digest, or the disk is too small; a partial download is
            kept, and the next call resumes it.
        InputError: another process downloads a file there, or one cannot be written.
        UsageError: a folder, pipe or device is in the place of a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_download_file(d, folder, retry_policy, on_bytes) for d in downloads]


def _download_file(download: Download, folder: Path, retry_policy: RetryPolicy, on_bytes: OnBytes) -> DownloadedFile:
    path = folder / download.name
    if download.group and path.exists():
        return DownloadedFile(download, path, False, "the registry", differs=not matches(path, download.digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes would write to one partial file: what one cuts off leaves a hole in what the other goes on with.
    with output_lock(path):
        check_output_file(path, overwrite=True)
        return _download_locked(download, folder, retry_policy, on_bytes)


def _download_locked(download: Download, folder: Path, retry_policy: RetryPolicy, on_bytes: OnBytes) -> DownloadedFile:
    path, problems = folder / download.name, list[str]()
    recorded = _read_record(folder).get(download.name, {})
    for url in download.urls:
        try:
            digest, source = _expected_digest(download, url, recorded, retry_policy)
            new = not (path.exists() and matches(path, digest))
            if new:
                _Downloader(download, path, retry_policy, on_bytes, digest).download(url)
        except StoreError as e:
            problems.append(str(e))
            continue
        if new or not recorded:
            _write_record(folder, download.name, url, path)
        return DownloadedFile(download, path, new, source)
    kept = "a partial download is kept and resumed by the same command; or " if _part_path(path).exists() else ""
    hint = f"{kept}put the file there by other means"
    raise StoreError(path, f"cannot be downloaded: {'; '.join(problems)}", hint=hint)


def download_text(url: str, *, max_size: int, retry_policy: RetryPolicy) -> str:
    """Return the text at an address; bytes that are not UTF-8 become U+FFFD.

    Raises:
        StoreError: it cannot be downloaded, or has more than `max_size` bytes.
    """

    def try_download() -> str:
        with (
            limit_transfer(timeout=retry_policy.timeout) as limit,
            get(url, {}, retry_policy) as response,
        ):
            limit.expect_body(max_size)
            try:
                return b"".join(read_body(url, response, max_size=max_size)).decode(errors="replace")
            except (HTTPError, RequestException) as e:
                raise TransientError("the connection broke") from e

    return retry_policy.call(try_download, url=url)


def _expected_digest(
    download: Download, url: str, recorded: dict[str, Any], retry_policy: RetryPolicy
) -> tuple[str, str]:
    """Return the expected digest of a file, empty where unknown, and the source of the digest."""
    if download.digest:
        return download.digest, "the registry"
    if recorded:
        return f"sha256:{recorded['sha256']}", f"the first download ({recorded['when']})"
    if download.digests:
        list_url = download.digest_list_url(url)
        return f"md5:{_read_listed_md5(list_url, download.name, retry_policy)}", list_url
    return "", "nothing: its digest is not published; later downloads are compared with this one"


def _read_listed_md5(url: str, name: str, retry_policy: RetryPolicy) -> str:
    """Return the MD5 of a file from a publisher's list, whose lines have digest and name in either order.

    Raises:
        StoreError: the list cannot be downloaded, or does not have the file.
    """
    for line in download_text(url, max_size=_MAX_LIST_SIZE, retry_policy=retry_policy).splitlines():
        words = line.split()
        digests = [w.lower() for w in words if re.fullmatch(r"[0-9a-fA-F]{32}", w)]
        if digests and any(w.lstrip("*./") == name for w in words):
            return digests[0]
    raise StoreError(url, f"has no MD5 of {name}")


@dataclass(frozen=True)
class _Downloader:
    """Downloads a file, or the rest of it; the caller holds the lock of `path`."""

    entry: Download
    path: Path
    retry_policy: RetryPolicy
    on_bytes: OnBytes
    digest: str

    def download(self, url: str) -> None:
        """Replace the file by what is at an address.

        Raises:
            StoreError: the download failed, the disk is too small, or the file does not have the digest.
            InputError: it cannot be written.
        """
        part = _part_path(self.path)

        def once() -> None:
            try:
                self._try_download(url, part)
            except RestRefusedError:
                _remove_part(part)  # the next try begins anew
                raise

        self.retry_policy.call(once, url=url)
        with named_write_errors(self.path):
            _version_path(part).unlink(missing_ok=True)
            if not self.digest and file_kind(part) == WEB_PAGE:
                part.unlink()
                raise StoreError(url, "sends a web page in place of the file, as a network does that asks to log in")
            if not matches(part, self.digest):
                part.unlink()
                raise StoreError(url, f"the downloaded file does not have the known hash {self.digest}")
            fsync_path(part)
            part.replace(self.path)
            fsync_path(self.path.parent)

    def _try_download(self, url: str, part: Path) -> None:
        """Download the missing rest of a partial file; one request."""
        done = part.stat().st_size if part.exists() else 0
        version = _version_path(part).read_text() if done and _version_path(part).exists() else ""
        headers = {"Range": f"bytes={done}-", "If-Range": version} if done and version else {}
        max_size = self.entry.size or _MAX_SIZES.get(Path(self.entry.name).suffix, _MAX_SIZE)
        with (
            limit_transfer(timeout=self.retry_policy.timeout) as limit,
            get(url, headers, self.retry_policy) as response,
        ):
            begin = first_byte(response, done if headers else 0)
            limit.expect_body(max_size - begin)
            body = read_body(url, response, max_size=max_size - begin)
            length = announced_size(response) or 0
            check_disk_space(part, length, what=self.entry.name, hint="or download to another disk")
            # A strong validator of this version of the file (RFC 9110, If-Range); without it the part is not resumed.
            etag = response.headers.get("ETag", "")
            version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
            with named_write_errors(part):
                _version_path(part).write_text(version)
                file = part.open("r+b" if begin else "wb")
            with file:
                with named_write_errors(part):
                    file.seek(begin)
                    file.truncate()
                try:
                    self._copy_body(body, part, file, begin, length)
                except StoreError:  # it is too large: what came of it is no part of the file
                    _remove_part(part)
                    raise
                with named_write_errors(part):
                    file.flush()

    def _copy_body(self, body: Iterator[bytes], part: Path, file: IO[bytes], begin: int, length: int) -> None:
        done, total = begin, begin + length if length else 0
        try:
            for chunk in body:
                with named_write_errors(part):
                    file.write(chunk)
                done += len(chunk)
                self.on_bytes(self.entry.name, done, total)
        except (HTTPError, RequestException) as e:
            raise TransientError(f"the connection broke after {done} bytes") from e
        if total and done != total:
            raise TransientError(f"the connection ended after {done} of {total} bytes")


def _part_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _remove_part(part: Path) -> None:
    for path in (part, _version_path(part)):
        path.unlink(missing_ok=True)


def _version_path(part: Path) -> Path:
    return part.with_suffix(".version")


def _read_record(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / _RECORD
    try:
        entries = parse_json(read_limited(path, _MAX_RECORD_SIZE), path) if path.exists() else {}
        return {name: {**e, "sha256": str(e["sha256"]), "when": str(e["when"])} for name, e in entries.items()}
    except (InputError, KeyError, TypeError, AttributeError) as e:
        hint = "remove it; the digests of the files are then recorded again"
        problem = e.problem if isinstance(e, InputError) else f"has another form: {e}"
        raise StoreError(path, f"is damaged ({problem})", hint=hint) from e


def _write_record(folder: Path, name: str, url: str, path: Path) -> None:
    entry = {
        "url": url,
        "bytes": path.stat().st_size,
        "sha256": file_digest(path),
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    with output_lock(folder / _RECORD, wait=True):  # of processes that download other files into the folder
        text = json.dumps({**_read_record(folder), name: entry}, indent=1) + "\n"
        write_atomic(folder / _RECORD, text.encode())
