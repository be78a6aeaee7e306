"""Derive the six annotation features from transcripts and CpG islands, or read them from BED files.

Features are merged (sorted and disjoint). Merging the features of a GTF needs the bedtools program.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pybedtools

from ...store.errors import InputError, UsageError
from ...store.genome import intervals
from ...store.genome.intervals import GenomeCoordinates, Intervals
from ...store.schema import FEATURES
from .annotation_files import read_cpg_islands, read_gtf
from .bed import read_peaks


@dataclass(frozen=True)
class AnnotationRules:
    """Rules by which transcripts become features.

    Attributes:
        upstream: bases of a promoter before the TSS.
        downstream: bases of a promoter after the TSS (the TSS itself comes on top).
        untranslated: ``coding`` takes UTRs from coding transcripts only; ``ucsc`` also counts the exons of non-coding
            transcripts, as 3' UTR on + and 5' UTR on -, as the UCSC tables do.
    """

    upstream: int = 300
    downstream: int = 100
    untranslated: Literal["coding", "ucsc"] = "coding"


README_RULES = AnnotationRules()
"""FactorNet's README: promoters of 300 and 100 bases, UTRs of coding transcripts."""


def published_rules() -> AnnotationRules:
    """Return the rules that reproduce the BED files with which FactorNet's published models were trained."""
    return AnnotationRules(upstream=500, downstream=100, untranslated="ucsc")


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
    beds: Mapping[str, Path], coordinates: GenomeCoordinates, aliases: Mapping[str, str]
) -> dict[str, Intervals]:
    """Read each feature from a BED file; return it merged, in absolute coordinates.

    Raises:
        InputError: as `read_peaks`, or a file has no interval.
    """
    features = {}
    for name in FEATURES:
        peaks = read_peaks(beds[name], coordinates, aliases).peaks
        if not peaks.chrom.size:
            raise InputError(beds[name], "no interval in the file", hint=f"give the BED file of {name}")
        features[name] = intervals.merge(peaks.to_intervals(coordinates))
    return features


def annotation_from_gtf(
    gtf: Path, cpg: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], rules: AnnotationRules
) -> dict[str, Intervals]:
    """Derive features from transcripts and CpG islands; return each merged, in absolute coordinates.

    The stop codon counts as coding. Features are clipped at the ends of their chromosome.

    Raises:
        InputError: as `read_gtf` and `read_cpg_islands`.
        UsageError: bedtools is not installed.
    """
    table = read_gtf(gtf, coordinates, aliases)
    coding = table[table.kind.isin(("CDS", "stop_codon"))]
    exons = table[table.kind == "exon"].sort_values(["transcript", "start"], kind="stable")
    utr5, utr3 = _untranslated(exons, coding, rules)
    features = {
        "cpg": read_cpg_islands(cpg, coordinates, aliases),
        "cds": coding,
        "intron": _introns(exons),
        "promoter": _promoters(table[table.kind == "transcript"], rules),
        "utr5": utr5,
        "utr3": utr3,
    }
    return {name: _merge(_clip(features[name], coordinates), coordinates) for name in FEATURES}


def _introns(exons: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps between adjacent exons of each transcript."""
    following = exons.shift(-1)
    same = (exons.transcript == following.transcript) & (exons.chrom == following.chrom)
    gaps = pd.DataFrame(
        {"chrom": exons.chrom[same], "start": exons.stop[same], "stop": following.start[same].astype(int)}
    )
    return gaps[gaps.stop > gaps.start]


def _promoters(transcripts: pd.DataFrame, rules: AnnotationRules) -> pd.DataFrame:
    """Return ``[tss - upstream, tss + downstream + 1)`` of each transcript on +, mirrored on -."""
    plus = transcripts.strand == "+"
    tss = np.where(plus, transcripts.start, transcripts.stop - 1)
    before = np.where(plus, rules.upstream, rules.downstream)
    after = np.where(plus, rules.downstream, rules.upstream)
    return pd.DataFrame({"chrom": transcripts.chrom, "start": tss - before, "stop": tss + after + 1})


def _untranslated(
    exons: pd.DataFrame, coding: pd.DataFrame, rules: AnnotationRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 5' and 3' UTRs: exons of coding transcripts without the coding span; see `AnnotationRules`."""
    span = coding.groupby("transcript").agg(first=("start", "min"), last=("stop", "max"))
    spanned = exons.join(span, on="transcript", how="inner")
    left = spanned.assign(stop=np.minimum(spanned.stop, spanned["first"]), side="left")
    right = spanned.assign(start=np.maximum(spanned.start, spanned["last"]), side="right")
    utrs = pd.concat([left[left.stop > left.start], right[right.stop > right.start]])
    five = ((utrs.side == "left") & (utrs.strand == "+")) | ((utrs.side == "right") & (utrs.strand == "-"))
    noncoding = exons[~exons.transcript.isin(coding.transcript)] if rules.untranslated == "ucsc" else exons[:0]
    return (
        pd.concat([utrs[five], noncoding[noncoding.strand == "-"]]),
        pd.concat([utrs[~five], noncoding[noncoding.strand == "+"]]),
    )


def _clip(table: pd.DataFrame, coordinates: GenomeCoordinates) -> pd.DataFrame:
    """Cut intervals at the ends of their chromosomes; drop those outside."""
    if table.empty:
        return table
    lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
    table = table.assign(start=np.maximum(table.start, 0), stop=np.minimum(table.stop, table.chrom.map(lengths)))
    return table[table.stop > table.start]


def _merge(table: pd.DataFrame, coordinates: GenomeCoordinates) -> Intervals:
    """Merge intervals with bedtools; return them in absolute coordinates.

    Args:
        table: columns chrom, start, stop.
        coordinates: the genome, with all chromosomes of the table.
    """
    if table.empty:
        return Intervals(np.array([], np.int64), np.array([], np.int64))
    with _bedtools_session() as folder:
        bed = folder / "rows.bed"
        table[["chrom", "start", "stop"]].to_csv(bed, sep="\t", header=False, index=False)
        merged = pybedtools.BedTool(str(bed)).sort().merge()
        frame = pd.read_csv(merged.fn, sep="\t", header=None, names=["chrom", "start", "stop"], dtype={"chrom": str})
    chrom = frame["chrom"].map({name: i for i, name in enumerate(coordinates.names)}).to_numpy(np.int64)
    starts, stops = (coordinates.to_absolute(chrom, frame[k].to_numpy(np.int64)) for k in ("start", "stop"))
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
