"""Options that say how reads become signal, of ``factornet-etl signal`` and ``build``."""

from __future__ import annotations

import argparse

from ...etl.reads.read_filter import EXCLUDABLE, ReadFilter
from ...etl.reads.scale import SCALES
from ...etl.reads.signal_file import strand_of
from ...etl.reads.signal_options import IGNORED, Assay, SignalOptions, parse_assay
from ...store.errors import UsageError
from ..common.arguments import chosen, natural_number, positive_int, whole_number


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "reads",
        "How reads become signal; by default as FactorNet's tracks were made (bamCoverage --Offset 1 --binSize 1, 1x): "
        "the 5' end of every mapped read is a cut.",
    )
    group.add_argument(
        "--assay",
        type=_assay,
        metavar="ASSAY",
        help="dnase or atac: 5' ends of ATAC's alignments are shifted by +4 and -5 bases",
    )
    group.add_argument("--scale", choices=SCALES, default="1x", help="of the counts: 1x coverage, per million, or none")
    group.add_argument(
        "--min-mapq", type=natural_number, default=0, metavar="N", help="least mapping quality of an alignment"
    )
    group.add_argument(
        "--exclude",
        nargs="+",
        choices=tuple(EXCLUDABLE),
        default=[],
        metavar="KIND",
        help=f"alignments to leave out, as they are marked in the file: {', '.join(EXCLUDABLE)}",
    )
    group.add_argument(
        "--ignore-duplicates",
        action="store_true",
        help="of alignments with the same place, strand and mate use the first only, marked or not; for sorted files",
    )
    group.add_argument("--proper-pairs", action="store_true", help="use proper pairs only")
    group.add_argument(
        "--shift",
        nargs=2,
        type=whole_number,
        metavar=("FORWARD", "REVERSE"),
        help="bases added to 5' ends; default: by assay for alignments, 0 0 for fragments, which are shifted already",
    )
    group.add_argument(
        "--read-length",
        type=positive_int,
        metavar="BASES",
        help="for the scale 1x; default: the median of the reads, and 50 for fragments, whose files do not tell it",
    )
    group.add_argument(
        "--effective-genome-size",
        type=positive_int,
        metavar="BASES",
        help="for the scale 1x; default: FactorNet's 2,478,297,382 for hg19, else deepTools' by length of reads",
    )
    group.add_argument(
        "--ignore-for-scale",
        nargs="+",
        metavar="CHROM",
        help="chromosomes whose reads do not count for the scale; none: all count; default: X and the mitochondrion",
    )


def signal_options(options: argparse.Namespace) -> SignalOptions:
    """Return how reads become signal.

    Raises:
        UsageError: a value is out of range.
    """
    return SignalOptions(
        assay=options.assay,
        rules=ReadFilter(
            min_mapq=options.min_mapq,
            exclude=tuple(options.exclude),
            same_position=options.ignore_duplicates,
            proper_pairs=options.proper_pairs,
        ),
        shift=tuple(options.shift) if options.shift else None,
        scale=options.scale,
        read_length=options.read_length,
        genome_size=options.effective_genome_size,
        ignore=IGNORED if options.ignore_for_scale is None else tuple(chosen(options.ignore_for_scale)),
    )


def check_strand_name(track: str) -> None:
    """Check that a name does not end as those of a stranded pair do, which mean one strand's cuts.

    Raises:
        UsageError: it does.
    """
    if strand_of(track) != "both":
        raise UsageError(f"--track {track}: names in _fwd and _rev are of a pair; give --stranded, and no such ending")


def _assay(text: str) -> Assay:
    assay = parse_assay(text)
    if assay is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not dnase or atac")
    return assay
