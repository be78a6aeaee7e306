"""Options that say what only people can say of a store or model: its licence, how to cite it, whom to ask."""

from __future__ import annotations

import argparse

from ....etl.sharing.entry import Statements
from ....store.errors import UsageError


def add_statement_options(
    parser: argparse.ArgumentParser, *, what: str = "the data", known: str = "as the catalogue has it"
) -> None:
    """Add ``--licence``, ``--citation`` and ``--contact``.

    Args:
        parser: of the command.
        what: what they are stated of.
        known: what the card says by default.
    """
    group = parser.add_argument_group(f"what the card says of {what}; by default {known}")
    group.add_argument("--licence", default="", metavar="TEXT", help=f"under which {what} may be used")
    group.add_argument("--citation", default="", metavar="TEXT", help=f"of the work that {what} should be cited by")
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
