"""Measures of binary classification: those of the ENCODE-DREAM challenge, and average precision.

Every function takes labels (0 or 1, or booleans) and scores, both of shape (n,), and treats equal scores as one
threshold, so that no result depends on the order of the input.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...store.errors import UsageError

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Measures of one set of predictions.

    Attributes:
        n: number of labelled items; `positives` of them are 1, a fraction of `prevalence`.
        auroc: area under the receiver operating characteristic.
        average_precision: as `average_precision`; random scores reach the prevalence.
        auprc_davis_goadrich: as `auprc_davis_goadrich`; the challenge's "auPRC".
        recall_at_10_fdr: as `recall_at_fdr` with 0.1; `recall_at_50_fdr` with 0.5.
    """

    n: int
    positives: int
    prevalence: float
    auroc: float
    average_precision: float
    auprc_davis_goadrich: float
    recall_at_10_fdr: float
    recall_at_50_fdr: float

    def to_json(self) -> dict[str, float]:
        """Return the measures by name."""
        return asdict(self)


def score(labels: ArrayLike, scores: ArrayLike) -> Scores:
    """Compute all measures.

    Raises:
        UsageError: shapes differ, labels are not 0 or 1, scores are not finite, or one of the classes is absent.
    """
    truth, values = _checked(labels, scores)
    _check_has_negatives(truth)
    return score_counts(*_counts(truth, values))


def score_counts(positives: IntArray, negatives: IntArray) -> Scores:
    """Compute all measures from counts of items with equal scores, from the highest score down.

    Args:
        positives, negatives: int64 (levels,); a level of negatives may be of several scores.

    Raises:
        UsageError: one of the classes is absent.
    """
    true, false = positives.cumsum(), negatives.cumsum()
    n_positive, n_negative = int(true[-1]), int(false[-1])
    if not (n_positive and n_negative):
        absent, n = ("negatives", n_positive) if n_positive else ("positives", n_negative)
        raise UsageError(f"no {absent} among {n} labels: the measures need both classes")
    pairs = negatives @ (true - positives / 2)
    return Scores(
        n=n_positive + n_negative,
        positives=n_positive,
        prevalence=n_positive / (n_positive + n_negative),
        auroc=float(pairs / n_positive / n_negative),
        average_precision=float(positives @ (true / np.maximum(true + false, 1)) / n_positive),
        auprc_davis_goadrich=_area_davis_goadrich(true, false),
        recall_at_10_fdr=_recall_at_fdr(true, false, 0.1),
        recall_at_50_fdr=_recall_at_fdr(true, false, 0.5),
    )


@dataclass(frozen=True, eq=False)
class ScoreLevels:
    """The different scores of the positives, each a level, with levels of all scores between two of them.

    No measure depends on the order of negatives between two positives, so counts by these levels are all that the
    measures need; they can be added up part by part. With K different scores of positives there are 2 K + 1 levels.

    Attributes:
        thresholds: different scores of positives, ascending, (K,).
    """

    thresholds: NDArray[np.floating]

    @classmethod
    def of(cls, positive_scores: NDArray[np.floating]) -> Self:
        """Return the levels of the scores of positives, in any order."""
        return cls(np.unique(positive_scores))

    def __len__(self) -> int:
        """Number of levels."""
        return 2 * self.thresholds.size + 1

    def level(self, scores: NDArray[np.floating]) -> IntArray:
        """Return the level of each score, int64 (n,): 0 is the highest."""
        below = np.searchsorted(self.thresholds, scores)
        equal = self.thresholds[np.minimum(below, self.thresholds.size - 1)] == scores
        return np.asarray(2 * (self.thresholds.size - below) - equal, np.int64)


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a positive scores higher than a negative, ties counting one half.

    Raises:
        UsageError: as for `score`.
    """
    from sklearn.metrics import roc_auc_score  # takes a second to import

    truth, values = _checked(labels, scores)
    _check_has_negatives(truth)
    return float(roc_auc_score(truth, values))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return precision at each threshold, weighted by the recall it adds (scikit-learn's average precision).

    Raises:
        UsageError: as for `score`, but negatives may be absent.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_checked(labels, scores)))


def auprc_davis_goadrich(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve, interpolated as in Davis & Goadrich (ICML 2006).

    Between two neighbouring thresholds with (TP, FP) = (a, b) and (a + d, b + e), moving the threshold picks up
    e / d false positives for every true one. So the curve passes, for x = 0 .. d, through recall (a + x) / P and
    precision (a + x) / (a + x + b + x e / d), which is no straight line; the area is that of the trapezoids between
    these points. At recall 0 the precision is its limit for x -> 0: 0 where b > 0, and d / (d + e) where b = 0.

    The ENCODE-DREAM challenge used it, as ``auc.davis.goadrich`` of the R package PRROC (Grau, Grosse &
    Keilwagen, Bioinformatics 2015).

    Raises:
        UsageError: as for `score`, but negatives may be absent.
    """
    positives, negatives = _counts(*_checked(labels, scores))
    return _area_davis_goadrich(positives.cumsum(), negatives.cumsum())


def _area_davis_goadrich(true: IntArray, false: IntArray) -> float:
    """Return the area, given true and false positives at each threshold from the highest."""
    true, false = np.concatenate([[0], true]), np.concatenate([[0], false])
    steps = np.diff(true)
    rising = steps > 0
    # One row per positive: x runs from `before` to `before + 1` true positives, inside the threshold step `of`.
    of = np.repeat(np.flatnonzero(rising), steps[rising])
    before = np.arange(true[-1])
    slope = (np.diff(false)[of]) / steps[of]
    left = _precision(before, false[of] + slope * (before - true[of]), slope)
    right = _precision(before + 1, false[of] + slope * (before + 1 - true[of]), slope)
    return float((left + right).mean() / 2)


def recall_at_fdr(labels: ArrayLike, scores: ArrayLike, fdr: float) -> float:
    """Return the largest recall at which precision is at least ``1 - fdr``; 0 where it never is.

    Raises:
        UsageError: as for `score`, but negatives may be absent; or `fdr` outside [0, 1].
    """
    if not 0 <= fdr <= 1:
        raise UsageError(f"a false discovery rate lies between 0 and 1, got {fdr}")
    positives, negatives = _counts(*_checked(labels, scores))
    return _recall_at_fdr(positives.cumsum(), negatives.cumsum(), fdr)


def _recall_at_fdr(true: IntArray, false: IntArray, fdr: float) -> float:
    """Return the recall, given true and false positives at each threshold from the highest."""
    # The margin lets a precision of exactly 9 in 10 count as 0.9 whatever the rounding of 1 - fdr.
    reached = true[true / np.maximum(true + false, 1) >= 1 - fdr - 1e-12]
    return float(reached.max(initial=0) / true[-1])


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Check labels and scores; return booleans and float64."""
    truth, values = np.asarray(labels), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise UsageError(f"labels and scores must have one length, got shapes {truth.shape} and {values.shape}")
    wrong = np.flatnonzero((truth != 0) & (truth != 1))
    if wrong.size:
        raise UsageError(f"labels must be 0 or 1; {wrong.size} are not, the first is {truth[wrong[0]]} at {wrong[0]}")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise UsageError(f"scores must be finite; {wrong.size} are not, the first is {values[wrong[0]]} at {wrong[0]}")
    if not truth.any():
        raise UsageError(f"no positives among {truth.size} labels: precision and recall need some")
    return truth.astype(bool), values


def _check_has_negatives(truth: BoolArray) -> None:
    if truth.all():
        raise UsageError(f"no negatives among {truth.size} labels: auROC needs both classes")


def _counts(truth: BoolArray, values: FloatArray) -> tuple[IntArray, IntArray]:
    """Count positives and negatives by level of score, from the highest."""
    levels = ScoreLevels.of(values[truth])
    level = levels.level(values)
    positives = np.bincount(level[truth], minlength=len(levels))
    return positives, np.bincount(level, minlength=len(levels)) - positives


def _precision(true: IntArray, false: FloatArray, slope: FloatArray) -> FloatArray:
    """Return ``true / (true + false)``; where both are 0, the limit with false positives growing by `slope`."""
    origin = (true == 0) & (false == 0)
    return np.where(origin, 1 / (1 + slope), true / np.where(origin, 1, true + false))
