"""``factornet-crossval``: leave each cell line out, train on the others, and score its prediction."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..store.errors import InputError, UsageError
from ..store.files.outputs import output_lock
from ..store.files.sealed_toml import RUN_FILE
from ..store.text import format_count
from .common.arguments import HelpFormatter, add_run_options, cell_name, picture_lock
from .common.output import print_json, print_line, print_table, print_warning
from .common.runner import report_interrupt, run_command
from .common.store_options import add_store_options, open_store_from_args
from .crossvalidation.commands import run, run_json
from .crossvalidation.parts import (
    Part,
    check_cells,
    check_predictions,
    check_settings,
    describe_data,
    plan_parts,
    read_scores,
    write_scores,
)
from .run.parser import CommandParser
from .run.record import check_results_folder, note_run
from .training.options import make_parser as make_train_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = {
    "cells": "-i",
    "valid_cells": "-vi",
    "factor": "-f",
    "store": "--store",
    "output": "-o",
    "resume": "--resume",
    "dry_run": "--dry-run",
    "cross_validation": "--cross-validation",
}
"""Options of factornet-train that each part chooses, by destination: a cell line left out must not be learnt from."""
_REPEAT = "which may end it: repeat the command later, to see that it did"
_IGNORED = ("ignore_units", "ignore_annotation_rules")
"""Options of factornet-train that factornet-predict needs, too, by destination."""
_MEASURES = {"average_precision": "average precision", "auroc": "auROC", "recall_at_10_fdr": "recall at 10 % FDR"}


def make_parser(prog: str = "factornet-crossval") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-crossval``."""
    parser = CommandParser(
        prog=prog,
        description="Leave-one-cell-line-out cross-validation: for each factor and each cell line that has it, train "
        "on the others, predict the test regions in the one left out, and score them; then train on all, with these "
        "scores on the model's card. Parts that are done are kept: after an interruption repeat the command, and start "
        "it several times, on as many machines as share the folder, to divide the parts between them.",
        epilog="example:\n  factornet-crossval --store hg19.zarr -f MAX CTCF -o cv -- --preset blocks -v chr11\n"
        "words after -- are options of factornet-train, the same for all parts; without them: --preset blocks",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    add_store_options(parser)
    parser.add_argument(
        "-f", "--factors", nargs="+", default=[], metavar="FACTOR", help="default: all in two cell lines"
    )
    parser.add_argument("-i", "--cells", nargs="+", default=[], metavar="CELL", help="default: all of the store")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of all parts")
    parser.add_argument("--no-final", action="store_true", help="do not train on all cell lines at the end")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="plot the scores with their intervals")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument("--verbose", action="store_true", help="log more; show the traceback of errors")
    add_run_options(parser)
    parser.add_argument("training", nargs="*", metavar="-- OPTION", help="options of factornet-train")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-crossval") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), _run, argv)


def _run(options: argparse.Namespace) -> int:
    words = list(options.training) or ["--preset", "blocks"]
    store = open_store_from_args(options)
    cells = [cell_name(c) for c in options.cells]
    parts = plan_parts(store, options.output, factors=options.factors, cells=cells)
    plan = _check_training(words, parts[0], options)
    given = make_train_parser().parse_args(_train_words(parts[0], words, options))
    same = given.tracks is not None or given.init_from is not None
    tracks = plan["tracks"] if same else None
    warnings = check_cells(store, parts, tracks, meta=given.meta, ignore_units=given.ignore_units)
    for warning in warnings:
        print_warning(warning)
    ignored = [f"--{name.replace('_', '-')}" for name in _IGNORED if getattr(given, name)]
    predict_words = ["--regions", *plan["test"], *ignored]
    _create_folder(options)
    factors = list(dict.fromkeys(part.factor for part in parts))
    settings = {"training": words, "cells": cells, "factors": sorted(options.factors)}
    check_settings(options.output, settings | describe_data(store, parts))
    with report_interrupt("repeat the command: parts that are done are kept"):
        elsewhere = [part for part in parts if not _do_part(part, words, predict_words, options)]
        for factor in factors:
            _finish_factor([part for part in parts if part.factor == factor], words, options)
        return _print_result(parts, [part for part in elsewhere if not part.is_done], options)


def _create_folder(options: argparse.Namespace) -> None:
    """Create the folder, and check that the plot, which may be in it, can be written once the trainings are done."""
    check_results_folder(options.output, options.run.command)
    existed = options.output.exists()
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        with picture_lock("--plot", options.plot, []) if options.plot else nullcontext():
            pass  # factornet-evaluate draws it at the end, and locks it again
    except BaseException:
        if not existed:
            options.output.rmdir()
        raise


def _check_training(words: list[str], part: Part, options: argparse.Namespace) -> dict[str, Any]:
    """Check the options of the trainings before anything is written; return their plan: test regions, tracks.

    Raises:
        UsageError: one has no place there, is wrong, or nothing is held out for the test.
    """
    parser = make_train_parser()
    own, given = (parser.parse_args(_train_words(part, more, options)) for more in ([], words))
    if changed := [name for key, name in _OWN.items() if getattr(own, key) != getattr(given, key)]:
        raise UsageError(f"{', '.join(changed)}: is chosen by factornet-crossval for each part; leave it out after --")
    plan: dict[str, Any] = run_json("train", [*_train_words(part, words, options), "--dry-run"], quiet=True)
    if not plan["test"]:
        raise UsageError("no test regions: name some with -- -t; they are predicted in the cell lines left out")
    return plan


def _train_words(part: Part, words: list[str], options: argparse.Namespace) -> list[str]:
    return ["--store", str(options.store), "-f", part.factor, "-i", *part.cells, "-o", str(part.model), *words]


def _do_part(part: Part, words: list[str], predict_words: list[str], options: argparse.Namespace) -> bool:
    """Train and predict a part, unless that is done; return whether it is done: another process may be at it."""
    if part.is_done:
        return True
    part.folder.parent.mkdir(exist_ok=True)
    with _unless_locked(part.folder) as free:
        if not free:
            return part.is_done
        if not part.is_done:
            part.folder.mkdir(exist_ok=True)
            resume = ["--resume"] if (part.model / "model.json").exists() else []
            run("train", [*_train_words(part, words, options), *resume], quiet=options.json)
            predict = ["--store", str(options.store), "-f", part.factor, "-i", part.held_out, "-m", str(part.model)]
            output = ["-o", str(part.predictions), "--resume"]
            run("predict", [*predict, *predict_words, *output], quiet=options.json)
    return True


@contextmanager
def _unless_locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a path, if no other process does; yield whether it is held."""
    lock = output_lock(path)
    try:
        lock.__enter__()
    except InputError as error:
        if "is being written by" not in error.problem:
            raise
        print_line(f"{path}: {error.problem}; left to it", file=sys.stderr)
        yield False
        return
    try:
        yield True
    finally:
        lock.__exit__(None, None, None)


def _finish_factor(parts: list[Part], words: list[str], options: argparse.Namespace) -> None:
    """Score the predictions of a factor, and train on all cell lines, once all its parts are done."""
    if not all(part.is_done for part in parts):
        return
    folder = parts[0].folder.parent
    scores, whole = folder / "scores.json", Part(folder, parts[0].factor, "", tuple(p.held_out for p in parts))
    with _unless_locked(scores) as free:
        if not free:
            return
        if not scores.exists():
            write_scores(scores, parts[0].factor, {part.held_out: _evaluate(part, options) for part in parts})
        if options.no_final or _has_ended(whole.model):
            return
        resume = ["--resume"] if (whole.model / "model.json").exists() else []
        record = ["--cross-validation", str(scores)]
        run("train", [*_train_words(whole, words, options), *record, *resume], quiet=options.json)


def _evaluate(part: Part, options: argparse.Namespace) -> dict[str, Any]:
    """Return the measures of a part with their intervals."""
    check_predictions(part)
    found = run_json("evaluate", [str(part.predictions), "--store", str(options.store)], quiet=options.json)
    return {**found["scores"]["model"], "intervals": found["intervals"]["model"]}


def _has_ended(model: Path) -> bool:
    """Return whether the training of a model folder has ended, and has left nothing unwritten."""
    from ..model.model_dir.verification.verify import verify_model

    if not (model / "model.json").exists():
        return False
    report = verify_model(model)
    return report.stage == "ended" and not any(file.kind == "unfinished" for file in report.files)


def _print_result(parts: list[Part], elsewhere: list[Part], options: argparse.Namespace) -> int:
    """Print the scores of all factors that are done, and what is not."""
    folders = list(dict.fromkeys(part.folder.parent for part in parts))
    scores = {f.name: read_scores(f / "scores.json", f.name) for f in folders if (f / "scores.json").exists()}
    if options.plot is not None and scores:
        predictions = [str(part.predictions) for part in parts if part.factor in scores]
        plot = ["--store", str(options.store), "--plot", str(options.plot)]
        run_json("evaluate", [*predictions, *plot], quiet=options.json)
    tables = [folder / "scores.json" for folder in folders]
    note_run(options, path=options.output / RUN_FILE, outputs=tables)
    unfinished = [f.name for f in folders if not (options.no_final or _has_ended(f / "model"))]
    if options.json:
        left = [f"{p.factor} without {p.held_out}" for p in elsewhere]
        print_json({"scores": scores, "elsewhere": left, "unfinished": unfinished})
        return 0
    rows = [
        (factor, cell, f"{found['positives']:,}", *(_with_interval(found, key) for key in _MEASURES))
        for factor, cells in scores.items()
        for cell, found in cells.items()
    ]
    if rows:
        columns = ("factor", "cell line left out", "bound bins", *_MEASURES.values())
        print_table("trained on the others; test regions, with 95 % intervals", columns, rows)
    if elsewhere:
        count = format_count(len(elsewhere), "part")
        print_line(f"{count} left to other processes: repeat the command once they are done, for all scores and models")
    elif unscored := [folder.name for folder in folders if folder.name not in scores]:
        print_line(f"scores of {', '.join(unscored)}: left to another process, {_REPEAT}")
    elif unfinished:
        print_line(f"model of all cell lines, {', '.join(unfinished)}: left to another process, {_REPEAT}")
    return 0


def _with_interval(found: dict[str, Any], measure: str) -> str:
    bounds = found["intervals"].get(measure)
    interval = f" ({bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else ""
    return f"{found[measure]:.4f}{interval}"


if __name__ == "__main__":
    sys.exit(main())
