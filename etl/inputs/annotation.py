"""The six annotation features, from a GTF and a CpG table or from ready BED files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pybedtools

from ...store.errors import InputError, UsageError
from ...store.genome.intervals import GenomeCoordinates, Intervals
from ...store.schema import FEATURES
from ...store.text import format_count
from .bed import read_peaks, text_lines
from .chrom_aliases import abbreviate, alias_hint

_GTF_KINDS = ("transcript", "exon", "CDS", "stop_codon")


@dataclass(frozen=True)
class AnnotationRules:
    """How transcripts become features.

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
    """The rules that reproduce the BED files with which FactorNet's published models were trained."""
    return AnnotationRules(upstream=500, downstream=100, untranslated="ucsc")


def annotation_from_beds(
    beds: Mapping[str, Path], coordinates: GenomeCoordinates, aliases: Mapping[str, str]
) -> dict[str, Intervals]:
    """Features from one BED file each, merged, in axis coordinates."""
    features = {}
    for name in FEATURES:
        peaks = read_peaks(beds[name], coordinates, aliases).peaks
        if not peaks.chrom.size:
            raise InputError(beds[name], "no interval in the file", hint=f"give the BED file of {name}")
        names = np.asarray(coordinates.names)[peaks.chrom]
        table = pd.DataFrame({"chrom": names, "start": peaks.start, "stop": peaks.stop})
        features[name] = merged_on_axis(table, coordinates)
    return features


def annotation_from_gtf(
    gtf: Path, cpg: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str], rules: AnnotationRules
) -> dict[str, Intervals]:
    """Features from transcripts and CpG islands, merged, in axis coordinates.

    Where transcripts carry the tag ``basic`` (GENCODE), only those are used, as FactorNet did. The stop codon counts
    as coding.
    """
    table = _read_gtf(gtf, coordinates, aliases)
    coding = table[table.kind.isin(("CDS", "stop_codon"))]
    exons = table[table.kind == "exon"].sort_values(["transcript", "start"], kind="stable")
    parts = {
        "cpg": _read_cpg(cpg, coordinates, aliases),
        "cds": coding,
        "intron": _introns(exons),
        "promoter": _promoters(table[table.kind == "transcript"], rules),
    }
    left, right = _untranslated(exons, coding)
    both = pd.concat([left, right])
    five = ((both.side == "left") & (both.strand == "+")) | ((both.side == "right") & (both.strand == "-"))
    extra = exons[~exons.transcript.isin(coding.transcript)] if rules.untranslated == "ucsc" else exons[:0]
    parts["utr5"] = pd.concat([both[five], extra[extra.strand == "-"]])
    parts["utr3"] = pd.concat([both[~five], extra[extra.strand == "+"]])
    lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
    merged = {}
    for name in FEATURES:
        rows = parts[name]
        stop = np.minimum(rows.stop, rows.chrom.map(lengths)) if len(rows) else rows.stop
        rows = rows.assign(start=np.maximum(rows.start, 0), stop=stop)
        merged[name] = merged_on_axis(rows[rows.stop > rows.start], coordinates)
    return merged


def _read_gtf(gtf: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> pd.DataFrame:
    """Transcripts, exons, CDS and stop codons on the store's chromosomes; 0-based, half-open."""
    rows: list[tuple[str, str, int, int, str, str, bool]] = []
    others: set[str] = set()
    for number, line in text_lines(gtf):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 9:
            raise InputError(
                gtf, f"{format_count(len(fields), 'column')}, expected 9", hint="give a GTF (GENCODE v19)", line=number
            )
        if fields[2] not in _GTF_KINDS:
            continue
        chrom = aliases.get(fields[0], fields[0])
        if chrom not in coordinates.names:
            others.add(chrom)
            continue
        _, found, rest = fields[8].partition('transcript_id "')
        if not found or fields[6] not in ("+", "-") or not (fields[3].isdecimal() and fields[4].isdecimal()):
            hint = "give a GTF with transcript_id, strand and whole numbers"
            raise InputError(gtf, f"cannot be read as GTF: {line[:80]!r}", hint=hint, line=number)
        transcript = rest.partition('"')[0]
        start, stop = int(fields[3]) - 1, int(fields[4])
        _check_interval((chrom, start, stop), coordinates, gtf, line=number)
        rows.append((chrom, fields[2], start, stop, fields[6], transcript, 'tag "basic"' in fields[8]))
    if not rows:
        raise InputError(
            gtf,
            f"no transcript on a chromosome of the store; the file has {abbreviate(sorted(others)) or 'none'}",
            hint=alias_hint(sorted(others), coordinates.names),
        )
    table = pd.DataFrame(rows, columns=["chrom", "kind", "start", "stop", "strand", "transcript", "basic"])
    return table[table.basic] if table.basic.any() else table


def _read_cpg(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> pd.DataFrame:
    """CpG islands from UCSC's cpgIslandExt table (its first column is a bin number), or from a BED file."""
    rows = []
    others: set[str] = set()
    for number, line in text_lines(path):
        fields = line.split("\t")
        if not line or line.startswith("#"):
            continue
        numbered = fields[0].isdecimal() and fields[0] not in aliases and fields[0] not in coordinates.names
        chrom, start, stop = fields[1:4] if numbered and len(fields) > 3 else [*fields, "", ""][:3]
        if not (start.isdecimal() and stop.isdecimal()):
            hint = "give UCSC's cpgIslandExt table or a BED file"
            raise InputError(path, f"cannot be read as CpG islands: {line[:60]!r}", hint=hint, line=number)
        chrom = aliases.get(chrom, chrom)
        if chrom not in coordinates.names:
            others.add(chrom)
            continue
        _check_interval((chrom, int(start), int(stop)), coordinates, path, line=number)
        rows.append((chrom, int(start), int(stop)))
    if not rows:
        problem = f"no CpG island on a chromosome of the store; the file has {abbreviate(sorted(others)) or 'none'}"
        raise InputError(path, problem, hint=alias_hint(sorted(others), coordinates.names))
    return pd.DataFrame(rows, columns=["chrom", "start", "stop"])


def _check_interval(interval: tuple[str, int, int], coordinates: GenomeCoordinates, path: Path, *, line: int) -> None:
    chrom, start, stop = interval
    length = coordinates.lengths[coordinates.index(chrom)]
    if not 0 <= start < stop <= length:
        problem = f"{chrom}:{start}-{stop} is no interval of the chromosome's {length} bases"
        raise InputError(path, problem, hint="is it of another assembly, or was the FASTA cut short?", line=line)


def _introns(exons: pd.DataFrame) -> pd.DataFrame:
    """Gaps between neighbouring exons of a transcript."""
    following = exons.shift(-1)
    same = (exons.transcript == following.transcript) & (exons.chrom == following.chrom)
    gaps = pd.DataFrame(
        {"chrom": exons.chrom[same], "start": exons.stop[same], "stop": following.start[same].astype(int)}
    )
    return gaps[gaps.stop > gaps.start]


def _promoters(transcripts: pd.DataFrame, rules: AnnotationRules) -> pd.DataFrame:
    """On +, ``[tss - upstream, tss + downstream + 1)``; on -, mirrored."""
    plus = transcripts.strand == "+"
    tss = np.where(plus, transcripts.start, transcripts.stop - 1)
    before = np.where(plus, rules.upstream, rules.downstream)
    after = np.where(plus, rules.downstream, rules.upstream)
    return pd.DataFrame({"chrom": transcripts.chrom, "start": tss - before, "stop": tss + after + 1})


def _untranslated(exons: pd.DataFrame, coding: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parts of coding transcripts' exons left and right of the coding span."""
    span = coding.groupby("transcript").agg(first=("start", "min"), last=("stop", "max"))
    exons = exons.join(span, on="transcript", how="inner")
    left = exons.assign(stop=np.minimum(exons.stop, exons["first"]), side="left")
    right = exons.assign(start=np.maximum(exons.start, exons["last"]), side="right")
    return left[left.stop > left.start], right[right.stop > right.start]


Rows = Iterable[tuple[str, int, int]]


@contextmanager
def bedtools_session() -> Iterator[Path]:
    """A folder for bedtools' temporary files, removed at the end.

    Raises:
        UsageError: bedtools is not installed.
    """
    if shutil.which("bedtools") is None:
        raise UsageError(
            "the program bedtools is not installed; `apt-get install bedtools`, or `conda install -c bioconda bedtools`"
        )
    before = pybedtools.get_tempdir()
    with tempfile.TemporaryDirectory(prefix="factornet-bedtools-") as folder:
        pybedtools.set_tempdir(folder)
        try:
            yield Path(folder)
        finally:
            pybedtools.cleanup(remove_all=False)
            pybedtools.set_tempdir(before)


def merged_on_axis(table: pd.DataFrame, coordinates: GenomeCoordinates) -> Intervals:
    """Sorted union of intervals, by bedtools, in axis coordinates.

    Args:
        table: columns chrom, start, stop; chromosomes must be the axis's.
        axis: the genome.
    """
    if table.empty:
        return Intervals(np.array([], np.int64), np.array([], np.int64))
    with bedtools_session() as folder:
        source = folder / "rows.bed"
        table[["chrom", "start", "stop"]].to_csv(source, sep="\t", header=False, index=False)
        merged = pybedtools.BedTool(str(source)).sort().merge()
        frame = pd.read_csv(merged.fn, sep="\t", header=None, names=["chrom", "start", "stop"], dtype={"chrom": str})
    chrom = frame["chrom"].map({name: i for i, name in enumerate(coordinates.names)}).to_numpy(np.int64)
    starts, stops = (coordinates.to_absolute(chrom, frame[k].to_numpy(np.int64)) for k in ("start", "stop"))
    order = np.argsort(starts, kind="stable")
    return Intervals(starts[order], stops[order])
