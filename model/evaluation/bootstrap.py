"""Estimate how far measures would differ on other parts of a genome: bootstrap by genomic block.

Bins beside each other are alike, so whole blocks of the genome are drawn with replacement, as many as there are. A
replicate is a weight for each block, and its measures follow from the bound and unbound bins of each block by score:
a product of two matrices, whatever the number of bins. Scores are divided into at most `LEVELS` groups with about as
many bound bins each; measures themselves are computed from all scores, and the groups only say by how much replicates
differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
LEVELS = 2048
"""Groups of scores, at most; each has about 0.05 % of the bound bins."""
BLOCK_SIZES = (1_000_000, 500_000, 200_000, 100_000)
"""Bases of a block: the first that gives `FEWEST_BLOCKS`, else the last; multiples of the last."""
FEWEST_BLOCKS = 50
LEAST_BLOCKS = 10
"""Fewest blocks for intervals; with so few, nine of ten that should be 95 % intervals have the true value."""
REPLICATES = 1000
_LEAST_DEFINED = 0.95  # share of replicates with both classes, below which there is no interval
_AT_ONCE = 64  # replicates
_MARGIN = 1e-6  # of precision: counts are added up in float32


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """Bound and unbound bins of each block by level of score, from the highest; float32 (blocks, levels) each."""

    bound: NDArray[np.float32]
    unbound: NDArray[np.float32]


def group_levels(bound: NDArray[np.int64], *, most: int = LEVELS) -> NDArray[np.int64]:
    """Return the group of each level of scores, from the highest, so that there are at most `most` groups.

    Each level is a group of its own where they are few, so that nothing is lost. Otherwise levels are joined to groups
    of about as many bound bins.

    Args:
        bound: bound bins by level, int64 (levels,).
        most: groups.
    """
    if bound.size <= most:
        return np.arange(bound.size)
    return np.asarray((bound.cumsum() - bound) * (most - 1) // bound.sum(), np.int64)


def choose_blocks(occupied: Mapping[int, NDArray[np.bool_]]) -> tuple[int, int]:
    """Return the bases of a block, and the number of blocks with bins.

    Blocks begin at multiples of their size on each chromosome. Large ones are better, as bins of different blocks are
    less alike, but few blocks tell little of how blocks differ.

    Args:
        occupied: index of a chromosome -> which of its blocks of the smallest size have bins.
    """
    n_blocks = 0
    for size in BLOCK_SIZES:
        joined = size // BLOCK_SIZES[-1]
        n_blocks = sum(np.unique(np.flatnonzero(blocks) // joined).size for blocks in occupied.values())
        if n_blocks >= FEWEST_BLOCKS:
            break
    return size, n_blocks


def draw_weights(n_blocks: int, *, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.float32]:
    """Return how often each replicate has each block, float32 (replicates, blocks)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=replicates).astype(np.float32)


def replicate_errors(counts: BlockCounts, weights: NDArray[np.float32]) -> dict[str, FloatArray]:
    """Return by how much each measure of replicates differs from that of all blocks, float64 (replicates,) by name.

    NaN where a replicate has no bound or no unbound bin.

    Args:
        counts: of blocks.
        weights: of the blocks, as `draw_weights` returns them.
    """
    ones = np.ones((1, weights.shape[1]), np.float32)
    whole = _measures(ones @ counts.bound, ones @ counts.unbound)
    found: dict[str, list[FloatArray]] = {name: [] for name in whole}
    for first in range(0, len(weights), _AT_ONCE):
        rows = weights[first : first + _AT_ONCE]
        for name, values in _measures(rows @ counts.bound, rows @ counts.unbound).items():
            found[name].append(values - whole[name])
    return {name: np.concatenate(values) for name, values in found.items()}


def interval(value: float, errors: FloatArray, *, within: tuple[float, float], level: float = 0.95) -> Interval | None:
    """Return the percentile interval of a measure; None where too many replicates have no bound bin.

    Args:
        value: the measure.
        errors: of replicates, as `replicate_errors` returns them.
        within: the least and the greatest value that is possible.
        level: share of replicates in the interval.
    """
    defined = errors[np.isfinite(errors)]
    if defined.size < _LEAST_DEFINED * errors.size:
        return None
    tail = (1 - level) / 2
    low, high = np.clip(value + np.quantile(defined, [tail, 1 - tail]), *within)
    return Interval(float(low), float(high))


def _measures(bound: NDArray[np.float32], unbound: NDArray[np.float32]) -> dict[str, FloatArray]:
    """Return measures of counts by level from the highest, (n, levels) each; as `metrics` defines them.

    The area under the precision-recall curve is an integral here, where `metrics` adds up trapezoids between
    neighbouring counts of bound bins: of many bins both are the same.
    """
    rise, fall = bound.astype(np.float64), unbound.astype(np.float64)
    true, false = rise.cumsum(1), fall.cumsum(1)
    n_bound, n_unbound = true[:, -1], false[:, -1]
    called, before = true + false, true + false - rise - fall
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(called > 0, true / called, 0)
        # With h unbound bins for each bound one, precision is (a + x) / (a + b + (1 + h) x) after x of a level's.
        h = fall / rise
        rest = ((true - rise) * h - (false - fall)) / (1 + h)
        log = np.where(before > 0, np.log(called / before), 0)
        area = np.where(rise > 0, (rise + rest * log) / (1 + h), 0)
        found = {
            "auroc": (fall * (true - rise / 2)).sum(1) / n_bound / n_unbound,
            "average_precision": (rise * precision).sum(1) / n_bound,
            "auprc_davis_goadrich": area.sum(1) / n_bound,
            "recall_at_10_fdr": np.where(precision >= 0.9 - _MARGIN, true, 0).max(1) / n_bound,
            "recall_at_50_fdr": np.where(precision >= 0.5 - _MARGIN, true, 0).max(1) / n_bound,
        }
    absent = (n_bound == 0) | (n_unbound == 0)
    return {name: np.where(absent, np.nan, values) for name, values in found.items()}
