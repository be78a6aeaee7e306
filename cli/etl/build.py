"""``factornet-etl build``: add cell lines to a store."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...etl.builders.cell_inputs import CellOptions
from ...etl.builders.cell_line import build_cell, unchanged
from ...etl.builders.planning.plan import check_names
from ...etl.builders.report import BuildReport
from ...etl.builders.up_to_date import is_built
from ...etl.inputs.cell_line_folder import CellFolder, read_cell_folder
from ...etl.reads.track_signals import with_terms
from ...etl.transfer.remote_build import create_working_store, upload, working_store
from ...etl.verify.findings import Finding
from ...store.cell_info import CellInfo
from ...store.errors import StoreError, UsageError
from ...store.location import is_remote
from ...store.reader import Store, open_store
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter
from ..common.findings import print_findings
from ..common.output import print_line
from ..common.runner import report_interrupt
from ..common.store_options import temporary_cache
from .build_options import build_with_progress, print_report, resources_from_args
from .cell_options import add_cell_options, cell_of_reads, folders_from_args, settings_from_args
from .info import print_cell


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "build",
        help="add cell lines to a store, from FactorNet's cell-line folders or from reads",
        description="Add cell lines to a store: tracks (bigwig.txt: bigWigs, or files of reads), peaks and labels "
        "(chip.txt), meta values (meta.txt). A cell line is named after its folder, see data/README.md. "
        "Cell lines that were already built from the same inputs and options are skipped.",
        epilog="examples:\n  factornet-etl build hg19.zarr data/HepG2 data/K562 -p 8 --max-memory 8GB\n"
        "  factornet-etl build hg38.zarr --reads rep1.bam rep2.bam --cell Th17 --assay atac",
        formatter_class=HelpFormatter,
    )
    add_cell_options(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="rebuild damaged cell lines from their original inputs, to the same digests",
    )
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    # Read all folders first: a mistake in the last one must not surface after hours.
    folders = [read_cell_folder(folder) for folder in folders_from_args(options)] or [cell_of_reads(options)]
    check_names([folder.name for folder in folders])
    if is_remote(options.store):
        _build_remote(options, folders)
        return 0
    store = open_store(options.store)
    settings = settings_from_args(options, store)
    up_to_date = _up_to_date(options, settings, store, folders)
    remaining: list[Finding] = []
    for folder in folders:
        if folder in up_to_date:
            _report(options, unchanged(folder.name, store.location), 0.0, store.cell(folder.name))
        else:
            report, seconds = _build(options, Path(options.store), settings, folder)
            _report(options, report, seconds, _read_built(options.store, folder.name))
            remaining += report.left
    if remaining and not options.json:
        print_findings(list(dict.fromkeys(remaining)))
    return 1 if remaining else 0


def _build_remote(options: argparse.Namespace, folders: list[CellFolder]) -> None:
    if options.repair:
        raise UsageError("--repair requires a local store; rebuild the cell line with --force, or export a whole copy")
    with working_store(options.store, options.work) as local, temporary_cache() as cache:
        store = create_working_store(options.store, local, cache)
        settings = settings_from_args(options, store)
        up_to_date = _up_to_date(options, settings, store, folders)
        for folder in folders:
            if folder in up_to_date:
                _report(options, unchanged(folder.name, store.location), 0.0, store.cell(folder.name))
                continue
            report, seconds = _build(options, local, settings, folder)
            # Report the final location instead of the working folder, whose genome has no values to verify.
            report = replace(report, what=f"cell line {folder.name} for {store.location}", left=())
            _report(options, report, seconds, open_store(local).cell(folder.name))
            copied = upload(local, options.store, cell=folder.name, force=options.force)
            if not options.json:
                size = format_bytes(copied.bytes)
                print_line(f"{copied.location}: {format_count(copied.objects, 'object')} uploaded, {size}")


def _up_to_date(
    options: argparse.Namespace, settings: CellOptions, store: Store, folders: list[CellFolder]
) -> list[CellFolder]:
    """Return the folders whose cell lines were already built from the same inputs and options."""
    rebuild = options.force or options.repair
    if rebuild:
        return []
    return [f for f in folders if is_built(store, with_terms(f, settings.reads), settings.describe(f))]


def _build(
    options: argparse.Namespace, store: Path, settings: CellOptions, folder: CellFolder
) -> tuple[BuildReport, float]:
    flags = {"force": options.force, "repair": options.repair}
    build = partial(build_cell, store, folder, settings, resources_from_args(options), **flags)
    with report_interrupt(f"run the same command again to resume {folder.name}"):
        return build_with_progress(folder.name, build)


def _read_built(location: str, name: str) -> CellInfo:
    """Return the attributes of a cell line that has just been built.

    Raises:
        StoreError: another process has removed it.
    """
    try:
        return open_store(location).cell(name)
    except UsageError as error:
        problem = "was built, and removed by another process in the meantime"
        raise StoreError(f"{location}/cells/{name}", problem, hint="run the same command again") from error


def _report(options: argparse.Namespace, report: BuildReport, seconds: float, info: CellInfo) -> None:
    """Print the report of a cell line and a summary of its content."""
    summary = {"cell": info.name, "summary": info.summary, "unchanged": report.unchanged}
    print_report(report, seconds, options, {**summary, "findings_left": [asdict(f) for f in report.left]})
    if not (options.json or report.unchanged):
        print_cell(info, notes=False)  # those of the report
