"""``factornet-etl uniqueness``: compute how unique each k-mer of a genome is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ....etl.uniqueness.compute import Uniqueness, UniquenessOptions, write_uniqueness
from ....etl.uniqueness.counted_records import DEFAULT_EXCLUDED
from ....store.machine import peak_memory
from ....store.text import format_bytes, format_count
from ...common.arguments import HelpFormatter, add_common_options, chosen, naming_force, naming_option, positive_int
from ...common.output import print_json, print_line
from ...common.runner import report_interrupt
from ..build_options import add_resource_options, build_with_progress, resources_from_args

EXCLUDE_HELP = (
    "patterns of the names of records that are left out, neither counted nor given values; 'none' for no pattern "
    f"(default: {' '.join(DEFAULT_EXCLUDED)}: as for the Duke track, random sequences and alternative haplotypes, and "
    "what is added to an assembly)"
).replace("%", "%%")

STRANDS = ("plus", "both")
STRANDS_HELP = "where copies count: on the plus strand, as the Duke track is described, or also as reverse complements"


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "uniqueness",
        help="compute how unique each k-mer of a genome is, as the Duke uniqueness track: FASTA to bigWig",
        description="Compute how unique each k-mer of a genome is, and write it as a bigWig. By the definition of the "
        "Duke uniqueness track, the value of a base is 1/n where the k-mer that begins there occurs n = 1 to 4 times "
        "on the plus strand, and 0 where it occurs more often; no value where a letter other than A, C, G and T is in "
        "it. Counts are exact. The same command resumes one that was interrupted.",
        epilog="examples:\n  factornet-etl uniqueness --fasta hg38.fa.gz -o hg38.unique35.bw\n"
        "  factornet-etl uniqueness --fasta mm39.fa.gz -k 50 -o mm39.unique50.bw -p 8 --max-memory 8GB",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--fasta", type=Path, required=True, metavar="FILE", help="sequence, plain or gzipped")
    parser.add_argument(
        "-k",
        "--kmer-length",
        type=positive_int,
        default=35,
        dest="k",
        metavar="BASES",
        help="length of the k-mers, 8 to 200",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the bigWig to write")
    parser.add_argument("--exclude", nargs="+", default=[], metavar="PATTERN", help=EXCLUDE_HELP)
    parser.add_argument("--strands", choices=STRANDS, default=STRANDS[0], help=STRANDS_HELP)
    parser.add_argument("--force", action="store_true", help="replace what already exists")
    add_resource_options(parser)
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def settings_from_args(k: int, patterns: Sequence[str], strands: str) -> UniquenessOptions:
    """Return what is counted by the options; without patterns the default ones."""
    excluded = tuple(chosen(patterns)) if patterns else DEFAULT_EXCLUDED
    return UniquenessOptions(k, excluded, both_strands=strands == "both")


def _run(options: argparse.Namespace) -> int:
    with naming_option("-k"):
        settings = settings_from_args(options.k, options.exclude, options.strands)
    write = partial(
        write_uniqueness,
        options.fasta,
        options.output,
        settings,
        resources_from_args(options),
        overwrite=options.force,
    )
    with naming_force(), report_interrupt("run the same command again to resume"):
        found, seconds = build_with_progress("uniqueness", write)
    _print(found, seconds, options)
    return 0


def _print(found: Uniqueness, seconds: float, options: argparse.Namespace) -> None:
    memory = {"worker": found.peak_rss, "main": peak_memory()}
    if options.json:
        content = {
            "output": str(found.path),
            "k": found.options.k,
            "strands": options.strands,
            "excluded": found.options.excluded,
            "counted": found.records.counted,
            "left_out": found.records.left_out,
            "bases": dict(zip(("no_value", "1", "2", "3", "4", "more"), found.bases, strict=True)),
            "seconds": seconds,
            "peak_rss": memory,
        }
        print_json(content)
        return
    print_line(
        f"{found.path}: {format_bytes(found.path.stat().st_size)}, {format_count(len(found.reports), 'task')} in "
        f"{seconds:.1f} s; peak memory {format_bytes(memory['worker'])} per worker, {format_bytes(memory['main'])} in "
        "the main process"
    )
    for note in found.notes():
        print_line(f"  {note}")
