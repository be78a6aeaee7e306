from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from factornet.model import average_precision, score
from factornet.model.evaluation.metrics import auprc_davis_goadrich, auroc, recall_at_fdr
from factornet.store.errors import UsageError

# Few distinct scores, so that ties are the rule.
labelled = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30).filter(
    lambda rows: any(label for label, _ in rows)
)


def thresholds(rows: list[tuple[bool, int]]) -> list[tuple[int, int]]:
    """Count true and false positives at or above each distinct score, starting from none."""
    points = [(0, 0)]
    for cut in sorted({s for _, s in rows}, reverse=True):
        called = [label for label, s in rows if s >= cut]
        points.append((sum(called), len(called) - sum(called)))
    return points


def slow_davis_goadrich(points: list[tuple[int, int]]) -> Fraction:
    """Compute the area by its definition, one true positive at a time, in exact fractions, from `thresholds`."""
    area, positives = Fraction(0), points[-1][0]
    for (a, b), (to, false) in pairwise(points):
        for x in range(to - a):
            slope = Fraction(false - b, to - a)
            ends = [(a + y, b + slope * y) for y in (x, x + 1)]
            precision = [t / (t + f) if t + f else 1 / (1 + slope) for t, f in ends]
            area += sum(precision) / 2 / positives
    return area


@settings(max_examples=200)
@given(labelled)
def test_davis_goadrich_equals_its_definition(rows):
    labels, scores = zip(*rows, strict=True)
    assert auprc_davis_goadrich(labels, scores) == pytest.approx(
        float(slow_davis_goadrich(thresholds(rows))), abs=1e-12
    )


@pytest.mark.parametrize(
    ("labels", "scores", "area"),
    [
        pytest.param([1, 0], [2, 1], 1, id="perfect"),
        # One step: precision 1/2 all along.
        pytest.param([1, 0], [1, 1], 1 / 2, id="one threshold"),
        # A false positive first: precision 0 at recall 0, then 1/2 at recall 1.
        pytest.param([0, 1], [2, 1], 1 / 4, id="worst of two"),
        # (TP, FP) = (1, 0) then (3, 2), so one false a true: (2, 1) lies between; precisions 1, 1, 2/3, 3/5.
        pytest.param([1, 1, 1, 0, 0], [2, 1, 1, 1, 1], (1 + 5 / 6 + 19 / 30) / 3, id="interpolated"),
        # (0, 2) then (2, 2), no false positive between: precisions 0, 1/3, 1/2.
        pytest.param([0, 0, 1, 1], [2, 2, 1, 1], (1 / 6 + 5 / 12) / 2, id="false first"),
        pytest.param([1, 1], [1, 2], 1, id="no negatives"),
    ],
)
def test_davis_goadrich_equals_areas_by_hand(labels, scores, area):
    assert auprc_davis_goadrich(labels, scores) == pytest.approx(area, abs=1e-15)


def r_runif(seed: int) -> np.random.RandomState:
    """Return R's generator after ``set.seed(seed)``: MT19937, its state filled by a congruential generator."""
    state = []
    for i in range(50 + 625):
        seed = (69069 * seed + 1) % 2**32
        state += [seed] if i > 50 else []
    generator = np.random.RandomState()
    generator.set_state(("MT19937", np.array(state, np.uint32), 624))
    return generator


def test_davis_goadrich_equals_the_authors_program():
    """The value that PRROC's own tests take from Davis & Goadrich's auc.jar, on R's random numbers of seed 101."""
    draws = r_runif(101).randint(0, 2**32, size=200, dtype=np.uint32) / 2**32
    scores = np.concatenate([0.3 + 0.7 * draws[:100], 0.6 * draws[100:]])
    assert auprc_davis_goadrich(np.repeat([1, 0], 100), scores) == pytest.approx(0.9018680216532841, abs=1e-14)


@pytest.mark.parametrize("digits", [1, 3, 9])
def test_measures_of_many_scores_equal_those_of_others(digits):
    """Those of scikit-learn, and Davis & Goadrich's interpolation point by point; with many ties, and with none."""
    rng = np.random.default_rng(digits)
    labels = rng.random(20_000) < 0.02
    scores = np.round(rng.normal(0, 1, labels.size) + 1.5 * labels, digits)
    found = score(labels, scores)
    assert found.average_precision == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    precision, recall, _ = precision_recall_curve(labels, scores)
    for value, least in ((found.recall_at_10_fdr, 0.9), (found.recall_at_50_fdr, 0.5)):
        assert value == pytest.approx(recall[precision >= least - 1e-12].max(), abs=1e-9)
    points = [(0, 0)]
    for cut in np.unique(scores[labels])[::-1]:
        # Negatives between two positives make a point of their own: the curve falls before it goes on.
        for called in (scores > cut, scores >= cut):
            points.append((int((called & labels).sum()), int((called & ~labels).sum())))
    assert found.auprc_davis_goadrich == pytest.approx(float(slow_davis_goadrich(points)), abs=1e-9)


def test_random_scores_reach_the_prevalence():
    rng = np.random.default_rng(0)
    labels, scores = rng.random(200_000) < 0.1, rng.random(200_000)
    result = score(labels, scores)
    assert result.prevalence == pytest.approx(0.1, abs=0.003)
    assert result.average_precision == pytest.approx(0.1, abs=0.005)
    assert result.auprc_davis_goadrich == pytest.approx(0.1, abs=0.005)
    assert result.auroc == pytest.approx(0.5, abs=0.01)
    assert result.recall_at_50_fdr < 0.01


@settings(max_examples=200)
@given(labelled, st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.4, 0.5, 1.0]))
def test_recall_at_fdr_equals_its_definition(rows, fdr):
    labels, scores = zip(*rows, strict=True)
    points = thresholds(rows)[1:]
    allowed = Fraction(str(fdr))
    reached = [Fraction(t, points[-1][0]) for t, f in points if Fraction(f, t + f) <= allowed]
    assert recall_at_fdr(labels, scores, fdr) == float(max(reached, default=Fraction(0)))


@pytest.mark.parametrize(
    ("labels", "scores", "fdr", "recall"),
    [
        pytest.param([0, 1, 1], [3, 2, 1], 0.1, 0, id="never reached"),
        pytest.param([0, 1, 1], [3, 2, 1], 0.5, 1, id="reached at last"),
        pytest.param([1] * 9 + [0], [2] * 9 + [2], 0.1, 1, id="exactly nine of ten"),
        pytest.param([1, 0, 1, 1], [4, 3, 2, 1], 0.25, 1, id="best of several crossings"),
        pytest.param([1, 0, 0, 0, 1], [5, 4, 3, 2, 1], 0.1, 0.5, id="half"),
        pytest.param([1, 0], [1, 1], 0.1, 0, id="a tie is one threshold"),
    ],
)
def test_recall_at_fdr_equals_cases_by_hand(labels, scores, fdr, recall):
    assert recall_at_fdr(labels, scores, fdr) == recall


@given(labelled)
def test_auroc_is_the_fraction_of_ordered_pairs(rows):
    positives, negatives = [s for label, s in rows if label], [s for label, s in rows if not label]
    labels, scores = zip(*rows, strict=True)
    if not negatives:
        with pytest.raises(UsageError, match="no negatives"):
            auroc(labels, scores)
        return
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    assert auroc(labels, scores) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@given(labelled)
def test_average_precision_equals_its_definition(rows):
    points, total = thresholds(rows), 0.0
    for (before, _), (true, false) in pairwise(points):
        total += (true - before) / points[-1][0] * true / (true + false)
    labels, scores = zip(*rows, strict=True)
    assert average_precision(labels, scores) == pytest.approx(total, abs=1e-12)
    assert average_precision(labels, scores) == average_precision_score(np.array(labels), np.array(scores))


@given(labelled, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_input_order(rows, random):
    if all(label for label, _ in rows):
        return
    shuffled = random.sample(rows, len(rows))
    assert score(*zip(*rows, strict=True)) == score(*zip(*shuffled, strict=True))


def test_score_returns_every_measure():
    result = score(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1], np.float32))
    assert result.to_json() == {
        "n": 4,
        "positives": 2,
        "prevalence": 0.5,
        "auroc": 0.75,
        "average_precision": pytest.approx(5 / 6),
        "auprc_davis_goadrich": pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2),
        "recall_at_10_fdr": 0.5,
        "recall_at_50_fdr": 1.0,
    }


@pytest.mark.parametrize("measure", [auroc, average_precision, auprc_davis_goadrich, score])
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0], [1, 2], "no positives among 2 labels"),
        ([], [], "no positives among 0 labels"),
        ([0, 1], [1, float("nan")], "1 are not, the first is nan at 1"),
        ([0, 1], [float("-inf"), 1], "the first is -inf at 0"),
        ([0, 1, 2], [1, 2, 3], "1 are not, the first is 2 at 2"),
        ([0, 1], [1], r"shapes \(2,\) and \(1,\)"),
        ([[0, 1]], [[1, 2]], r"shapes \(1, 2\)"),
    ],
)
def test_invalid_input_is_refused(measure, labels, scores, message):
    with pytest.raises(UsageError, match=message):
        measure(labels, scores)


def test_false_discovery_rate_above_one_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1, got 10"):
        recall_at_fdr([0, 1], [0, 1], 10)
