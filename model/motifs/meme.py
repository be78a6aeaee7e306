"""Read motifs from files in minimal MEME format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...store.errors import InputError
from .pwm import FloatArray, Motif, are_probabilities

_HINT = "download or create the file again"


def read_meme(path: str | Path) -> dict[str, Motif]:
    """Read the motifs of a file in minimal MEME format (DNA), by name and in file order.

    Raises:
        InputError: the file is missing or no MEME file of DNA motifs; a matrix is missing, cut short or not of
            probabilities; or two motifs have the same name. It has the line number.
    """
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError as error:
        raise InputError(path, "no such file", hint="correct the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not text at byte {error.start}", hint="give a file in MEME format") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint="give a file in MEME format") from error
    lines = iter(enumerate(text.splitlines(), start=1))
    _check_header(path, lines)
    motifs: dict[str, Motif] = {}
    pending: tuple[int, list[str]] | None = None  # line number and names of a MOTIF line still without its matrix
    for number, line in lines:
        words = line.split()
        if words[:1] == ["ALPHABET="] and words[1:] != ["ACGT"]:
            raise InputError(
                path, f"alphabet is {' '.join(words[1:])!r}, not ACGT", hint="give motifs of DNA", line=number
            )
        if words[:1] == ["MOTIF"]:
            _check_motif_line(path, number, words, pending, motifs)
            pending = number, words[1:3]
        elif line.startswith("letter-probability matrix"):
            if pending is None:
                raise InputError(path, "a matrix without a MOTIF line before it", hint=_HINT, line=number)
            matrix = _read_matrix(path, number, line, lines)
            name, alternate = (*pending[1], "")[:2]
            motifs[name] = Motif(name, alternate, matrix)
            pending = None
        elif len(words) == 4 and _numbers(words) is not None:
            raise InputError(
                path, f"a row outside any matrix, whose width is too small: {line.strip()!r}", hint=_HINT, line=number
            )
    if pending is not None:
        raise InputError(path, f"motif {pending[1][0]} has no letter-probability matrix", hint=_HINT, line=pending[0])
    if not motifs:
        raise InputError(path, "holds no motif", hint=_HINT)
    return motifs


def _check_header(path: str | Path, lines: Iterator[tuple[int, str]]) -> None:
    number, line = next(((n, text) for n, text in lines if text.strip()), (1, ""))
    if not line.startswith("MEME version"):
        raise InputError(
            path, f"not a MEME file: expected 'MEME version', got {line[:40]!r}", line=number,
            hint="convert it, e.g. with the MEME suite's jaspar2meme or transfac2meme",
        )  # fmt: skip


def _check_motif_line(
    path: str | Path,
    number: int,
    words: list[str],
    pending: tuple[int, list[str]] | None,
    motifs: Mapping[str, Motif],
) -> None:
    if pending is not None:
        raise InputError(path, f"motif {pending[1][0]} has no letter-probability matrix", hint=_HINT, line=pending[0])
    if len(words) < 2:
        raise InputError(path, "a MOTIF line without a name", hint=_HINT, line=number)
    if words[1] in motifs:
        raise InputError(path, f"motif {words[1]} is listed twice", hint="keep one of them", line=number)


def _read_matrix(path: str | Path, number: int, header: str, lines: Iterator[tuple[int, str]]) -> FloatArray:
    """Read the rows after a matrix's header line, as many as its width."""
    settings = header.partition(":")[2].replace("=", " ").split()
    width = dict(zip(settings[::2], settings[1::2], strict=False)).get("w", "")
    if not width.isdecimal() or int(width) < 1:
        raise InputError(path, f"matrix header without a width 'w= N': {header!r}", hint=_HINT, line=number)
    rows: list[list[float]] = []
    while len(rows) < int(width):
        row_number, line = next(lines, (number, ""))
        if not line.strip():
            raise InputError(path, f"matrix of width {width} ends after {len(rows)} rows", hint=_HINT, line=row_number)
        row = _numbers(line.split())
        if row is None:
            problem = f"matrix of width {width} ends after {len(rows)} rows, got {line.strip()[:60]!r}"
            raise InputError(path, problem, hint=_HINT, line=row_number)
        if len(row) != 4 or not are_probabilities(np.array(row)):
            raise InputError(
                path, f"expected four probabilities that sum to 1, got {line.strip()!r}", hint=_HINT, line=row_number
            )
        rows.append(row)
    return np.array(rows)


def _numbers(words: list[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
