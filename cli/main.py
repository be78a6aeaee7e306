"""``factornet``: help on all commands, and their completion in a shell; each of them is a program of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from .. import __version__
from ..store.errors import UsageError
from .common.arguments import HelpFormatter
from .common.runner import run_command
from .entry_points import PROGRAMS
from .run.parser import CommandParser

SHELLS = ("bash", "zsh")
_ALL = "factornet"


def make_parser(prog: str = _ALL) -> argparse.ArgumentParser:
    """Return the parser of ``factornet``; its commands are named, and parsed by programs of their own."""
    return _make_parser(prog, lambda name, **_: CommandParser(prog=f"{prog} {name}", add_help=False))


def _make_parser(prog: str, make: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=prog,
        description="Learn where transcription factors bind, from sequence and accessibility, and predict it. Each "
        "command is also a program of its own: factornet train is factornet-train.",
        epilog="examples:\n  factornet etl info hg19.zarr\n  factornet train --help\n"
        "  factornet train --config models/MAX/run.toml -o models/MAX2\n"
        "  factornet completion bash > ~/.local/share/bash-completion/completions/factornet\n"
        "$FACTORNET_STORE is the default of --store, $NO_COLOR prints without colours.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_named(make))
    for name, what in PROGRAMS.items():
        commands.add_parser(name, help=what)
    completion = commands.add_parser("completion", help="print what completes commands and options in a shell")
    completion.description = "Print a script that completes commands, options and file names in a shell."
    completion.epilog = "example:\n  factornet completion bash > ~/.local/share/bash-completion/completions/factornet"
    completion.formatter_class = HelpFormatter
    completion.add_argument("shell", choices=SHELLS, help="shell that reads the script")
    completion.add_argument(
        "--program",
        choices=(_ALL, *(f"{_ALL}-{name}" for name in PROGRAMS)),
        default=_ALL,
        help="program to complete",
    )
    completion.add_argument("--verbose", action="store_true", help="show the traceback of errors")
    completion.set_defaults(handler=_complete)
    return parser


def _named(make: Callable[..., argparse.ArgumentParser]) -> Any:
    """Return what makes the parser of each command: `make`, but for ``completion``."""

    def parser_class(*, prog: str, **more: Any) -> argparse.ArgumentParser:
        name = prog.rsplit(maxsplit=1)[-1]
        return make(name) if name in PROGRAMS else CommandParser(prog=prog, **more)

    return parser_class


def main(argv: Sequence[str] | None = None, *, prog: str = _ALL) -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), None, argv)


def program_parser(name: str, *, prog: str = "") -> argparse.ArgumentParser:
    """Return the parser of a program, one of `PROGRAMS`."""
    parser: argparse.ArgumentParser = import_module(f".{name}", __package__).make_parser(prog or f"{_ALL}-{name}")
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """Return the parser of ``factornet`` with all options of all commands."""
    return _make_parser(_ALL, lambda name: program_parser(name, prog=f"{_ALL} {name}"))


def _complete(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        raise UsageError(
            "completion needs the package shtab; install it: pip install 'factornet[completion]'"
        ) from error
    name = options.program.removeprefix(f"{_ALL}-")
    parser = whole_parser() if options.program == _ALL else program_parser(name)
    sys.stdout.write(shtab.complete(parser, options.shell) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
