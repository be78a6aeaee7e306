"""Fit a calibration to the scores of labelled bins, and measure calibration and false discoveries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....store.errors import UsageError
from ...model_dir.calibration import Calibration, FloatArray, shift_logits, to_logits

BLOCK = 250_000
"""Bases of a block of the genome, drawn as a whole for intervals: bins of one peak are not independent."""
_GROUPS = 40  # of bins at most, each with equally many bound ones
_BOUND_PER_GROUP = 10  # at least
_LEAST_SLOPE = 0.2  # of the calibrated logit: scores that differ stay apart when they are written with four digits
_THRESHOLDS = 60
_DRAWS = 400  # of blocks, for intervals
_INTERVAL = (5, 95)  # percentiles
_BINS_PER_SITE = 4  # bins of 200 bases, one every 50, in which a peak is called: they are true or false together
_LEAST_SCORE = 0.01  # of bins that count for the calibration error; below, nearly all bins are unbound
_ERROR_GROUPS = 20

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


LEAST_FITTED = 1e-3
"""Scores of bins that a calibration is fitted to at least; lower ones, nearly all of them unbound, keep their order."""


def fit_calibration(
    probabilities: NDArray[np.float32],
    bound: BoolArray,
    block: IntArray,
    *,
    n_bins: int,
    n_bound: int,
    n_cells: int = 1,
    seed: int = 0,
) -> Calibration:
    """Fit the calibration of one factor.

    Logits of the frequencies in groups of bins with equally many bound ones are made to increase with the score
    (isotonic regression), and are knots of the line; with few bound bins it is one straight line (Platt, 1999).

    Args:
        probabilities: of the network, float32 (n,), of all bins with at least 0.001.
        bound: labels, (n,), without ambiguous bins.
        block: block of the genome that each bin lies in, int64 (n,); modulo `n_cells` its cell line.
        n_bins, n_bound: number of all bins, and of those bound, with lower scores too.
        n_cells: number of cell lines.
        seed: of the blocks that are drawn.

    Raises:
        UsageError: no bin is bound, or all are.
    """
    if not bound.any() or bound.all():
        raise UsageError(f"{int(bound.sum())} of {bound.size:,} bins are bound: a calibration needs both kinds")
    logits = to_logits(probabilities)
    knots, values = _fit_line(logits, bound)
    calibrated = 1 / (1 + np.exp(-shift_logits(logits, knots, values)))
    crossed = _calibrate_by_halves(logits, bound, block)
    thresholds, counts = _counts_by_threshold(calibrated, bound, block)
    fdr, recall = _rates(counts.sum(0), n_bound)
    low, high = _fdr_interval(counts, np.unique(block) % n_cells, seed)
    of_few = _interval_of_few(counts.sum(0))  # draws of what has no false call have none
    low, high = np.fmin.reduce([low, of_few[0], fdr]), np.fmax.reduce([high, of_few[1], fdr])
    return Calibration(
        logits=knots,
        calibrated=values,
        thresholds=thresholds,
        fdr=fdr,
        fdr_low=low,
        fdr_high=high,
        recall=recall,
        bins=n_bins,
        bound=n_bound,
        error_before=calibration_error(probabilities, bound),
        error_after=calibration_error(crossed, bound),
    )


def calibration_error(probabilities: NDArray[np.floating], bound: BoolArray) -> float:
    """Return the expected calibration error: the mean distance between predicted and observed frequency.

    The bins with a score above 0.01 make 20 groups of equal size by their score; 0 where there is none.
    """
    table = reliability(probabilities, bound)
    return float(np.average(np.abs(table[:, 0] - table[:, 1]), weights=table[:, 2])) if len(table) else 0.0


def reliability(probabilities: NDArray[np.floating], bound: BoolArray) -> FloatArray:
    """Return mean score, frequency of bound bins and number of bins of each group, float64 (groups, 3).

    Groups as for `calibration_error`.
    """
    counted = np.flatnonzero(probabilities > _LEAST_SCORE)
    order = counted[np.argsort(probabilities[counted], kind="stable")]
    groups = np.array_split(order, min(_ERROR_GROUPS, order.size) or 1)
    rows = [(float(probabilities[g].mean()), float(bound[g].mean()), g.size) for g in groups if g.size]
    return np.array(rows, np.float64).reshape(-1, 3)


def _fit_line(logits: FloatArray, bound: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return knots of logits and the calibrated logits there, both increasing."""
    from sklearn.isotonic import IsotonicRegression  # takes a second to import

    order = np.argsort(logits, kind="stable")
    x, cumulative = logits[order], np.cumsum(bound[order])
    n_bound = int(cumulative[-1])
    groups = min(_GROUPS, n_bound // _BOUND_PER_GROUP)
    if groups < 3:
        return _straight_line(logits, bound)
    # A group ends after its share of the bound bins; equal logits stay together.
    ends = np.searchsorted(cumulative, np.arange(1, groups) * n_bound // groups) + 1
    ends = np.unique(np.searchsorted(x, x[ends - 1], side="right"))
    pieces = [piece for piece in np.split(np.arange(x.size), ends) if piece.size]
    size = np.array([piece.size for piece in pieces], np.float64)
    hits = np.diff(np.concatenate([[0], cumulative[[piece[-1] for piece in pieces]]]))
    knots = np.array([x[piece].mean() for piece in pieces])
    # What is made to increase is the part of the logits above the least slope. Their variance is about 1 / hits.
    lowest = _LEAST_SLOPE * knots
    above = to_logits((hits + 0.5) / (size + 1)) - lowest
    return knots, lowest + IsotonicRegression().fit_transform(knots, above, sample_weight=hits + 0.5)


def _straight_line(logits: FloatArray, bound: BoolArray) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=100.0).fit(logits[:, None], bound)
    slope, offset = max(float(model.coef_[0, 0]), _LEAST_SLOPE), float(model.intercept_[0])
    knots = np.array([-12.0, 12.0])
    return knots, slope * knots + offset


def _calibrate_by_halves(logits: FloatArray, bound: BoolArray, block: IntArray) -> FloatArray:
    """Return calibrated probabilities; those of odd blocks by a fit to even ones, and the reverse."""
    odd = np.unique(block, return_inverse=True)[1] % 2 == 1
    shifted = logits.copy()
    for half in (odd, ~odd):
        other = ~half
        if bound[other].any() and not bound[other].all():
            shifted[half] = shift_logits(logits[half], *_fit_line(logits[other], bound[other]))
    return np.asarray(1 / (1 + np.exp(-shifted)))


def _counts_by_threshold(scores: FloatArray, bound: BoolArray, block: IntArray) -> tuple[FloatArray, IntArray]:
    """Return thresholds, and true and false positives of each block there, int64 (blocks, thresholds, 2)."""
    quantiles = np.linspace(0, 1, _THRESHOLDS, endpoint=False)
    thresholds = np.unique(np.quantile(scores[bound], quantiles).astype(np.float32)).astype(np.float64)
    row = np.searchsorted(thresholds, scores.astype(np.float32), side="right") - 1
    _, index = np.unique(block, return_inverse=True)
    counts = np.zeros((index.max() + 1, thresholds.size, 2), np.int64)
    called = row >= 0
    np.add.at(counts, (index[called], row[called], (~bound[called]).astype(np.int64)), 1)
    return thresholds, counts[:, ::-1].cumsum(1)[:, ::-1]


def _rates(counts: IntArray, n_bound: int) -> tuple[FloatArray, FloatArray]:
    """Return false discovery rate, made to fall with the threshold, and recall.

    The rate is the mean of what the calls leave open (Jeffreys prior over sites): three true sites do not prove 0.
    """
    true, false = counts[:, 0], counts[:, 1]
    rate = (false + _BINS_PER_SITE / 2) / (true + false + _BINS_PER_SITE)
    return np.minimum.accumulate(rate), true / n_bound


def _interval_of_few(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the false discovery rate at each threshold, were the called sites independent.

    It is of the Jeffreys posterior, a beta distribution.
    """
    from scipy.stats import beta  # a second to import

    true, false = counts[:, 0] / _BINS_PER_SITE + 0.5, counts[:, 1] / _BINS_PER_SITE + 0.5
    low, high = (beta.ppf(percentile / 100, false, true) for percentile in _INTERVAL)
    return low, high


def _fdr_interval(counts: IntArray, cell: IntArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the false discovery rate at each threshold, over draws with replacement.

    Cell lines are drawn, then blocks of each: a rate differs more between cell lines than along one's genome. Draws in
    which nothing is called have no rate and do not count.

    Args:
        counts: true and false positives of each block, (blocks, thresholds, 2).
        cell: cell line of each block, (blocks,).
        seed: of the draws.
    """
    rng, names = np.random.default_rng(seed), np.unique(cell)
    times = rng.multinomial(names.size, np.full(names.size, 1 / names.size), size=_DRAWS)
    draws = np.zeros((_DRAWS, len(counts)), np.int64)
    for i, name in enumerate(names):
        own = np.flatnonzero(cell == name)
        draws[:, own] = times[:, [i]] * rng.multinomial(own.size, np.full(own.size, 1 / own.size), size=_DRAWS)
    drawn = np.einsum("db,btk->dtk", draws, counts)
    called = drawn.sum(2)
    rates = np.where(called, drawn[..., 1] / np.maximum(called, 1), np.nan)
    low, high = np.nanpercentile(rates, _INTERVAL, axis=0)
    return low, high
