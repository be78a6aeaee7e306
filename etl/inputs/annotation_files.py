"""Read transcripts from a GTF, and CpG islands from UCSC's table or a BED file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from ...store.errors import InputError
from ...store.genome.intervals import GenomeCoordinates
from ...store.text import format_count
from .bed import text_lines
from .chrom_aliases import abbreviate, alias_hint

_FEATURE_TYPES = ("transcript", "exon", "CDS", "stop_codon")


def read_gtf(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> pd.DataFrame:
    """Read transcripts, exons, CDS and stop codons on the store's chromosomes.

    Where rows carry the tag ``basic`` (GENCODE), only those are kept, as FactorNet did.

    Returns:
        Columns chrom, kind (the feature type), start, stop (0-based, half-open), strand, transcript, basic.

    Raises:
        InputError: a line is not GTF, an interval is not on its chromosome, or no row is on a chromosome of the store.
    """
    rows: list[tuple[str, str, int, int, str, str, bool]] = []
    unknown: set[str] = set()
    for number, line in text_lines(path):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 9:
            problem = f"{format_count(len(fields), 'column')}, expected 9"
            raise InputError(path, problem, hint="give a GTF (GENCODE v19)", line=number)
        if fields[2] not in _FEATURE_TYPES:
            continue
        chrom = aliases.get(fields[0], fields[0])
        if chrom not in coordinates.names:
            unknown.add(chrom)
            continue
        _, found, rest = fields[8].partition('transcript_id "')
        if not found or fields[6] not in ("+", "-") or not (fields[3].isdecimal() and fields[4].isdecimal()):
            hint = "give a GTF with transcript_id, strand and whole numbers"
            raise InputError(path, f"cannot be read as GTF: {line[:80]!r}", hint=hint, line=number)
        transcript = rest.partition('"')[0]
        start, stop = int(fields[3]) - 1, int(fields[4])
        _check_interval((chrom, start, stop), coordinates, path, line=number)
        rows.append((chrom, fields[2], start, stop, fields[6], transcript, 'tag "basic"' in fields[8]))
    if not rows:
        raise _none_in_store(path, "transcript", unknown, coordinates)
    table = pd.DataFrame(rows, columns=["chrom", "kind", "start", "stop", "strand", "transcript", "basic"])
    return table[table.basic] if table.basic.any() else table


def read_cpg_islands(path: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]) -> pd.DataFrame:
    """Read CpG islands from UCSC's cpgIslandExt table (its first column is a bin number) or from a BED file.

    Returns:
        Columns chrom, start, stop (0-based, half-open).

    Raises:
        InputError: a line is neither, an interval is not on its chromosome, or none is on a chromosome of the store.
    """
    rows = []
    unknown: set[str] = set()
    for number, line in text_lines(path):
        fields = line.split("\t")
        if not line or line.startswith("#"):
            continue
        has_bin = fields[0].isdecimal() and fields[0] not in aliases and fields[0] not in coordinates.names
        chrom, start, stop = fields[1:4] if has_bin and len(fields) > 3 else [*fields, "", ""][:3]
        if not (start.isdecimal() and stop.isdecimal()):
            hint = "give UCSC's cpgIslandExt table or a BED file"
            raise InputError(path, f"cannot be read as CpG islands: {line[:60]!r}", hint=hint, line=number)
        chrom = aliases.get(chrom, chrom)
        if chrom not in coordinates.names:
            unknown.add(chrom)
            continue
        _check_interval((chrom, int(start), int(stop)), coordinates, path, line=number)
        rows.append((chrom, int(start), int(stop)))
    if not rows:
        raise _none_in_store(path, "CpG island", unknown, coordinates)
    return pd.DataFrame(rows, columns=["chrom", "start", "stop"])


def _check_interval(interval: tuple[str, int, int], coordinates: GenomeCoordinates, path: Path, *, line: int) -> None:
    chrom, start, stop = interval
    length = coordinates.lengths[coordinates.index(chrom)]
    if not 0 <= start < stop <= length:
        problem = f"{chrom}:{start}-{stop} is not an interval of the chromosome's {length} bases"
        raise InputError(path, problem, hint="is it of another assembly, or was the FASTA cut short?", line=line)


def _none_in_store(path: Path, what: str, unknown: Collection[str], coordinates: GenomeCoordinates) -> InputError:
    names = sorted(unknown)
    problem = f"no {what} on a chromosome of the store; the file has {abbreviate(names) or 'none'}"
    return InputError(path, problem, hint=alias_hint(names, coordinates.names))
