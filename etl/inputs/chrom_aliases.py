"""Translate chromosome names between input files and the store; `alias_tables` reads the aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...store.errors import InputError

_NUMBERED = re.compile(r"(chr)?\d+")
_ARM = re.compile(r"(chr)?\d+[LR]")


def file_names(
    store_names: Iterable[str], in_file: Iterable[str], aliases: Mapping[str, str], *, file: Path
) -> dict[str, str]:
    """Return the name in the file by store name, for chromosomes of the store that the file has.

    Raises:
        InputError: two names in the file become one store name.
    """
    by_store_name: dict[str, str] = {}
    for name in in_file:
        store_name = aliases.get(name, name)
        other = by_store_name.setdefault(store_name, name)
        if other != name:
            problem = f"with the aliases, {other} and {name} are both {store_name}"
            raise InputError(file, problem, hint="give one alias only")
    return {name: by_store_name[name] for name in store_names if name in by_store_name}


def default_selection(names: Iterable[str]) -> list[str]:
    """Return the chromosomes FactorNet uses: numbered ones and X (chr1 to chr22 and chrX, or 1 to 22 and X).

    All names where none is numbered (Roman numerals of worm and yeast, NC_000001.10), or where some are arms of
    numbered ones (chr2L of the fly).
    """
    names = list(names)
    numbered = [n for n in names if _NUMBERED.fullmatch(n)]
    if not numbered or any(map(_ARM.fullmatch, names)):
        return names
    return [n for n in names if _NUMBERED.fullmatch(n) or n in ("chrX", "X")]


def likely_aliases(in_file: Iterable[str], in_store: Iterable[str]) -> dict[str, str]:
    """Return store name by name in the file, for names that differ by ``chr``, case or leading zeros, or M for MT."""
    by_key: dict[str, str | None] = {}
    for name in in_store:
        key = _name_key(name)
        by_key[key] = None if key in by_key else name
    found = {name: by_key.get(_name_key(name)) for name in in_file}
    return {name: store_name for name, store_name in found.items() if store_name is not None and store_name != name}


def _name_key(name: str) -> str:
    key = name.lower().removeprefix("chr").lstrip("0_")
    return "mt" if key == "m" else key


def describe_aliases(likely: Mapping[str, str]) -> str:
    """Return the advice to give these chromosome aliases."""
    pairs = " ".join(f"{name}={store_name}" for name, store_name in likely.items())
    return f"if these are the same chromosomes, give the chromosome alias {pairs}"


def alias_hint(in_file: Iterable[str], in_store: Iterable[str]) -> str:
    """Return the hint for names that do not match, with the aliases to give where they are evident."""
    if likely := likely_aliases(in_file, in_store):
        return describe_aliases(likely)
    return "give chromosome aliases NAME_IN_FILE=NAME_IN_STORE, or a table of them such as UCSC's chromAlias.txt"


def abbreviate(names: Iterable[str]) -> str:
    """Join the first six names for a message, and count the rest."""
    items = list(names)
    return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
