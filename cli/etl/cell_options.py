"""Options that name the cell lines of ``factornet-etl build`` and ``plan``, and say how their files are read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...etl.builders.cell_inputs import CellOptions
from ...etl.inputs.alias_tables import read_aliases
from ...etl.inputs.cell_line_folder import CellFolder
from ...etl.inputs.read_files import is_read_file
from ...etl.inputs.sheets.tracks import SignalFile
from ...etl.reads.signal_options import default_track
from ...store.errors import InputError, UsageError
from ...store.files.limited_read import check_is_file
from ...store.reader import Store
from ...store.schema import check_name
from .build_options import add_build_options
from .read_options import add_read_options, check_strand_name, signal_options


def add_cell_options(parser: argparse.ArgumentParser) -> None:
    """Add the store, the cell lines, and how they are read and built."""
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


def settings_from_args(options: argparse.Namespace, store: Store) -> CellOptions:
    """Return how the inputs are read."""
    aliases = read_aliases(options.chrom_alias, store.coordinates.names)
    return CellOptions(aliases, options.allow_missing_chroms, reads=signal_options(options))


def folders_from_args(options: argparse.Namespace) -> list[Path]:
    """Return the cell-line folders; none if files of reads are given instead.

    Raises:
        UsageError: both are given.
    """
    if options.folders and (options.reads or options.cell or options.track or options.stranded):
        raise UsageError(
            "--reads, --cell, --track and --stranded are for a cell line without a folder; give one of both"
        )
    return list(options.folders)


def cell_of_reads(options: argparse.Namespace) -> CellFolder:
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
        check_is_file(path)
        if not is_read_file(path):
            raise InputError(path, "is no file of reads by its name", hint="give .bam, .cram, .sam, or .tsv.gz")
    name = check_name(options.track or default_track(options.assay), "track")
    check_strand_name(name)
    ends = ("_fwd", "_rev") if options.stranded else ("",)
    tracks = tuple(SignalFile(name + end, tuple(options.reads), options.assay) for end in ends)
    return CellFolder(check_name(options.cell, "cell line"), Path(options.cell), tracks, (), ())
