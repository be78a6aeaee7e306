"""Read the text files of a model folder of the original: JSON and lists of names, of bounded size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from ...store.errors import InputError
from ...store.text import format_bytes, format_foreign

_MAX_JSON_SIZE = 4 * 1024 * 1024  # bytes; that of the largest published model has 30 kB
_MAX_LIST_SIZE = 1024 * 1024  # bytes
_MAX_NAME_LENGTH = 200  # characters


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it cannot be read, is too large, too deep, or not JSON; NaN and Infinity are not JSON.
    """
    try:
        return json.loads(_read(path, _MAX_JSON_SIZE), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error.msg})", line=error.lineno) from error
    except RecursionError as error:
        raise InputError(path, "not JSON that Keras writes: it is nested too deeply") from error
    except ValueError as error:  # not UTF-8, a number of more than 4300 digits, NaN
        raise InputError(path, f"not JSON ({error})") from error


def read_lines(path: Path) -> list[str] | None:
    """Read the non-blank lines of a list of names; None where there is no such file.

    Raises:
        InputError: it cannot be read, is too large, not text, or has a line that is too long or not printable.
    """
    if not path.exists():
        return None
    try:
        text = _read(path, _MAX_LIST_SIZE).decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"cannot be read as text ({error})") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    for name in names:
        if len(name) > _MAX_NAME_LENGTH or not name.isprintable():
            raise InputError(path, f"has the line {format_foreign(repr(name))}, expected a short name")
    return names


def _read(path: Path, max_size: int) -> bytes:
    if path.exists() and not path.is_file():  # a pipe has no end
        raise InputError(path, "is not a file")
    try:
        with path.open("rb") as file:
            content = file.read(max_size + 1)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    if len(content) > max_size:
        raise InputError(path, f"has more than {format_bytes(max_size)}, too much for a file of this kind")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has the number {name}")
