"""Tell apart the places in the genome at which lines of a GTF with one transcript id lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...store.genome.intervals import GenomeCoordinates
from .gtf import CDS, EXON, PLUS, START_CODON, STOP_CODON, TRANSCRIPT

_MAX_INTRON = 2_000_000
_SHORT_INTRON = 20_000

_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]


def number_places(table: pd.DataFrame, coordinates: GenomeCoordinates) -> pd.DataFrame:
    """Number the places of each transcript id.

    Lines on another chromosome or strand, or in another transcript line, are of another place. Those in no transcript
    line are, too, beyond the length of an intron, where exon numbers start again, and where a start codon follows a
    stop codon.

    Args:
        table: as `GtfLines.table`.
        coordinates: the genome.

    Returns:
        The rows, sorted by transcript and start, with the column ``place``.
    """
    # At one start the transcript comes first, then the exon: TRANSCRIPT < EXON < all others.
    rows = table.sort_values(["transcript", "chrom", "strand", "start", "kind"], kind="stable")
    keys = rows[["transcript", "chrom", "strand"]].to_numpy()
    first = np.ones(len(rows), bool)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    group = np.cumsum(first)
    start, stop, part = rows.start.to_numpy(), rows.stop.to_numpy(), rows.kind.to_numpy() != TRANSCRIPT
    reach = running_max(np.where(part, -1, stop), group)  # of the transcript lines up to this row
    inside = start < reach
    before = np.where(first, -1, _previous(reach))
    gap = np.where(first, 0, start - _previous(running_max(stop, group)))
    begins = first | (~part & (start >= before))
    outside = part & ~inside & ~first
    begins |= outside & _previous(inside)
    begins |= outside & (_distant(rows, group, gap, coordinates) | _after_stop_codon(rows, group, gap))
    return rows.assign(place=np.cumsum(begins))


def longest_introns(coordinates: GenomeCoordinates) -> _Ints:
    """Return how long an intron may be on each chromosome, in bases.

    2 Mb (the longest of human genes have 1.2 Mb), and half the chromosome; but 20 kb everywhere, as contigs are short.
    """
    halves = np.array(coordinates.lengths, np.int64) // 2
    return np.minimum(_MAX_INTRON, np.maximum(halves, _SHORT_INTRON))


def running_max(values: ArrayLike, group: ArrayLike) -> _Ints:
    """Return the largest value (-1 or more) up to each row of its group; groups are numbered upwards."""
    values, group = np.asarray(values, np.int64), np.asarray(group, np.int64)
    offset = group * (int(values.max(initial=0)) + 2)
    reach: _Ints = np.maximum.accumulate(values + 1 + offset) - 1 - offset
    return reach


def _previous(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([values[:1], values[:-1]])


def _distant(rows: pd.DataFrame, group: _Ints, gap: _Ints, coordinates: GenomeCoordinates) -> _Bools:
    """Return which rows are too far from those before, or of an exon whose number starts again."""
    number, kind = rows.exon_number.to_numpy(), rows.kind.to_numpy()
    has_exons = np.isin(group, group[kind == EXON])
    numbered = np.flatnonzero((number > 0) & ((kind == EXON) | ((kind == CDS) & ~has_exons)))
    earlier, later = numbered[:-1], numbered[1:]
    same = group[earlier] == group[later]
    earlier, later = earlier[same], later[same]
    step = number[later] - number[earlier]
    # Exon 1 is the first on the strand, or (StringTie) the first on the chromosome.
    direction = np.zeros(int(group.max(initial=0)) + 1, np.int64)
    np.add.at(direction, group[later], np.sign(step))
    forward = direction[group[later]]
    again = (step == 0) | ((step * forward < 0) & (np.where(forward > 0, number[later], number[earlier]) == 1))
    found: _Bools = gap > longest_introns(coordinates)[rows.chrom.to_numpy()]
    found[later[step * forward > 0]] = False
    found[later[again & (gap[later] > 0)]] = True
    return found


def _after_stop_codon(rows: pd.DataFrame, group: _Ints, gap: _Ints) -> _Bools:
    """Return the rows after the widest gap between a stop codon and the start codon that follows it."""
    kind, plus = rows.kind.to_numpy(), rows.strand.to_numpy() == PLUS
    ends = (plus & (kind == STOP_CODON)) | (~plus & (kind == START_CODON))  # the last codon on the chromosome
    codons = np.flatnonzero(ends | (kind == START_CODON) | (kind == STOP_CODON))
    earlier, later = codons[:-1], codons[1:]
    follows = ends[earlier] & ~ends[later] & (group[earlier] == group[later])
    found = np.zeros(len(rows), bool)
    for i, j in zip(earlier[follows], later[follows], strict=True):
        widest = i + 1 + int(np.argmax(gap[i + 1 : j + 1]))
        found[widest] = gap[widest] > 0
    return found
