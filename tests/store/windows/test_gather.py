"""Gathering windows out of lines: arrays in, arrays out."""

import numpy as np
import pytest

from factornet.store.windows.gather import ArrayGatherer


def slow_windows(arrays, which, starts, length, pad_value):
    out = np.full((*which.shape, length), pad_value, arrays[0].dtype)
    for at in np.ndindex(which.shape):
        for k in range(length):
            if 0 <= starts[at] + k < arrays[which[at]].size:
                out[(*at, k)] = arrays[which[at]][starts[at] + k]
    return out


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("length", [1, 3, 10, 60])
def test_lines_give_what_a_loop_gives(dtype, length):
    rng = np.random.default_rng(length)
    arrays = [rng.integers(0, 100, n).astype(dtype) for n in (30, 1, 11, 0, 50)]
    which = rng.integers(0, 5, (200, 3))
    starts = rng.integers(-70, 70, (200, 3))
    lines = ArrayGatherer(arrays, dtype, pad_value=7)
    np.testing.assert_array_equal(lines.windows(which, starts, length), slow_windows(arrays, which, starts, length, 7))
    inside = lines.windows(np.full(4, 4), np.array([50, 0, 50 - length, -length]), length)
    assert inside.dtype == np.dtype(dtype)
    assert inside.flags.c_contiguous
    assert lines.windows(np.zeros((0, 3), int), np.zeros((0, 1), int), length).shape == (0, 3, length)
    one_start = starts[:, :1]
    broadcast = np.broadcast_to(one_start, which.shape)
    np.testing.assert_array_equal(lines.windows(which, one_start, length), lines.windows(which, broadcast, length))


def test_lines_check_their_arrays_and_which():
    array = np.arange(10, dtype=np.uint8)
    with pytest.raises(ValueError, match=r"array 1 is float32 \(3,\)"):
        ArrayGatherer([array, np.zeros(3, np.float32)], np.uint8, pad_value=0)
    for wrong in (array[::2], array.reshape(2, 5)):
        with pytest.raises(ValueError, match="contiguous"):
            ArrayGatherer([wrong], np.uint8, pad_value=0)
    lines = ArrayGatherer([array], np.uint8, pad_value=0)
    for number in (-1, 1):
        with pytest.raises(IndexError):
            lines.windows(np.array([0, number]), np.array([0, 0]), 2)
    with pytest.raises(IndexError):
        ArrayGatherer([], np.uint8, pad_value=0).windows(np.array([0]), np.array([0]), 2)
    assert ArrayGatherer([], np.uint8, pad_value=0).windows(np.zeros((2, 0), int), np.zeros((2, 1), int), 5).shape == (
        2,
        0,
        5,
    )
