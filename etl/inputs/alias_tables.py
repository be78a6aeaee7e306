"""Read chromosome aliases: pairs, tables of two columns, UCSC's chromAlias.txt, NCBI's assembly reports."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...store.errors import InputError, UsageError
from ...store.text import format_count
from .bed import text_lines

_HINT = "write one pair per line, `20 chr20`, or give UCSC's chromAlias.txt or NCBI's assembly report"
_AUTHORITIES = ("ucsc", "assembly", "ensembl", "genbank", "refseq", "ncbi", "gencode", "sequencename")
_SOURCES = {*_AUTHORITIES, "flybase", "wormbase", "sgd", "insdc", "ncbi36"}
_NCBI = ("sequencename", "genbankaccn", "refseqaccn", "ucscstylename")
_NCBI_DATASETS = ("sequencename", "genbankseqaccession", "refseqseqaccession", "ucscstylename")
_PREFERRED = ("chrom", "ucsc", "ucscstylename", "sequencename")
_PLACEHOLDERS = ("", "na", "n/a", "-", ".")


@dataclass(frozen=True)
class Synonyms:
    """Names of one chromosome.

    Attributes:
        line: of the table, from 1.
        names: all of them, `preferred` too.
        preferred: the one that the table prefers: the second of a pair, ``chrom`` of UCSC's three columns, the column
            ``ucsc`` of a table with a heading, else its first name.
        is_pair: whether the table has two columns.
    """

    line: int
    names: tuple[str, ...]
    preferred: str
    is_pair: bool = False


@dataclass(frozen=True)
class _Form:
    """Columns of a table.

    Attributes:
        names: columns with names, from 0; None: all.
        preferred: column of the preferred name.
        width: number of columns; None: any.
    """

    names: tuple[int, ...] | None
    preferred: int
    width: int | None = None


_PAIRS = _Form((0, 1), 1, width=2)
_UCSC_DATABASE = _Form((0, 1), 1, width=3)
_ALL = _Form(None, 0)


def read_aliases(items: Iterable[str], store_names: Collection[str] = ()) -> dict[str, str]:
    """Read aliases from ``20=chr20`` pairs and from tables of names (`read_alias_table`).

    A pair says which name is which. In a table all names of a chromosome are equal: the store's name is the one that
    the store has, else the one that the table itself prefers. Of tables with more than two columns, only chromosomes of
    the store are taken where `store_names` are given.

    Args:
        items: pairs and paths of files.
        store_names: chromosomes of the store, as far as they are known.

    Returns:
        Store name by name in the file.

    Raises:
        UsageError: an item is neither a pair nor a file.
        InputError: a file is no table of names; the store has two names of one chromosome; or a name stands for two
            chromosomes.
    """
    aliases: dict[str, str] = {}
    for item in items:
        if "=" in item:
            in_file, _, in_store = item.partition("=")
            if not in_file or not in_store:
                raise UsageError(f"chromosome alias {item!r}: write it as 20=chr20")
            aliases[in_file] = in_store
        elif Path(item).is_file():
            aliases |= _resolve(Path(item), read_alias_table(Path(item)), frozenset(store_names))
        else:
            raise UsageError(f"chromosome alias {item!r}: neither a pair like 20=chr20 nor a file")
    return aliases


def _resolve(path: Path, table: Sequence[Synonyms], store_names: frozenset[str]) -> dict[str, str]:
    """Return store name by other name, for the chromosomes of a table; see `read_aliases`."""
    aliases: dict[str, str] = {}
    for synonyms in table:
        known = sorted(store_names & {*synonyms.names, synonyms.preferred})
        if len(known) > 1:
            problem = f"{' and '.join(known)} are names of one chromosome, and the store has each of them"
            raise InputError(path, problem, hint="remove the wrong one", line=synonyms.line)
        if not known and store_names and not synonyms.is_pair:
            continue
        name = known[0] if known else synonyms.preferred
        for other in {*synonyms.names, synonyms.preferred} - {name}:
            if aliases.setdefault(other, name) != name:
                problem = f"{other} stands for {aliases[other]} and {name}"
                raise InputError(path, problem, hint="give one alias only", line=synonyms.line)
    return aliases


def read_alias_table(path: Path) -> tuple[Synonyms, ...]:
    """Read which names stand for the same chromosome.

    Forms, told apart by their heading or, without one, by the number of columns:

        two columns                     name in the files, name in the store
        alias, chrom, source            UCSC's database table, several rows a chromosome
        ucsc, assembly, genbank, ...    UCSC's file, a row a chromosome (also "sequenceName, alias names", GenArk)
        Sequence-Name, ...              NCBI's assembly report, or sequence report of its datasets

    Returns:
        One item per chromosome, in the order of the table; rows without a second name are left out.

    Raises:
        InputError: not text, a row of another width, or a table of more than two columns that is none of these.
    """
    form, found = None, dict[str, Synonyms]()
    for number, fields in _rows(path):
        if heading := _read_heading(fields):
            form = heading
            continue
        if fields[0].startswith("#"):
            continue
        form = form or _guess_form(fields)
        if form is _PAIRS and re.fullmatch(r"\d{5,}", fields[-1]):
            problem = (
                f"{fields[-1]} is no name of a chromosome but likely a length, as in a table of sizes (chrom.sizes)"
            )
            raise InputError(path, problem, hint=_HINT, line=number)
        if form is None or (form.width is not None and len(fields) != form.width):
            expected = 2 if form is None else form.width
            problem = f"{format_count(len(fields), 'column')}, expected {expected}"
            raise InputError(path, problem, hint=_HINT, line=number)
        columns = range(len(fields)) if form.names is None else form.names
        names = [fields[i] for i in columns if i < len(fields) and fields[i].lower() not in _PLACEHOLDERS]
        if len(names) < 2:
            continue
        preferred = fields[form.preferred] if form.preferred < len(fields) else ""
        preferred = names[0] if preferred.lower() in _PLACEHOLDERS else preferred
        before = found.get(preferred, Synonyms(number, (), preferred, form is _PAIRS))
        merged = tuple(dict.fromkeys((*before.names, *names)))
        found[preferred] = Synonyms(before.line, merged, preferred, before.is_pair)
    return tuple(found.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields; empty fields stay where columns are separated by tabs."""
    for number, line in text_lines(path):
        by_tabs = [f.strip() for f in line.split("\t")]
        # The sign of a comment is no field of its own.
        words = re.sub(r"^#\s+", "#", line.strip()).split()
        fields = by_tabs if sum(map(bool, by_tabs)) > 1 or len(words) < 2 else words
        if any(fields):
            yield number, [f.strip('"') for f in fields]


def _read_heading(fields: Sequence[str]) -> _Form | None:
    """Return the form that a heading announces; None if the fields are no heading."""
    is_comment = fields[0].startswith("#")
    names = [re.sub(r"[^a-z0-9]", "", f.lower()) for f in fields]
    if names[:2] == ["sequencename", "aliasnames"]:
        return _ALL
    if {"alias", "chrom"} <= {*names}:
        return _Form((names.index("alias"), names.index("chrom")), names.index("chrom"))
    for columns in (_NCBI, _NCBI_DATASETS):
        if {*columns} <= {*names}:
            return _Form(tuple(names.index(c) for c in columns), names.index("ucscstylename"))
    known = {*names} & {*_AUTHORITIES}
    if len(known) > 1 and (is_comment or known == {*names}):
        return _Form(tuple(range(len(names))), next((names.index(n) for n in _PREFERRED if n in names), 0))
    return None


def _guess_form(fields: Sequence[str]) -> _Form | None:
    """Return the form of a table without a heading, from its first row."""
    if len(fields) == 3 and {*fields[2].lower().split(",")} <= _SOURCES:
        return _UCSC_DATABASE
    return _PAIRS if len(fields) == 2 else None
