"""Figures of a signal, from a histogram of items, against numpy on the whole array of bases."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.etl.inputs.signal_summary import Histogram, SignalSummary

QUANTILES = (0.5, 0.9, 0.99, 0.999)
few_bits = st.integers(-127, 127).map(float) | st.sampled_from([0.0, -0.0, 0.25, -1.5])
any_value = st.floats(-(2.0**96), 2.0**96, width=32, allow_subnormal=False)
items = st.lists(st.tuples(few_bits | any_value, st.integers(1, 2000)), max_size=40)


def summary_of(rows, gaps=0) -> SignalSummary:
    """Summary of items (value, length) and of gaps."""
    values, lengths = np.array([v for v, _ in rows], np.float32), np.array([n for _, n in rows], np.int64)
    histogram = Histogram()
    for i in range(0, values.size, 3):  # as from several blocks
        histogram.add(values[i : i + 3], lengths[i : i + 3])
    negative = int(lengths[values < 0].sum())
    total = float(np.dot(values.astype(np.float64), lengths))
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    return SignalSummary(int(lengths.sum()), gaps, total, low, high, negative, histogram.rows())


def bases_of(rows, gaps) -> np.ndarray:
    return np.concatenate([*(np.full(n, v, np.float32) for v, n in rows), np.zeros(gaps, np.float32)])


@settings(max_examples=200, deadline=None)
@given(rows=items, gaps=st.integers(0, 5000))
def test_figures_are_those_of_all_bases(rows, gaps):
    bases = bases_of(rows, gaps)
    if not bases.size:
        return
    found = summary_of(rows, gaps).describe()["all_bases"]
    np.testing.assert_allclose(found["mean"], bases.mean(dtype=np.float64), rtol=1e-9, atol=1e-9 * np.abs(bases).max())
    assert found["nonzero"] == np.count_nonzero(bases) / bases.size
    assert found["negative"] == np.count_nonzero(bases < 0) / bases.size
    for q, (key, value) in zip(QUANTILES, found["quantiles"].items(), strict=True):
        exact = float(np.sort(bases)[-(-bases.size * round(q * 1000) // 1000) - 1])
        assert float(key) == q
        assert abs(value) <= abs(exact) < abs(value) * (1 + 2**-6) or value == exact
        if abs(exact) <= 127 and exact == round(exact):
            assert value == exact  # few bits of mantissa


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(st.tuples(items, st.integers(0, 50)), min_size=1, max_size=4))
def test_summaries_add_up_and_survive_json(spans):
    parts = [SignalSummary.from_json(json.loads(json.dumps(asdict(summary_of(*span))))) for span in spans]
    assert parts == [summary_of(*span) for span in spans]
    added = sum(parts[1:], parts[0])
    whole = summary_of([row for rows, _ in spans for row in rows], sum(gaps for _, gaps in spans))
    assert added == replace(whole, total=added.total)
    assert added.total == pytest.approx(whole.total, rel=1e-9, abs=1e22)
    assert [value for value, _ in added.histogram] == sorted({value for value, _ in added.histogram})


@pytest.mark.parametrize(
    ("rows", "gaps", "expected"),
    [
        ([(2.0, 1)], 0, {"mean": 2.0, "nonzero": 1.0, "quantiles": [2, 2, 2, 2]}),
        ([(2.0, 1)], 1, {"mean": 1.0, "nonzero": 0.5, "quantiles": [0, 2, 2, 2]}),
        ([(-1.0, 6)], 4, {"mean": -0.6, "nonzero": 0.6, "quantiles": [-1, 0, 0, 0]}),
        ([(-0.0, 6)], 4, {"mean": 0.0, "nonzero": 0.0, "quantiles": [0, 0, 0, 0]}),
        ([], 1000, {"mean": 0.0, "nonzero": 0.0, "quantiles": [0, 0, 0, 0]}),
        ([(3.0, 1), (5.0, 1)], 998, {"mean": 0.008, "nonzero": 0.002, "quantiles": [0, 0, 0, 3]}),
    ],
)
def test_small_signals(rows, gaps, expected):
    found = summary_of(rows, gaps).describe()["all_bases"]
    assert [*found["quantiles"].values()] == expected.pop("quantiles")
    assert {key: found[key] for key in expected} == expected


def test_summary_of_an_earlier_version_is_no_summary():
    """Its shard is written again: figures of a part of the shards would be wrong."""
    content = asdict(summary_of([(1.0, 1)]))
    del content["histogram"]
    with pytest.raises(KeyError):
        SignalSummary.from_json(content)
