"""``factornet-etl genome``: create a store with a genome."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...etl.builders.genome import build_genome
from ...etl.builders.genome_inputs import GenomeInputs, GenomeOptions
from ...etl.builders.report import BuildReport
from ...etl.inputs.alias_tables import read_aliases
from ...etl.transfer.remote_build import check_no_store, upload, working_store
from ...etl.uniqueness.compute import UniquenessOptions
from ...store.annotation_rules import README_RULES, AnnotationRules, published_rules
from ...store.errors import UsageError
from ...store.location import is_remote
from ...store.reader import open_store
from ...store.schema import FEATURES
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, naming_option, parse_pairs, positive_int, whole_number
from ..common.output import print_line
from ..common.runner import report_interrupt
from .build_options import add_build_options, build_with_progress, print_report, resources_from_args
from .inputs.uniqueness import EXCLUDE_HELP, STRANDS, STRANDS_HELP, settings_from_args


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "genome",
        help="create a store: sequence, annotation, blacklist, tracks shared by all cell lines",
        description="Create a store with a genome: sequence, annotation, blacklist, tracks shared by all cell lines.",
        epilog="examples:\n  factornet-etl genome hg19.zarr --fasta hg19.fa.gz --gtf gencode.v19.annotation.gtf.gz \\\n"
        "      --cpg cpgIslandExt.txt.gz --blacklist blacklist.bed.gz --track Unique35=Unique35.bw\n"
        "  factornet-etl genome hg38.zarr --fasta hg38.fa.gz --blacklist hg38-blacklist.v2.bed.gz --uniqueness 35\n"
        "  factornet-etl genome chr20.zarr --fasta 20.fa.gz --chrom-alias 20=chr20",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help="the store to create, usually named *.zarr: a folder, or s3://bucket/name")
    parser.add_argument("--fasta", type=Path, required=True, metavar="FILE", help="sequence, plain or gzipped")
    parser.add_argument(
        "--gtf", type=Path, metavar="FILE", help="transcripts (GENCODE, Ensembl, RefSeq, UCSC); requires --cpg"
    )
    parser.add_argument(
        "--cpg", type=Path, metavar="FILE", help="CpG islands: UCSC's cpgIslandExt table, BED, makeCGI's table"
    )
    parser.add_argument(
        "--annotation-bed",
        nargs="+",
        default=[],
        metavar="FEATURE=FILE",
        help=f"annotation from BED files, instead of --gtf: {', '.join(FEATURES)}",
    )
    parser.add_argument(
        "--annotation-rules",
        choices=("readme", "published"),
        help="readme (default): promoters of 300/100 bases and coding UTRs, as in FactorNet's README; published: those "
        "of the published GENCODE models, which need them. With --annotation-bed: by which the files were made "
        "(default: recognised by the width of promoters). Models record them, and refuse others",
    )
    parser.add_argument(
        "--promoter-upstream", type=whole_number, metavar="BASES", help="bases before the TSS; overrides the rules"
    )
    parser.add_argument(
        "--promoter-downstream", type=whole_number, metavar="BASES", help="bases after the TSS; overrides the rules"
    )
    parser.add_argument("--blacklist", type=Path, metavar="FILE", help="regions to exclude, BED")
    parser.add_argument("--track", nargs="+", default=[], metavar="NAME=FILE", help="bigWigs shared by all cell lines")
    parser.add_argument(
        "--uniqueness",
        type=positive_int,
        metavar="K",
        help="compute a track of the name UniqueK that all cell lines share: the uniqueness of K-mers, from the FASTA, "
        "as `factornet-etl uniqueness`. 35 where the Duke track of published models does not exist, as for hg38",
    )
    parser.add_argument("--uniqueness-exclude", nargs="+", default=[], metavar="PATTERN", help=EXCLUDE_HELP)
    parser.add_argument("--uniqueness-strands", choices=STRANDS, help=f"{STRANDS_HELP} (default: {STRANDS[0]})")
    parser.add_argument(
        "--assembly", metavar="NAME", help="name of the assembly; default: recognised by chromosome lengths"
    )
    parser.add_argument(
        "--chroms",
        nargs="+",
        default=[],
        metavar="NAME",
        help="chromosomes to include; default: numbered ones and X, with or without chr; all where none is numbered",
    )
    add_build_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    inputs = GenomeInputs(
        options.fasta,
        gtf=options.gtf,
        cpg=options.cpg,
        beds={name: Path(file) for name, file in parse_pairs(options.annotation_bed, "--annotation-bed").items()},
        blacklist=options.blacklist,
        tracks={name: Path(file) for name, file in parse_pairs(options.track, "--track").items()},
    )
    settings = GenomeOptions(
        assembly=options.assembly,
        chroms=tuple(options.chroms),
        aliases=read_aliases(options.chrom_alias, options.chroms),
        rules=_rules(options),
        allow_missing=options.allow_missing_chroms,
        uniqueness=_uniqueness(options),
    )
    if not is_remote(options.store):
        report, seconds = _build(options, Path(options.store), inputs, settings, force=options.force)
        print_report(report, seconds, options, {"store": options.store})
        return 0
    check_no_store(options.store)
    with working_store(options.store, options.work) as local:
        # A genome that was built but not uploaded is rebuilt.
        report, seconds = _build(options, local, inputs, settings, force=True)
        # Report the final location instead of the working folder.
        report = replace(report, what=f"genome {open_store(local).info.assembly} for {options.store}")
        print_report(report, seconds, options, {"store": options.store})
        copied = upload(local, options.store, cell=None, force=False)
        if not options.json:
            print_line(
                f"{copied.location}: {format_count(copied.objects, 'object')} uploaded, {format_bytes(copied.bytes)}"
            )
    return 0


def _uniqueness(options: argparse.Namespace) -> UniquenessOptions | None:
    if options.uniqueness is None:
        for name in ("uniqueness_exclude", "uniqueness_strands"):
            if getattr(options, name):
                raise UsageError(f"--{name.replace('_', '-')}: needs --uniqueness")
        return None
    with naming_option("--uniqueness"):
        return settings_from_args(
            options.uniqueness, options.uniqueness_exclude, options.uniqueness_strands or STRANDS[0]
        )


def _rules(options: argparse.Namespace) -> AnnotationRules | None:
    """Return the annotation rules that the options give; None if they give none."""
    if options.annotation_rules is None and options.promoter_upstream is options.promoter_downstream is None:
        return None
    rules = published_rules() if options.annotation_rules == "published" else README_RULES
    return replace(
        rules,
        upstream=rules.upstream if options.promoter_upstream is None else options.promoter_upstream,
        downstream=rules.downstream if options.promoter_downstream is None else options.promoter_downstream,
    )


def _build(
    options: argparse.Namespace, store: Path, inputs: GenomeInputs, settings: GenomeOptions, *, force: bool
) -> tuple[BuildReport, float]:
    build = partial(build_genome, store, inputs, settings, resources_from_args(options), force=force)
    with report_interrupt("run the same command again to resume the genome"):
        return build_with_progress("genome", build)
