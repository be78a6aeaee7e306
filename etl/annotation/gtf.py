"""Read the lines of a GTF that make up transcripts, as GENCODE, Ensembl, RefSeq, UCSC and gene finders write them."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.genome.intervals import GenomeCoordinates
from ...store.text import format_count
from ..inputs.bed import text_lines
from ..inputs.chrom_aliases import abbreviate, alias_hint

TRANSCRIPT, EXON, CDS, STOP_CODON, START_CODON, UTR = range(6)
PLUS, MINUS, UNKNOWN = range(3)

_UTRS = ("utr", "5utr", "3utr", "five_prime_utr", "three_prime_utr", "5'-utr", "3'-utr")
_KINDS = {"transcript": TRANSCRIPT, "exon": EXON, "cds": CDS, "stop_codon": STOP_CODON, "start_codon": START_CODON}
_KINDS |= dict.fromkeys(_UTRS, UTR)
_STRANDS = {"+": PLUS, "-": MINUS, ".": UNKNOWN, "?": UNKNOWN}
_BASIC = {"basic", "gencode_basic"}
"""Tags of the transcripts of GENCODE Basic: GENCODE's own, and Ensembl's since release 113."""
_COLUMNS = ("kind", "chrom", "start", "stop", "strand", "transcript", "exon_number", "line")

_QUOTED = re.compile(r'\s+(?:"([^"]*)"|([^";\s]+))')
_TAG = re.compile(r'(?:^|;)\s*tag\s+"?([^";]*)')
_GFF3 = re.compile(r"(?:^|;)\s*(?:ID|Parent)=")


@dataclass(frozen=True, eq=False)
class GtfLines:
    """Lines of a GTF on chromosomes of the store that belong to a transcript.

    Attributes:
        table: columns ``kind`` (TRANSCRIPT ... UTR), ``chrom`` (index), ``start`` and ``stop`` (0-based, half-open),
            ``strand`` (PLUS, MINUS, UNKNOWN), ``transcript`` (index into `basic`; one for each pair of transcript and
            gene id), ``exon_number`` (0 where there is none), ``line`` (number in the file).
        basic: whether a line of the transcript has the tag of GENCODE Basic, bool (transcripts,).
        n_outside: number of such lines by chromosome that is not in the store.
        n_unused: number of lines by feature type that is not used.
        n_unnamed: number of lines whose transcript id is empty, left out.
    """

    table: pd.DataFrame
    basic: NDArray[np.bool_]
    n_outside: Mapping[str, int]
    n_unused: Mapping[str, int]
    n_unnamed: int


def read_gtf(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> GtfLines:
    """Read transcripts, exons, CDS, codons and UTRs on the store's chromosomes.

    Raises:
        InputError: a line is not GTF, an interval is not on its chromosome, or no line is of use.
    """
    reader = _Reader(path, coordinates, aliases)
    for number, line in text_lines(path):
        if line and not line.startswith("#"):
            reader.add(number, line)
    return reader.result()


def check_interval(interval: tuple[str, int, int], coordinates: GenomeCoordinates, path: Path, *, line: int) -> None:
    """Check that an interval (chromosome, 0-based start, stop) is one of its chromosome.

    Raises:
        InputError: it is not.
    """
    chrom, start, stop = interval
    length = coordinates.lengths[coordinates.index(chrom)]
    if not 0 <= start < stop <= length:
        problem = f"{chrom}:{start}-{stop} is not an interval of the chromosome's {length} bases"
        hint = "is it of another assembly, or was the FASTA cut short?"
        if start >= stop:
            hint = "a start lies before its end; correct or remove the line"
        raise InputError(path, problem, hint=hint, line=line)


def none_in_store(path: Path, what: str, unknown: Iterable[str], coordinates: GenomeCoordinates) -> InputError:
    """Return the error of a file without an interval on a chromosome of the store."""
    names = sorted(unknown)
    problem = f"no {what} on a chromosome of the store; the file has {abbreviate(names) or 'none'}"
    return InputError(path, problem, hint=alias_hint(names, coordinates.names))


class _Reader:
    """Collect lines of a GTF in columns of integers: a release has millions."""

    def __init__(self, path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> None:
        self._path, self._coordinates, self._aliases = path, coordinates, aliases
        self._chroms = coordinates.indices
        self._lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
        self._columns = {name: array("q") for name in _COLUMNS}
        self._append = [column.append for column in self._columns.values()]
        self._ids: dict[tuple[str, str | None], int] = {}
        self._basic: set[int] = set()
        self._outside: Counter[str] = Counter()
        self._unused: Counter[str] = Counter()
        self._n_unnamed = 0

    def add(self, number: int, line: str) -> None:
        fields = line.split("\t", 9)
        if len(fields) == 10 and (not fields[9].strip() or fields[9].startswith("#")):
            fields.pop()  # a comment, or empty columns that a spreadsheet left
        if len(fields) != 9:
            if line.split(None, 1)[:1] in ([], ["track"], ["browser"]):
                return
            found = format_count(len(line.split("\t")), "column")
            problem, hint = f"{found}, expected 9", "give a GTF, its columns separated by tabs"
            raise InputError(self._path, problem, hint=hint, line=number)
        kind = _KINDS.get(fields[2].lower())
        if kind is None:
            self._unused[fields[2]] += 1
            return
        chrom = self._aliases.get(fields[0], fields[0])
        if chrom not in self._chroms:
            self._outside[chrom] += 1
            return
        self._add_row(number, kind, chrom, fields)

    def _add_row(self, number: int, kind: int, chrom: str, fields: list[str]) -> None:
        attributes = _without_quotes(fields[8].strip())
        name, gene = _value(attributes, "transcript_id"), _value(attributes, "gene_id")
        if name is None and kind == TRANSCRIPT and re.fullmatch(r"[^\s;=\"]+", attributes):
            name = attributes  # Augustus: the id alone
        strand = _STRANDS.get(fields[6])
        if name is None or strand is None or not (fields[3].isdecimal() and fields[4].isdecimal()):
            raise self._not_gtf(number, fields)
        if not name:
            self._n_unnamed += 1
            return
        start, stop = int(fields[3]) - 1, int(fields[4])
        if not 0 <= start < stop <= self._lengths[chrom]:
            check_interval((chrom, start, stop), self._coordinates, self._path, line=number)
        transcript = self._ids.setdefault((name, gene), len(self._ids))
        if transcript not in self._basic and "basic" in attributes and _is_basic(attributes):
            self._basic.add(transcript)
        exon_number = (_value(attributes, "exon_number") if kind in (EXON, CDS) else None) or "0"
        exon = int(exon_number) if exon_number.isdecimal() else 0
        row = (kind, self._chroms[chrom], start, stop, strand, transcript, exon, number)
        for append, value in zip(self._append, row, strict=True):
            append(value)

    def _not_gtf(self, number: int, fields: list[str]) -> InputError:
        shown = repr("\t".join(fields)[:80])
        if _GFF3.search(fields[8]):
            hint = "give the GTF of the same release, or convert it with `gffread -T genes.gff3 > genes.gtf`"
            return InputError(self._path, f"cannot be read as GTF, it is GFF3: {shown}", hint=hint, line=number)
        hint = "give a GTF with transcript_id, strand and whole numbers"
        return InputError(self._path, f"cannot be read as GTF: {shown}", hint=hint, line=number)

    def result(self) -> GtfLines:
        table = pd.DataFrame({name: np.array(values, np.int64) for name, values in self._columns.items()})
        if table.empty:
            if self._unused and not self._outside:
                found = ", ".join(f"{kind} ({n:,})" for kind, n in self._unused.most_common(6))
                problem = f"no line of type transcript, exon or CDS; the file has {found}"
                raise InputError(self._path, problem, hint="give a GTF with exons")
            if self._n_unnamed and not self._outside:
                problem = f"no transcript; {format_count(self._n_unnamed, 'line')} with an empty transcript_id"
                raise InputError(self._path, problem, hint="give a GTF whose exons have transcript_id")
            raise none_in_store(self._path, "transcript", self._outside, self._coordinates)
        # A transcript line with a bare id has no gene: it is of the transcript of that name.
        merged = np.arange(len(self._ids))
        named = {name: i for (name, gene), i in self._ids.items() if gene is not None}
        for (name, gene), i in self._ids.items():
            if gene is None:
                merged[i] = named.get(name, i)
        table["transcript"] = merged[table.transcript]
        basic = np.zeros(merged.size, bool)
        basic[merged[sorted(self._basic)]] = True
        return GtfLines(table, basic, dict(self._outside), dict(self._unused), self._n_unnamed)


def _without_quotes(attributes: str) -> str:
    """Return attributes without the quotes that a spreadsheet adds to fields that have some: ``"tag ""basic"";"``."""
    if attributes.startswith('"') and attributes.endswith('"') and len(attributes) > 1:
        return attributes[1:-1].replace('""', '"')
    return attributes


def _is_basic(attributes: str) -> bool:
    return any(_BASIC & {*re.split(r"[,\s]+", tag)} for tag in _TAG.findall(attributes))


def _value(attributes: str, key: str) -> str | None:
    """Return the first value of a key, quoted or not; None where there is none."""
    at = attributes.find(key)
    while at > 0 and attributes[at - 1] not in " ;\t":  # the end of another key, as orig_transcript_id
        at = attributes.find(key, at + 1)
    if at < 0:
        return None
    after = at + len(key)
    if attributes.startswith(' "', after) and (end := attributes.find('"', after + 2)) >= 0:
        return attributes[after + 2 : end]
    match = _QUOTED.match(attributes, after)
    return None if match is None else match[1] or match[2] or ""
