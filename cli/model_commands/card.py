"""``factornet-model card``: print the card of a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...store.files.limited_read import is_there
from ..common.arguments import HelpFormatter, add_common_options
from ..common.model_options import resolve_model
from ..common.output import print_json, print_line
from ..etl.sharing.statements import add_statement_options, statements_from_args


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "card",
        help="print the card of a model, as Markdown",
        description="Print what a model predicts, from which tracks and on what scale, by which annotation rules, on "
        "what it was trained, its scores with intervals, its licence and what to cite, as Markdown. What model.json "
        "does not record is said to be unknown.",
        epilog="example:\n  factornet-model card models/MAX > MAX.md",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="model folder, of factornet or of the original, or a fetched model"
    )
    add_statement_options(parser, what="the model", known="as model.json has it")
    add_common_options(parser)
    parser.set_defaults(handler=_card)


def _card(options: argparse.Namespace) -> int:
    from ...model.data.model_card import card_markdown
    from ...model.keras.open_model import open_card
    from ...model.keras.original_folder import is_keras_folder
    from ...model.model_dir.calibration import recorded_calibrations
    from ...model.model_dir.history import RECORD, read_history

    statements = statements_from_args(options)
    folder = resolve_model(options.model)
    card = open_card(folder)
    calibrations = {} if is_keras_folder(folder) else recorded_calibrations(folder, card.digest)
    epochs = read_history(folder, card.digest).epochs if is_there(folder / RECORD) else ()
    text = card_markdown(folder.resolve().name, card, calibrations, epochs=epochs, stated=vars(statements))
    if options.json:
        print_json({"model": str(folder), "markdown": text})
        return 0
    for line in text.splitlines():
        print_line(line)
    return 0
