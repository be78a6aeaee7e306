"""Derive the six annotation features from transcripts and CpG islands, or read them from BED files.

Merging the features of a GTF needs the bedtools program.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pybedtools

from ...store.annotation_rules import README_RULES, AnnotationRules, published_rules
from ...store.errors import InputError, UsageError
from ...store.genome import intervals
from ...store.genome.intervals import GenomeCoordinates, Intervals
from ...store.schema import FEATURES
from ...store.text import format_count
from ..inputs.chip_peaks import read_peak_set
from .counts import outside_notes
from .cpg_islands import read_cpg_islands
from .gtf import PLUS, read_gtf
from .places import longest_introns, running_max
from .transcripts import assemble_transcripts


@dataclass(frozen=True, eq=False)
class Annotation:
    """Features of a genome.

    Attributes:
        features: each of `FEATURES` merged (sorted and disjoint), in absolute coordinates.
        rules: by which transcripts became features; None where they are not known.
        notes: what was left out, derived or clipped, for the summary.
    """

    features: Mapping[str, Intervals]
    rules: AnnotationRules | None
    notes: tuple[str, ...]


def check_bedtools() -> None:
    """Check that the bedtools program is installed; only a GTF needs it.

    Raises:
        UsageError: it is not in PATH.
    """
    if shutil.which("bedtools") is None:
        raise UsageError(
            "a GTF needs the program bedtools, which is not installed; install it with `apt-get install bedtools`, "
            "`conda install -c bioconda bedtools` or `brew install bedtools`"
        )


def annotation_from_beds(
    beds: Mapping[str, Path],
    coordinates: GenomeCoordinates,
    aliases: Mapping[str, str],
    rules: AnnotationRules | None = None,
) -> Annotation:
    """Read each feature from a BED file.

    Args:
        beds: file of each of `FEATURES`.
        coordinates: the genome.
        aliases: name in the files -> name in the store, of chromosomes.
        rules: by which the files were made; None: recognised by the width of the promoters, if that is possible.

    Raises:
        InputError: as `read_peak_set`, or a file has no interval.
    """
    features, notes = {}, []
    for name in FEATURES:
        file = read_peak_set(beds[name], coordinates, aliases)
        if not file.peaks.chrom.size:
            raise InputError(beds[name], "no interval in the file", hint=f"give the BED file of {name}")
        notes += [f"{name}: {note}" for note in outside_notes(file.dropped, "interval")]
        if n := file.n_clipped:
            notes.append(f"{name}: {format_count(n, 'interval')} reached past an end of the chromosome, clipped there")
        features[name] = intervals.merge(file.peaks.to_intervals(coordinates))
    if rules is None and (rules := _rules_of_promoters(features["promoter"], coordinates)) is not None:
        notes.append(f"promoters of {rules.promoter_width} bases: taken as made by the rules {rules.name}")
    return Annotation(features, rules, tuple(notes))


def _rules_of_promoters(promoters: Intervals, coordinates: GenomeCoordinates) -> AnnotationRules | None:
    """Return the rules by whose width promoters were made: no merged interval is narrower but at chromosome ends."""
    width = (promoters.stops - promoters.starts)[
        ~np.isin(promoters.starts, coordinates.offsets) & ~np.isin(promoters.stops, coordinates.ends)
    ]
    known = (README_RULES, published_rules())
    return next((rules for rules in known if width.size and width.min() == rules.promoter_width), None)


def annotation_from_gtf(
    gtf: Path, cpg: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], rules: AnnotationRules
) -> Annotation:
    """Derive features from transcripts and CpG islands.

    The stop codon counts as coding. Features are clipped at the ends of their chromosome.

    Raises:
        InputError: as `read_gtf`, `assemble_transcripts` and `read_cpg_islands`.
        UsageError: bedtools is not installed.
    """
    transcripts = assemble_transcripts(read_gtf(gtf, coordinates, aliases), coordinates, gtf)
    islands = read_cpg_islands(cpg, coordinates, aliases)
    exons, coding = transcripts.exons, transcripts.coding
    utr5, utr3 = _untranslated(exons, coding, rules)
    tables = {
        "cpg": islands.table,
        "cds": coding,
        "intron": _introns(exons),
        "promoter": _promoters(transcripts.spans, rules),
        "utr5": utr5,
        "utr3": utr3,
    }
    features, notes = {}, [*transcripts.notes, *islands.notes]
    for name in FEATURES:
        clipped, n_clipped = _clip(tables[name], coordinates)
        if n_clipped:
            notes.append(f"{format_count(n_clipped, name)} clipped at the end of a chromosome")
        features[name] = _merge(clipped, coordinates)
    return Annotation(features, rules, (*notes, *_long_introns(tables["intron"], coordinates)))


def _long_introns(introns: pd.DataFrame, coordinates: GenomeCoordinates) -> list[str]:
    """Return a note on introns that are longer than any known one."""
    size = (introns.stop - introns.start).to_numpy()
    longer = size > longest_introns(coordinates)[introns.chrom.to_numpy(np.int64)]
    if not longer.any():
        return []
    row = introns.iloc[int(np.argmax(size * longer))]
    where = f"{coordinates.names[row.chrom]}:{row.start}-{row.stop}"
    return [f"warning: {format_count(int(longer.sum()), 'intron')} longer than any known one, the longest is {where}"]


def _introns(exons: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps between adjacent exons of each transcript."""
    reach = running_max(exons.stop, exons.transcript)
    later = np.flatnonzero(np.diff(exons.transcript) == 0) + 1
    gaps = pd.DataFrame(
        {"chrom": exons.chrom.to_numpy()[later], "start": reach[later - 1], "stop": exons.start.to_numpy()[later]}
    )
    return gaps[gaps.stop > gaps.start]


def _promoters(spans: pd.DataFrame, rules: AnnotationRules) -> pd.DataFrame:
    """Return ``[tss - upstream, tss + downstream + 1)`` of each transcript on +, mirrored on -."""
    plus = spans.strand == PLUS
    tss = np.where(plus, spans.start, spans.stop - 1)
    before = np.where(plus, rules.upstream, rules.downstream)
    after = np.where(plus, rules.downstream, rules.upstream)
    return pd.DataFrame({"chrom": spans.chrom, "start": tss - before, "stop": tss + after + 1})


def _untranslated(
    exons: pd.DataFrame, coding: pd.DataFrame, rules: AnnotationRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 5' and 3' UTRs: exons of coding transcripts without the coding span; see `AnnotationRules`."""
    span = coding.groupby("transcript").agg(first=("start", "min"), last=("stop", "max"))
    spanned = exons.join(span, on="transcript", how="inner")
    left = spanned.assign(stop=np.minimum(spanned.stop, spanned["first"]), side="left")
    right = spanned.assign(start=np.maximum(spanned.start, spanned["last"]), side="right")
    utrs = pd.concat([left[left.stop > left.start], right[right.stop > right.start]])
    five = (utrs.side == "left") == (utrs.strand == PLUS)
    noncoding = exons[~exons.transcript.isin(coding.transcript)] if rules.untranslated == "ucsc" else exons[:0]
    return (
        pd.concat([utrs[five], noncoding[noncoding.strand != PLUS]]),
        pd.concat([utrs[~five], noncoding[noncoding.strand == PLUS]]),
    )


def _clip(table: pd.DataFrame, coordinates: GenomeCoordinates) -> tuple[pd.DataFrame, int]:
    """Cut intervals at the ends of their chromosomes; return them, and the number of those that were cut."""
    lengths = np.array(coordinates.lengths)[table.chrom.to_numpy(np.int64)]
    outside = (table.start < 0) | (table.stop > lengths)
    clipped = table.assign(start=np.maximum(table.start, 0), stop=np.minimum(table.stop, lengths))
    return clipped[clipped.stop > clipped.start], int(outside.sum())


def _merge(table: pd.DataFrame, coordinates: GenomeCoordinates) -> Intervals:
    """Merge intervals with bedtools; return them in absolute coordinates.

    Args:
        table: columns chrom (index), start, stop.
        coordinates: the genome.
    """
    if table.empty:
        return Intervals(np.array([], np.int64), np.array([], np.int64))
    with _bedtools_session() as folder:
        bed = folder / "rows.bed"
        # Chromosomes by number: a name may be anything.
        table[["chrom", "start", "stop"]].to_csv(bed, sep="\t", header=False, index=False)
        merged = pybedtools.BedTool(str(bed)).sort().merge()
        frame = pd.read_csv(merged.fn, sep="\t", header=None, names=["chrom", "start", "stop"], dtype=np.int64)
    starts, stops = (coordinates.to_absolute(frame["chrom"].to_numpy(), frame[k].to_numpy()) for k in ("start", "stop"))
    order = np.argsort(starts, kind="stable")
    return Intervals(starts[order], stops[order])


@contextmanager
def _bedtools_session() -> Iterator[Path]:
    """Yield a folder for bedtools' temporary files, removed at the end.

    Raises:
        UsageError: bedtools is not installed.
    """
    check_bedtools()
    before = pybedtools.get_tempdir()
    with tempfile.TemporaryDirectory(prefix="factornet-bedtools-") as folder:
        pybedtools.set_tempdir(folder)
        try:
            yield Path(folder)
        finally:
            pybedtools.cleanup(remove_all=False)
            pybedtools.set_tempdir(before)
