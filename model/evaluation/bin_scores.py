"""Find the score of each of the store's bins in a file of scores, whose intervals may be others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN, STRIDE, bin_count
from ..prediction.bins import Bins
from ..prediction.score_table import ScoreTable
from .genome_scores import GenomeScores

Rule = Literal["bins", "middles", "signal"]
"""How intervals become bins: they are bins; each is the middle of one; each bin has the value at its middle base."""


@dataclass(frozen=True, kw_only=True)
class BinScores:
    """Scores of bins, each bin once.

    Attributes:
        bins: 200 bases each, starting at a multiple of 50.
        scores: float32 (n,).
        rule: how they were found.
        n_repeated: intervals that repeat an earlier one, and are not used.
        n_conflicting: those of them with another score.
        n_missing: the store's bins on the same chromosomes that have no score.
    """

    bins: Bins
    scores: NDArray[np.float32]
    rule: Rule
    n_repeated: int
    n_conflicting: int
    n_missing: int


@dataclass(frozen=True, kw_only=True)
class FileScores:
    """Scores of all bins of a file, by place; counts as of `BinScores`, of all chromosomes of the file."""

    scores: GenomeScores
    rule: Rule
    n_repeated: int
    n_conflicting: int
    n_missing: int
    n_outside: int


def score_genome(tables: Iterable[ScoreTable], coordinates: GenomeCoordinates) -> FileScores | None:
    """Return the score of each bin that the tables give one; None where they must be taken as one table.

    So it is where a chromosome is in two of them, or bins are found by other rules in one than in another.

    Args:
        tables: each with the intervals of chromosomes of its own; one without intervals counts for nothing.
        coordinates: the store's chromosomes.

    Raises:
        UsageError: as for `score_bins`; or no table has intervals.
    """
    by_chrom: dict[int, NDArray[np.float32]] = {}
    rules: set[Rule] = set()
    repeated = conflicting = missing = outside = 0
    for table in tables:
        if not len(table.bins):
            continue
        found = score_bins(table.bins, table.scores, coordinates)
        part = GenomeScores.of(found.bins, found.scores, coordinates).by_chrom
        if part.keys() & by_chrom.keys() or rules - {found.rule}:
            return None
        by_chrom.update(part)
        rules.add(found.rule)
        repeated, conflicting = repeated + found.n_repeated, conflicting + found.n_conflicting
        missing += found.n_missing
        outside += int(((found.scores < 0) | (found.scores > 1)).sum())
    if not rules:
        raise UsageError("no interval has a score on a chromosome of the store")
    return FileScores(
        scores=GenomeScores(by_chrom),
        rule=rules.pop(),
        n_repeated=repeated,
        n_conflicting=conflicting,
        n_missing=missing,
        n_outside=outside,
    )


def score_bins(intervals: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> BinScores:
    """Return the score of each bin that the intervals give one.

    Intervals of one length, at most that of a bin, around the middles of bins are those bins: bedGraph of bins, and
    bigWigs of `write_bigwig`. Others are a signal: a bin has the value at its middle base. Of equal intervals the first
    counts.

    Args:
        intervals: on chromosomes of the store, in any order.
        scores: float32 (intervals,), finite.
        coordinates: the store's chromosomes.

    Raises:
        UsageError: the intervals are not bins, and overlap; or no bin's middle is in any.
    """
    first, conflicting = _first_of_equal(intervals, scores)
    n_repeated = len(intervals) - first.size
    if n_repeated:
        intervals, scores = intervals.take(first), scores[first]
    del first
    length = intervals.stop - intervals.start
    start = intervals.start + (length // 2 - BIN // 2)
    rule: Rule
    if (length == length[:1]).all() and (length[:1] <= BIN).all() and ((start >= 0) & (start % STRIDE == 0)).all():
        rule = "bins" if (length[:1] == BIN).all() else "middles"
        bins = Bins(intervals.chrom, start, start + BIN)
    else:
        rule = "signal"
        bins, scores = _sample(intervals, scores, coordinates)
    total = sum(bin_count(coordinates.lengths[c]) for c in np.unique(intervals.chrom).tolist())
    return BinScores(
        bins=bins,
        scores=scores,
        rule=rule,
        n_repeated=n_repeated,
        n_conflicting=conflicting,
        n_missing=total - len(bins),
    )


def _first_of_equal(intervals: Bins, scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], int]:
    """Return the rows of the first of each set of equal intervals, and how many later ones have another score."""
    later, further = np.diff(intervals.chrom), np.diff(intervals.start)
    if ((later > 0) | (later == 0) & (further > 0)).all():  # in genome order, as most files
        return np.arange(len(intervals)), 0
    del later, further
    order = np.lexsort((intervals.stop, intervals.start, intervals.chrom))
    same = np.ones(max(order.size - 1, 0), bool)
    for column in (intervals.chrom, intervals.start, intervals.stop):
        same &= np.diff(column[order]) == 0
    is_first = np.concatenate([np.ones(min(order.size, 1), bool), ~same])
    firsts = np.flatnonzero(is_first)
    conflicting = scores[order] != scores[order][firsts[np.cumsum(is_first) - 1]]
    return np.sort(order[is_first]), int(conflicting.sum())


def _sample(
    intervals: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates
) -> tuple[Bins, NDArray[np.float32]]:
    """Return the bins whose middle base is in an interval, and the score there."""
    order = np.lexsort((intervals.start, intervals.chrom))
    intervals, scores = intervals.take(order), scores[order]
    _check_disjoint(intervals, coordinates)
    found: list[tuple[Bins, NDArray[np.float32]]] = []
    for c in np.unique(intervals.chrom).tolist():
        here = intervals.chrom == c
        starts, stops = intervals.start[here], intervals.stop[here]
        bins = np.arange(bin_count(coordinates.lengths[c]), dtype=np.int64) * STRIDE
        at = np.searchsorted(starts, bins + BIN // 2, side="right") - 1
        inside = (at >= 0) & (bins + BIN // 2 < stops[at])
        bins = bins[inside]
        found.append((Bins(np.full(bins.size, c, np.int64), bins, bins + BIN), scores[here][at[inside]]))
    columns = (np.concatenate([getattr(b, name) for b, _ in found]) for name in ("chrom", "start", "stop"))
    sampled = Bins(*columns)
    if not len(sampled):
        raise UsageError(
            f"none of {len(intervals):,} intervals contains the middle of a bin; bins have {BIN} bases and start at "
            f"multiples of {STRIDE}"
        )
    return sampled, np.concatenate([values for _, values in found])


def _check_disjoint(intervals: Bins, coordinates: GenomeCoordinates) -> None:
    """Check that no base has two scores; intervals are sorted."""
    twice = np.flatnonzero((np.diff(intervals.chrom) == 0) & (intervals.start[1:] < intervals.stop[:-1]))
    if not twice.size:
        return
    odd = np.flatnonzero((intervals.start % STRIDE != 0) | (intervals.stop - intervals.start != BIN))
    i = int(odd[0])
    raise UsageError(
        f"{odd.size:,} of {len(intervals):,} intervals are not bins with labels, first "
        f"{coordinates.names[int(intervals.chrom[i])]}:{intervals.start[i]}-{intervals.stop[i]}; bins have {BIN} bases "
        f"and start at multiples of {STRIDE}; nor are they a signal: {twice.size:,} overlap the one before; "
        "predict all bins of regions"
    )
