"""Sites: joined bins, against bases marked one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.model.calls import call_sites, calls_path


@given(st.lists(st.integers(0, 60), unique=True, max_size=40), st.data())
def test_sites_are_runs_of_called_bases(blocks, data):
    starts = np.array(blocks, np.int64) * 50
    scores = np.array(
        data.draw(st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=len(blocks), max_size=len(blocks)))
    )
    sites = call_sites(starts, scores.astype(np.float32), 0.4)
    called = np.zeros(4000, bool)
    for start, score in zip(starts, scores, strict=True):
        called[start : start + 200] |= score >= 0.4
    edges = np.flatnonzero(np.diff(np.concatenate([[False], called, [False]]).astype(int)))
    assert sites.start.tolist() == edges[::2].tolist()
    assert sites.stop.tolist() == edges[1::2].tolist()
    for start, stop, summit, score in zip(sites.start, sites.stop, sites.summit, sites.score, strict=True):
        inside = [(s, x) for s, x in zip(starts, scores, strict=True) if start <= s < stop and x >= 0.4]
        highest = max(x for _, x in inside)
        assert score == np.float32(highest)
        tops = sorted(s for s, x in inside if x == highest)
        run = [s for s in tops if all(t in tops for t, _ in inside if tops[0] < t <= s)]
        assert summit == (run[0] + run[-1]) // 2 + 100


def test_bins_that_touch_are_one_site_and_those_a_step_apart_are_two():
    assert len(call_sites(np.array([0, 200]), np.ones(2, np.float32), 0.5)) == 1
    assert len(call_sites(np.array([0, 250]), np.ones(2, np.float32), 0.5)) == 2
    assert len(call_sites(np.array([], np.int64), np.array([], np.float32), 0.5)) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.bw", "a.narrowPeak"), ("a.b.bed.gz", "a.b.narrowPeak"), ("a.bedgraph", "a.narrowPeak")],
)
def test_sites_lie_next_to_the_predictions(tmp_path, name, expected):
    assert calls_path(tmp_path / name) == tmp_path / expected
