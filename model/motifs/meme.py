"""Read motifs of DNA from text in MEME format: minimal files, and the output of MEME, DREME and STREME.

A file has a line ``MEME version N`` before its motifs. Each motif is a line ``MOTIF name [alternate name]`` and a
``letter-probability matrix:``; all that else stands in a file (strands, background, sites, log odds, URLs) is skipped.
The alphabet is a line ``ALPHABET= ACGT``, a definition from ``ALPHABET`` to ``END ALPHABET``, or missing: then the
background, and the number of columns, show it. Source: https://meme-suite.org/meme/doc/meme-format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...store.errors import InputError
from .motif_text import read_lines
from .pwm import FloatArray, Motif, are_probabilities

_HINT = "download or create the file again"
_DNA = "ACGT"
_VERSION = re.compile(r"[\s#]*MEME version\s*\S")
_MOTIF = re.compile(r"\s*MOTIF(?:\s+(.*))?$")
_FIGURES = re.compile(r"\s+(?:width|w|sites|nsites)\s*=")  # of a motif, behind its names: "width = 12  sites = 20"
_MATRIX = re.compile(r"\s*(letter-probability|log-odds) matrix\s*:?(.*)")
_SETTING = re.compile(r"([A-Za-z]+)\s*=\s*([^\s=]++)(?!\s*=)")
_BACKGROUND = re.compile(r"(?:\s*\S\s+[\d.eE+-]+)+\s*$")


def read_meme(path: str | Path) -> dict[str, Motif]:
    """Read the motifs of a file in MEME format (DNA), plain or gzipped, by name and in file order.

    A row may miss a sum of 1 by 0.02, as rounded ones do; it is returned as it is.

    Raises:
        InputError: the file is missing or no MEME file of DNA motifs; a matrix is missing, cut short or not of
            probabilities; or two motifs have the same name. It has the line number.
    """
    return parse_meme(path, read_lines(path))


def is_meme(lines: Sequence[str]) -> bool:
    """Return whether the lines are of a MEME file: one has its version."""
    return any(map(_VERSION.match, lines))


def has_meme_motifs(lines: Sequence[str]) -> bool:
    """Return whether a line begins a matrix of MEME's, in a file that may lack the version."""
    return any(map(_MATRIX.match, lines))


def parse_meme(path: str | Path, lines: Sequence[str]) -> dict[str, Motif]:
    """Return the motifs in the lines of the MEME file at `path`; errors are those of `read_meme`."""
    if not is_meme(lines):
        raise not_meme(path, lines)
    for number, letters in _alphabets(lines):
        _check_alphabet(path, number, letters)
    motifs: dict[str, Motif] = {}
    pending: _Names | None = None
    for number, line in enumerate(lines, 1):
        if found := _MOTIF.match(line):
            if pending is not None:
                raise pending.without_matrix(path)
            pending = _parse_names(path, number, found[1] or "")
            if pending.name in motifs:
                raise InputError(path, f"motif {pending.name} is listed twice", hint="keep one of them", line=number)
        elif found := _MATRIX.match(line):
            if pending is None:
                raise InputError(path, "a matrix without a MOTIF line before it", hint=_HINT, line=number)
            if found[1] == "log-odds":
                pending = _Names(pending.line, pending.name, pending.alternate, has_log_odds=True)
                continue
            motifs[pending.name] = Motif(pending.name, pending.alternate, _read_matrix(path, number, lines))
            pending = None
    if pending is not None:
        raise pending.without_matrix(path)
    if not motifs:
        raise InputError(path, "holds no motif", hint=_HINT)
    return motifs


def not_meme(path: str | Path, lines: Sequence[str]) -> InputError:
    """Return the error for a file that has no line ``MEME version``."""
    number, line = next(((n, text) for n, text in enumerate(lines, 1) if text.strip()), (1, ""))
    problem = f"not a MEME file: expected 'MEME version', got {line[:40]!r}"
    hint = "convert it, e.g. with the MEME suite's jaspar2meme or transfac2meme"
    if has_meme_motifs(lines):
        hint = "give the whole file, or write the line 'MEME version 4' before the first motif"
    if line.lstrip().startswith("<"):
        problem += " (XML or HTML)"
        hint = "convert it, or, of the MEME suite's output, give the text: meme.txt, dreme.txt or streme.txt"
    return InputError(path, problem, hint=hint, line=number)


@dataclass(frozen=True)
class _Names:
    """Names of a motif whose matrix is still to come, and what was seen of it so far.

    Attributes:
        line: number of its MOTIF line.
        name: first word.
        alternate: the other words; may be empty.
        has_log_odds: whether it has a log-odds matrix.
    """

    line: int
    name: str
    alternate: str
    has_log_odds: bool = False

    def without_matrix(self, path: str | Path) -> InputError:
        """Return the error for a motif without probabilities."""
        problem = f"motif {self.name} has no letter-probability matrix"
        if not self.has_log_odds:
            return InputError(path, problem, hint=_HINT, line=self.line)
        hint = "probabilities are needed; write the file again with both matrices"
        return InputError(path, f"{problem}, only log odds", hint=hint, line=self.line)


def _parse_names(path: str | Path, number: int, text: str) -> _Names:
    words = _FIGURES.split(text.expandtabs(), maxsplit=1)[0].split()
    if not words:
        raise InputError(path, "a MOTIF line without a name", hint=_HINT, line=number)
    return _Names(number, words[0], " ".join(words[1:]))


def _alphabets(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and letters of each alphabet in a file, the letters of a background included."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if found := re.match(r"ALPHABET\s*=\s*(.*)", text):
            yield number, found[1]
        elif re.match(r"ALPHABET(\s|$)", text):
            yield number, _defined_letters(lines[number:])
        elif text.startswith("Background letter frequencies"):
            yield number, "".join(_background_letters(lines[number:]))


def _defined_letters(lines: Sequence[str]) -> str:
    """Return the core symbols that the lines after ``ALPHABET`` define: those that do not stand for others."""
    letters: set[str] = set()
    for line in lines:
        words = re.sub(r'"[^"]*"', " ", line).partition("#")[0].strip("* \t").replace("=", " = ").split()
        if words and len(words[0]) > 1:
            break  # END ALPHABET, or the next section
        if words and words[1:2] != ["="]:  # a line "A ~ T" has two letters, "N = ACGT" none of its own
            letters |= {words[0], *words[words.index("~") + 1 :][:1]} if "~" in words else {words[0]}
    return "".join(sorted(letters))


def _background_letters(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not _BACKGROUND.match(line):
            return
        yield from line.split()[::2]


def _check_alphabet(path: str | Path, number: int, letters: str) -> None:
    """Check that the letters, if any, are those of DNA.

    Raises:
        InputError: they are not.
    """
    found = "".join(sorted(letters.upper()))
    if found in ("", _DNA):
        return
    kind, hint = "", "give motifs of DNA"
    if found == "ACGU":
        kind, hint = " (RNA)", "give motifs of DNA; if these are meant as such, write T for U in a copy"
    raise InputError(path, f"alphabet is {letters!r}{kind}, not ACGT", hint=hint, line=number)


def _read_matrix(path: str | Path, number: int, lines: Sequence[str]) -> FloatArray:
    """Read the rows after a matrix's header in line `number`: as many as its width, or, without one, all there are."""
    header = lines[number - 1]
    settings = {key.lower(): value for key, value in _SETTING.findall(header.partition(":")[2])}
    width, n_letters = settings.get("w"), settings.get("alength", "4")
    if width is not None and (not width.isdecimal() or int(width) < 1):
        raise InputError(path, f"matrix header without a width 'w= N': {header!r}", hint=_HINT, line=number)
    if n_letters != "4":
        raise InputError(path, f"a matrix of {n_letters} letters, not 4", hint="give motifs of DNA", line=number)
    first = next((n for n in range(number, len(lines)) if lines[n].strip()), len(lines))
    rows: list[list[float]] = []
    end_number, end = number, ""
    for row_number, line in enumerate(lines[first:], first + 1):
        row = _numbers(line.split())
        if not row:
            end_number, end = row_number, line.strip()
            break
        if width is not None and len(rows) == int(width):
            problem = f"a row outside any matrix, whose width is too small: {line.strip()!r}"
            raise InputError(path, problem, hint=_HINT, line=row_number)
        if len(row) != 4 or not are_probabilities(np.array(row)):
            raise _not_probabilities(path, row_number, line, row)
        rows.append(row)
    if len(rows) < int(width or 1):
        of_width, got = f" of width {width}" if width else "", f", got {end[:60]!r}" if end else ""
        problem = f"matrix{of_width} ends after {len(rows)} rows{got}"
        raise InputError(path, problem, hint=_HINT, line=end_number)
    return np.array(rows)


def _not_probabilities(path: str | Path, number: int, line: str, row: Sequence[float]) -> InputError:
    problem, hint = f"expected four probabilities that sum to 1, got {line.strip()!r}", _HINT
    if len(row) == 4 and min(row) >= 0 and sum(row) > 2.5:
        problem += f", whose sum is {sum(row):g}"
        hint = "these may be counts: divide each row by its sum, or give them in JASPAR's format"
    return InputError(path, problem, hint=hint, line=number)


def _numbers(words: Sequence[str]) -> list[float] | None:
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
