"""Read the text files of a model folder of the original: JSON and lists of names, of bounded size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...store.errors import InputError
from ...store.files.limited_read import parse_json, read_limited
from ...store.text import format_foreign

_MAX_JSON_SIZE = 4 * 1024 * 1024  # bytes; that of the largest published model has 30 kB
_MAX_LIST_SIZE = 1024 * 1024  # bytes
_MAX_NAME_LENGTH = 200  # characters


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it cannot be read, is too large, too deep, or not JSON; NaN and Infinity are not JSON.
    """
    return parse_json(read_limited(path, _MAX_JSON_SIZE), path)


def read_lines(path: Path) -> list[str] | None:
    """Read the non-blank lines of a list of names; None where there is no such file.

    Raises:
        InputError: it cannot be read, is too large, not text, has a line that is too long or not printable, or is a
            link that is broken or leads out of the folder, which may be a stranger's.
    """
    if path.is_symlink() and not (path.exists() and path.resolve().is_relative_to(path.parent.resolve())):
        raise InputError(path, "is a link that is broken or leads out of the folder", hint="put the file itself there")
    if not path.exists():
        return None
    try:
        text = read_limited(path, _MAX_LIST_SIZE).decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"cannot be read as text ({error})") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    for name in names:
        if len(name) > _MAX_NAME_LENGTH or not name.isprintable():
            raise InputError(path, f"has the line {format_foreign(repr(name))}, expected a short name")
    return names
