"""Calibration: probabilities become frequencies, order is kept, and rates are those of the labels."""

import numpy as np
import pytest

from factornet.model.model_dir.calibration import Calibration, to_logits
from factornet.model.training.validation.calibration_fit import calibration_error, fit_calibration, reliability
from factornet.store.errors import UsageError


def make_scores(n=60_000, *, seed=0):
    """Scores whose logits are half the true ones, minus 1, in blocks of 50 bins."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-4, 2, n)
    bound = rng.random(n) < 1 / (1 + np.exp(-true))
    return (1 / (1 + np.exp(-(true / 2 - 1)))).astype(np.float32), bound, np.arange(n) // 50


def fit(scores, bound, block):
    return fit_calibration(scores, bound, block, n_bins=bound.size, n_bound=int(bound.sum()))


def test_calibrated_scores_are_the_observed_frequencies():
    calibration = fit(*make_scores())
    scores, bound, _ = make_scores(seed=1)  # others than it was fitted to
    calibrated = calibration.apply(scores)
    before, after = calibration_error(scores, bound), calibration_error(calibrated, bound)
    assert after < before / 4
    assert calibration.error_before == pytest.approx(before, abs=0.01)
    assert calibration.error_after < 0.01


def test_order_is_kept_even_in_four_digits():
    scores, bound, block = make_scores(4000)
    calibrated = fit(scores, bound, block).apply(scores)
    order = np.argsort(scores)
    assert (np.diff(calibrated[order].astype(float)) >= 0).all()
    written = {f"{s:.3e}" for s in calibrated}
    assert len(written) > 0.7 * len({f"{s:.3e}" for s in scores})


def test_what_is_not_computed_stays_0():
    assert fit(*make_scores(4000)).apply(np.array([0, 0.5], np.float32))[0] == 0


@pytest.mark.parametrize("n_bound", [1, 4, 29, 30, 200])
def test_few_bound_bins_are_calibrated_too(n_bound):
    rng = np.random.default_rng(n_bound)
    scores = np.concatenate([rng.uniform(0.2, 0.9, n_bound), rng.uniform(0.001, 0.5, 3000)]).astype(np.float32)
    bound = np.arange(scores.size) < n_bound
    calibration = fit(scores, bound, np.arange(scores.size) // 30)
    calibrated = calibration.apply(scores)
    assert (np.diff(calibrated[np.argsort(scores)]) >= 0).all()
    assert calibrated.sum() == pytest.approx(n_bound, rel=0.6, abs=2)


def test_false_discovery_rates_are_those_of_the_labels():
    scores, bound, block = make_scores(20_000)
    calibration = fit(scores, bound, block)
    calibrated = calibration.apply(scores)
    for row in (0, 20, 50):
        called = calibrated >= calibration.thresholds[row]
        assert calibration.fdr[row] == pytest.approx((~bound[called]).mean(), abs=0.01)
        assert calibration.recall[row] == pytest.approx(bound[called].sum() / bound.sum(), abs=1e-9)
        assert calibration.fdr_low[row] <= calibration.fdr[row] + 0.01
        assert calibration.fdr_high[row] >= calibration.fdr[row]
    threshold = calibration.threshold_for(0.3)
    assert calibration.q_values([threshold])[0] <= 0.3
    assert calibration.q_values([threshold - 0.05])[0] > 0.3
    assert calibration.at_threshold(threshold).fdr <= 0.3
    with pytest.raises(
        UsageError, match=r"no score has a false discovery rate of 1e-06: the lowest among [\d,]+ bound"
    ):
        calibration.threshold_for(1e-6)
    with pytest.raises(UsageError, match="lies between 0 and 1, got 0"):
        calibration.threshold_for(0)


def test_prevalence_multiplies_the_odds():
    calibration = fit(*make_scores(20_000))
    scores = np.array([0, 0.1, 0.5, 0.9], np.float32)
    shifted = calibration.at_prevalence(scores, calibration.prevalence / 3)
    change = to_logits(calibration.prevalence / 3) - to_logits(calibration.prevalence)
    np.testing.assert_allclose(to_logits(shifted[1:]) - to_logits(scores[1:]), change, atol=1e-4)
    assert shifted[0] == 0
    np.testing.assert_allclose(calibration.at_prevalence(scores, calibration.prevalence), scores, atol=1e-6)


def test_rates_at_another_prevalence_are_those_of_data_with_that_share_of_bound_bins():
    """The oracle: the same bins, each bound one ten times over, scored and counted anew."""
    scores, bound, block = make_scores(20_000)
    calibration = fit(scores, bound, block)
    weights = np.where(bound, 10.0, 1.0)
    prevalence = float(weights[bound].sum() / weights.sum())
    # `bins` and `bound` of this fit are all bins, so that its prevalence is that of the scores.
    shifted = calibration.at_prevalence(calibration.apply(scores), prevalence)
    rates = calibration.with_rates_at(prevalence)
    np.testing.assert_allclose(calibration.at_prevalence(calibration.thresholds, prevalence), rates.thresholds, 1e-5)
    for row in (0, 20, 50):
        called = shifted >= np.float32(rates.thresholds[row]) * (1 - 1e-6)
        found = weights[called & ~bound].sum() / weights[called].sum()
        assert rates.fdr[row] == pytest.approx(found, abs=0.01)
        assert rates.fdr_low[row] <= rates.fdr[row] <= rates.fdr_high[row]
    np.testing.assert_array_equal(rates.recall, calibration.recall)
    assert calibration.with_rates_at(None) is calibration
    assert (np.diff(calibration.with_rates_at(1 - 1e-9).thresholds) > 0).all()
    with pytest.raises(UsageError, match="lies between 0 and 1, got nan"):
        calibration.with_rates_at(float("nan"))


def test_json_gives_the_calibration_back():
    calibration = fit(*make_scores(4000))
    again = Calibration.from_json(calibration.to_json())
    assert again.to_json() == calibration.to_json()
    content = calibration.to_json()
    for key, value in (("logits", [1, 0]), ("calibrated", []), ("bins", "many"), ("fdr", [float("nan")] * 60)):
        with pytest.raises((TypeError, ValueError, UsageError)):
            Calibration.from_json({**content, key: value})
    rates = ("thresholds", "fdr", "fdr_low", "fdr_high", "recall")
    wrong: list[tuple[str, object]] = [(key, [x + shift for x in content[key]]) for key in rates for shift in (-2, 2)]
    wrong += [("recall", content["recall"][:-1]), ("logits", [x * 1e9 for x in content["logits"]])]
    wrong += [("bins", 0), ("bound", 0), ("bound", content["bins"]), ("bins", 1e300), ("error_after", float("nan"))]
    for key, value in wrong:
        with pytest.raises((TypeError, UsageError)):
            Calibration.from_json({**content, key: value})
    with pytest.raises(KeyError):
        Calibration.from_json({k: v for k, v in content.items() if k != "recall"})


def test_labels_of_one_kind_are_refused():
    with pytest.raises(UsageError, match="0 of 10 bins are bound"):
        fit(np.full(10, 0.5, np.float32), np.zeros(10, bool), np.arange(10))


def test_reliability_has_groups_of_equal_size_above_a_hundredth():
    scores, bound, _ = make_scores(20_000)
    table = reliability(scores, bound)
    assert table.shape == (20, 3)
    assert table[:, 2].sum() == (scores > 0.01).sum()
    assert np.ptp(table[:, 2]) <= 1
    assert (np.diff(table[:, 0]) > 0).all()
    assert calibration_error(np.full(3, 0.001), np.array([True, False, False])) == 0


def test_interval_reaches_the_rates_of_cell_lines_that_differ():
    """Half of the bound bins of one cell line are called unbound in the other: there twice as many calls are false."""
    scores, bound, block = make_scores(20_000)
    kept = bound & (np.random.default_rng(3).random(bound.size) < 0.4)
    both = [np.concatenate(pair) for pair in ((scores, scores), (bound, kept), (2 * block, 2 * block + 1))]
    sizes = {"n_bins": 2 * bound.size, "n_bound": int(bound.sum() + kept.sum())}
    together = fit_calibration(*both, **sizes, n_cells=2)
    as_one = fit_calibration(*both, **sizes)
    for cell_bound in (bound, kept):
        for threshold in together.thresholds[::6]:
            called = together.apply(scores) >= threshold
            rates = together.at_threshold(threshold)
            assert rates.low - 0.03 <= 1 - cell_bound[called].mean() <= rates.high + 0.03
    middle = slice(10, 50)
    assert (together.fdr_high - together.fdr_low)[middle].mean() > 3 * (as_one.fdr_high - as_one.fdr_low)[middle].mean()
    np.testing.assert_array_equal(together.fdr, as_one.fdr)


def test_draws_in_which_nothing_is_called_have_no_rate():
    """A cell line whose scores are all low: where only it is drawn, no rate of 0 is found at a high threshold."""
    scores, bound, block = make_scores(20_000)
    both = [np.concatenate(p) for p in ((scores, scores * 0.02), (bound, bound & False), (2 * block, 2 * block + 1))]
    calibration = fit_calibration(*both, n_bins=2 * bound.size, n_bound=int(bound.sum()), n_cells=2)
    alone = fit(scores, bound, block)
    row = int(np.searchsorted(calibration.fdr * -1, -0.3))
    assert 0.2 < calibration.fdr[row] < 0.4
    assert calibration.fdr_low[row] > 0.8 * alone.fdr_low[np.argmin(abs(alone.fdr - calibration.fdr[row]))]
    assert (calibration.fdr_low <= calibration.fdr).all()
    assert (calibration.fdr <= calibration.fdr_high).all()


@pytest.mark.parametrize("seed", range(5))
def test_rate_lies_in_its_interval_even_with_one_block(seed):
    scores, bound, block = make_scores(3000, seed=seed)
    calibration = fit(scores, bound, np.zeros_like(block))
    assert (calibration.fdr_low <= calibration.fdr).all()
    assert (calibration.fdr <= calibration.fdr_high).all()


def test_few_true_sites_do_not_prove_that_no_call_is_false():
    """Three sites of four bins, all true, above everything else: one of the next three may be false."""
    rng = np.random.default_rng(1)
    scores = np.concatenate([np.full(12, 0.9), rng.uniform(0.001, 0.5, 3000)]).astype(np.float32)
    bound = np.arange(scores.size) < 12
    calibration = fit(scores, bound, np.arange(scores.size) // 4)
    rates = calibration.at_threshold(calibration.thresholds[-1])
    assert 0.1 < rates.fdr < 0.15
    assert rates.low < 0.01
    assert 0.3 < rates.high < 0.6


def test_interval_of_few_sites_covers_their_rate():
    """Sites of four bins that are true or false together, at a rate of 0.2: nine of ten intervals have it."""
    rng, covered = np.random.default_rng(2), []
    for _ in range(150):
        n_sites = int(rng.integers(5, 40))
        true = rng.random(n_sites) > 0.2
        scores = np.concatenate([np.full(4 * n_sites, 0.9), rng.uniform(0.001, 0.5, 400)]).astype(np.float32)
        bound = np.concatenate([np.repeat(true, 4), np.zeros(400, bool)])
        if true.any():
            calibration = fit(scores, bound, np.arange(scores.size) // 4)
            rates = calibration.at_threshold(calibration.thresholds[-1])
            covered.append(rates.low <= 0.2 <= rates.high)
    assert np.mean(covered) > 0.85
