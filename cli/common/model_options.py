"""Options of the commands that use a model: a model folder, or one of the original FactorNet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ...etl.download.models import fetched_models, find_models, models_folder, published_models
from ...etl.download.registry import default_registry, read_registry
from ...store.errors import InputError, UsageError
from ...store.files.outputs import read_output_lock
from ...store.text import format_count, shell_word
from .output import print_line, print_warning

if TYPE_CHECKING:
    from ...model.model_dir.card import ModelCard
    from ...model.model_dir.weights import LoadedModel

_PACKED = (".factornet", ".zip")
"""As in `model.model_dir.packed`, which is slow to import."""
_NO_MODEL_HINT = "factornet-train makes model folders, factornet-model import converts the original's"


def add_model_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add ``--model`` and ``--weights``; with `several`, ``--model`` takes one or more."""
    what = "model folder written by factornet-train, one of the original FactorNet, or the name of a fetched model"
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
    parser.add_argument(
        "--weights",
        choices=("best", "last"),
        help="weights of the model to use; default: best, or last of an original FactorNet's folder that has no best",
    )


def resolve_model(path: Path) -> Path:
    """Return the folder of a model, given as a path or by the name of a fetched model; a path that exists wins.

    Of several fetched models of a factor the first of those published is taken, which is said.

    Raises:
        InputError: it is a packed model, a folder without a model that has the name of a fetched one, or there is
            neither a path nor a fetched model of this name; the message says how to fetch it.
    """
    found = resolve_models(path)
    if len(found) > 1:
        others = ", ".join(str(other) for other in found[1:])
        print_line(f"{path}: {found[0]} (fetched are also: {others})", file=sys.stderr)
    return found[0]


def resolve_models(path: Path) -> tuple[Path, ...]:
    """Return the folders of all models of a name; of a path that exists, that alone.

    Raises:
        InputError: as for `resolve_model`.
    """
    if path.is_file() and path.suffix.lower() in _PACKED:
        raise InputError(
            path, "is a packed model", hint=f"write its folder: factornet-model unpack {shell_word(path)} -o DIR"
        )
    name, folder = path.as_posix(), models_folder()
    if path.exists() or path.is_symlink() or path.is_absolute():
        if path.is_dir() and not (path / "model.json").exists() and (found := find_models(name, folder)):
            hint = f"a fetched model has the same name: give its path, {found[0]}"
            raise InputError(path, "is a folder here without a model", hint=hint)
        return (path,)
    published = published_models(read_registry(default_registry()))
    if found := find_models(name, folder, published):
        return found
    fetched = ", ".join(fetched_models(folder)) or "none"
    problem = f"no such folder, and no fetched model of this name; fetched are {fetched}"
    known = [model.name for model in published if name in (model.name, model.factor)]
    hint = (
        f"fetch it: factornet-model fetch {shell_word(name)}"
        if known
        else f"factornet-model list shows all; {_NO_MODEL_HINT}"
    )
    raise InputError(path, problem, hint=hint)


def open_model_from_args(options: argparse.Namespace) -> LoadedModel:
    """Open ``--model`` with ``--weights``: a model folder, a fetched model, or a folder of the original FactorNet.

    ``--model`` becomes the path of its folder. A folder of the original is said.

    Raises:
        InputError: as for `resolve_model` and `open_model`.
    """
    from ...model.keras.open_model import open_model, usable_weights

    options.model = resolve_model(options.model)
    warn_if_written(options.model)
    model = open_model(options.model, weights=options.weights or usable_weights(options.model))
    _say_if_last(options, [model])
    if not options.json:
        say_if_original(options.model, model.card)
    return model


def open_models_from_args(options: argparse.Namespace) -> tuple[LoadedModel, ...]:
    """Open each ``--model`` with ``--weights``, as `open_model_from_args` does.

    ``--model`` becomes the paths of the folders: a name of several fetched models stands for all of them. Folders of
    the original are said in one line.

    Raises:
        InputError: as for `resolve_model` and `open_model`.
        UsageError: a folder is given twice.
    """
    from ...model.keras.open_model import open_models
    from ...model.keras.original_folder import is_keras_folder

    options.model = [folder for path in options.model for folder in resolve_models(path)]
    seen = set[Path]()
    for path in options.model:
        if (folder := path.resolve()) in seen:
            raise UsageError(f"--model: {path} is given twice")
        seen.add(folder)
        warn_if_written(path)
    models = open_models(options.model, weights=options.weights)
    _say_if_last(options, models)
    original = sum(map(is_keras_folder, options.model))
    if original and not options.json:
        print_line(f"{format_count(original, 'model')} of the original FactorNet, imported in memory")
    return models


def warn_if_written(folder: Path) -> None:
    """Warn of a model folder that a process is writing: a training may improve its weights, or replace a model."""
    if (lock := read_output_lock(folder)) is not None and lock.held:
        print_warning(f"{folder}: is being written by {lock.holder}; what it has now is used")


def _say_if_last(options: argparse.Namespace, models: Sequence[LoadedModel]) -> None:
    """Print a line on models whose last weights are used because there are no best ones."""
    names = [model.name for model in models if model.weights == "last"]
    if options.weights is None and names:
        print_line(f"last weights, as there are no best ones: {', '.join(names)}", file=sys.stderr)


def say_if_original(folder: Path, card: ModelCard, file: TextIO | None = None) -> None:
    """Print one line if a model was read from a folder of the original FactorNet."""
    from ...model.keras.original_folder import is_keras_folder

    if is_keras_folder(folder):
        print_line(f"{folder}: a model of the original FactorNet, {card.provenance['software']} in memory", file=file)
