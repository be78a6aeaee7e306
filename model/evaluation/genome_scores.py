"""Hold scores of all bins of a genome: 4 bytes a bin of the chromosomes that have one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import GenomeCoordinates, Intervals, merge, union
from ...store.genome.regions import Region
from ...store.schema import BIN, STRIDE, bin_count
from ..prediction.bins import Bins

_PIECE = 2**20  # bins given out at once


@dataclass(frozen=True, eq=False)
class GenomeScores:
    """Scores of bins by place.

    Attributes:
        by_chrom: index of a chromosome -> float32 (bins of the chromosome,), NaN where a bin has no score; without the
            chromosomes on which no bin has one.
    """

    by_chrom: Mapping[int, NDArray[np.float32]]

    @classmethod
    def of(cls, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> Self:
        """Return the scores of bins, each given once, 200 bases from a multiple of 50.

        Args:
            bins: in any order.
            scores: float32 (bins,), finite.
            coordinates: the store's chromosomes.
        """
        found = {}
        chroms = np.unique(bins.chrom).tolist()
        for chrom in chroms:
            here: Any = bins.chrom == chrom if len(chroms) > 1 else slice(None)  # no copy of a whole chromosome
            found[chrom] = np.full(bin_count(coordinates.lengths[chrom]), np.nan, np.float32)
            found[chrom][bins.start[here] // STRIDE] = scores[here]
        return cls(found)

    def __len__(self) -> int:
        """Number of bins with a score."""
        return sum(int(np.isfinite(values).sum()) for values in self.by_chrom.values())

    def pieces(self) -> Iterator[tuple[Bins, NDArray[np.float32]]]:
        """Yield bins with a score and their scores, in genome order, about a million at once."""
        for chrom in sorted(self.by_chrom):
            values = self.by_chrom[chrom]
            for first in range(0, values.size, _PIECE):
                part = values[first : first + _PIECE]
                rows = np.flatnonzero(np.isfinite(part))
                if rows.size:
                    start = (first + rows) * STRIDE
                    yield Bins(np.full(rows.size, chrom, np.int64), start, start + BIN), part[rows]

    def rescore(self, score: Callable[[Bins], Mapping[str, NDArray[np.float32]]]) -> dict[str, Self]:
        """Return other scores of the same bins, by name.

        Args:
            score: returns scores, float32 (bins,), of some of the bins in genome order, by name.
        """
        found: dict[str, dict[int, NDArray[np.float32]]] = {}
        for bins, _ in self.pieces():
            for name, values in score(bins).items():
                chrom = int(bins.chrom[0])
                by_chrom = found.setdefault(name, {})
                if chrom not in by_chrom:
                    by_chrom[chrom] = np.full_like(self.by_chrom[chrom], np.nan)
                by_chrom[chrom][bins.start // STRIDE] = values
        return {name: type(self)(by_chrom) for name, by_chrom in found.items()}

    def covered(self, coordinates: GenomeCoordinates) -> Intervals:
        """Return the bases of bins with a score in absolute coordinates, merged."""
        parts = [merge(bins.to_absolute(coordinates)) for bins, _ in self.pieces()]
        return union(Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64)), *parts)

    def best(self) -> tuple[Bins, NDArray[np.float32]]:
        """Return the first bin with the highest score, and its score."""
        chrom = max(sorted(self.by_chrom), key=lambda c: float(np.nanmax(self.by_chrom[c])))
        start = np.array([np.nanargmax(self.by_chrom[chrom]) * STRIDE])
        return Bins(np.array([chrom]), start, start + BIN), self.by_chrom[chrom][start // STRIDE]

    def within(self, region: Region, coordinates: GenomeCoordinates) -> tuple[Bins, NDArray[np.float32]]:
        """Return bins with a score that share a base with a region, and their scores."""
        chrom = coordinates.index(region.chrom)
        values = self.by_chrom.get(chrom, np.zeros(0, np.float32))
        first, stop = max(0, (region.start - BIN) // STRIDE + 1), -(-region.stop // STRIDE)
        rows = first + np.flatnonzero(np.isfinite(values[first:stop]))
        return Bins(np.full(rows.size, chrom, np.int64), rows * STRIDE, rows * STRIDE + BIN), values[rows]
