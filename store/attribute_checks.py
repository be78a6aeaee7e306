"""Check values of attributes that were written elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def is_term(text: str) -> bool:
    """Return whether a text may be the assay or the units of a track: letters, digits and ``. _ + -``, or empty."""
    return re.fullmatch(r"[A-Za-z0-9._+-]*", text) is not None


def check_printable(texts: Iterable[Any]) -> None:
    """Raise TypeError unless all are strings of printable characters."""
    for text in texts:
        check_type(text, str)
        if not text.isprintable():
            raise TypeError(f"{text!r} has unprintable characters")


def check_folder_names(names: Iterable[str]) -> None:
    """Raise TypeError unless all can be names of folders in a store, of whatever other characters."""
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise TypeError(f"{name!r} is no name of a folder")


def check_type(value: object, kind: type) -> None:
    """Raise TypeError unless a value is of exactly this type (a bool is no int)."""
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:40]!r} is not of type {kind.__name__}")


def check_provenance(provenance: Any) -> None:
    """Raise TypeError unless the record of a build is a dict, and lists its input files, if any, with names and sizes.

    Raises:
        KeyError: an input file has no name, size or digest.
    """
    check_type(provenance, dict)
    inputs = provenance.get("inputs", [])
    check_type(inputs, list)
    for file in inputs:
        check_type(file, dict)
        check_type(file["size"], int)
        check_type(file["name"], str)
        check_type(file["sha256"], str)


def describe_error(error: Exception) -> str:
    """Describe a KeyError or TypeError of parsing attributes."""
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
