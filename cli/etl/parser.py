"""The parser of ``factornet-etl``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ... import __version__
from ..common.arguments import HelpFormatter
from ..common.runner import run_command
from ..run.parser import CommandParser
from . import build, genome, info, plan, rm, unpack, verify
from .inputs import demo, expression, fetch, init, signal, uniqueness
from .sharing import card, listing, transfer


def make_parser(prog: str = "factornet-etl") -> argparse.ArgumentParser:
    """Return the parser, with the sub-commands of each module."""
    parser = CommandParser(
        prog=prog,
        description="Convert genome, signal, peak and annotation files into a Zarr store; verify and copy stores.",
        epilog="example:\n  factornet-etl genome hg19.zarr --fasta hg19.fa.gz --blacklist blacklist.bed.gz\n"
        "  factornet-etl build hg19.zarr data/HepG2 data/K562 -p 8\n  factornet-etl info hg19.zarr",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (
        fetch,
        init,
        expression,
        uniqueness,
        genome,
        signal,
        plan,
        build,
        info,
        verify,
        unpack,
        transfer,
        listing,
        card,
        rm,
        demo,
    ):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-etl") -> int:
    """Run the command; return its exit status."""
    return run_command(make_parser(prog), None, argv)
