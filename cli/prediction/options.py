"""The options of factornet-predict, and which form they ask for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ... import __version__
from ...store.errors import UsageError
from ...store.schema import STRIDE
from ..common.annotation_check import add_ignore_annotation_rules
from ..common.arguments import CHROM_ALIAS_HELP, DEVICE_HELP, HelpFormatter, add_common_options, positive_int
from ..common.calibration import add_calibration_options
from ..common.model_options import add_model_options
from ..common.signal_check import add_ignore_units
from ..common.store_options import add_store_options
from ..run.parser import CommandParser
from .workers import add_prediction_worker_options, check_worker_options


def make_parser(prog: str = "factornet-predict") -> argparse.ArgumentParser:
    """Return the parser of ``factornet-predict``; short options are the original FactorNet's."""
    parser = CommandParser(
        prog=prog,
        description="Predict the probability of binding for the intervals of a BED file, or for all bins of regions: "
        "of one factor into a file, or of all factors of one or several models into a folder, in one pass over the "
        "store.",
        epilog="examples:\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX -b regions.bed.gz -o MAX_PC-3.bed.gz\n"
        "  factornet-predict --store hg19.zarr -f MAX -i PC-3 -m models/MAX --regions chr21 -o MAX_PC-3.bw\n"
        "  factornet-predict --store hg19.zarr -i PC-3 -m models/MAX models/CTCF --regions all -o PC-3/\n"
        "  factornet-predict --store hg19.zarr -i PC-3 -m a/MAX b/MAX --ensemble rank --regions all -o PC-3/\n"
        "  factornet-predict --store hg19.zarr -i PC-3 -m models/MAX --regions all --workers 8 -o MAX_PC-3.bw",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"factornet {__version__}")
    add_store_options(parser)
    parser.add_argument("-i", "--cell", "--inputdir", required=True, help="cell line (or its folder) to predict for")
    add_model_options(parser, several=True)
    parser.add_argument(
        "-f",
        "--factor",
        nargs="+",
        metavar="FACTOR",
        help="transcription factor, one of the model's; into a folder several, or by default all of all models",
    )
    bins = parser.add_mutually_exclusive_group(required=True)
    bins.add_argument("-b", "--bed", type=Path, help="predict intervals; windows are centred on their middles")
    bins.add_argument(
        "--regions",
        nargs="+",
        metavar="REGION",
        help="predict all bins in chromosomes, in regions (chr20:0-1000), or in `all` chromosomes of the store",
    )
    parser.add_argument(
        "--stride", type=positive_int, help=f"with --regions: bases between the starts of bins; default: {STRIDE}"
    )
    parser.add_argument(
        "--tile",
        choices=("max", "mean"),
        help="with -b: give an interval longer than a bin the highest score, or the mean, of the bins in it, one every "
        f"{STRIDE} bases; default: the score of the bin in its middle",
    )
    parser.add_argument(
        "-o",
        "--output",
        "--outputfile",
        required=True,
        help="bigWig if named *.bw or *.bigWig; bedgraph (chrom, start, stop, score) if named *.bed, *.bedgraph, *.bg, "
        "*.bdg, *.tsv, *.tab or *.txt, gzipped with .gz after it; other names are refused. With several models or "
        "factors, without -f, or if it ends in /: a folder of such files, one a factor, and a table of them",
    )
    parser.add_argument(
        "--format", choices=("bw", "bed.gz"), help="of the files in a folder; default: bw; of one file its name says it"
    )
    parser.add_argument(
        "--ensemble",
        choices=("mean", "rank"),
        help="into a folder: join the models of each factor, by the mean of their probabilities or of their ranks "
        "(among all bins of the output, divided by their number)",
    )
    add_calibration_options(parser)
    parser.add_argument("--resume", action="store_true", help="resume an interrupted run with --regions")
    parser.add_argument("--force", action="store_true", help="replace the output file")
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    parser.add_argument("--batch", type=positive_int, default=512, help="windows per batch")
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    add_prediction_worker_options(parser)
    parser.add_argument("--amp", action="store_true", help="use bfloat16 where it is safe: scores to 2 digits")
    add_ignore_units(parser)
    add_ignore_annotation_rules(parser)
    add_common_options(parser)
    return parser


def is_for_folder(options: argparse.Namespace) -> bool:
    """Return whether a folder of files is asked for, and not one file.

    Raises:
        UsageError: options exclude each other.
    """
    from ...model.prediction.output_names import names_scores

    text, output = options.output, Path(options.output)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    is_file_name = names_scores(output) and not text.endswith(separators)
    several = len(options.model) > 1 or len(options.factor or ()) > 1
    if several and is_file_name:
        raise UsageError(
            f"{output}: several models or factors are written into a folder, one file each; give the name of a folder"
        )
    is_folder = several or text.endswith(separators) or (output.is_dir() and not is_file_name)
    is_folder |= options.factor is None and not is_file_name
    of_folder = [f"--{name}" for name in ("ensemble", "format") if getattr(options, name) is not None]
    if of_folder and not is_folder:
        raise UsageError(f"{' and '.join(of_folder)}: is for a folder of files; end its name in / (-o {output.stem}/)")
    _check_bins(options)
    return is_folder


def _check_bins(options: argparse.Namespace) -> None:
    check_worker_options(options)
    if options.resume and options.bed is not None:
        raise UsageError("--resume needs --regions, which are saved one by one; -b predicts all intervals in one pass")
    if options.stride is not None and options.bed is not None:
        raise UsageError("--stride needs --regions; -b gives each interval one score")
    if options.tile is not None and options.bed is None:
        raise UsageError("--tile needs -b; --regions predicts all bins of regions")
    if options.tile is not None and options.fdr is not None:
        raise UsageError("--fdr: sites are called from the scores of bins; leave out --tile, or predict --regions")
