"""Choose the alignments that count, and count the others by the reason why they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from .files.bam_records import NO_BASE, ReadBatch

REVERSE, PAIRED, PROPER_PAIR, FIRST_OF_PAIR = 16, 1, 2, 64
_UNMAPPED = 4
EXCLUDABLE: Mapping[str, int] = {
    "duplicate": 1024,
    "secondary": 256,
    "supplementary": 2048,
    "failed": 512,
    "mate-unmapped": 8,
}
"""Kinds of alignments by name: bits of the SAM specification."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class ReadFilter:
    """Which alignments count; by default all that are mapped, as in FactorNet's recipe.

    Attributes:
        min_mapq: least mapping quality.
        exclude: kinds that do not count, names of `EXCLUDABLE`.
        same_position: of alignments that share position, strand and mate or template, the first counts (bamCoverage
            --ignoreDuplicates); requires a file sorted by coordinate.
        proper_pairs: only alignments whose pair the aligner found proper.

    Raises:
        UsageError: a value is out of range, or a name unknown.
    """

    min_mapq: int = 0
    exclude: tuple[str, ...] = ()
    same_position: bool = False
    proper_pairs: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_mapq <= 255:
            raise UsageError(f"the least mapping quality must be 0 to 255, got {self.min_mapq}")
        for name in self.exclude:
            if name not in EXCLUDABLE:
                raise UsageError(f"no kind of alignments is called {name!r}; there are {', '.join(EXCLUDABLE)}")

    def describe(self) -> dict[str, Any]:
        """Return the filter as recorded in the provenance."""
        return {
            "min_mapq": self.min_mapq,
            "exclude": sorted(self.exclude),
            "same_position": self.same_position,
            "proper_pairs": self.proper_pairs,
        }


@dataclass
class FilterCounts:
    """Alignments of files so far, by what became of them.

    Attributes:
        total: all.
        used: those that count.
        dropped: others by reason; an alignment has the first reason that applies.
        kept: of those used, how many are of a kind that could be excluded.
    """

    total: int = 0
    used: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


class BatchFilter:
    """Filter the batches of one file, in its order.

    Args:
        rules: which alignments count.
        counts: to add to.
    """

    def __init__(self, rules: ReadFilter, counts: FilterCounts) -> None:
        self._rules, self._counts = rules, counts
        self._seen: set[tuple[int, ...]] = set()
        self._position = (-1, -1)

    def __call__(self, batch: ReadBatch) -> ReadBatch:
        """Return the alignments of a batch that count."""
        rules, counts = self._rules, self._counts
        counts.total += len(batch)
        reasons = [("unmapped", (batch.flag & _UNMAPPED != 0) | (batch.chrom < 0))]
        reasons += [(name, batch.flag & EXCLUDABLE[name] != 0) for name in rules.exclude]
        reasons += [(f"mapping quality below {rules.min_mapq}", batch.mapq < rules.min_mapq)] if rules.min_mapq else []
        if rules.proper_pairs:
            reasons.append(("not a proper pair", batch.flag & PROPER_PAIR == 0))
        reasons.append(("without an aligned base", batch.first == NO_BASE))
        keep = np.ones(len(batch), bool)
        for reason, applies in reasons:
            if n := int((keep & applies).sum()):
                counts.dropped[reason] += n
                keep &= ~applies
        found = batch if keep.all() else batch.take(keep)
        if rules.same_position:
            first = self._is_first(found)
            if n := int((~first).sum()):
                counts.dropped["same position"] += n
                found = found.take(first)
        counts.used += len(found)
        for name, flag in EXCLUDABLE.items():
            if n := int((found.flag & flag != 0).sum()):
                counts.kept[name] += n
        return found

    def _is_first(self, batch: ReadBatch) -> BoolArray:
        """Return whether no earlier alignment has the same position, strand, and mate or end of the template."""
        if not len(batch):
            return np.ones(0, bool)
        template = np.where(batch.template != 0, np.abs(batch.template), batch.covered)
        end = np.where(batch.chrom == batch.mate_chrom, batch.pos + template, batch.mate_pos)
        strand = batch.flag & REVERSE
        keys = np.stack([batch.chrom, batch.pos, end, batch.mate_chrom, strand], axis=1)
        _, where = np.unique(keys, axis=0, return_index=True)
        first = np.zeros(len(batch), bool)
        first[where] = True
        # The first position of a batch may continue the last one of the batch before.
        same = (batch.chrom == self._position[0]) & (batch.pos == self._position[1])
        for i in np.flatnonzero(same & first):
            first[i] = tuple(keys[i].tolist()) not in self._seen
        position = (int(batch.chrom[-1]), int(batch.pos[-1]))
        if position != self._position:
            self._seen, self._position = set(), position
        last = (batch.chrom == position[0]) & (batch.pos == position[1])
        self._seen.update(tuple(key) for key in keys[last].tolist())
        return first
