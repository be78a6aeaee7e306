"""Statistics of a signal that add up: extremes, sums, and a histogram from which quantiles are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.genome.intervals import IntArray

_DROPPED_BITS = 17
"""Of the 23 bits of a float32's mantissa; 6 remain, so that values 1.6 % apart are in different bins."""
_QUANTILES = {"0.5": 500, "0.9": 900, "0.99": 990, "0.999": 999}
"""Quantiles by the key of their JSON, in bases of 1000."""


class Histogram:
    """Count bases by value, rounded towards 0 to 6 bits of mantissa; 0 and values of few bits are exact."""

    def __init__(self) -> None:
        self._bases = np.zeros(1 << (32 - _DROPPED_BITS), np.int64)

    def add(self, values: NDArray[np.float32], lengths: IntArray) -> None:
        """Add `lengths` bases of each value."""
        np.add.at(self._bases, values.view(np.uint32) >> _DROPPED_BITS, lengths)

    def rows(self) -> tuple[tuple[float, int], ...]:
        """Return (value, bases) of the bins that have any, in order of their values."""
        codes = np.flatnonzero(self._bases)
        values = (codes.astype(np.uint32) << _DROPPED_BITS).view(np.float32)
        return _merge(zip(values.tolist(), self._bases[codes].tolist(), strict=True))


@dataclass(frozen=True)
class SignalSummary:
    """Statistics of a span of signal, which add up.

    Attributes:
        covered: bases with a value.
        gaps: bases without.
        total: sum over covered bases.
        low: smallest value; inf where nothing is covered.
        high: largest value; -inf where nothing is covered.
        negative: bases with a value below 0.
        histogram: (value, bases) of the covered bases, as of `Histogram.rows`.
    """

    covered: int = 0
    gaps: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    negative: int = 0
    histogram: tuple[tuple[float, int], ...] = ()

    def __add__(self, other: SignalSummary) -> SignalSummary:
        return SignalSummary(
            self.covered + other.covered,
            self.gaps + other.gaps,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
            self.negative + other.negative,
            _merge((*self.histogram, *other.histogram)),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SignalSummary:
        """Return the summary of which `content` is the JSON.

        Raises:
            KeyError, TypeError: it is of an earlier version, which had no histogram, or of another form.
        """
        return cls(**{**content, "histogram": tuple((value, bases) for value, bases in content["histogram"])})

    def describe(self) -> dict[str, Any]:
        """Return figures as JSON, for the attributes of a store.

        ``all_bases`` is what a network sees, gaps as 0: mean, the fractions of bases that are not 0 and that are
        negative, and quantiles, each rounded towards 0 by less than 1.6 %.
        """
        covered, bases = self.covered, self.covered + self.gaps
        return {
            "covered": covered,
            "gaps": self.gaps,
            "min": self.low if covered else None,
            "mean": self.total / covered if covered else None,
            "max": self.high if covered else None,
            "all_bases": {
                "mean": self.total / bases,
                "nonzero": sum(n for value, n in self.histogram if value) / bases,
                "negative": self.negative / bases,
                "quantiles": self._quantiles(),
            },
        }

    def _quantiles(self) -> dict[str, float]:
        """Return quantiles of all bases: q is the smallest value that a fraction q of the bases does not exceed."""
        rows = _merge((*self.histogram, (0.0, self.gaps)))
        ends = np.cumsum([bases for _, bases in rows])
        ranks = [-(-(self.covered + self.gaps) * n // 1000) for n in _QUANTILES.values()]
        return {key: rows[i][0] for key, i in zip(_QUANTILES, np.searchsorted(ends, ranks).tolist(), strict=True)}


def _merge(rows: Any) -> tuple[tuple[float, int], ...]:
    """Return rows of a histogram in order, those of one value added up; -0.0 is 0."""
    bases = Counter[float]()
    for value, count in rows:
        bases[value] += count
    return tuple(sorted((value + 0.0, count) for value, count in bases.items()))
