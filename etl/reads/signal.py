"""From read files to bigWigs of cuts: one for a track, a stranded pair, or one for each cluster of cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...store.errors import InputError, UsageError
from ...store.genome.intervals import Intervals
from ...store.text import format_count, format_foreign
from ..inputs.chrom_aliases import abbreviate, alias_hint
from .cuts import CutCollection
from .quality import CutQuality, KnownPlaces, measure_quality, quality_notes
from .read_filter import EXCLUDABLE, ReadFilter
from .read_set import LONGEST_TEMPLATE, CutCollector, ReadSet, ReadSummary
from .scale import Scale, compute_scale, effective_genome_size
from .signal_file import Strand, write_cuts
from .signal_options import SignalOptions

FRAGMENT_READ_LENGTH = 50
"""Bases of a read of fragments, which their files do not tell: those of 10x's kits."""


@dataclass(frozen=True)
class KnownGenome:
    """What is known of the genome that reads are aligned to.

    Attributes:
        assembly: its name, for the effective genome size, where the options give none; None if unknown.
        sequenced: bases to take as that size where the assembly is not known either; None: that is an error.
        blacklist: merged, in the coordinates of the reads; reads in it do not count for the scale.
        keep_listed: keep cuts in the blacklist; else they are left out, as bamCoverage does.
        places: where cuts are expected, for their quality.
        chroms: names of the chromosomes of the store that the cuts are for, which leaves those on others out; None:
            there is no store.
    """

    assembly: str | None = None
    sequenced: int | None = None
    blacklist: Intervals = field(default_factory=lambda: Intervals(np.empty(0, np.int64), np.empty(0, np.int64)))
    keep_listed: bool = False
    places: KnownPlaces = field(default_factory=KnownPlaces)
    chroms: Collection[str] | None = None


@dataclass(frozen=True)
class SignalReport:
    """How the reads of a track became signal.

    Attributes:
        files: names of the read files.
        summary: what became of the reads.
        scale: of the counts.
        quality: of the cuts.
        assumed_length: whether the length of reads was assumed, because fragment files do not tell it.
        not_in_store: cuts on chromosomes that the store lacks, by chromosome; a build leaves them out.
    """

    files: tuple[str, ...]
    summary: ReadSummary
    scale: Scale
    quality: CutQuality
    assumed_length: bool = False
    not_in_store: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return all figures as JSON; `templates` are counts by length, 0 to 1,000, and of those longer."""
        summary = self.summary
        return {
            "files": list(self.files),
            "reads": summary.filtered.total,
            "used": summary.filtered.used,
            "dropped": dict(summary.filtered.dropped),
            "kept": dict(summary.filtered.kept),
            "cuts": summary.cuts - sum(self.not_in_store.values()),
            "cuts_not_in_store": dict(self.not_in_store),
            "cuts_in_blacklist": summary.cuts_in_blacklist,
            "cuts_outside": summary.cuts_outside,
            "other_chroms": dict(summary.other_chroms),
            "other_barcodes": summary.other_barcodes,
            "reads_in_blacklist": summary.in_blacklist,
            "reads_on_ignored_chroms": summary.ignored,
            **self.scale.describe(),
            "assumed_read_length": self.assumed_length,
            **self.quality.describe(),
            "templates": summary.templates.tolist(),
        }

    def notes(self) -> list[str]:
        """Return what a user should know, one line each."""
        return signal_notes(self.describe())


def signal_notes(found: Mapping[str, Any]) -> list[str]:
    """Return lines on the reads of a track, from the figures of `SignalReport.describe`."""
    used, total = found["used"], found["reads"]
    notes = [f"{used:,} of {format_count(total, 'read')} used, {found['cuts']:,} cuts in the signal"]
    if found["dropped"]:
        notes.append("left out: " + ", ".join(f"{n:,} {reason}" for reason, n in found["dropped"].items()))
    if kept := {name: n for name, n in found["kept"].items() if name in EXCLUDABLE}:
        notes.append("used, as nothing excludes them: " + ", ".join(f"{n:,} {name}" for name, n in kept.items()))
    where = {
        "in the blacklist": found["cuts_in_blacklist"],
        "past an end of their chromosome": found["cuts_outside"],
        "of barcodes of no cluster": 2 * found["other_barcodes"],
        "on other chromosomes (" + ", ".join(list(found["other_chroms"])[:6]) + ")": 2
        * sum(found["other_chroms"].values()),
    }
    if lost := [f"{n:,} {what}" for what, n in where.items() if n]:
        notes.append("cuts left out: " + ", ".join(lost))
    if elsewhere := found.get("cuts_not_in_store"):  # stores built before have no such figure
        most = sorted(elsewhere, key=lambda chrom: (-elsewhere[chrom], chrom))
        shown = abbreviate([f"{elsewhere[chrom]:,} on {format_foreign(chrom)}" for chrom in most])
        notes.append(f"cuts not counted, on chromosomes that the store lacks: {shown}")
    notes.append(_scale_note(found))
    if (length := median_template(found["templates"])) is not None:
        notes.append(f"fragments: half of them have at most {length:,} bases")
    return notes + quality_notes(found)


def _scale_note(found: Mapping[str, Any]) -> str:
    if found["scale"] == "none":
        return "scale: none, counts of cuts"
    text = f"scale {found['scale']}: a cut is {found['factor']:.6g}, from {found['scaled_reads']:,} reads"
    if found["scale"] == "1x":
        assumed = ", assumed, as fragments do not tell it" if found["assumed_read_length"] else ""
        text += f" of {found['read_length']} bases{assumed}, and {found['effective_genome_size']:,} bases of genome"
    left = {"on ignored chromosomes": found["reads_on_ignored_chroms"], "in the blacklist": found["reads_in_blacklist"]}
    if lost := [f"{n:,} {what}" for what, n in left.items() if n]:
        text += f"; not counted: {', '.join(lost)}"
    return text


def write_signals(
    reads: ReadSet, options: SignalOptions, outputs: Mapping[Strand, Path], genome: KnownGenome, *, scratch: Path
) -> SignalReport:
    """Write the cuts of reads as bigWigs, in one pass over the files.

    Args:
        reads: the files.
        options: how reads become signal.
        outputs: bigWig by strand.
        genome: what is known of it.
        scratch: folder on whose disk more than 32 million cuts are kept meanwhile, 4 bytes each.

    Raises:
        InputError: a file is damaged or has no read to use, or an output cannot be written.
        UsageError: the scale lacks a figure.
    """
    check_filters(reads, options)
    with CutCollection(scratch) as cuts:
        collector = CutCollector(reads, options, genome.blacklist, cuts, keep_listed=genome.keep_listed)
        collector.run()
        report = _report(reads, options, collector.summaries[0], cuts, genome)
        for strand, path in outputs.items():
            write_cuts(path, cuts, reads.coordinates, report.scale, strand=strand)
    return report


def write_clusters(
    reads: ReadSet,
    options: SignalOptions,
    outputs: Mapping[str, Mapping[Strand, Path]],
    clusters: Mapping[str, str],
    genome: KnownGenome,
    *,
    scratch: Path,
) -> dict[str, SignalReport]:
    """Write the cuts of each cluster of cells as bigWigs, in one pass over the fragments.

    Args:
        reads: fragment files.
        options: how reads become signal.
        outputs: bigWigs by cluster and strand.
        clusters: cluster by barcode.
        genome: as for `write_signals`.
        scratch: as for `write_signals`.

    Raises:
        InputError: as for `write_signals`; or a cluster has no fragment.
        UsageError: as for `write_signals`; or the files are of alignments.
    """
    if not reads.has_fragments:
        raise UsageError("clusters of cells need fragment files with barcodes; alignments have none that are read")
    check_filters(reads, options)
    names = list(outputs)
    numbers = {barcode: names.index(cluster) for barcode, cluster in clusters.items()}
    reports = {}
    with CutCollection(scratch) as cuts:
        collector = CutCollector(reads, options, genome.blacklist, cuts, numbers, keep_listed=genome.keep_listed)
        collector.run()
        for n, (name, summary) in enumerate(zip(names, collector.summaries, strict=True)):
            if not summary.filtered.total:
                problem = f"has no fragment with a barcode of cluster {name}"
                hint = "do the barcodes of both files agree, suffixes such as -1 included?"
                raise InputError(reads.files[0], problem, hint=hint)
            reports[name] = _report(reads, options, summary, cuts, genome, cluster=n)
        for n, name in enumerate(names):
            for strand, path in outputs[name].items():
                write_cuts(path, cuts, reads.coordinates, reports[name].scale, strand=strand, cluster=n)
    return reports


def check_filters(reads: ReadSet, options: SignalOptions) -> None:
    """Check that no filter is asked for that the files have nothing to say on.

    Raises:
        UsageError: the files are of fragments, which have no mapping quality and no flags.
    """
    if reads.has_fragments and options.rules != ReadFilter():
        raise UsageError(f"{reads.files[0]}: fragments have no mapping quality and no flags to filter alignments by")


def _report(
    reads: ReadSet,
    options: SignalOptions,
    summary: ReadSummary,
    cuts: CutCollection,
    genome: KnownGenome,
    *,
    cluster: int = 0,
) -> SignalReport:
    """Return the report of the cuts of a cluster, with their scale.

    Raises:
        InputError: no read is used.
        UsageError: the scale lacks a figure.
    """
    if not summary.filtered.total:
        raise InputError(reads.files[0], "has no reads", hint="is the file complete?")
    not_in_store = _count_elsewhere(cuts, reads, genome, cluster)
    if summary.cuts == sum(not_in_store.values()):
        lost = [f"{n:,} {reason}" for reason, n in summary.filtered.dropped.items()]
        hint = "choose other filters, or other files"
        if elsewhere := (*summary.other_chroms, *not_in_store):
            lost.append(f"all on {abbreviate(elsewhere)}")
            hint = alias_hint(elsewhere, reads.coordinates.names if genome.chroms is None else genome.chroms)
        problem = f"no read to use of {summary.filtered.total:,} ({', '.join(lost) or 'none inside a chromosome'})"
        raise InputError(reads.files[0], problem, hint=hint)
    length = options.read_length or summary.read_length
    is_assumed = length is None and options.scale == "1x"
    length = FRAGMENT_READ_LENGTH if is_assumed else length
    genome_size = options.genome_size or _known_size(genome, length)
    scale = compute_scale(
        options.scale,
        n_reads=summary.scaled,
        read_length=length,
        genome_size=genome_size,
    )
    quality = measure_quality(cuts, reads.coordinates, genome.places, cluster)
    return SignalReport(tuple(f.name for f in reads.files), summary, scale, quality, is_assumed, not_in_store)


def _count_elsewhere(cuts: CutCollection, reads: ReadSet, genome: KnownGenome, cluster: int) -> dict[str, int]:
    """Return the cuts of a cluster on chromosomes that the store lacks, by chromosome, without zeros."""
    names = () if genome.chroms is None else reads.coordinates.names
    numbers = {name: number for number, name in enumerate(names) if name not in (genome.chroms or ())}
    counts = {
        name: sum(cuts.count((cluster, number, is_reverse)) for is_reverse in (False, True))
        for name, number in numbers.items()
    }
    return {name: count for name, count in counts.items() if count}


def _known_size(genome: KnownGenome, read_length: int | None) -> int | None:
    known = effective_genome_size(genome.assembly, read_length) if genome.assembly else None
    return known or genome.sequenced


def median_template(templates: list[int]) -> int | None:
    """Return the median length of templates up to 1,000 bases, from counts by length; None without any."""
    counts = np.array(templates[: LONGEST_TEMPLATE + 1])
    counts[0] = 0
    return int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) if counts.sum() else None
