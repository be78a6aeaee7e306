"""Compare scores of the same bins with labels and with each other, with intervals, overall and by chromosome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.schema import AMBIGUOUS, BOUND, STRIDE, UNBOUND
from ...store.spans import read_span
from ...store.text import format_count
from .bootstrap import (
    BLOCK_SIZES,
    LEAST_BLOCKS,
    REPLICATES,
    BlockCounts,
    Interval,
    choose_blocks,
    draw_weights,
    group_levels,
    interval,
    replicate_errors,
)
from .genome_scores import GenomeScores
from .metrics import ScoreLevels, Scores, score_counts

_PIECE = 2**20  # bins counted at once
_LABELS = 2**20  # bins whose labels are read at once
_WITHIN = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measures of one set of scores, and their 95 % intervals by name; None where there are too few blocks or bound
    bins."""

    scores: Scores
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much greater the measures of `first` are than those of `second`, by name, with 95 % intervals."""

    first: str
    second: str
    values: Mapping[str, float]
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """Measures on some chromosomes.

    Attributes:
        block_size: bases of the blocks that were resampled.
        n_blocks: number of blocks with bins.
        models: measures by name.
        differences: of the pairs asked for.
    """

    block_size: int
    n_blocks: int
    models: Mapping[str, Measured]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Measures of several scores of the same bins.

    Attributes:
        cell, factor: whose labels they are compared with.
        n_ambiguous: ambiguous bins, which do not count.
        n_without: other bins that do not count, since not all have a score of them.
        replicates: of the bootstrap.
        whole: measures on all bins.
        chromosomes: measures by name of the chromosome; without chromosomes that have no bound bin.
    """

    cell: str
    factor: str
    n_ambiguous: int
    n_without: int
    replicates: int
    whole: PartResult
    chromosomes: Mapping[str, PartResult]


def compare(
    store: Store,
    *,
    cell: str,
    factor: str,
    scores: Mapping[str, GenomeScores],
    pairs: Sequence[tuple[str, str]] = (),
    by_chromosome: bool = False,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Measure scores on all bins that are not ambiguous and of which all have a score.

    Per bin of the chromosomes with scores, 1 byte is held besides the scores; the rest depends on the number of bound
    bins and of blocks.

    Args:
        store: holds the labels.
        cell, factor: whose labels to compare with.
        scores: by name, at least one.
        pairs: names of two whose measures to subtract, second from first.
        by_chromosome: whether to measure each chromosome, too.
        replicates: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UsageError: no such cell line or factor, no bin has a score of all, or all or none of these are bound.
        StoreError: the labels are missing or damaged.
    """
    chroms = sorted(set.intersection(*(set(s.by_chrom) for s in scores.values())))
    labels, n_ambiguous, n_without = {}, 0, 0
    for chrom in chroms:
        found = _chromosome_labels(store, cell, factor, store.coordinates.names[chrom])
        given = np.array([np.isfinite(s.by_chrom[chrom]) for s in scores.values()])
        n_ambiguous += int(((found == AMBIGUOUS) & given.all(0)).sum())
        n_without += int(((found != AMBIGUOUS) & given.any(0) & ~given.all(0)).sum())
        labels[chrom] = np.where(given.all(0), found, AMBIGUOUS)
    n_bound, n_unbound = (sum(int((v == label).sum()) for v in labels.values()) for label in (BOUND, UNBOUND))
    if not n_bound + n_unbound:
        raise UsageError(f"no bin that is bound or not by {factor} in {cell} has a score of all of {', '.join(scores)}")
    if not (n_bound and n_unbound):
        what = "bound" if n_unbound else "unbound"
        problem = f"no {what} bin of {factor} in {cell} among {format_count(n_bound + n_unbound, 'bin')} with a score"
        raise UsageError(f"{problem}: the measures need both; predict larger regions")

    def measure(parts: Sequence[int]) -> PartResult:
        return _measure({c: labels[c] for c in parts}, scores, pairs=pairs, replicates=replicates, seed=seed)

    names = store.coordinates.names
    with_both = [c for c in chroms if {BOUND, UNBOUND} <= set(np.unique(labels[c]).tolist())] if by_chromosome else []
    return Comparison(
        cell=cell,
        factor=factor,
        n_ambiguous=n_ambiguous,
        n_without=n_without,
        replicates=replicates,
        whole=measure(chroms),
        chromosomes={names[c]: measure([c]) for c in with_both},
    )


def _chromosome_labels(store: Store, cell: str, factor: str, chrom: str) -> NDArray[np.uint8]:
    """Return the labels of all bins of a chromosome, read in parts: each bin is stored with those of all factors."""
    column, array = store.cell(cell).factor_index(factor), store.labels(cell, chrom)
    n = array.shape[0]
    found = [read_span(array, i, min(i + _LABELS, n))[:, column] for i in range(0, n, _LABELS)]
    return np.concatenate([np.zeros(0, np.uint8), *found])


def _measure(
    labels: Mapping[int, NDArray[np.uint8]],
    scores: Mapping[str, GenomeScores],
    *,
    pairs: Sequence[tuple[str, str]],
    replicates: int,
    seed: int,
) -> PartResult:
    """Measure scores on the bins that labels do not call ambiguous."""
    size, n_blocks = choose_blocks({c: _occupied(values != AMBIGUOUS) for c, values in labels.items()})
    enough = n_blocks >= LEAST_BLOCKS
    weights = draw_weights(n_blocks, replicates=replicates, seed=seed)
    models, errors = {}, {}
    for name, values in scores.items():
        total, counts = _count(labels, values, block_size=size)
        found = score_counts(*total)
        errors[name] = replicate_errors(counts, weights)
        named = asdict(found)
        models[name] = Measured(
            scores=found,
            intervals={k: interval(named[k], e, within=_WITHIN) if enough else None for k, e in errors[name].items()},
        )
    differences = []
    for first, second in pairs:
        a, b = (asdict(models[name].scores) for name in (first, second))
        apart = {k: a[k] - b[k] for k in errors[first]}
        between = {k: errors[first][k] - errors[second][k] for k in apart}
        intervals = {k: interval(apart[k], between[k], within=(-1.0, 1.0)) if enough else None for k in apart}
        differences.append(Difference(first=first, second=second, values=apart, intervals=intervals))
    return PartResult(block_size=size, n_blocks=n_blocks, models=models, differences=tuple(differences))


def _occupied(clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the smallest blocks of a chromosome have a bin that counts."""
    return np.asarray(np.logical_or.reduceat(clear, np.arange(0, clear.size, BLOCK_SIZES[-1] // STRIDE)), bool)


def _count(
    labels: Mapping[int, NDArray[np.uint8]], scores: GenomeScores, *, block_size: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], BlockCounts]:
    """Count bound and unbound bins by level of score, in all and by block and group of levels."""
    bound_scores = np.concatenate([scores.by_chrom[c][values == BOUND] for c, values in labels.items()])
    levels = ScoreLevels.of(bound_scores)
    bound = np.bincount(levels.level(bound_scores), minlength=len(levels))
    unbound, groups = np.zeros_like(bound), group_levels(bound)
    n_groups = int(groups[-1]) + 1
    rows: list[NDArray[np.float32]] = []
    for chrom, values in labels.items():
        per_block = block_size // STRIDE
        step = per_block * max(1, _PIECE // per_block)  # whole blocks
        for first in range(0, values.size, step):
            part = values[first : first + step]
            clear = np.flatnonzero(part != AMBIGUOUS)
            if not clear.size:
                continue
            level = levels.level(scores.by_chrom[chrom][first + clear])
            is_bound = part[clear] == BOUND
            unbound += np.bincount(level[~is_bound], minlength=len(levels))
            # One row for each block and class, those of unbound bins after those of bound ones.
            blocks, block = np.unique(clear // per_block, return_inverse=True)
            row = block + blocks.size * ~is_bound
            counted = np.bincount(row * n_groups + groups[level], minlength=2 * blocks.size * n_groups)
            rows.append(counted.reshape(2, blocks.size, n_groups).astype(np.float32))
    both = np.concatenate(rows, axis=1)
    return (bound, unbound), BlockCounts(*both)
