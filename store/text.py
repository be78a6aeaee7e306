"""Format numbers for messages; make text of unknown origin harmless where it is put out."""

from __future__ import annotations

from collections.abc import Sequence

_FEW = 6  # names that are listed


def format_count(number: int, noun: str) -> str:
    """Format a count with its noun: ``1 fault``, ``2 faults``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_names(names: Sequence[str], noun: str) -> str:
    """Format a count of names, and the names where they are few: ``2 tracks (DNase, Unique35)``."""
    count = format_count(len(names), noun)
    return f"{count} ({', '.join(map(printable, names))})" if 0 < len(names) <= _FEW else count


def format_bytes(size: float) -> str:
    """Format a size in bytes: ``2.50 GB``, ``4 MB``, ``12 kB``."""
    for unit, name, digits in ((1e9, "GB", 2), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return format_count(int(size), "byte")


def format_foreign(text: object, limit: int = 200) -> str:
    """Format text of a server or a file for a message: on one line, printable, and cut after `limit` characters."""
    whole = str(text)
    shown = "".join(c if c.isprintable() else " " for c in whole[:limit]).strip()
    return shown + " ..." if len(whole) > limit else shown


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
