"""Windows of signal that is kept as codes equal those of the float32 arrays, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factornet.store.format import native
from factornet.store.format.value_tables import look_up
from factornet.store.format.value_tables.coded_array import CodedArray
from factornet.store.format.value_tables.table import find_table
from factornet.store.windows.gather import ArrayGatherer
from factornet.store.windows.signal_windows import SignalGatherer

SIZES = (3000, 1, 700, 0, 5000)


def signals(n_values, rng):
    """Signal of each of the sizes, float32, some of it negative or -0.0."""
    pool = np.append(rng.normal(size=n_values - 1), -0.0).astype(np.float32)
    return [rng.choice(pool, size) for size in SIZES]


def as_codes(signal):
    table = find_table([signal])
    return CodedArray(table.encode(signal), table)


@pytest.fixture(params=["compiled", "numpy"])
def loops(request, monkeypatch):
    """With the compiled loops, and as long as there are none."""
    if request.param == "compiled":
        native.in_background(look_up.compile_loop).result(timeout=120)
    else:
        monkeypatch.setattr(look_up, "when_compiled", lambda compile_loop: None)


@pytest.mark.parametrize("forms", ["ccccc", "fffff", "cfcfc", "fcfcf"])
@pytest.mark.parametrize("n_values", [[5], [400], [5, 400]])
@pytest.mark.parametrize("length", [1, 60, 1002])
def test_windows_equal_those_of_float32(loops, forms, n_values, length):
    rng = np.random.default_rng(length)
    plain = [signals(n_values[k % len(n_values)], rng)[k] for k in range(5)]
    arrays = [as_codes(a) if form == "c" else a for form, a in zip(forms, plain, strict=True)]
    numbers = np.append(rng.integers(0, 5, (55, 3)), np.arange(15).reshape(5, 3) % 5, 0)  # each array at least once
    starts = rng.integers(-1200, 5200, (60, 1))
    expected = ArrayGatherer(plain, np.float32, pad_value=0).windows(numbers, starts, length)
    gatherer = SignalGatherer(arrays)
    assert gatherer.windows(numbers, starts, length).tobytes() == expected.tobytes()
    assert gatherer.windows(numbers[:0], starts[:0], length).shape == (0, 3, length)
    assert gatherer.all_codes == ("f" not in forms)
    if not gatherer.all_codes:
        with pytest.raises(ValueError, match="not kept as codes"):
            gatherer.codes(numbers, starts, length)
        return
    found = gatherer.codes(numbers, starts, length)
    large = any(a.codes.dtype == np.uint16 for a in arrays)
    assert found.codes.dtype == (np.uint16 if large else np.uint8)
    assert found.values().tobytes() == expected.tobytes()
    assert found[20:30].values().tobytes() == expected[20:30].tobytes()
    assert found.column(length - 1).tobytes() == np.ascontiguousarray(expected[..., -1]).tobytes()
    assert found.tables.take(found.table_starts[..., None] + found.codes).tobytes() == expected.tobytes()


@given(st.data())
def test_slices_of_a_coded_array_equal_those_of_the_signal(data):
    signal = np.array(data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False))), np.float32)
    coded = as_codes(signal)
    key = data.draw(st.slices(signal.size))
    assert coded[key].tobytes() == signal[key].tobytes()
    assert np.asarray(coded).tobytes() == signal.tobytes()
    assert (coded.shape, coded.ndim, coded.dtype, len(coded)) == (signal.shape, 1, np.float32, signal.size)


def test_code_without_a_value_becomes_nan(loops):
    coded = as_codes(np.array([0, 1, 2], np.float32))
    coded.codes[1] = 77
    windows = SignalGatherer([coded]).windows(np.zeros(1, np.int64), np.zeros(1, np.int64), 3)
    np.testing.assert_array_equal(windows, [[0, np.nan, 2]])
    np.testing.assert_array_equal(coded[:], [0, np.nan, 2])


def test_windows_without_tracks_are_empty(loops):
    gatherer = SignalGatherer([])
    numbers, starts = np.zeros((5, 0), np.int64), np.zeros((5, 1), np.int64)
    assert gatherer.windows(numbers, starts, 7).shape == gatherer.codes(numbers, starts, 7).shape == (5, 0, 7)
