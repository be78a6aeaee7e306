"""Format numbers for messages, read positions as people write them, make text of unknown origin harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

_FEW = 6  # names that are listed
_MARKDOWN = "\\`*_[]<>|#&~$"  # characters that mean something within a line

UNROUND_HINT = "format positions as whole numbers and save again, a spreadsheet may have rounded them"
"""What to do about positions that `parse_position` refuses because digits may be missing."""


def format_count(number: int, noun: str) -> str:
    """Format a count with its noun: ``1 fault``, ``2 faults``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def parse_position(text: str) -> int:
    """Return a position as programs and spreadsheets write whole numbers.

    ``1200000``, ``1200000.0`` and ``1,200,000`` are taken, and ``1.2e+06``, by which R and Python write a whole number
    if that is shorter. ``1.20E+06`` of a spreadsheet is refused: digits may be missing.

    Raises:
        ValueError: anything else.
    """
    if text.isdecimal():
        return int(text)
    bare = text.strip()
    if re.fullmatch(r"-?\d{1,18}", bare):
        return int(bare)
    if re.fullmatch(r"\d{1,3}(,\d{3})+", bare):
        return int(bare.replace(",", ""))
    if re.fullmatch(r"\d{1,18}\.0+", bare) and not re.fullmatch(r"\d{1,3}\.000", bare):  # 12.000 may be 12,000
        return int(bare.partition(".")[0])
    if match := re.fullmatch(r"(\d)(?:\.(\d+))?e\+?0?(\d{1,2})", bare):
        zeros = int(match[3]) - len(match[2] or "")
        whole = match[1] + (match[2] or "") + "0" * zeros
        if zeros >= 0 and len(bare) < len(whole):
            return int(whole)
    raise ValueError(f"not a whole number ({text!r})")


def is_rounded(text: str) -> bool:
    """Return whether a number is written as a spreadsheet shortens a long one, with a power of ten: ``1.20E+06``."""
    return re.fullmatch(r"\d(\.\d+)?[eE]\+?\d+", text.strip()) is not None


def format_names(names: Sequence[str], noun: str) -> str:
    """Format a count of names, and the names where they are few: ``2 tracks (DNase, Unique35)``."""
    count = format_count(len(names), noun)
    return f"{count} ({', '.join(map(printable, names))})" if 0 < len(names) <= _FEW else count


def shell_word(path: str | Path) -> str:
    """Return a path as one word of a command for a shell, which no program takes for an option."""
    word = quote(str(path))
    return f"./{word}" if str(path).startswith("-") else word


def format_bytes(size: float) -> str:
    """Format a size in bytes: ``2.50 GB``, ``4 MB``, ``12 kB``."""
    for unit, name, digits in ((1e9, "GB", 2), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return format_count(int(size), "byte")


def format_seconds(seconds: float) -> str:
    """Format a time as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def shortened(text: str, limit: int = 3_000) -> str:
    """Return text with its middle left out, and how much that is, where it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    end = limit // 6
    return f"{text[: limit - end]} ... ({len(text) - limit:,} characters left out) ... {text[-end:]}"


def format_foreign(text: object, limit: int = 200) -> str:
    """Format text of a server or a file for a message: on one line, `printable`, and cut after `limit` characters.

    Line breaks, of which messages of libraries have many, become spaces.
    """
    whole = str(text)
    shown = printable("".join(" " if c.isspace() else c for c in whole[:limit]).strip())
    return f"{shown[:limit]} ..." if max(len(whole), len(shown)) > limit else shown


def printable(text: str) -> str:
    """Return text on one line that a terminal shows as it is.

    Control characters, line breaks, characters that are invisible or reorder others, and bytes that are no text become
    escapes, as in ``\\x1b``. Letters of all scripts, signs and spaces stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def spreadsheet_text(text: str) -> str:
    """Return a text field of a CSV file that spreadsheets do not take for a formula.

    Such a field begins with ``=``, ``+``, ``-`` or ``@``; it gets an apostrophe in front (as OWASP recommends).
    """
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def markdown_text(text: object) -> str:
    """Return text of a stranger as one line that Markdown shows as it is: no markup, HTML, link or formula."""
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in printable(str(text)))


def markdown_list(names: Sequence[object]) -> str:
    """Return names of strangers, with commas, for a line of Markdown."""
    return ", ".join(map(markdown_text, names))


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, whose cells are text of strangers."""
    yield f"| {' | '.join(map(markdown_text, columns))} |"
    yield "|" + " --- |" * len(columns)
    for row in rows:
        yield f"| {' | '.join(map(markdown_text, row))} |"


def markdown_page(title: str, sections: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a page of Markdown.

    Args:
        title: of the page, text of a stranger.
        sections: title, empty for none, and lines of each.
    """
    blocks = [f"# {markdown_text(title)}"]
    for name, lines in sections:
        blocks += [f"## {name}"] * bool(name) + ["\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def is_number(text: str) -> bool:
    """Return whether Python reads a text as a number; infinity and NaN are some."""
    try:
        float(text)
    except ValueError:
        return False
    return True
