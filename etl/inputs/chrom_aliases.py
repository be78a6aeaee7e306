"""Chromosome names: what a file calls them, and what the store calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...store.errors import InputError, UsageError
from ...store.text import format_count

_AUTOSOMES_AND_X = re.compile(r"chr(\d+|X)")


def read_aliases(items: Iterable[str]) -> dict[str, str]:
    """File name -> store name, from ``20=chr20`` pairs and files of two columns (``20 chr20``).

    Raises:
        UsageError: an item is neither a pair nor a file.
        InputError: a line of a file does not have two columns.
    """
    aliases: dict[str, str] = {}
    for item in items:
        if "=" in item:
            old, _, new = item.partition("=")
            if not old or not new:
                raise UsageError(f"--chrom-alias {item!r}: write it as 20=chr20")
            aliases[old] = new
        elif Path(item).is_file():
            aliases |= _alias_file(Path(item))
        else:
            raise UsageError(f"--chrom-alias {item!r}: neither a pair like 20=chr20 nor a file")
    return aliases


def _alias_file(path: Path) -> dict[str, str]:
    hint = "write a pair a line: `20 chr20`"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(path, f"not text at byte {e.start}", hint=hint) from e
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) != 2:
            raise InputError(path, f"{format_count(len(fields), 'column')}, expected 2", hint=hint, line=number)
        pairs[fields[0]] = fields[1]
    return pairs


def file_names(
    store_names: Iterable[str], in_file: Iterable[str], aliases: Mapping[str, str], *, file: Path
) -> dict[str, str]:
    """Store name -> name in the file, for those chromosomes of the store that the file has.

    Raises:
        InputError: two of the file's names would be one of the store's.
    """
    called: dict[str, str] = {}
    for name in in_file:
        other = called.setdefault(aliases.get(name, name), name)
        if other != name:
            problem = f"--chrom-alias makes its {other} and {name} both {aliases.get(name, name)}"
            raise InputError(file, problem, hint="give one of them only")
    return {name: called[name] for name in store_names if name in called}


def default_selection(names: Iterable[str]) -> list[str]:
    """The chromosomes FactorNet uses (chr1..chr22, chrX), or all where none is named so."""
    names = list(names)
    return [n for n in names if _AUTOSOMES_AND_X.fullmatch(n)] or names


def alias_hint(in_file: Iterable[str], in_store: Iterable[str]) -> str:
    """The cure for names that do not match, with a pair to copy where one is plain."""
    theirs, ours = list(in_file), list(in_store)
    for name in theirs:
        for candidate in (f"chr{name}", name.removeprefix("chr")):
            if candidate in ours and candidate != name:
                return f"the same names? then give --chrom-alias {name}={candidate}"
    return "rename one side with --chrom-alias NAME_IN_FILE=NAME_IN_STORE"


def abbreviate(names: Iterable[str]) -> str:
    """The first few of many names, for a message."""
    items = list(names)
    return ", ".join(items[:6]) + (f" and {len(items) - 6} more" if len(items) > 6 else "")
