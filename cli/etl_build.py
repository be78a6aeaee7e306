"""``factornet-etl build``: add cell lines to a store."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..etl.aliases import read_aliases
from ..etl.away import refuse_existing, send, start_work, work_folder
from ..etl.cell import CellOptions, build_cell
from ..etl.sheets import read_cell_folder
from ..store.errors import UsageError
from ..store.reader import open_store
from ..store.remote import is_remote
from ..store.words import counted, megabytes
from .common import HelpFormatter
from .etl_info import print_cell
from .etl_options import add_build_options, build_with_progress, print_report, resources_of
from .places import passing_cache


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "build",
        help="add cell lines to a store, from FactorNet's cell-line folders",
        description="Add cell lines to a store: tracks (bigwig.txt), peaks and labels (chip.txt), meta values "
        "(meta.txt). A cell line is named after its folder; see data/README.md for the sheets.",
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
    # Look at all sheets first: a mistake in the last folder should not show after hours.
    names = [read_cell_folder(folder).name for folder in options.folders]
    if not is_remote(options.store):
        for name, folder in zip(names, options.folders, strict=True):
            _build(options, Path(options.store), settings, name, folder)
        return 0
    if options.repair:
        raise UsageError("--repair works on folders; build the cell line anew with --force, or export a sound copy")
    with work_folder(options.store, options.work) as local, passing_cache() as cache:
        store = start_work(options.store, local, cache)
        for name in names:
            refuse_existing(store, name, force=options.force)
        for name, folder in zip(names, options.folders, strict=True):
            _build(options, local, settings, name, folder)
            sent = send(local, options.store, cell=name, force=options.force)
            if not options.json:
                print(f"{sent.place}: {counted(sent.objects, 'object')} sent, {megabytes(sent.bytes)}")
    return 0


def _build(options: argparse.Namespace, store: Path, settings: CellOptions, name: str, folder: Path) -> None:
    flags = {"force": options.force, "repair": options.repair}
    build = partial(build_cell, store, folder, settings, resources_of(options), **flags)
    report, seconds = build_with_progress(name, build)
    info = open_store(store).cell(name)
    print_report(report, seconds, options, {"cell": name, "summary": info.summary})
    if not options.json:
        print_cell(info)
