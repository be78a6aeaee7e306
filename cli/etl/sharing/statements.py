"""Options that say what only people can say of a store: its licence, how to cite it, whom to ask."""

from __future__ import annotations

import argparse

from ....etl.sharing.entry import Statements
from ....store.errors import UsageError


def add_statement_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--licence``, ``--citation`` and ``--contact``."""
    group = parser.add_argument_group("what the card says of the data; by default as the catalogue has it")
    group.add_argument("--licence", default="", metavar="TEXT", help="under which the data may be used")
    group.add_argument("--citation", default="", metavar="TEXT", help="of the work that the data are from")
    group.add_argument("--contact", default="", metavar="TEXT", help="whom to ask")


def statements_from_args(options: argparse.Namespace) -> Statements:
    """Return what the options state.

    Raises:
        UsageError: a text is too long, or of several lines.
    """
    try:
        return Statements(licence=options.licence, citation=options.citation, contact=options.contact)
    except TypeError as e:
        raise UsageError(f"--licence, --citation, --contact: {e}; write one line") from e
