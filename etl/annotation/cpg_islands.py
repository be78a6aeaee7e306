"""Read CpG islands: UCSC's cpgIslandExt tables, BED files, and tables with a header, such as makeCGI's and R's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...store.errors import InputError
from ...store.genome.intervals import GenomeCoordinates
from ...store.text import UNROUND_HINT, is_rounded, parse_position
from ..inputs.bed import text_lines
from .counts import outside_notes
from .gtf import check_interval, none_in_store

_CHROM = ("chrom", "chr", "chromosome", "seqnames", "seqname", "seqid")
_STARTS = {"chromstart": "chromend", "start": "end"}
_LENGTH = ("length", "width", "size")
_NO_BASE = (
    "give a BED file without header (first base 0, end exclusive), or a table whose columns are named chromStart and "
    "chromEnd (likewise), or one with a column length or width, which shows how positions are counted"
)


@dataclass(frozen=True)
class _Form:
    """Where the columns of a table are.

    Attributes:
        chrom, start, stop: columns.
        length: column with the length of the island, if there is one.
        base: first position of a chromosome, 0 (end exclusive) or 1 (end inclusive); None: the length tells.
    """

    chrom: int
    start: int
    stop: int
    length: int | None = None
    base: int | None = 0


@dataclass(frozen=True, eq=False)
class CpgIslands:
    """CpG islands on the chromosomes of a store.

    Attributes:
        table: columns chrom (index), start, stop (0-based, half-open).
        notes: what was left out, and how positions were read where that was not certain, for the summary.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def read_cpg_islands(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> CpgIslands:
    """Read CpG islands.

    UCSC's tables (cpgIslandExt, cpgIslandExtUnmasked; with or without the column of bin numbers) and BED files count
    from 0, their ends are exclusive. Other tables need a header, and a column of lengths, which shows how they count.

    Raises:
        InputError: a line is none of these, how it counts cannot be known, an interval is not on its chromosome, or
            none is on a chromosome of the store.
    """
    reader = _Reader(path, coordinates, aliases)
    for number, line in text_lines(path):
        reader.add(number, line)
    if not reader.rows:
        raise none_in_store(path, "CpG island", reader.outside, coordinates)
    table = pd.DataFrame(reader.rows, columns=["chrom", "start", "stop"])
    return CpgIslands(table, (*outside_notes(reader.outside, "CpG island"), *reader.notes))


class _Reader:
    def __init__(self, path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> None:
        self._path, self._coordinates, self._aliases = path, coordinates, aliases
        self._chroms = coordinates.indices
        self._form: _Form | None = None
        self._columns = 0
        self.rows: list[tuple[int, int, int]] = []
        self.outside: Counter[str] = Counter()
        self.notes: list[str] = []

    def add(self, number: int, line: str) -> None:
        fields = _split(line)
        if not fields or fields[0] in ("track", "browser"):
            return
        comment = line.startswith("#")
        if self._form is None and (comment or not any(map(_is_position, fields))):
            self._form = self._header(fields, number, comment=comment)
            self._columns = len(fields)
            if self._form is not None:
                return
        if comment:
            return
        if self._form is None:
            self._form, self._columns = self._headerless(fields), len(fields)
        self._add_row(number, line, self._without_row_name(line, fields, self._form), self._form)

    def _without_row_name(self, line: str, fields: list[str], form: _Form) -> list[str]:
        """Return the fields without the name of the row, as R writes it, for which its header has no column."""
        if len(fields) != self._columns + 1 or (
            _has_positions(fields, form) and line.count("\t") + line.count(",") < 2
        ):
            return fields
        return fields[1:]

    def _header(self, fields: Sequence[str], number: int, *, comment: bool) -> _Form | None:
        """Return the form that the names of columns tell; None if they are no such names, or those of a BED file."""
        names = [
            name.removeprefix("#").strip().rpartition(".")[2].lower() for name in fields
        ]  # hg19.cpgIslandExt.chrom
        chrom, start, length = (
            next((names.index(name) for name in known if name in names), None) for known in (_CHROM, _STARTS, _LENGTH)
        )
        if chrom is None or start is None or _STARTS[names[start]] not in names:
            return None
        stop = names.index(_STARTS[names[start]])
        if names[start] == "chromstart":
            return _Form(chrom, start, stop)
        if length is not None:
            return _Form(chrom, start, stop, length, base=None)
        if comment:
            return _Form(chrom, start, stop)  # a comment of a BED file
        problem = f"a table with the columns {', '.join(fields)}: whether positions count from 0 or 1 is not said"
        raise InputError(self._path, problem, hint=_NO_BASE, line=number)

    def _headerless(self, fields: Sequence[str]) -> _Form:
        """Return the form of a file without header, from its first row: UCSC's table, with its bin first, or BED."""

        def known(name: str) -> bool:
            return name in self._aliases or name in self._chroms

        has_bin = len(fields) > 3 and fields[0].isdecimal() and not known(fields[0])
        if has_bin and (known(fields[1]) or not fields[1].isdecimal()):
            return _Form(1, 2, 3)
        # makeCGI's table without its header: the fourth column is the length, which counts the end.
        if len(fields) > 4 and all(f.isdecimal() for f in fields[1:4]) and _base(*map(int, fields[1:4])) == 1:
            return _Form(0, 1, 2, 3, base=None)
        return _Form(0, 1, 2)

    def _add_row(self, number: int, line: str, fields: Sequence[str], form: _Form) -> None:
        if not _has_positions(fields, form):
            rounded = any(map(is_rounded, fields))
            hint = UNROUND_HINT if rounded else "give UCSC's cpgIslandExt table or a BED file"
            raise InputError(self._path, f"cannot be read as CpG islands: {line[:60]!r}", hint=hint, line=number)
        name, start, stop = fields[form.chrom], *map(parse_position, (fields[form.start], fields[form.stop]))
        base = form.base
        if base is None and form.length is not None:
            length = fields[form.length] if form.length < len(fields) else ""
            base = _base(start, stop, parse_position(length)) if _is_position(length) else None
            self._check_base(base, form, number, f"{name}:{start}-{stop}, {length or 'no'} bases")
        chrom = self._aliases.get(name, name)
        if chrom not in self._chroms:
            self.outside[chrom] += 1
            return
        check_interval((chrom, start - (base or 0), stop), self._coordinates, self._path, line=number)
        self.rows.append((self._chroms[chrom], start - (base or 0), stop))

    def _check_base(self, base: int | None, form: _Form, number: int, shown: str) -> None:
        """Note how lengths show that a table counts, in its first row; refuse rows that count otherwise."""
        if base is None:
            problem = f"the length of {shown}, is neither end - start nor end - start + 1"
            raise InputError(self._path, problem, hint=_NO_BASE, line=number)
        how = ("from 0, ends exclusive", "from 1, ends inclusive")[base]
        note = f"CpG islands: positions count {how}, as the column of lengths shows"
        if note not in self.notes:
            if self.notes:
                problem = f"{shown}: counts {how}, unlike the rows before"
                raise InputError(self._path, problem, hint=_NO_BASE, line=number)
            self.notes.append(note)


def _base(start: int, stop: int, length: int) -> int | None:
    """Return the position of the first base of a chromosome that an interval and its length imply."""
    return {stop - start: 0, stop - start + 1: 1}.get(length)


def _has_positions(fields: Sequence[str], form: _Form) -> bool:
    columns = (form.chrom, form.start, form.stop)
    return max(columns) < len(fields) and _is_position(fields[form.start]) and _is_position(fields[form.stop])


def _is_position(text: str) -> bool:
    try:
        parse_position(text)
    except ValueError:
        return False
    return True


def _split(line: str) -> list[str]:
    """Split a row at tabs, else at commas, else at spaces; remove quotes."""
    fields = line.split("\t") if "\t" in line else line.split(",")
    if len(fields) < 3 or " " in fields[0].strip():
        fields = line.split()
    return [field.strip().strip('"') for field in fields]
