"""``factornet-model``: take over the original FactorNet's models, and show what a model is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .. import __version__
from .common.arguments import HelpFormatter, add_common
from .common.runner import run_command


def make_parser() -> argparse.ArgumentParser:
    """The parser, with its two sub-commands."""
    parser = argparse.ArgumentParser(
        prog="factornet-model",
        description="Take over a model of the original FactorNet (Keras 1), or show what a model is.",
        epilog="example:\n  factornet-model import FactorNet/models/MAX/onePeak_Unique35_DGF -o models/MAX\n"
        "  factornet-model info models/MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_import(commands)
    _add_info(commands)
    return parser


def _add_import(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "import",
        help="convert a model of the original FactorNet",
        description="Convert a model folder of the original FactorNet (model.json, best_model.hdf5 or "
        "final_model.hdf5, chip.txt, bigwig.txt, feature.txt, meta.txt). Keras is not needed.",
        epilog="example:\n  factornet-model import FactorNet/models/MAX/onePeak_Unique35_DGF -o models/MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the original's model folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="model folder to make")
    parser.add_argument(
        "--weights",
        choices=("best", "final"),
        default="best",
        help="which become the best weights; those of final_model.hdf5 always become the last, where they are there",
    )
    add_common(parser)
    parser.set_defaults(handler=_import)


def _add_info(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show what a model is",
        description="Show a model: architecture, tracks, features, factors, training, where it comes from.",
        epilog="example:\n  factornet-model info models/MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder, also one of the original FactorNet")
    add_common(parser)
    parser.set_defaults(handler=_info)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status comes back."""
    return run_command(make_parser(), None, argv)


def _import(options: argparse.Namespace) -> int:
    from ..model.keras.import_model import write_imported

    card = write_imported(options.directory, options.output, weights=options.weights)
    if options.json:
        print(json.dumps({"output": str(options.output), **_describe(options.output, card)}))
        return 0
    taken = ", ".join(f"{name} as the {which}" for which, name in card.provenance["weights"].items())
    print(f"{options.output}: {', '.join(card.config.tasks)}, {card.provenance['software']}, with {taken} weights")
    return 0


def _info(options: argparse.Namespace) -> int:
    from ..model.keras.import_model import is_keras_folder, read_keras_card
    from ..model.model_dir.checkpoint import read_card

    keras = is_keras_folder(options.model)
    card = read_keras_card(options.model) if keras else read_card(options.model)
    description = _describe(options.model, card)
    if options.json:
        print(json.dumps(description))
        return 0
    made = "of the original FactorNet" if keras else f"made by factornet {card.library_version}"
    print(f"{options.model}: {', '.join(card.config.tasks)}, {description['parameters']:,} parameters, {made}")
    weights = ", ".join(description["weights"]) or "none yet"
    print(f"weights: {weights}" + ("; convert them with `factornet-model import`" if keras else ""))
    for title in ("network", "training", "provenance"):
        _print_table(title, description[title])
    return 0


def _describe(folder: Path, card: Any) -> dict[str, Any]:
    """What there is to say of a model, as JSON values."""
    from ..model.network.factornet import FactorNet

    config = card.config
    parameters = sum(p.numel() for p in FactorNet(config).parameters() if p.requires_grad)
    derived = {key: getattr(config, key) for key in ("channels", "features", "positions", "pool")}
    files = [p.name for pattern in ("*.safetensors", "*.hdf5") for p in sorted(folder.glob(pattern))]
    return {
        "parameters": parameters,
        "weights": [name for name in files if not name.endswith(".optimizer.safetensors")],
        "network": config.to_json() | derived,
        "training": dict(card.training),
        "provenance": dict(card.provenance),
        "factornet": card.library_version,
    }


def _print_table(title: str, values: Mapping[str, Any]) -> None:
    """Names and values; nothing where there are none."""
    if not values:
        return
    table = Table("setting", "value", title=title, title_justify="left", show_header=False)
    for name, value in values.items():
        table.add_row(name, _text(value))
    Console(soft_wrap=True, markup=False, highlight=False).print(table)


def _text(value: Any) -> str:
    """A JSON value for people: lists with commas, one line for each entry of an object."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(v)}" for key, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
