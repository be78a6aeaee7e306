"""``factornet-etl plan``: check all inputs of a build, and say what it will write and take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...etl.builders.planning.plan import BuildPlan, CellPlan, plan_build
from ...etl.inputs.cell_line_folder import CellFolder
from ...store.errors import FactorNetError, InputError, StoreError
from ...store.location import is_remote
from ...store.reader import open_store
from ...store.text import format_bytes, format_count, format_names, format_seconds
from ..common.arguments import NOTHING, HelpFormatter
from ..common.output import print_json, print_line, with_options
from ..common.progress import progress_line
from .build_options import resources_from_args
from .cell_options import add_cell_options, cell_of_reads, folders_from_args, settings_from_args


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="find every problem in the inputs of a build, and say what it will write and take",
        description="Make all checks of `build` on all inputs, and list every problem with its cure, where build ends "
        "at the first; note what is unusual, and may be meant; and say what will be built, in which time, disk space "
        "and memory. All values of bigWigs are read, too. Options are those of build. Nothing is written. The exit "
        "status is 1 if there are problems.",
        epilog="examples:\n  factornet-etl plan hg19.zarr data/HepG2 data/K562 -p 8 --max-memory 8GB\n"
        "  factornet-etl plan hg38.zarr --reads rep1.bam rep2.bam --cell Th17 --assay atac",
        formatter_class=HelpFormatter,
    )
    add_cell_options(parser)
    parser.add_argument(
        "--quick", action="store_true", help="check the structure of bigWigs only, instead of reading all values"
    )
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    folders: list[Path | CellFolder] = [*folders_from_args(options)] or [cell_of_reads(options)]
    store = open_store(options.store)
    settings = settings_from_args(options, store)
    read = shown = 0
    with progress_line("plan", 0, unit="Mb") as line:

        def on_bases(track: str, bases: int) -> None:
            nonlocal read, shown
            read += bases
            line.total = read // 10**6
            line.advance(line.total - shown, f"of {track} read")
            shown = line.total

        plan = plan_build(
            store,
            folders,
            settings,
            resources_from_args(options),
            force=options.force,
            values=not options.quick,
            on_bases=on_bases,
        )
    if options.json:
        print_json(_to_json(plan))
    else:
        _print(plan, values=not options.quick, remote=is_remote(options.store))
    return 1 if plan.all_problems else 0


def _print(plan: BuildPlan, *, values: bool, remote: bool) -> None:
    for cell in plan.cells:
        for note in cell.notes:
            print_line(with_options(f"{cell.name}: {note}"))
    for note in plan.notes:
        print_line(note)
    for number, problem in enumerate(plan.all_problems, 1):
        print_line(with_options(f"problem {number}: {problem}"))
    for cell in plan.cells:
        print_line(f"{cell.name}: {_describe(cell)}")
    to_build = [cell for cell in plan.cells if cell.action in ("build", "replace")]
    if to_build:
        sizes = [cell.size for cell in to_build]
        size = format_bytes(sum(s or 0 for s in sizes)) if None not in sizes else "unknown"
        largest = format_bytes(sum(cell.largest_size for cell in to_build))
        free = "" if plan.free is None else f", {format_bytes(plan.free)} are free"
        seconds = "unknown" if plan.seconds is None else format_seconds(plan.seconds)
        workers = "1 process" if plan.workers == 1 else f"{plan.workers} processes"
        print_line(
            f"time {seconds} with {workers}; disk {size} estimated, at most {largest}{free}; memory at most "
            f"{format_bytes(plan.memory)}"
        )
    if not values:
        print_line("values of bigWigs were not read, nor reads behind their headers")
    n_problems = len(plan.all_problems)
    result = f"{format_count(n_problems, 'problem')} to solve first" if n_problems else "no problems"
    noted = f"; {format_count(plan.n_notes, 'note')} above" if plan.n_notes else ""
    print_line(result + (", of which the server of the store was not asked" if remote else "") + noted)


def _describe(cell: CellPlan) -> str:
    """Return what will be built of a cell line, as text."""
    if cell.action == "unchanged":
        return "already exists, built from the same inputs and options: nothing to do"
    if cell.action == "unknown":
        return "cannot be read"
    shared = f" (and {', '.join(cell.shared)} of the genome)" if cell.shared else ""
    parts = [
        f"{format_names(cell.tracks, 'track') if cell.tracks else NOTHING + ' of its own'}{shared}",
        format_names(cell.factors, "factor") if cell.factors else "no factors",
        format_count(len(cell.meta), "meta value"),
    ]
    verb = "will be built" if cell.action == "build" else "will be replaced"
    return f"{verb}: {', '.join(parts)}"


def _to_json(plan: BuildPlan) -> dict[str, Any]:
    cells = [{**vars(cell), "problems": [_problem(p) for p in cell.problems]} for cell in plan.cells]
    totals = {key: getattr(plan, key) for key in ("notes", "workers", "memory", "free", "seconds")}
    return {
        "ok": not plan.all_problems,
        "cells": cells,
        **totals,
        "n_notes": plan.n_notes,
        "problems": [_problem(p) for p in plan.problems],
    }


def _problem(error: FactorNetError) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": type(error).__name__, "message": with_options(str(error))}
    if isinstance(error, InputError):
        found |= {"file": error.path, "line": error.line, "problem": error.problem, "hint": with_options(error.hint)}
    if isinstance(error, StoreError):
        found |= {"location": error.location, "problem": error.problem, "hint": with_options(error.hint)}
    return found
