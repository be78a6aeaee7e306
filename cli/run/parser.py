"""The parser of every command: exit status in its help, and errors as JSON where ``--json`` is given."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from ...store.errors import UsageError
from .failure import describe_failure, failure_line

EXIT_STATUS = (
    "exit status: 0 if everything was done; 1 if faults or problems were found, which are listed, or with a traceback "
    "by an error of the program; 2 if an option, a file or the system is at fault, in one line; 130 if interrupted, "
    "143 if terminated: 128 and the signal"
)
"""End of every help text."""


class CommandParser(argparse.ArgumentParser):
    """Parser of a command, and of its sub-commands."""

    is_json = False
    """Whether errors are printed as JSON, too."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message on standard error, with ``--json`` the error on standard output; exit with 2."""
        if self.is_json:
            found = describe_failure(UsageError(message), command=self.prog, message=message, status=2)
            sys.stdout.write(failure_line(found) + "\n")
        super().error(message)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, version or usage; where argparse ignores that standard output cannot be written, exit with 2."""
        stream = file or sys.stderr
        try:
            stream.write(message)
            stream.flush()
        except OSError as error:
            with suppress(OSError):  # else the interpreter meets the error again, as it ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                self.exit(2, f"{self.prog}: error: standard output: {error.strerror}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse words; a list of any length takes those behind the options, too: ``build STORE -p 8 CELLDIR``.

        argparse gives it the words before the first option only, be there none.
        """
        found, rest = super().parse_known_args(args, namespace)
        lists = [a for a in self._actions if not a.option_strings and a.nargs == argparse.ZERO_OR_MORE]
        if rest and lists and not getattr(found, lists[-1].dest) and not any(word.startswith("-") for word in rest):
            convert = lists[-1].type or str
            setattr(found, lists[-1].dest, [convert(word) for word in rest])  # type: ignore[operator]
            rest = []
        return found, rest

    def format_help(self) -> str:
        """Return the help, with the exit status at its end."""
        width = shutil.get_terminal_size().columns - 2  # as argparse has it
        return f"{super().format_help()}\n{textwrap.fill(EXIT_STATUS, width)}\n"


def command_parser(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[argparse.ArgumentParser, int]:
    """Return the parser of a command line, and the number of words before its options.

    It is that of a sub-command, where the parser has some and the first word names one.
    """
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            found, begin = command_parser(action.choices[words[0]], words[1:])
            return found, begin + 1
    return parser, 0
