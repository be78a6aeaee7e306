"""Put text out on a terminal: names from files, stores and models of other people are shown, never interpreted.

All output of the commands goes through this module. JSON is escaped by its own rules.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ...store.errors import FactorNetError
from ...store.text import printable

_OPTIONS = {
    "the force option": "--force",
    "the chromosome alias ": "--chrom-alias ",
    "chromosome aliases NAME": "--chrom-alias NAME",
    "with a chromosome alias": "with --chrom-alias",
    "or allow missing chromosomes (": "or --allow-missing-chroms (",
    "cuda_graph=False": "--no-cuda-graph",
    "work in one process": "work in one process (-p 1, or without --workers)",
}
"""What messages of the library, which knows no options of commands, say -> the option."""


def with_options(message: str) -> str:
    """Return a message of the library with the options of commands in it by their names."""
    for term, option in _OPTIONS.items():
        message = message.replace(term, option)
    return message


def print_line(text: str, *, file: TextIO | None = None) -> None:
    """Print one line; line breaks and control characters in it are escaped."""
    print(printable(text), file=file, flush=file is not None)


def print_warning(text: str) -> None:
    """Print a warning on standard error."""
    print_line(f"warning: {text}", file=sys.stderr)


def print_json(content: Any, *, indent: int | None = None) -> None:
    """Print JSON, in ASCII."""
    print(json.dumps(content, indent=indent).replace("\x7f", r"\u007f"))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    show_header: bool = True,
    file: TextIO | None = None,
) -> None:
    """Print a table.

    Args:
        title: may be empty.
        columns: their names, without brackets.
        rows: text of each cell, of one or several lines.
        show_header: whether the names of the columns are shown.
        file: to print to; None is standard output.
    """
    names = (Column(name, overflow="fold") for name in columns)  # in a narrow terminal nothing is cut off
    table = Table(*names, title=as_text(title), title_justify="left", show_header=show_header)
    for row in rows:
        table.add_row(*map(as_text, row))
    Console(soft_wrap=True, file=file).print(table)


FIGURES = ("mean", "not 0", "negative", "q 0.5", "q 0.9", "q 0.99", "q 0.999")
"""Columns of `format_figures`."""


def format_figures(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the figures of a signal over all bases (``all_bases`` of a store's summary) as texts of a table."""
    fractions = (f"{figures[key]:.3%}" for key in ("nonzero", "negative"))
    return (f"{figures['mean']:.4g}", *fractions, *(f"{q:.4g}" for q in figures["quantiles"].values()))


def as_text(text: str) -> Text:
    """Return text for rich without markup, emoji codes or control characters; line breaks stay."""
    return Text("\n".join(map(printable, text.split("\n"))))


class PrintableStream:
    """Stream in which lines of other libraries are written with control characters escaped.

    Args:
        stream: to write to.
        quoted: strings that may be part of what is written, each on one line.
    """

    def __init__(self, stream: TextIO, quoted: Sequence[str] = ()) -> None:
        self._stream, self._quoted = stream, quoted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, of one or several lines."""
        return self._stream.write(_printable_lines(text, self._quoted))

    def isatty(self) -> bool:
        """Return False: colours would be escaped."""
        return False


class LogFormatter(logging.Formatter):
    """Formatter of log messages: each is one line, and a traceback after it as many as it has."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, name of the base class
        """Return the message on one line."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802, name of the base class
        """Return the traceback."""
        return _printable_lines(super().formatException(ei), _messages(ei[1]))


def print_traceback(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Print an error with its traceback, as `sys.excepthook`."""
    text = "".join(traceback.format_exception(kind, error, where))
    sys.stderr.write(_printable_lines(text, _messages(error)))


def _messages(error: BaseException | None) -> list[str]:
    """Return the messages of an error and of its causes, as far as they are of this project: each is one line."""
    found = []
    while error is not None:
        found += [str(error)] if isinstance(error, FactorNetError) else []
        error = error.__cause__ or error.__context__
    return found


def _printable_lines(text: str, quoted: Sequence[str] = ()) -> str:
    for part in quoted:
        text = text if part.isprintable() else text.replace(part, printable(part))
    return "\n".join(map(printable, text.split("\n")))
