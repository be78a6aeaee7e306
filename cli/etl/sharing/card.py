"""``factornet-etl card``: print the card of a store."""

from __future__ import annotations

import argparse
from typing import Any

from ....etl.sharing.card import card_name, store_card
from ....etl.sharing.entry import Statements
from ....etl.sharing.keep import known_statements
from ....store.errors import InputError, StoreError
from ....store.reader import open_store
from ...common.arguments import HelpFormatter, add_common_options
from ...common.output import print_json, print_line, print_warning
from ...common.store_options import STORE_HELP
from .statements import add_statement_options, statements_from_args


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "card",
        help="print the card of a store, as Markdown",
        description="Print what a store holds (genome, cell lines, tracks and their scale, factors and numbers of "
        "peaks, annotation), from which files and accessions, its licence and what to cite, and how to verify and read "
        "it, as Markdown. What is not known is said to be so. `export` writes it beside what it exports.",
        epilog="examples:\n  factornet-etl card hg19.zarr > hg19.md\n"
        '  factornet-etl card hg19.zip --licence "CC BY 4.0" --contact ada@example.org',
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help=STORE_HELP)
    add_statement_options(parser)
    add_common_options(parser)
    parser.set_defaults(handler=_card)


def _card(options: argparse.Namespace) -> int:
    stated = statements_from_args(options)
    store = open_store(options.store)
    name = card_name(store.location)
    text = store_card(name, store, stated.or_else(_known_statements(options.store)))
    if options.json:
        print_json({"store": store.location, "markdown": text})
        return 0
    for line in text.splitlines():
        print_line(line)
    return 0


def _known_statements(store: str) -> Statements:
    """Return what the catalogue beside a store states of it; nothing, with a warning, of one that cannot be read."""
    try:
        return known_statements(store)
    except (InputError, StoreError) as e:
        print_warning(f"{e}; licence, citation and contact are not taken from it")
        return Statements()
