"""``factornet-etl build``: add cell lines to a store."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...etl.builders.cell_line import CellOptions, build_cell, unchanged
from ...etl.builders.report import BuildReport
from ...etl.builders.up_to_date import is_built
from ...etl.inputs.cell_line_folder import CellFolder, read_cell_folder
from ...etl.inputs.chrom_aliases import read_aliases
from ...etl.transfer.remote_build import send, start_work, work_folder
from ...etl.verify.findings import Finding
from ...store.errors import UsageError
from ...store.location import is_remote
from ...store.reader import Store, open_store
from ...store.schema import CellInfo
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter
from ..common.build_options import add_build_options, build_with_progress, print_report, resources_of
from ..common.runner import report_interrupt
from ..common.store_options import temporary_cache
from .info import print_cell
from .verify import print_findings


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "build",
        help="add cell lines to a store, from FactorNet's cell-line folders",
        description="Add cell lines to a store: tracks (bigwig.txt), peaks and labels (chip.txt), meta values "
        "(meta.txt). A cell line is named after its folder; see data/README.md for the sheets. Those that are there "
        "already, from the same inputs and options, are left as they are.",
        epilog="example:\n  factornet-etl build hg19.zarr data/HepG2 data/K562 -p 8 --max-memory 8GB",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help="a store made by `factornet-etl genome`: a folder, or s3://bucket/name")
    parser.add_argument("folders", type=Path, nargs="+", metavar="CELLDIR", help="cell-line folders")
    add_build_options(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="rebuild cell lines that `verify` finds damaged, from what they were built of, to the same digests",
    )
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    settings = CellOptions(read_aliases(options.chrom_alias), options.allow_missing_chroms)
    # Look at all first: a mistake in the last folder should not show after hours.
    sheets = [read_cell_folder(folder) for folder in options.folders]
    names = [s.name for s in sheets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"cell line {name} is given {names.count(name)} times; give one folder of this name")
    if is_remote(options.store):
        _run_away(options, settings, sheets)
        return 0
    store = open_store(options.store)
    there = _there(options, settings, store, sheets)
    left: list[Finding] = []
    for cell in sheets:
        if cell in there:
            _say(options, unchanged(cell.name, store.location), 0.0, store.cell(cell.name))
        else:
            report, seconds = _build(options, Path(options.store), settings, cell)
            _say(options, report, seconds, open_store(options.store).cell(cell.name))
            left += report.left
    if left and not options.json:
        print_findings(list(dict.fromkeys(left)))
    return 1 if left else 0


def _run_away(options: argparse.Namespace, settings: CellOptions, sheets: list[CellFolder]) -> None:
    if options.repair:
        raise UsageError("--repair works on folders; build the cell line anew with --force, or export a sound copy")
    with work_folder(options.store, options.work) as local, temporary_cache() as cache:
        store = start_work(options.store, local, cache)
        there = _there(options, settings, store, sheets)
        for cell in sheets:
            if cell in there:
                _say(options, unchanged(cell.name, store.location), 0.0, store.cell(cell.name))
                continue
            report, seconds = _build(options, local, settings, cell)
            # It is where it was built for a moment only, beside a genome without values: what is said is where it goes.
            report = replace(report, what=f"cell line {cell.name} for {store.location}", left=())
            _say(options, report, seconds, open_store(local).cell(cell.name))
            sent = send(local, options.store, cell=cell.name, force=options.force)
            if not options.json:
                print(f"{sent.location}: {format_count(sent.objects, 'object')} sent, {format_bytes(sent.bytes)}")


def _there(
    options: argparse.Namespace, settings: CellOptions, store: Store, sheets: list[CellFolder]
) -> list[CellFolder]:
    """Those that need not be built: they are there, from the same inputs and options."""
    again = options.force or options.repair
    return [] if again else [cell for cell in sheets if is_built(store, cell, settings.describe())]


def _build(
    options: argparse.Namespace, store: Path, settings: CellOptions, cell: CellFolder
) -> tuple[BuildReport, float]:
    flags = {"force": options.force, "repair": options.repair}
    build = partial(build_cell, store, cell.path, settings, resources_of(options), **flags)
    with report_interrupt(f"the same command given again goes on with {cell.name}"):
        return build_with_progress(cell.name, build)


def _say(options: argparse.Namespace, report: BuildReport, seconds: float, info: CellInfo) -> None:
    """What was done about a cell line, and what is in it now."""
    summary = {"cell": info.name, "summary": info.summary, "unchanged": report.unchanged}
    print_report(report, seconds, options, {**summary, "findings_left": [asdict(f) for f in report.left]})
    if not (options.json or report.unchanged):
        print_cell(info)
