"""Options of the commands that use a model: a model folder, or one of the original FactorNet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ...store.errors import UsageError
from ...store.text import format_count
from .output import print_line

if TYPE_CHECKING:
    from ...model.model_dir.card import ModelCard
    from ...model.model_dir.weights import LoadedModel


def add_model_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add ``--model`` and ``--weights``; with `several`, ``--model`` takes one or more."""
    what = "model folder written by factornet-train, or one of the original FactorNet"
    parser.add_argument(
        "-m",
        "--model",
        "--modeldir",
        type=Path,
        required=True,
        **(
            {"nargs": "+", "metavar": "MODEL", "help": f"{what}; several are predicted into a folder"}
            if several
            else {"help": what}
        ),
    )
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="weights of the model to use")


def open_model_from_args(options: argparse.Namespace) -> LoadedModel:
    """Open ``--model`` with ``--weights``: a model folder, or a folder of the original FactorNet, which is said.

    Raises:
        InputError: as for `open_model`.
    """
    from ...model.keras.open_model import open_model

    model = open_model(options.model, weights=options.weights)
    if not options.json:
        say_if_original(options.model, model.card)
    return model


def open_models_from_args(options: argparse.Namespace) -> tuple[LoadedModel, ...]:
    """Open each ``--model`` with ``--weights``, as `open_model_from_args` does; folders of the original are said once.

    Raises:
        InputError: as for `open_model`.
        UsageError: a folder is given twice.
    """
    from ...model.keras.import_model import is_keras_folder
    from ...model.keras.open_model import open_models

    seen: dict[Path, Path] = {}
    for path in options.model:
        if (folder := path.resolve()) in seen:
            raise UsageError(f"--model: {path} is given twice")
        seen[folder] = path
    models = open_models(options.model, weights=options.weights)
    original = sum(map(is_keras_folder, options.model))
    if original and not options.json:
        print_line(f"{format_count(original, 'model')} of the original FactorNet, imported in memory")
    return models


def say_if_original(folder: Path, card: ModelCard, file: TextIO | None = None) -> None:
    """Print one line if a model was read from a folder of the original FactorNet."""
    from ...model.keras.import_model import is_keras_folder

    if is_keras_folder(folder):
        print_line(f"{folder}: a model of the original FactorNet, {card.provenance['software']} in memory", file=file)
