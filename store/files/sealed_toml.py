"""Sealed TOML files, which people read and edit: each holds its format, its version and the SHA-256 of its own text.

An edited file has another digest, and is still TOML: `check_sealed_toml` says whether it is as it was written, and
`read_toml` reads it either way.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .atomic_write import write_atomic
from .limited_read import read_limited
from .sealed_json import BLANK_DIGEST, SELF_DIGEST, JsonFormat, check_format

_MAX_SIZE = 16_000_000  # bytes of a file
_LONG_KEY = re.compile(rb"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){50}""")
"""A key of more than 50 parts with dots between them: of many thousands, tomllib makes gigabytes."""
RUN_FILE = "run.toml"
"""Name of the record of a run in a folder that the run wrote, and the end of its name next to a file."""
RUN_FORMAT = JsonFormat("factornet-run", 1, "remove it: it says how the output was made, and nothing reads it")
"""Format of the records of runs."""


def write_sealed_toml(path: Path, kind: JsonFormat, content: Mapping[str, Any], *, comment: str = "") -> None:
    """Write a file of TOML.

    Args:
        path: of the file.
        kind: format and version.
        content: values by name: text, numbers, lists of them, and tables of one level with any of these in them.
            None is left out.
        comment: first line.

    Raises:
        InputError: the file cannot be written.
    """
    head = {"format": kind.name, "version": kind.version, SELF_DIGEST: BLANK_DIGEST}
    text = (f"# {comment}\n" if comment else "") + to_toml({**head, **content})
    data = text.encode("utf-8", "replace")  # a name that is no Unicode can only be shown
    write_atomic(path, data.replace(_line(BLANK_DIGEST), _line(hashlib.sha256(data).hexdigest()), 1))


def read_toml(path: Path, *, hint: str = "") -> dict[str, Any]:
    """Return the content of a TOML file of at most 16 MB.

    Raises:
        InputError: it cannot be read, or is no TOML.
    """
    return _parse(path, read_limited(path, _MAX_SIZE, hint=hint), hint)


def check_sealed_toml(path: Path, kind: JsonFormat) -> dict[str, Any]:
    """Return the content of a sealed file that is as it was written.

    Raises:
        NewerVersionError: it has a newer version.
        InputError: it cannot be read, is of another kind, damaged, or was edited.
    """
    data = read_limited(path, _MAX_SIZE, hint=kind.hint)
    content = _parse(path, data, kind.hint)
    check_format(path, content, kind)
    line = _line(str(content.get(SELF_DIGEST)))
    blank = data.replace(line, _line(BLANK_DIGEST), 1)
    if data.count(line) != 1 or hashlib.sha256(blank).hexdigest() != content.get(SELF_DIGEST):
        raise InputError(path, f"damaged or edited: its {SELF_DIGEST} is not that of its content", hint=kind.hint)
    return content


def to_toml(document: Mapping[str, Any]) -> str:
    """Return a document as TOML: values first, then a table for each mapping; deeper mappings are inline."""
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items() if value is not None]
    for name, table in document.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]"]
            lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def _parse(path: Path, data: bytes, hint: str) -> dict[str, Any]:
    if (found := _LONG_KEY.search(data)) is not None:
        where = data.count(b"\n", 0, found.start()) + 1
        raise InputError(path, "a key of more than 50 parts", hint=hint, line=where)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # editors of Windows mark UTF-8
    except (ValueError, RecursionError) as error:  # of TOML, or of text
        raise InputError(path, f"not TOML ({error})", hint=hint) from error


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "a").replace("-", "a").isalnum() else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)  # nan, inf and -inf are TOML
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value if v is not None) + "]"
    return _text(str(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")


def _line(digest: str) -> bytes:
    return f'{SELF_DIGEST} = "{digest}"'.encode()
