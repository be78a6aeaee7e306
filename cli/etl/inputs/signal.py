"""``factornet-etl signal``: make bigWigs of cuts from reads."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ....etl.annotation.transcripts import transcription_starts
from ....etl.inputs.alias_tables import read_aliases
from ....etl.inputs.assembly import known_assemblies, recognise_assembly
from ....etl.inputs.bed import read_peaks
from ....etl.inputs.bigwig import match_chromosomes
from ....etl.inputs.read_files import has_alignments
from ....etl.reads.files.cluster_table import read_clusters
from ....etl.reads.quality import KnownPlaces
from ....etl.reads.read_set import ReadSet, open_reads
from ....etl.reads.signal import KnownGenome, SignalReport, check_filters, write_clusters, write_signals
from ....etl.reads.signal_file import Strand
from ....etl.reads.signal_options import SignalOptions, default_track
from ....etl.reads.track_signals import blacklist_of, sequenced_bases
from ....store.errors import InputError, UsageError
from ....store.files.atomic_write import write_atomic
from ....store.files.outputs import check_output_file, output_lock
from ....store.genome.intervals import Intervals, merge
from ....store.reader import Store, open_store
from ....store.schema import check_name
from ...common.arguments import (
    CHROM_ALIAS_HELP,
    HelpFormatter,
    add_common_options,
    naming_force,
    naming_option,
    picture_lock,
)
from ...common.output import print_json, print_line, with_options
from ..read_options import add_read_options, check_strand_name, signal_options

_SIZES_HINT = "give two columns, name and length, as in chrom.sizes"
_SCALE_HINT = "see --effective-genome-size, --read-length and --ignore-for-scale"
_ENDS: Mapping[Strand, str] = {"forward": "_fwd", "reverse": "_rev", "both": ""}


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "signal",
        help="make a bigWig of cuts from reads: BAM, CRAM, SAM or fragment files",
        description="Make a bigWig of cuts from reads: BAM, CRAM, SAM or fragment files (fragments.tsv.gz). `build` "
        "takes read files itself; this command is for bigWigs to look at or to hand on, and for clusters of cells.",
        epilog="examples:\n  factornet-etl signal rep1.bam rep2.bam --assay dnase --blacklist blacklist.bed -o T.bw\n"
        "  factornet-etl signal fragments.tsv.gz --assay atac --store hg38.zarr --clusters barcodes.tsv -o cells/",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("reads", type=Path, nargs="+", metavar="FILE", help="read files, whose cuts are added up")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="bigWig, or folder of clusters"
    )
    parser.add_argument("--stranded", action="store_true", help="write two bigWigs, FILE_fwd.bw and FILE_rev.bw")
    parser.add_argument(
        "--clusters",
        type=Path,
        metavar="TABLE",
        help="barcode and cluster of cells: write a cell-line folder for each cluster, to give to `build`",
    )
    parser.add_argument("--track", metavar="NAME", help="of the clusters' track; default: DGF, or ATAC")
    parser.add_argument(
        "--blacklist",
        type=Path,
        metavar="FILE",
        help="BED; cuts in it are left out, and reads do not count for the scale",
    )
    parser.add_argument("--peaks", type=Path, metavar="FILE", help="peaks, to tell how many cuts lie in them")
    parser.add_argument("--gtf", type=Path, metavar="FILE", help="transcripts, to tell the enrichment at their starts")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the quality (.png, .pdf, .svg)")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--store",
        metavar="STORE",
        help="take chromosomes, blacklist and effective genome size from a store, as `build`",
    )
    sizes.add_argument("--sizes", type=Path, metavar="FILE", help="chrom.sizes: chromosomes of fragment files")
    sizes.add_argument(
        "--assembly",
        choices=tuple(known_assemblies()),
        help="instead of --sizes; default: recognised",
    )
    parser.add_argument("--chrom-alias", nargs="+", default=[], metavar="OLD=NEW", help=CHROM_ALIAS_HELP)
    parser.add_argument("--force", action="store_true", help="replace what already exists")
    add_read_options(parser)
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    settings = signal_options(options)
    if settings.assay is None:
        raise UsageError("--assay is missing: dnase, or atac, whose 5' ends are shifted")
    _check(options)
    with ExitStack() as stack:
        if options.picture:
            stack.enter_context(picture_lock("--picture", options.picture, options.reads))
        return _convert(options, settings)


def _convert(options: argparse.Namespace, settings: SignalOptions) -> int:
    store = None if options.store is None else open_store(options.store)
    names = () if store is None else store.coordinates.names
    reads = open_reads(options.reads, _lengths(options, store), read_aliases(options.chrom_alias, names))
    genome = _known_genome(options, reads, store)
    write = _write_clusters if options.clusters else _write
    reports = write(options, reads, settings, genome)
    if options.picture:
        from .signal_picture import draw_quality  # loads torch

        draw_quality(reports[str(options.output)].describe(), options.picture)
    if options.json:
        print_json({name: report.describe() for name, report in reports.items()})
        return 0
    for name, report in reports.items():
        print_line(name)
        for note in report.notes():
            print_line(with_options(f"  {note}"))
    return 0


def _check(options: argparse.Namespace) -> None:
    """Check the options before files are read.

    Raises:
        UsageError: they contradict each other, or the output is one of the inputs.
    """
    if options.output.resolve() in [path.resolve() for path in options.reads]:
        raise UsageError(f"--output {options.output}: is one of the read files; give another name")
    if options.clusters is None and options.output.suffix.lower() not in (".bw", ".bigwig"):
        raise UsageError(f"--output {options.output}: is no name of a bigWig; let it end in .bw or .bigWig")
    if options.clusters is None and options.track:
        raise UsageError("--track names the track of --clusters; a bigWig has no name inside")
    check_strand_name(options.track or "")
    has_fragments = not any(map(has_alignments, options.reads))
    if options.clusters and not has_fragments:
        raise UsageError("--clusters needs fragment files; alignments have no barcodes that are read")
    if options.sizes and not has_fragments:
        raise UsageError("--sizes is for fragment files; alignments tell the lengths of chromosomes themselves")
    if has_fragments and not (options.store or options.sizes or options.assembly):
        raise UsageError("fragment files do not tell the lengths of chromosomes; give --store, --assembly or --sizes")
    if options.picture and options.clusters:
        raise UsageError("--picture is of one signal; there is none of --clusters")


def _known_genome(options: argparse.Namespace, reads: ReadSet, store: Store | None) -> KnownGenome:
    """Return what the options, a store, or the lengths of chromosomes tell of the genome."""
    places = _known_places(options, reads)
    lengths = dict(zip(reads.coordinates.names, reads.coordinates.lengths, strict=True))
    if store is not None:
        match_chromosomes(reads.files[0], lengths, store.coordinates, {}, allow_missing=True)
        blacklist = blacklist_of(store, reads) if options.blacklist is None else _intervals(options.blacklist, reads)
        keep = options.blacklist is None  # as `build` does
        return KnownGenome(
            store.info.assembly,
            sequenced_bases(store),
            blacklist,
            keep_listed=keep,
            places=places,
            chroms=store.coordinates.names,
        )
    recognised = recognise_assembly(lengths)
    if options.assembly and recognised != options.assembly:
        found = "their chromosomes have other names or lengths" if recognised is None else f"they are of {recognised}"
        raise UsageError(f"--assembly {options.assembly}: is not that of the reads; {found}")
    assembly = options.assembly or recognised
    if options.blacklist is None:
        return KnownGenome(assembly, places=places)
    return KnownGenome(assembly, blacklist=_intervals(options.blacklist, reads), places=places)


def _lengths(options: argparse.Namespace, store: Store | None) -> Mapping[str, int] | None:
    """Return the lengths of chromosomes that the options give.

    Raises:
        InputError: the file of sizes cannot be read.
    """
    if store is not None:
        return dict(zip(store.coordinates.names, store.coordinates.lengths, strict=True))
    if options.assembly:
        return known_assemblies()[options.assembly]
    if options.sizes is None:
        return None
    try:
        rows = [line.split()[:2] for line in options.sizes.read_text(encoding="utf-8").splitlines() if line.strip()]
        lengths = {name: int(length) for name, length in rows}
    except (OSError, ValueError) as error:
        problem = f"cannot be read as sizes of chromosomes ({error})"
        raise InputError(options.sizes, problem, hint=_SIZES_HINT) from error
    if len(lengths) != len(rows):
        raise InputError(options.sizes, "has a chromosome twice", hint=_SIZES_HINT)
    for name, length in lengths.items():
        if not 0 < length < 2**31:
            raise InputError(options.sizes, f"{name} has {length:,} bases", hint=_SIZES_HINT)
    return lengths


def _intervals(path: Path, reads: ReadSet) -> Intervals:
    return merge(read_peaks(path, reads.coordinates, {}, max_past=1000).peaks.to_intervals(reads.coordinates))


def _known_places(options: argparse.Namespace, reads: ReadSet) -> KnownPlaces:
    peaks = None if options.peaks is None else _intervals(options.peaks, reads)
    if options.gtf is None:
        return KnownPlaces(peaks)
    tss, is_reverse = transcription_starts(options.gtf, reads.coordinates, {})
    return KnownPlaces(peaks, tss, is_reverse)


def _write(
    options: argparse.Namespace, reads: ReadSet, settings: SignalOptions, genome: KnownGenome
) -> dict[str, SignalReport]:
    output: Path = options.output
    strands: tuple[Strand, ...] = ("forward", "reverse") if options.stranded else ("both",)
    paths = {s: output.with_name(f"{output.stem}{_ENDS[s]}{output.suffix}") for s in strands}
    with ExitStack() as stack:
        for path in paths.values():
            stack.enter_context(output_lock(path))
            with naming_force():
                check_output_file(path, overwrite=options.force)
        with naming_option("--scale", hint=_SCALE_HINT):
            return {str(output): write_signals(reads, settings, paths, genome, scratch=output.parent)}


@contextmanager
def _nothing_left(paths: Sequence[Path]) -> Iterator[None]:
    """Remove files and folders, each folder given before what is in it, that a block which fails has created."""
    created = [path for path in paths if not path.exists()]
    try:
        yield
    except BaseException:
        for path in reversed(created):
            with suppress(OSError):  # a folder that has something else in it by now
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _write_clusters(
    options: argparse.Namespace, reads: ReadSet, settings: SignalOptions, genome: KnownGenome
) -> dict[str, SignalReport]:
    """Write a cell-line folder for each cluster.

    Raises:
        UsageError: a folder already has a bigwig.txt.
    """
    clusters, folder = read_clusters(options.clusters), options.output
    track = check_name(options.track or (default_track(settings.assay)), "track")
    strands: tuple[Strand, ...] = ("forward", "reverse") if options.stranded else ("both",)
    names = sorted(set(clusters.values()))
    with output_lock(folder, parents=True):
        for name in names:
            for file in ("bigwig.txt", *(f"{track}{_ENDS[s]}.bw" for s in strands)):
                if (folder / name / file).exists() and not options.force:
                    raise UsageError(f"{folder / name}: has a {file}; give another folder, or --force")
        check_filters(reads, settings)
        outputs = {name: {s: folder / name / f"{track}{_ENDS[s]}.bw" for s in strands} for name in names}
        files = [path for of_strands in outputs.values() for path in of_strands.values()]
        with _nothing_left([folder, *(folder / name for name in names), *files]):
            for name in names:
                (folder / name).mkdir(parents=True, exist_ok=True)
            with naming_option("--scale", hint=_SCALE_HINT):
                reports = write_clusters(reads, settings, outputs, clusters, genome, scratch=folder)
            for name, report in reports.items():
                rows = [
                    f"{path.name}\t{track}{_ENDS[s]}\tassay={settings.assay}\tunits={report.scale.units}\n"
                    for s, path in outputs[name].items()
                ]
                write_atomic(folder / name / "bigwig.txt", "".join(rows).encode())
    return {str(folder / name): report for name, report in reports.items()}
