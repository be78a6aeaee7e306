"""Read files of unknown origin: of bounded size, and JSON that is no trap."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError
from ..text import format_bytes

_MAX_DIGITS = 20  # of an integer, sign included: 64 bits


def is_there(path: Path) -> bool:
    """Return whether a file that may be missing exists.

    Raises:
        InputError: it is a link that leads nowhere: what should be there would be taken as not meant to be.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(path, "is a broken link", hint="bring back what it leads to, or remove the link")
    return path.exists()


def check_is_file(path: Path, hint: str = "correct the path") -> None:
    """Check that an input is a file, of which parts may be read several times.

    Raises:
        InputError: there is none, or it is a broken link, a folder, or a pipe or device, which has no end; `hint` says
            what to do where there is none.
    """
    if path.is_file():
        return
    if is_there(path):
        if path.is_dir():
            raise InputError(path, "is not a file, but a folder", hint="give the file in it")
        raise InputError(path, "is not a file, but a pipe or device", hint="save its content as a file, and give that")
    raise InputError(path, "no such file", hint=hint)


def read_cure(error: OSError, otherwise: str = "") -> str:
    """Return what to do about a failed read, as text; `otherwise` where no limit or permission is at fault."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the limit on open files (ulimit -n)"
    if error.errno == errno.ENOMEM:
        return "free memory, or raise the limit on it"
    return "check permissions" if error.errno in (errno.EACCES, errno.EPERM) else otherwise


def read_limited(path: Path, max_size: int, *, hint: str = "") -> bytes:
    """Return the content of a file; `hint` says what to do about one that is too large.

    Raises:
        InputError: it cannot be read, is no file, or has more than `max_size` bytes.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe has no end
            raise InputError(path, "is not a file")
        with path.open("rb") as file:
            content = file.read(max_size + 1)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint=read_cure(error)) from error
    if len(content) > max_size:
        problem = f"has more than {format_bytes(max_size)}, too much for a file of this kind"
        raise InputError(path, problem, hint=hint)
    return content


def parse_json(text: bytes, path: str | Path, *, hint: str = "") -> Any:
    """Parse the content of a JSON file, of which `path` is the path or URL for messages.

    Raises:
        InputError: it is not JSON, or nested too deeply; NaN and Infinity are not JSON.
    """
    try:
        return load_json(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error.msg})", hint=hint, line=error.lineno) from error
    except RecursionError as error:
        raise InputError(path, "not JSON (nested too deeply)", hint=hint) from error
    except ValueError as error:  # not UTF-8, a number of too many digits, NaN
        raise InputError(path, f"not JSON ({error})", hint=hint) from error


def load_json(text: bytes, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Parse JSON as `json.loads`, but refuse numbers that arithmetic cannot take: of too many digits, or infinite.

    Raises:
        ValueError: it is not JSON, or has such a number.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=parse_constant)


def _parse_int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"it has a number of {len(text):,} digits")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it has the number {text[:20]}, which is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has the number {name}")
