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
from ...etl.inputs.alias_tables import read_aliases
from ...etl.inputs.cell_line_folder import CellFolder, SignalFile, read_cell_folder
from ...etl.inputs.read_files import is_read_file
from ...etl.reads.signal_options import default_track
from ...etl.reads.track_signals import with_terms
from ...etl.transfer.remote_build import create_working_store, upload, working_store
from ...etl.verify.findings import Finding
from ...store.cell_info import CellInfo
from ...store.errors import InputError, StoreError, UsageError
from ...store.location import is_remote
from ...store.reader import Store, open_store
from ...store.schema import check_name
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter
from ..common.findings import print_findings
from ..common.output import print_line
from ..common.runner import report_interrupt
from ..common.store_options import temporary_cache
from .build_options import add_build_options, build_with_progress, print_report, resources_from_args
from .info import print_cell
from .read_options import add_read_options, check_strand_name, signal_options


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
    parser.add_argument("store", help="a store created by `factornet-etl genome`: a folder, or s3://bucket/name")
    parser.add_argument("folders", type=Path, nargs="*", metavar="CELLDIR", help="cell-line folders")
    parser.add_argument(
        "--reads",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="instead of a folder: BAM, CRAM, SAM or fragment files of one cell line, whose cuts are its only track",
    )
    parser.add_argument("--cell", metavar="NAME", help="name of the cell line of --reads")
    parser.add_argument("--track", metavar="NAME", help="name of the track of --reads; default: DGF, or ATAC for atac")
    parser.add_argument("--stranded", action="store_true", help="two tracks of --reads, NAME_fwd and NAME_rev")
    add_build_options(parser)
    add_read_options(parser)
    parser.add_argument(
        "--repair",
        action="store_true",
        help="rebuild damaged cell lines from their original inputs, to the same digests",
    )
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    # Read all folders first: a mistake in the last one must not surface after hours.
    folders = [read_cell_folder(folder) for folder in options.folders] or [_cell_of_reads(options)]
    if options.folders and (options.reads or options.cell or options.track or options.stranded):
        raise UsageError(
            "--reads, --cell, --track and --stranded are for a cell line without a folder; give one of both"
        )
    names = [f.name for f in folders]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"cell line {name} is given {names.count(name)} times; give one folder of this name")
    if is_remote(options.store):
        _build_remote(options, folders)
        return 0
    store = open_store(options.store)
    settings = _settings(options, store)
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


def _settings(options: argparse.Namespace, store: Store) -> CellOptions:
    aliases = read_aliases(options.chrom_alias, store.coordinates.names)
    return CellOptions(aliases, options.allow_missing_chroms, reads=signal_options(options))


def _cell_of_reads(options: argparse.Namespace) -> CellFolder:
    """Return the cell line of --reads: a track of cuts, or a stranded pair.

    Raises:
        UsageError: files, name or assay are missing, or a name cannot be one in a store.
        InputError: a file does not exist.
    """
    if not (options.reads and options.cell):
        raise UsageError("give cell-line folders, or --reads FILE... --cell NAME --assay dnase|atac")
    if options.assay is None:
        raise UsageError("--reads needs --assay: dnase, or atac, whose 5' ends are shifted")
    for path in options.reads:
        if not path.is_file():
            raise InputError(path, "no such file", hint="correct the path")
        if not is_read_file(path):
            raise InputError(path, "is no file of reads by its name", hint="give .bam, .cram, .sam, or .tsv.gz")
    name = check_name(options.track or default_track(options.assay), "track")
    check_strand_name(name)
    ends = ("_fwd", "_rev") if options.stranded else ("",)
    tracks = tuple(SignalFile(name + end, tuple(options.reads), options.assay) for end in ends)
    return CellFolder(check_name(options.cell, "cell line"), Path(options.cell), tracks, (), ())


def _build_remote(options: argparse.Namespace, folders: list[CellFolder]) -> None:
    if options.repair:
        raise UsageError("--repair requires a local store; rebuild the cell line with --force, or export a whole copy")
    with working_store(options.store, options.work) as local, temporary_cache() as cache:
        store = create_working_store(options.store, local, cache)
        settings = _settings(options, store)
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
