"""Sealed JSON files: each holds its format, its version and the SHA-256 of its own text, and is replaced atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ..errors import InputError
from .atomic_write import write_atomic
from .limited_read import parse_json, read_limited

SELF_DIGEST = "self_digest"
"""Key of the digest: the SHA-256 of the text with 64 zeros in its place."""
BLANK_DIGEST = "0" * 64
_MAX_SIZE = 64_000_000  # bytes of a file


class NewerVersionError(InputError):
    """A file has a newer format version; falling back to an older file would be wrong."""


@dataclass(frozen=True)
class JsonFormat:
    """Name and version of a kind of file; `hint` says how to get such a file where another one is found."""

    name: str
    version: int
    hint: str


def seal(text: bytes) -> bytes:
    """Put the digest of a JSON text, with `BLANK_DIGEST` as its self-digest, in the place of that."""
    return text.replace(_line(BLANK_DIGEST), _line(hashlib.sha256(text).hexdigest()))


def is_sealed(text: bytes, digest: str) -> bool:
    """Return whether a JSON text, whose self-digest is `digest`, has the bytes that were written.

    The digest is of the bytes: a flipped bit may leave the JSON equal (1e5 and 1E5, the last digit of a fraction).
    """
    line = _line(digest)
    return text.count(line) == 1 and hashlib.sha256(text.replace(line, _line(BLANK_DIGEST))).hexdigest() == digest


def _line(digest: str) -> bytes:
    return f'"{SELF_DIGEST}": "{digest}"'.encode()


def write_sealed_json(path: Path, kind: JsonFormat, content: Mapping[str, Any]) -> str:
    """Write a file and return its self-digest.

    Raises:
        InputError: the file cannot be written.
    """
    text = seal_document(kind, content)
    write_atomic(path, text)
    return str(json.loads(text)[SELF_DIGEST])


def seal_document(kind: JsonFormat, content: Mapping[str, Any]) -> bytes:
    """Return the text of a file: format, version, content and self-digest."""
    document = {"format": kind.name, "version": kind.version, **content, SELF_DIGEST: BLANK_DIGEST}
    return seal(json.dumps(document, indent=1, allow_nan=False).encode())


def read_sealed_json(path: Path, kind: JsonFormat, *, hint: str) -> dict[str, Any]:
    """Return the content of a file of a format, its self-digest included.

    Args:
        path: of the file.
        kind: format and newest version.
        hint: what to do about a damaged file.

    Raises:
        NewerVersionError: it has a newer version.
        InputError: it cannot be read, is damaged, or of another kind.
    """
    return parse_sealed_json(read_limited(path, _MAX_SIZE, hint=hint), path, kind, hint=hint)


def parse_sealed_json(text: bytes, where: str | Path, kind: JsonFormat, *, hint: str) -> dict[str, Any]:
    """Return the content of a document of a format, its self-digest included.

    Args:
        text: the document.
        where: path or URL that it is from, for messages.
        kind: format and newest version.
        hint: what to do about a damaged one.

    Raises:
        NewerVersionError: it has a newer version.
        InputError: it is damaged, or of another kind.
    """
    content = _json_object(text, where, hint=hint)
    check_format(where, content, kind)
    if not is_sealed(text, str(content.get(SELF_DIGEST))):
        raise InputError(where, f"damaged or changed: its {SELF_DIGEST} is not that of its content", hint=hint)
    return content


def read_json_object(path: Path, *, hint: str) -> tuple[bytes, dict[str, Any]]:
    """Return text and content of a file with a JSON object, of at most 64 MB.

    Raises:
        InputError: it cannot be read, is larger, or no JSON object.
    """
    text = read_limited(path, _MAX_SIZE, hint=hint)
    return text, _json_object(text, path, hint=hint)


def _json_object(text: bytes, where: str | Path, *, hint: str) -> dict[str, Any]:
    content = parse_json(text, where, hint=hint)
    if not isinstance(content, dict):
        raise InputError(where, f"expected a JSON object, got {type(content).__name__}", hint=hint)
    return content


def check_format(path: str | Path, content: Mapping[str, Any], kind: JsonFormat) -> None:
    """Check the format and version that a file states.

    Raises:
        NewerVersionError: it has a newer version.
        InputError: it is of another format, or of an earlier version, whose files had no digest.
    """
    found = content.get("version")
    if content.get("format") != kind.name or type(found) is not int:
        problem = f"not a {kind.name} file: its format is {content.get('format')!r}, version {found!r}"
        raise InputError(path, problem, hint=kind.hint)
    if found > kind.version:
        problem = f"format version {found} is newer than {kind.version}, the newest that factornet {__version__} reads"
        raise NewerVersionError(path, problem, hint="update factornet")
    if found < kind.version:
        problem = f"format version {found} is older than {kind.version}, the first with digests"
        raise InputError(path, problem, hint=kind.hint)
