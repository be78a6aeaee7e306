"""Tables of values: what is decoded equals what was encoded, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from factornet.store.format.value_tables import table as tables
from factornet.store.format.value_tables.table import ValueTable, find_table

FINITE = st.integers(0, 2**32 - 1).map(lambda bits: np.uint32(bits).view(np.float32)).filter(np.isfinite)


@given(st.lists(FINITE, min_size=1, max_size=40), st.data())
def test_decoded_signal_equals_the_signal_bit_for_bit(values, data):
    pool = np.array(values, np.float32)
    signal = pool[data.draw(arrays(np.int64, st.integers(0, 300), elements=st.integers(0, pool.size - 1)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, signal.size), max_size=3)))
    found = find_table(np.split(signal, cuts))
    assert set(found.values.view(np.uint32).tolist()) == {0, *signal.view(np.uint32).tolist()}
    codes = found.encode(signal)
    assert codes.dtype == found.dtype
    assert codes.max(initial=0) < len(found)
    assert found.decode(codes).tobytes() == signal.tobytes()
    assert found.decode(np.array([0])).tobytes() == bytes(4), "0 in codes is 0.0"
    assert np.isnan(found.padded[len(found) :]).all()
    assert np.isnan(found.decode(np.array([np.iinfo(codes.dtype).max]))).all()


def test_counts_are_their_own_codes():
    counts = np.array([3, 0, 0, 1, 2, 2, 5, 4], np.float32)
    assert find_table([counts]).encode(counts).tolist() == counts.tolist()


@pytest.mark.parametrize(("n", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (65_535, "uint16")])
def test_codes_are_of_the_smallest_type_that_leaves_a_fill_value(n, dtype):
    signal = np.arange(n, dtype=np.float32)[::-1].copy()
    found = find_table([signal[: n // 2], signal[n // 2 :]])
    assert (len(found), found.dtype, found.padded.size) == (n, dtype, np.iinfo(dtype).max + 1)
    assert found.decode(found.encode(signal)).tobytes() == signal.tobytes()


def test_signal_of_more_values_has_no_table_and_is_not_read_on():
    read = []

    def blocks():
        for start in range(0, 200_000, 40_000):
            read.append(start)
            yield np.arange(start, start + 40_000, dtype=np.float32)

    assert find_table(blocks()) is None
    assert read == [0, 40_000]


def test_value_outside_of_the_table_is_refused():
    found = find_table([np.array([0, 1, 3], np.float32)])
    for value in (2, 4, -0.0, np.nan):
        with pytest.raises(ValueError, match="not in the table"):
            found.encode(np.array([1, value, 1], np.float32))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([], "0 values"),
        (np.arange(65_536), "65536 values, a table has 1 to 65535"),
        ([1, 2], "do not ascend from 0"),
        ([0, 2, 1], "do not ascend"),
        ([0, 1, 1], "do not ascend"),
        ([-0.0, 1], "do not ascend from 0"),
        ([0, np.inf], "not finite"),
        ([0, 1, np.nan], "not finite"),
    ],
)
def test_invalid_table_is_refused(values, problem):
    with pytest.raises(ValueError, match=problem):
        ValueTable(np.array(values, np.float32))


def test_runs_begin_where_bits_change():
    assert tables.run_starts(np.array([0.0, -0.0, -0.0, 1, 1, 0], np.float32)).tolist() == [0, 1, 3, 5]
    assert tables.run_starts(np.zeros(0, np.float32)).tolist() == []
