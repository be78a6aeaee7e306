"""Scores of bins from intervals of any kind, against a search that goes bin by bin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.model.evaluation.bin_scores import score_bins, score_genome
from factornet.model.prediction.bins import Bins
from factornet.model.prediction.score_table import ScoreTable
from factornet.store import GenomeCoordinates, UsageError

COORDINATES = GenomeCoordinates(("chr1", "chr2"), (3000, 1230))
N_BINS = (57, 21)


def intervals(*rows):
    chrom, start, stop, scores = (np.array(column) for column in zip(*rows, strict=True))
    return Bins(chrom.astype(np.int64), start.astype(np.int64), stop.astype(np.int64)), scores.astype(np.float32)


def scores_by_bin(found):
    assert (found.bins.stop - found.bins.start == 200).all()
    keys = zip(found.bins.chrom.tolist(), found.bins.start.tolist(), strict=True)
    return dict(zip(keys, found.scores.tolist(), strict=True))


def test_bins_in_any_order_and_at_any_stride_are_themselves():
    found = score_bins(*intervals((1, 400, 600, 3), (0, 0, 200, 1), (0, 150, 350, 2)), COORDINATES)
    assert found.rule == "bins"
    assert scores_by_bin(found) == {(1, 400): 3, (0, 0): 1, (0, 150): 2}
    assert found.n_missing == sum(N_BINS) - 3


@pytest.mark.parametrize("length", [1, 50, 51, 100, 199])
def test_intervals_around_the_middles_of_bins_are_these_bins(length):
    starts = np.arange(0, 2800, 200)
    rows = [(0, s + 100 - length // 2, s + 100 - length // 2 + length, s) for s in starts]
    found = score_bins(*intervals(*rows), COORDINATES)
    assert found.rule == "middles"
    assert scores_by_bin(found) == {(0, s): s for s in starts}
    assert found.n_missing == N_BINS[0] - len(starts)


@settings(max_examples=200, deadline=None)
@given(
    widths=st.lists(st.tuples(st.integers(0, 120), st.integers(1, 400)), min_size=1, max_size=12),
    chrom=st.integers(0, 1),
    seed=st.integers(0, 9),
)
def test_signal_gives_each_bin_the_value_of_its_middle_base(widths, chrom, seed):
    rows, at = [], 0
    for gap, width in widths:
        if at + gap + width <= COORDINATES.lengths[chrom]:
            rows.append((chrom, at + gap, at + gap + width, len(rows) + 0.5))
            at += gap + width
    if len({b - a for _, a, b, _ in rows}) < 2:
        return
    expected = {}
    for start in range(0, COORDINATES.lengths[chrom] - 199, 50):
        for _, a, b, value in rows:
            if a <= start + 100 < b:
                expected[chrom, start] = value
    np.random.default_rng(seed).shuffle(rows)
    if not expected:
        with pytest.raises(UsageError, match="contains the middle of a bin"):
            score_bins(*intervals(*rows), COORDINATES)
        return
    found = score_bins(*intervals(*rows), COORDINATES)
    assert (found.rule, scores_by_bin(found)) == ("signal", expected)
    assert found.n_missing == N_BINS[chrom] - len(expected)


def test_bins_whose_starts_count_from_1_are_these_bins():
    """As R's data frames of GRanges have them: 1-200 is 0-200."""
    found = score_bins(*intervals((0, 1, 200, 1), (0, 51, 250, 2), (1, 1001, 1200, 3)), COORDINATES)
    assert scores_by_bin(found) == {(0, 0): 1, (0, 50): 2, (1, 1000): 3}


def test_first_of_equal_intervals_counts():
    rows = [(0, 0, 200, 5), (0, 50, 250, 1), (0, 0, 200, 5), (0, 50, 250, 2), (0, 50, 250, 1), (1, 0, 200, 5)]
    found = score_bins(*intervals(*rows), COORDINATES)
    assert scores_by_bin(found) == {(0, 0): 5, (0, 50): 1, (1, 0): 5}
    assert (found.n_repeated, found.n_conflicting) == (3, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(0, 10, 210, 1), (0, 60, 260, 1)],
            r"2 of 2 intervals are not bins with labels, first chr1:10-210; .*1 overlap the one before",
        ),
        (
            [(0, 0, 200, 1), (0, 50, 250, 1), (0, 60, 70, 1)],
            "1 of 3 intervals are not bins with labels, first chr1:60-70",
        ),
        ([(0, 0, 150, 1), (0, 50, 200, 1)], "first chr1:0-150"),
        ([(0, 10, 20, 1), (0, 60, 90, 1)], "none of 2 intervals contains the middle of a bin"),
    ],
)
def test_intervals_that_give_no_score_are_refused(rows, message):
    with pytest.raises(UsageError, match=message):
        score_bins(*intervals(*rows), COORDINATES)


def table(*rows):
    bins, scores = intervals(*rows)
    return ScoreTable(bins=bins, scores=scores)


def test_parts_of_a_file_are_scored_as_the_whole():
    one, other = [(0, 0, 200, 0.1), (0, 50, 250, 1.5), (0, 0, 200, 0.2)], [(1, 50, 250, 0.3), (1, 100, 300, 0.4)]
    nothing = ScoreTable(bins=Bins(*np.zeros((3, 0), np.int64)), scores=np.zeros(0, np.float32))
    found = score_genome([table(*other), nothing, table(*one)], COORDINATES)
    whole = score_genome([table(*one, *other)], COORDINATES)
    for chrom, values in whole.scores.by_chrom.items():
        np.testing.assert_array_equal(found.scores.by_chrom[chrom], values)
    assert (found.rule, found.n_missing, found.n_outside) == (whole.rule, whole.n_missing, 1)
    assert (found.n_missing, found.n_repeated, found.n_conflicting) == (sum(N_BINS) - 4, 1, 1)


def test_parts_with_other_intervals_must_be_taken_as_one():
    plain, signal = table((0, 0, 200, 1)), table((1, 0, 120, 1))
    assert score_genome([plain, signal], COORDINATES) is None
    assert score_genome([plain, plain], COORDINATES) is None


def test_parts_without_an_interval_are_refused():
    with pytest.raises(UsageError, match="no interval has a score"):
        score_genome([], COORDINATES)
