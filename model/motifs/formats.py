"""Read motif files of any format: MEME, or matrices as JASPAR, TRANSFAC, HOCOMOCO, HOMER and CIS-BP write them.

The format is recognised by the content, never by the name of the file. Apart from MEME's, matrices are counts or
frequencies, and their rows are divided by their sums::

    JASPAR            >MA0139.1 CTCF, then four lines of bases: A [ 87 167 ], or numbers only, in the order ACGT
    HOCOMOCO, HOMER   >CTCF_HUMAN.H11MO.0.A, then a line of four numbers for each position (.pcm, .pfm, .motif)
    UniPROBE          a name, then four lines of bases: A: 0.1 0.2
    TRANSFAC          AC, ID and NA lines, a line P0 A C G T, then a line for each position; ends with //
    CIS-BP            a line Pos A C G T, then a line for each position
    ENCODE-motifs     >CTCF_known1 CTCF_1, then for each position its letter (IUPAC) and four numbers: S 0.1 0.3 0.5 0.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...store.errors import InputError
from .meme import has_meme_motifs, is_meme, not_meme, parse_meme
from .motif_text import read_lines
from .pwm import FloatArray, Motif

_BASES = "ACGT"
_BASE_ROW = re.compile(r"\s*([ACGTURYSWKMBDHVN])\s*[|:=]?\s*(\[?)\s*((?:[-+\d.eE]+\s*)+)\]?\s*$", re.IGNORECASE)
_COLUMNS = re.compile(r"\s*(?:P[0O]|Pos)((?:\s+[A-Za-z])+)\s*$")
_POSITION_ROW = re.compile(r"\s*\d+((?:\s+[-+\d.eE]+){4})(?:\s+[A-Za-z.-])?\s*$")
_FIELD = re.compile(r"\s*(AC|ID|NA|TF Name|TF|Motif)\s+(\S.*?)\s*$")
_SKIPPED = re.compile(r"\s*(?:#|//|XX|$)")
_EVEN = 0.02
"""Share by which sums of a 4 x 4 matrix may differ to be called equal."""


def read_motifs(path: str | Path) -> dict[str, Motif]:
    """Read the motifs of a file in any of the formats, plain or gzipped, by name and in file order.

    Raises:
        InputError: the file is missing or of no such format; a matrix is not of counts or probabilities (log odds are
            not); or two motifs have the same name. It has the line number.
    """
    lines = read_lines(path)
    if is_meme(lines) or has_meme_motifs(lines):
        return parse_meme(path, lines)
    read = _read_tables if any(map(_COLUMNS.match, lines)) else _read_blocks
    motifs: dict[str, Motif] = {}
    for matrix in read(path, lines):
        if matrix.name in motifs:
            problem = f"motif {matrix.name} is listed twice"
            raise InputError(path, problem, hint="keep one of them", line=matrix.line)
        motifs[matrix.name] = Motif(matrix.name, matrix.alternate, _probabilities(path, matrix))
    if not motifs:
        raise not_meme(path, lines)
    return motifs


@dataclass
class _Matrix:
    """A matrix as it is read.

    Attributes:
        line: number of the line where it begins.
        name: identifier.
        alternate: the factor's name; may be empty.
        rows: its rows of numbers, in the order of the file.
        bases: letter of each row, where the rows have one: a base, or the consensus of a position.
        has_brackets: whether the numbers of a row are in brackets, as those of a base are in JASPAR's files.
    """

    line: int
    name: str
    alternate: str = ""
    rows: list[list[float]] = field(default_factory=list)
    bases: str = ""
    has_brackets: bool = False


def _read_blocks(path: str | Path, lines: Sequence[str]) -> Iterator[_Matrix]:
    """Yield matrices of which each is a line with its name and then lines of numbers; a single one may have no name."""
    matrix = _Matrix(1, _stem(path))
    for number, line in enumerate(lines, 1):
        if _SKIPPED.match(line):
            continue
        base = _BASE_ROW.match(line)
        row = _numbers(base[3] if base else line)
        if row is None:
            if matrix.rows:
                yield matrix
            # JASPAR, HOCOMOCO: "name factor"; HOMER: "consensus <tab> name <tab> threshold"
            words = [w.strip() for w in (line.split("\t") if "\t" in line else line.split(None, 1))]
            words = [w for w in words if w.strip("> ")] or [_stem(path)]
            matrix = _Matrix(number, words[0].lstrip("> "), words[1] if len(words) > 1 else "")
        else:
            matrix.rows.append(row)
            matrix.bases += base[1].upper() if base else ""
            matrix.has_brackets |= base is not None and base[2] == "["
    if matrix.rows:
        yield matrix


def _read_tables(path: str | Path, lines: Sequence[str]) -> Iterator[_Matrix]:
    """Yield matrices of which each is a line with the bases and then a line for each position."""
    matrix, names = _Matrix(1, ""), dict[str, str]()
    for number, line in enumerate(lines, 1):
        if columns := _COLUMNS.match(line):
            letters = "".join(columns[1].split()).upper()
            if letters != _BASES:
                problem = f"columns are {letters!r}, not ACGT"
                raise InputError(path, problem, hint="give motifs of DNA", line=number)
            name = names.get("AC") or names.get("Motif") or names.get("ID") or _stem(path)
            alternate = names.get("NA") or names.get("TF Name") or names.get("ID") or ""
            matrix, names = _Matrix(number, name, "" if alternate == name else alternate), {}
        elif row := _POSITION_ROW.match(line):
            matrix.rows.append(_numbers(row[1]) or [])
        else:
            if matrix.rows:
                yield matrix
                matrix = _Matrix(number, "")
            if named := _FIELD.match(line):
                names[named[1]] = named[2]
    if matrix.rows:
        yield matrix


def _probabilities(path: str | Path, matrix: _Matrix) -> FloatArray:
    """Return the probabilities of a matrix, float64 (w, 4).

    Raises:
        InputError: it has another shape, numbers below 0, a position without counts, or its orientation is not known.
    """

    def error(problem: str, hint: str = "download or create the file again") -> InputError:
        return InputError(path, f"motif {matrix.name}: {problem}", hint=hint, line=matrix.line)

    if "U" in matrix.bases:
        raise error("is of RNA", "give motifs of DNA")
    lengths = sorted({len(row) for row in matrix.rows})
    if len(lengths) > 1 or lengths[0] == 0:
        raise error(f"its rows have {lengths[0]} to {lengths[-1]} numbers")
    values = np.array(matrix.rows)
    if _has_consensus(matrix):
        pass  # a line for each position
    elif sorted(matrix.bases) == [*_BASES] and len(values) == 4:
        values = values[[matrix.bases.index(base) for base in _BASES]].T
    elif matrix.bases:
        raise error(f"its lines are of the bases {matrix.bases}, not one each of A, C, G and T")
    elif values.shape == (4, 4):
        by_row, by_column = (np.ptp(s) <= _EVEN * s.max() for s in (values.sum(1), values.sum(0)))
        if by_row == by_column:
            raise error("of 4 x 4 numbers, lines may be bases or positions", "give it in MEME or JASPAR format")
        values = values if by_row else values.T
    elif values.shape[1] != 4:
        values = values.T
    if values.shape[1] != 4:
        raise error(f"{len(matrix.rows)} lines of {lengths[0]} numbers are no matrix of four bases")
    if (values < 0).any():
        hint = "give counts or probabilities: .pcm or .pfm of the same collection"
        raise error(f"has numbers below 0, such as {values.min():g}: log odds (a .pwm file?)", hint)
    sums = values.sum(axis=1, keepdims=True)
    if not (np.isfinite(sums) & (sums > 0)).all():
        raise error("a position has no counts")
    return np.asarray(values / sums, np.float64)


def _has_consensus(matrix: _Matrix) -> bool:
    """Return whether the letters of the rows are the consensus of positions: none has more than its own base."""
    if not len(matrix.bases) == len(matrix.rows) > 0 or matrix.has_brackets or {len(r) for r in matrix.rows} != {4}:
        return False
    values = np.array(matrix.rows)
    own = [
        row[_BASES.index(base)] == row.max() for base, row in zip(matrix.bases, values, strict=True) if base in _BASES
    ]
    even = np.ptp(values.sum(1)) <= _EVEN * values.sum(1).max()
    return all(own) and bool(even) and (sorted(matrix.bases) != [*_BASES] or np.ptp(values.sum(0)) > 0)


def _stem(path: str | Path) -> str:
    return Path(path).name.removesuffix(".gz").rpartition(".")[0] or Path(path).name


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return None
