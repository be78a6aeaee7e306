"""Say what false discovery rate to expect of called bins in a cell line that the calibration has not seen.

Blocks of the validation regions say how a rate differs along the genome of their cell lines. Another cell line has
peaks of another experiment, other widths, another signal, and its rate differs by more. By how much was measured:
models of eight factors, learnt and calibrated in one cell line, called in another (docs/accuracy.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log

from .calibration import ScoreRates

_SHIFT, _SPREAD = 0.26, 0.90
"""Mean over factors of the logit of the rate that was found less that of the rate on the validation regions; standard
deviation of a further factor's (0.85, times the root of 1 + 1/8)."""
_DEVIATIONS = 1.895  # of an interval of 90 %, by Student's distribution with 7 degrees of freedom
_LEAST = 1e-3  # rate with a logit


@dataclass(frozen=True)
class ExpectedRate:
    """False discovery rate to expect, and ends of its interval of 90 %."""

    fdr: float
    low: float
    high: float


def in_other_cells(rates: ScoreRates) -> ExpectedRate:
    """Return the rate to expect in a cell line that was not calibrated on.

    Args:
        rates: on the validation regions.
    """
    own = _logit(rates.fdr)
    below, above = own - _logit(rates.low), _logit(rates.high) - own
    expected, spread = own + _SHIFT, _DEVIATIONS * _SPREAD
    return ExpectedRate(*map(_rate, (expected, expected - hypot(below, spread), expected + hypot(above, spread))))


def _logit(rate: float) -> float:
    clipped = min(max(rate, _LEAST), 1 - _LEAST)
    return log(clipped / (1 - clipped))


def _rate(logit: float) -> float:
    return 1 / (1 + exp(-logit))
