"""``factornet-model``: fetch, import, describe, verify, calibrate and pack models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..store.errors import InputError
from ..store.text import format_bytes, format_count, printable, shell_word
from .common.arguments import HelpFormatter, add_common_options
from .common.calibration import print_calibrations
from .common.findings import print_findings
from .common.model_options import resolve_model
from .common.output import FIGURES, format_figures, print_json, print_line, print_table
from .common.runner import run_command
from .model_commands import calibrate, card, fetch, pack
from .run.parser import CommandParser

if TYPE_CHECKING:  # torch takes a second to import
    from ..model.model_dir.findings import ModelReport


def make_parser(prog: str = "factornet-model") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-model``, with its sub-commands."""
    parser = CommandParser(
        prog=prog,
        description="Fetch published models, import models of the original FactorNet, describe a model, verify its "
        "files, calibrate it, or pack it into one file.",
        epilog="example:\n  factornet-model fetch MAX\n"
        "  factornet-model import FactorNet/models/MAX/onePeak_Unique35_DGF -o models/MAX\n"
        "  factornet-model info models/MAX\n"
        "  factornet-model verify models/MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    fetch.add_parser(commands)
    _add_import(commands)
    _add_info(commands)
    card.add_parser(commands)
    calibrate.add_parser(commands)
    _add_verify(commands)
    pack.add_parser(commands)
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
    parser.add_argument("directory", type=Path, metavar="DIR", help="model folder of the original FactorNet")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="model folder to create")
    parser.add_argument(
        "--weights",
        choices=("best", "final"),
        default="best",
        help="file that becomes the best weights; final_model.hdf5, if present, always becomes the last weights",
    )
    add_common_options(parser)
    parser.set_defaults(handler=_import)


def _add_info(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="describe a model",
        description="Describe a model: architecture, tracks, features, factors, training, origin.",
        epilog="example:\n  factornet-model info models/MAX",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="model folder, of factornet or of the original FactorNet, or a fetched model",
    )
    add_common_options(parser)
    parser.set_defaults(handler=_info)


def _add_verify(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="compare every file of a model folder with its digests",
        description="Read every file of a model folder and compare it with the digests written with it, and with the "
        "other files: model.json, lists of names, weights, training states, history, picture, TensorBoard logs. Each "
        "file is listed: ok, damaged, missing, unchecked (what is needed to check it is damaged), unfinished (a "
        "resumed training will write it), temporary (left by a killed run) or foreign (yours, not judged). The exit "
        "status is 0 if no file is damaged, missing or unchecked, 1 if one is, and 2 if a folder cannot be verified: "
        "it holds no model, or one of the original FactorNet, whose files have no digests.",
        epilog="example:\n  factornet-model verify models/MAX models/CTCF",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="model folders of factornet")
    add_common_options(parser)
    parser.set_defaults(handler=_verify)


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-model") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), None, argv)


def _import(options: argparse.Namespace) -> int:
    from ..model.keras.import_model import write_imported

    card = write_imported(options.directory, options.output, weights=options.weights)
    if options.json:
        print_json({"output": str(options.output), **_describe(options.output, card)})
        return 0
    weights = ", ".join(f"{file} as the {kind}" for kind, file in card.provenance["weights"].items())
    print_line(
        f"{options.output}: {', '.join(card.config.tasks)}, {card.provenance['software']}, with {weights} weights"
    )
    return 0


def _info(options: argparse.Namespace) -> int:
    from ..model.data.signals import recorded_signals
    from ..model.keras.import_model import read_keras_card
    from ..model.keras.original_folder import is_keras_folder
    from ..model.model_dir.calibration import recorded_calibrations
    from ..model.model_dir.card import read_card

    options.model = resolve_model(options.model)
    keras = is_keras_folder(options.model)
    try:
        card = read_keras_card(options.model) if keras else read_card(options.model)
    except InputError as error:
        if keras or not (options.model / "model.json").is_file():
            raise
        hint = f"{error.hint}; factornet-model verify {shell_word(options.model)} checks all files"
        raise InputError(error.path, error.problem, hint=hint, line=error.line) from error
    description = _describe(options.model, card)
    if options.json:
        print_json(description)
        return 0
    origin = "of the original FactorNet" if keras else f"made by factornet {card.library_version}"
    print_line(f"{options.model}: {', '.join(card.config.tasks)}, {description['parameters']:,} parameters, {origin}")
    weights = ", ".join(description["weights"]) or "none yet"
    print_line(f"weights: {weights}" + ("; convert them with `factornet-model import`" if keras else ""))
    provenance = {key: value for key, value in description["provenance"].items() if key != "signals"}
    for title, values in (*((t, description[t]) for t in ("network", "training")), ("provenance", provenance)):
        _print_table(title, values)
    _print_signals(recorded_signals(card.provenance, location=str(options.model)))
    if not keras:
        print_calibrations(recorded_calibrations(options.model, card.digest))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from ..model.model_dir.verification.verify import verify_model

    status, found = 0, []
    for folder in options.models:
        begin = perf_counter()
        try:
            report = verify_model(resolve_model(folder))
        except InputError as error:
            if len(options.models) == 1 and not options.json:
                raise
            status = 2
            found.append({"folder": str(folder), "ok": False, "error": str(error)})
            print_line(f"factornet-model: error: {error}", file=sys.stderr)
            continue
        status = max(status, int(bool(report.faults)))
        seconds = perf_counter() - begin
        found.append({"ok": not report.faults, **asdict(report), "seconds": seconds})
        if not options.json:
            _print_report(report, seconds)
    if options.json:
        print_json({"ok": status == 0, "models": found})
    return status


def _print_report(report: ModelReport, seconds: float) -> None:
    width = max(len(printable(f.path)) for f in report.files)
    for f in report.files:
        text = f.covered_by if f.kind == "ok" else f.problem
        print_line(f"{f.kind:10}  {printable(f.path):{width}}  {text}".rstrip())
    print_findings(report.faults)
    files = [f for f in report.files if f.covered_by and f.kind != "missing"]
    size = format_bytes(sum(f.size for f in files))
    result = format_count(len(report.faults), "fault") if report.faults else "no faults"
    print_line(f"{report.folder}: {format_count(len(files), 'file')}, {size}, compared in {seconds:.1f} s: {result}")
    print_line(f"{report.folder}: {report.note}")


def _describe(folder: Path, card: Any) -> dict[str, Any]:
    """Return the description of a model as JSON values."""
    from ..model.model_dir.calibration import recorded_calibrations
    from ..model.model_dir.mean_signal import FILE as MEAN_SIGNAL
    from ..model.network.config import NetworkConfig
    from ..model.network.variants import config_to_json, make_network

    config = card.config
    parameters = sum(p.numel() for p in make_network(config).parameters() if p.requires_grad)
    names: tuple[str, ...] = ("channels", "features", "positions", "pool")
    if not isinstance(config, NetworkConfig):
        names = ("signal_channels", "margin", "window_length")
    derived = {key: getattr(config, key) for key in names}
    files = [p.name for pattern in ("*.safetensors", "*.hdf5") for p in sorted(folder.glob(pattern))]
    return {
        "parameters": parameters,
        "weights": [name for name in files if name != MEAN_SIGNAL and not name.endswith(".optimizer.safetensors")],
        "network": config_to_json(config) | derived,
        "training": dict(card.training),
        "provenance": dict(card.provenance),
        "calibration": {name: c.to_json() for name, c in recorded_calibrations(folder, card.digest).items()},
        "factornet": card.library_version,
    }


def _print_signals(signals: Mapping[str, Any]) -> None:
    """Print assay, units and figures of each track and cell line of training; nothing where none are known."""
    rows = [
        (track, cell, signal["assay"] or "-", signal["units"] or "-")
        + (format_figures(signal["figures"]) if "figures" in signal else ("-",) * len(FIGURES))
        for track, cells in signals.items()
        for cell, signal in cells.items()
    ]
    if rows:
        print_table("signals of training, over all bases", ("track", "cell line", "assay", "units", *FIGURES), rows)


def _print_table(title: str, values: Mapping[str, Any]) -> None:
    """Print names and values; nothing if there are none."""
    if values:
        rows = [(name, _text(value)) for name, value in values.items()]
        print_table(title, ("setting", "value"), rows, show_header=False)


def _text(value: Any) -> str:
    """Return a JSON value as text: lists with commas, objects with a line for each entry."""
    if isinstance(value, Mapping):
        return "\n".join(f"{printable(key)}: {_one_line(v)}" for key, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else printable(str(value))


def _one_line(value: Any) -> str:
    """Return a JSON value within an object as text of one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(key)} {_one_line(v)}" for key, v in value.items()) or "none"
    return _text(value)


if __name__ == "__main__":
    sys.exit(main())
