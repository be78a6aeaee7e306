"""Cut windows from many arrays at once, at the speed of the memory.

A batch in random order takes its windows from every chromosome and cell line: hundreds of arrays, one or two windows
from each. A numpy call an array would cost more than the bytes do; and ``sliding_window_view(array, L)[starts]`` goes
through one array only, then needs a second copy to put the tracks side by side. But to copy a window takes no more
than the address of its first base. So all arrays are looked at as one: memory from the first to the last address in
question, with an element of L values at every byte, elements overlapping. One fancy index of that, with the windows'
addresses, copies each window once, straight to its place.

Nothing but the windows' own bytes is ever read, and the arrays' bounds are checked here, for numpy cannot do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class ArrayGatherer:
    """One-dimensional arrays of one dtype and any lengths, to cut windows from.

    Args:
        arrays: contiguous; in memory or memory-mapped. They are kept, not copied.
        dtype: their dtype.
        pad_value: value before the first and after the last element of each.

    Raises:
        ValueError: an array has another dtype or more dimensions, or is not contiguous.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], dtype: DTypeLike, *, pad_value: float) -> None:
        self._dtype, self._pad_value = np.dtype(dtype), pad_value
        for i, array in enumerate(arrays):
            if array.dtype != self._dtype or array.ndim != 1 or not array.flags.c_contiguous:
                raise ValueError(
                    f"array {i} is {array.dtype} {array.shape}; windows are cut from contiguous {self._dtype} (n,)"
                )
        self._arrays = tuple(arrays)
        self._addresses = np.array([a.ctypes.data for a in self._arrays], np.int64)
        self._lengths = np.array([a.size for a in self._arrays], np.int64)

    def windows(self, numbers: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> NDArray[Any]:
        """Return ``arrays[n][start : start + length]`` for each number and start, shape (*numbers.shape, length).

        Args:
            numbers: number of the array, any shape.
            starts: first element of the window, of a shape that broadcasts to that of `numbers`; windows may extend
                past the ends of the array or be wholly outside.
            length: elements per window, at least 1.

        Raises:
            IndexError: a number is out of range.
        """
        starts = np.broadcast_to(starts, numbers.shape)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self._arrays)):
            raise IndexError(f"arrays {numbers.min()} to {numbers.max()} of {len(self._arrays)}")
        fits = (starts >= 0) & (starts <= self._lengths[numbers] - length)
        addresses = self._addresses[numbers] + starts * self._dtype.itemsize
        if fits.all():
            return self._copy(addresses, length)
        if fits.any():  # windows that do not fit are overwritten below; until then any valid address will do
            out = self._copy(np.where(fits, addresses, addresses[fits][0]), length)
        else:
            out = np.empty((*numbers.shape, length), self._dtype)
        for at in zip(*np.nonzero(~fits), strict=True):
            out[at] = self._padded(int(numbers[at]), int(starts[at]), length)
        return out

    def _copy(self, addresses: NDArray[np.int64], length: int) -> NDArray[Any]:
        """Copy windows at these addresses, all of them inside an array."""
        if addresses.size == 0:
            return np.empty((*addresses.shape, length), self._dtype)
        first = int(addresses.min())
        memory = np.asarray(_Memory(first, int(addresses.max()) - first + 1, length * self._dtype.itemsize))
        return np.asarray(memory[addresses - first].view(self._dtype).reshape(*addresses.shape, length))

    def _padded(self, number: int, start: int, length: int) -> NDArray[Any]:
        """Return one window that extends past an end of its array."""
        array = self._arrays[number]
        window = np.full(length, self._pad_value, self._dtype)
        low, high = max(start, 0), min(start + length, array.size)
        if low < high:
            window[low - start : high - start] = array[low:high]
        return window


@dataclass(frozen=True, slots=True)
class _Memory:
    """Memory from `address` on as an array: one element of `width` bytes at each of `size` bytes, overlapping."""

    address: int
    size: int
    width: int

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "data": (self.address, True),
            "shape": (self.size,),
            "strides": (1,),
            "typestr": f"|V{self.width}",
        }
