"""Shares of members, trees and regression: chosen by whole regions, the usual ones where chance decides."""

import numpy as np
import pytest

from factornet.model.training.blocks.blending import _SHARES, _blend, choose_shares


def row_of(*shares):
    return int(np.flatnonzero(np.isclose(_SHARES, shares).all(1))[0])


def test_shares_sum_to_one_and_have_every_part_alone():
    assert np.allclose(_SHARES.sum(1), 1)
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 1)} <= set(map(tuple, _SHARES.tolist()))


@pytest.mark.parametrize(("n_bound", "expected"), [(10, (0.5, 0.4, 0.1)), (100_000, (1, 0, 0))])
def test_few_bound_bins_leave_the_usual_shares(n_bound, expected):
    precision = 0.5 + 0.03 * _SHARES[:, 0]
    assert choose_shares(precision, n_bound) == row_of(*expected)


def test_what_is_clearly_better_is_chosen_with_few_bound_bins_too():
    precision = np.where(_SHARES[:, 2] == 1, 0.6, 0.1)
    assert choose_shares(precision, 20) == row_of(0, 0, 1)


def test_blend_is_of_logits():
    logits = np.array([[2.0, -1.0, 4.0]])
    assert _blend(logits, np.array([0.5, 0.25, 0.25]))[0] == pytest.approx(1 / (1 + np.exp(-1.75)))
