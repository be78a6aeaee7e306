"""Measures of binary classification: those of the ENCODE-DREAM challenge, and average precision.

Every function takes labels (0 or 1, or booleans) and scores, both of shape (n,), and treats equal scores as one
threshold, so that no result depends on the order of the input.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...store.errors import UsageError

BoolArray = NDArray[np.bool_]
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
    return Scores(
        n=truth.size,
        positives=int(truth.sum()),
        prevalence=float(truth.mean()),
        auroc=auroc(truth, values),
        average_precision=average_precision(truth, values),
        auprc_davis_goadrich=auprc_davis_goadrich(truth, values),
        recall_at_10_fdr=recall_at_fdr(truth, values, 0.1),
        recall_at_50_fdr=recall_at_fdr(truth, values, 0.5),
    )


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a positive scores higher than a negative, ties counting one half.

    Raises:
        UsageError: as for `score`.
    """
    from sklearn.metrics import roc_auc_score  # takes a second to import

    truth, values = _checked(labels, scores)
    if truth.all():
        raise UsageError(f"no negatives among {truth.size} labels: auROC needs both classes")
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
    true, false = _counts(*_checked(labels, scores))
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
    true, false = _counts(*_checked(labels, scores))
    # The margin lets a precision of exactly 9 in 10 count as 0.9 whatever the rounding of 1 - fdr.
    reached = true[true / (true + false) >= 1 - fdr - 1e-12]
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


def _counts(truth: BoolArray, values: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count true and false positives at each distinct score, from the highest down."""
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    true = np.cumsum(truth[order], dtype=np.int64)[last]
    return true, last + 1 - true


def _precision(true: NDArray[np.int64], false: FloatArray, slope: FloatArray) -> FloatArray:
    """Return ``true / (true + false)``; where both are 0, the limit with false positives growing by `slope`."""
    origin = (true == 0) & (false == 0)
    return np.where(origin, 1 / (1 + slope), true / np.where(origin, 1, true + false))
