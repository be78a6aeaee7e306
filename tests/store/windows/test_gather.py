"""Windows gathered from arrays against a loop."""

import numpy as np
import pytest

from factornet.store.windows.gather import ArrayGatherer


def slow_windows(arrays, numbers, starts, length, pad_value):
    out = np.full((*numbers.shape, length), pad_value, arrays[0].dtype)
    for at in np.ndindex(numbers.shape):
        for k in range(length):
            if 0 <= starts[at] + k < arrays[numbers[at]].size:
                out[(*at, k)] = arrays[numbers[at]][starts[at] + k]
    return out


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("length", [1, 3, 10, 60])
def test_windows_equal_those_of_a_loop(dtype, length):
    rng = np.random.default_rng(length)
    arrays = [rng.integers(0, 100, n).astype(dtype) for n in (30, 1, 11, 0, 50)]
    numbers = rng.integers(0, 5, (200, 3))
    starts = rng.integers(-70, 70, (200, 3))
    gatherer = ArrayGatherer(arrays, dtype, pad_value=7)
    np.testing.assert_array_equal(
        gatherer.windows(numbers, starts, length), slow_windows(arrays, numbers, starts, length, 7)
    )
    inside = gatherer.windows(np.full(4, 4), np.array([50, 0, 50 - length, -length]), length)
    assert inside.dtype == np.dtype(dtype)
    assert inside.flags.c_contiguous
    assert gatherer.windows(np.zeros((0, 3), int), np.zeros((0, 1), int), length).shape == (0, 3, length)
    one_start = starts[:, :1]
    broadcast = np.broadcast_to(one_start, numbers.shape)
    np.testing.assert_array_equal(
        gatherer.windows(numbers, one_start, length), gatherer.windows(numbers, broadcast, length)
    )


def test_arrays_and_numbers_are_checked():
    array = np.arange(10, dtype=np.uint8)
    with pytest.raises(ValueError, match=r"array 1 is float32 \(3,\)"):
        ArrayGatherer([array, np.zeros(3, np.float32)], np.uint8, pad_value=0)
    for wrong in (array[::2], array.reshape(2, 5)):
        with pytest.raises(ValueError, match="contiguous"):
            ArrayGatherer([wrong], np.uint8, pad_value=0)
    gatherer = ArrayGatherer([array], np.uint8, pad_value=0)
    for number in (-1, 1):
        with pytest.raises(IndexError):
            gatherer.windows(np.array([0, number]), np.array([0, 0]), 2)
    with pytest.raises(IndexError):
        ArrayGatherer([], np.uint8, pad_value=0).windows(np.array([0]), np.array([0]), 2)
    assert ArrayGatherer([], np.uint8, pad_value=0).windows(np.zeros((2, 0), int), np.zeros((2, 1), int), 5).shape == (
        2,
        0,
        5,
    )
