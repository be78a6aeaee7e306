"""Bin labels equal counting bases one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factornet.etl.shards.labels import bin_labels

peaks = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 420)), max_size=6)


def arrays(items):
    starts = np.array([s for s, _ in items], np.int64)
    return starts, starts + np.array([w for _, w in items], np.int64)


@given(peaks, peaks, st.integers(0, 12), st.integers(1, 25))
def test_bin_labels_equal_counting(conservative, relaxed, first, count):
    got = bin_labels(arrays(conservative), arrays(relaxed), first=first, count=count)
    for i, label in enumerate(got):
        start = 50 * (first + i)
        shared = [min(s + w, start + 200) - max(s, start) for s, w in conservative]
        touched = [min(s + w, start + 200) - max(s, start) for s, w in relaxed]
        expected = 1 if max(shared, default=0) >= 101 else 2 if max(touched, default=0) >= 1 else 0
        assert label == expected
