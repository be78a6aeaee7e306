"""Bootstrap by genomic block: replicates against a slow oracle, and the coverage of its intervals."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from factornet.model.evaluation.bootstrap import (
    BlockCounts,
    choose_blocks,
    draw_weights,
    group_levels,
    interval,
    replicate_errors,
)
from factornet.model.evaluation.metrics import ScoreLevels, recall_at_fdr, score


def block_counts(block, truth, scores, *, most=2048):
    """Bins by block, class and group of levels, one at a time."""
    levels = ScoreLevels.of(scores[truth])
    level = levels.level(scores)
    groups = group_levels(np.bincount(level[truth], minlength=len(levels)), most=most)
    both = np.zeros((2, block.max() + 1, groups[-1] + 1), np.float32)
    np.add.at(both, (1 - truth, block, groups[level]), 1)
    return BlockCounts(*both)


def simulate(rng, *, n_blocks=60, bins=200, share=0.03, apart=2.0):
    """Bins of blocks that differ in how many of them are bound, and in how well they are told from the others."""
    block = np.repeat(np.arange(n_blocks), bins)
    odds = np.log(share / (1 - share)) + rng.normal(0, 0.8, n_blocks)
    truth = rng.random(block.size) < expit(odds)[block]
    quality = apart + rng.normal(0, 0.4, n_blocks)
    scores = rng.normal(0, 1, block.size) + truth * quality[block] + rng.normal(0, 0.3, n_blocks)[block]
    return block, truth, scores.astype(np.float32)


def test_replicates_are_measures_of_repeated_bins():
    block, truth, scores = simulate(np.random.default_rng(0), n_blocks=8, bins=300, share=0.1)
    scores = np.round(scores, 1)  # ties
    weights = draw_weights(8, replicates=20, seed=1)
    assert weights.sum(1).tolist() == [8] * 20
    errors = replicate_errors(block_counts(block, truth, scores), weights)
    whole = asdict(score(truth, scores))
    for i, weight in enumerate(weights.astype(int)):
        rows = np.concatenate([np.flatnonzero(block == b).repeat(n) for b, n in enumerate(weight)])
        t, s = truth[rows], scores[rows]
        assert errors["auroc"][i] == pytest.approx(roc_auc_score(t, s) - whole["auroc"], abs=1e-5)
        expected = average_precision_score(t, s) - whole["average_precision"]
        assert errors["average_precision"][i] == pytest.approx(expected, abs=1e-5)
        for name, fdr in (("recall_at_10_fdr", 0.1), ("recall_at_50_fdr", 0.5)):
            assert errors[name][i] == pytest.approx(recall_at_fdr(t, s, fdr) - whole[name], abs=1e-5)
        # Integrals and trapezoids: about the same.
        expected = score(t, s).auprc_davis_goadrich - whole["auprc_davis_goadrich"]
        assert errors["auprc_davis_goadrich"][i] == pytest.approx(expected, abs=2e-3)


def test_groups_of_scores_hardly_change_the_replicates():
    block, truth, scores = simulate(np.random.default_rng(1), n_blocks=30, bins=2000, share=0.1)
    weights = draw_weights(30, replicates=200)
    exact = replicate_errors(block_counts(block, truth, scores, most=10**6), weights)
    grouped = replicate_errors(block_counts(block, truth, scores, most=1000), weights)
    for name, errors in exact.items():
        assert (grouped[name] - errors).std() < 0.05 * errors.std(), name


def test_levels_are_grouped_by_bound_bins():
    bound = np.array([0, 5, 0, 1, 0, 1, 0, 1, 0])
    assert group_levels(bound, most=9).tolist() == list(range(9))
    assert group_levels(bound, most=3).tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("n_small", "size", "n_blocks"),
    [(1000, 1_000_000, 100), (500, 1_000_000, 50), (490, 500_000, 98), (180, 200_000, 90), (7, 100_000, 7)],
)
def test_blocks_are_as_large_as_leaves_fifty(n_small, size, n_blocks):
    assert choose_blocks({3: np.ones(n_small, bool)}) == (size, n_blocks)


def test_blocks_without_bins_are_none():
    occupied = np.zeros(5000, bool)
    occupied[::50] = True  # in every fifth Mb
    assert choose_blocks({0: occupied, 1: occupied}) == (1_000_000, 200)


def test_interval_of_a_measure_stays_within_its_range():
    errors = np.linspace(-0.1, 0.1, 1001)
    found = interval(0.5, errors, within=(0, 1))
    assert (found.low, found.high) == pytest.approx((0.405, 0.595))
    found = interval(0.98, errors, within=(0, 1))
    assert (found.low, found.high) == pytest.approx((0.885, 1))


def test_too_few_bound_bins_have_no_interval():
    """All of them are in one of 40 blocks: a third of the replicates has none."""
    block, truth, scores = simulate(np.random.default_rng(0), n_blocks=40)
    errors = replicate_errors(block_counts(block, truth & (block == 0), scores), draw_weights(40))
    assert 0.3 < np.isnan(errors["auroc"]).mean() < 0.45
    assert interval(0.5, errors["auroc"], within=(0, 1)) is None


def coverage(n_experiments, *, n_blocks, replicates=300):
    """Share of experiments whose interval has the measures of a very large one, by measure."""
    block, truth, scores = simulate(np.random.default_rng(99), n_blocks=20_000)
    expected = asdict(score(truth, scores))
    rng, hits = np.random.default_rng(7), dict.fromkeys(("auroc", "average_precision", "auprc_davis_goadrich"), 0)
    for i in range(n_experiments):
        block, truth, scores = simulate(rng, n_blocks=n_blocks)
        found, weights = asdict(score(truth, scores)), draw_weights(n_blocks, replicates=replicates, seed=i)
        errors = replicate_errors(block_counts(block, truth, scores), weights)
        for name in hits:
            bounds = interval(found[name], errors[name], within=(0, 1))
            hits[name] += bounds.low <= expected[name] <= bounds.high
    return {name: n / n_experiments for name, n in hits.items()}


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    for name, share in coverage(60, n_blocks=60).items():
        assert 0.86 <= share <= 1, name


@pytest.mark.slow
def test_coverage_is_close_to_95_percent():
    for name, share in coverage(1000, n_blocks=60).items():
        assert 0.92 <= share <= 0.97, name
