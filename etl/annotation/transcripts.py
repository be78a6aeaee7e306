"""Assemble lines of a GTF to transcripts: one for each place in the genome, with or without a line of its own.

Writers differ in what stands for a transcript. GENCODE, Ensembl (since 75), RefSeq and StringTie write a line for it;
UCSC's table browser, Ensembl before, iGenomes, MAKER and some gene finders write exons, or CDS, only. RefSeq and UCSC
give one id to all places that a transcript aligns to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.genome.intervals import GenomeCoordinates, IntArray
from ...store.text import format_count
from .counts import list_counts, outside_notes
from .gtf import CDS, EXON, PLUS, STOP_CODON, TRANSCRIPT, UNKNOWN, UTR, GtfLines, read_gtf
from .places import number_places, running_max

_COLUMNS = ["chrom", "start", "stop", "strand"]


@dataclass(frozen=True, eq=False)
class Transcripts:
    """Transcripts of a GTF.

    Attributes:
        spans: a row for each transcript: chrom (index), start, stop, strand (PLUS or MINUS).
        exons: columns of `spans` and ``transcript`` (a number); sorted by transcript and start.
        coding: likewise, CDS and stop codons.
        notes: what was left out or derived, for the summary.
    """

    spans: pd.DataFrame
    exons: pd.DataFrame
    coding: pd.DataFrame
    notes: tuple[str, ...]


def assemble_transcripts(lines: GtfLines, coordinates: GenomeCoordinates, path: Path) -> Transcripts:
    """Assemble transcripts of the lines of a GTF, each at one place (`number_places`).

    Where any transcript has the tag of GENCODE Basic, on whichever of its lines, only those that have it are used, as
    FactorNet did. A transcript without exons has those that its CDS, stop codon and UTRs make up; one without a line
    reaches from its first exon to its last.

    Raises:
        InputError: no transcript is left, or exons of one transcript have no strand.
    """
    table, basic_note = _select_basic(lines)
    table, n_stranded = _select_stranded(table, path)
    rows = number_places(table, coordinates)
    exons = rows[rows.kind == EXON]
    parts = rows[rows.kind.isin((CDS, STOP_CODON, UTR)) & ~rows.place.isin(exons.place)]
    exons = pd.concat([exons, derived := _join(parts)]).sort_values(["place", "start"], kind="stable")
    written = rows[rows.kind == TRANSCRIPT]
    ends = exons[~exons.place.isin(written.place)].groupby("place", sort=False)
    ends = ends.agg({"chrom": "first", "start": "min", "stop": "max", "strand": "first"})
    places = rows.drop_duplicates("place").transcript.value_counts()
    counted = {
        "of unknown strand left out": n_stranded,
        "without a transcript line, taken from first to last exon": len(ends),
        "without exon lines, whose exons were derived from CDS and UTRs": derived.place.nunique(),
        "without exon or CDS lines, of which only the promoter is known": int((~written.place.isin(exons.place)).sum()),
    }
    notes = [f"{format_count(n, 'transcript')} {what}" for what, n in counted.items() if n]
    if n_repeated := int((places > 1).sum()):
        notes.append(f"{format_count(n_repeated, 'transcript id')} of several places, each taken as a transcript")
    return Transcripts(
        spans=pd.concat([written[_COLUMNS], ends[_COLUMNS]], ignore_index=True),
        exons=_numbered(exons),
        coding=_numbered(rows[rows.kind.isin((CDS, STOP_CODON))]),
        notes=(f"{format_count(len(written) + len(ends), 'transcript')}; {basic_note}", *_line_notes(lines), *notes),
    )


def transcription_starts(
    gtf: Path, coordinates: GenomeCoordinates, aliases: Mapping[str, str]
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the transcription starts of a GTF, absolute bases, each once, and whether each is on the reverse strand.

    Raises:
        InputError: the GTF cannot be used.
    """
    spans = assemble_transcripts(read_gtf(gtf, coordinates, aliases), coordinates, gtf).spans
    is_reverse = (spans.strand != PLUS).to_numpy()
    base = np.where(is_reverse, spans.stop.to_numpy() - 1, spans.start.to_numpy())
    rows = np.unique(np.stack([coordinates.to_absolute(spans.chrom.to_numpy(), base), is_reverse]), axis=1)
    return rows[0], rows[1].astype(bool)


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[[*_COLUMNS, "place"]].rename(columns={"place": "transcript"})


def _select_basic(lines: GtfLines) -> tuple[pd.DataFrame, str]:
    """Return the lines of the transcripts to use, and a note on which they are."""
    basic = lines.basic[lines.table.transcript]
    if not basic.any():
        return lines.table, "none has the tag basic, so all are used"
    counts = (table.transcript.nunique() for table in (lines.table[basic], lines.table))
    used, total = (f"{n:,}" for n in counts)
    return lines.table[basic], f"those with the tag basic are used, {used} of {total} ids"


def _select_stranded(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, int]:
    """Leave out transcripts of unknown strand, which assemblers write where they have one exon; return their number.

    Raises:
        InputError: one has several exons, so that its strand was lost, or no other is left.
    """
    unknown = table[table.strand == UNKNOWN]
    if unknown.empty:
        return table, 0
    parts = unknown[unknown.kind != TRANSCRIPT].sort_values(["transcript", "chrom", "start"], kind="stable")
    group = parts.groupby(["transcript", "chrom"], sort=False).ngroup().to_numpy()
    later = (group[1:] == group[:-1]) & (parts.start.to_numpy()[1:] > running_max(parts.stop, group)[:-1])
    left = table[table.strand != UNKNOWN]
    if later.any() or left.empty:
        line = int(parts.line.iloc[int(np.argmax(later)) + 1] if later.any() else unknown.line.iloc[0])
        problem = "cannot be read as GTF: " + (
            "an exon without strand, of a transcript of several" if later.any() else "no transcript has a strand"
        )
        raise InputError(path, problem, hint="give a GTF with + or - as strand in column 7", line=line)
    return left, unknown.transcript.nunique()


def _join(parts: pd.DataFrame) -> pd.DataFrame:
    """Join parts of a transcript that overlap or touch: a CDS, its stop codon and UTRs are one exon."""
    parts = parts.sort_values(["place", "start"], kind="stable")
    reach = running_max(parts.stop, parts.place)
    first = np.ones(len(parts), bool)
    first[1:] = (np.diff(parts.place) != 0) | (parts.start.to_numpy()[1:] > reach[:-1])
    return (
        parts.assign(stop=reach)
        .groupby(np.cumsum(first), sort=False)
        .agg({column: "last" if column == "stop" else "first" for column in parts.columns})
    )


def _line_notes(lines: GtfLines) -> list[str]:
    """Return notes on lines that were left out while reading."""
    notes = outside_notes(lines.n_outside, "line")
    if lines.n_unnamed:
        notes.append(f"{format_count(lines.n_unnamed, 'line')} with an empty transcript_id left out")
    if lines.n_unused:
        notes.append(f"types of lines that are not used: {list_counts(lines.n_unused)}")
    return notes
