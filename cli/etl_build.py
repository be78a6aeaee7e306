"""``factornet-etl build``: add cell lines to a store."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..etl.aliases import read_aliases
from ..etl.cell import CellOptions, build_cell
from ..etl.sheets import read_cell_folder
from ..store.reader import open_store
from .common import HelpFormatter
from .etl_info import print_cell
from .etl_options import add_build_options, build_with_progress, print_report, resources_of


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
    parser.add_argument("store", type=Path, help="a store made by `factornet-etl genome`")
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
    for name, folder in zip(names, options.folders, strict=True):
        flags = {"force": options.force, "repair": options.repair}
        build = partial(build_cell, options.store, folder, settings, resources_of(options), **flags)
        report, seconds = build_with_progress(name, build)
        info = open_store(options.store).cell(name)
        print_report(report, seconds, options, {"cell": name, "summary": info.summary})
        if not options.json:
            print_cell(info)
    return 0
