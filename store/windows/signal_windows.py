"""Gather windows of signal from arrays in memory, of which some or all are kept as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..format.value_tables.coded_array import CodedArray
from ..format.value_tables.look_up import look_up_rows
from ..format.value_tables.table import CODE_TYPES
from .gather import ArrayGatherer
from .inputs import SIGNAL

SignalArray = CodedArray | NDArray[Any]
"""Signal in memory or memory-mapped: its codes, or float32 values."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackCodes:
    """Signal of windows as codes; B windows of T tracks.

    Attributes:
        codes: uint8 or uint16 (B, T, L).
        table_starts: first value of the table of each track of a window in `tables`, int64 (B, T).
        tables: values, float32 (n,); the value of a code is ``tables[table_starts + code]``. All batches of a stream
            have the same array.
    """

    codes: NDArray[Any]
    table_starts: NDArray[np.int64]
    tables: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the signal, (B, T, L)."""
        return self.codes.shape

    def __getitem__(self, rows: slice) -> TrackCodes:
        return TrackCodes(self.codes[rows], self.table_starts[rows], self.tables)

    def column(self, position: int) -> NDArray[np.float32]:
        """Return the signal at one position of each window, float32 (B, T)."""
        return np.asarray(self.tables.take(self.table_starts + self.codes[..., position]))

    def values(self) -> NDArray[np.float32]:
        """Return the signal, float32 (B, T, L); each value is written once."""
        out = np.empty(self.shape, np.float32)
        self.write(out.reshape(self.table_starts.size, self.shape[-1]), np.arange(self.table_starts.size))
        return out

    def write(self, out: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Write the signal of each track of each window, in order, to rows of `out`, float32 (n, L), C-contiguous."""
        codes = self.codes.reshape(self.table_starts.size, self.shape[-1])
        look_up_rows(codes, self.tables, self.table_starts.reshape(-1), out, out_rows=rows)


class SignalGatherer:
    """Arrays of signal, to cut windows from.

    Args:
        arrays: in memory or memory-mapped. They are kept, not copied.

    Raises:
        ValueError: as for `ArrayGatherer`.
    """

    def __init__(self, arrays: Sequence[SignalArray]) -> None:
        kinds = [a.codes.dtype if isinstance(a, CodedArray) else SIGNAL.dtype for a in arrays]
        self._kind = np.array([(SIGNAL.dtype, *CODE_TYPES).index(kind) for kind in kinds], np.int64)
        self._kinds = np.unique(self._kind).tolist()
        self._number = np.zeros(len(arrays), np.int64)  # of an array among those of its kind
        self._gatherers = []
        for k, dtype in enumerate((SIGNAL.dtype, *CODE_TYPES)):
            members = np.flatnonzero(self._kind == k)
            self._number[members] = np.arange(members.size)
            plain = [a.codes if isinstance(a, CodedArray) else a for a in (arrays[i] for i in members.tolist())]
            self._gatherers.append(ArrayGatherer(plain, dtype, pad_value=SIGNAL.pad_value))
        tables = [a.table.padded for a in arrays if isinstance(a, CodedArray)]
        self._tables = np.concatenate(tables) if tables else np.zeros(0, np.float32)
        self._table_starts = np.zeros(len(arrays), np.int64)
        self._table_starts[self._kind > 0] = np.cumsum([0, *(t.size for t in tables)])[:-1]

    @property
    def all_codes(self) -> bool:
        """Whether all arrays are kept as codes."""
        return 0 not in self._kinds

    def windows(self, numbers: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> NDArray[np.float32]:
        """Return the signal of windows, float32 (*numbers.shape, length); arguments as `ArrayGatherer.windows`."""
        if self._kinds == [0]:
            return self._gatherers[0].windows(self._number[numbers], starts, length)
        if self.all_codes:
            return self.codes(numbers, starts, length).values()
        flat, start = numbers.reshape(-1), np.broadcast_to(starts, numbers.shape).reshape(-1)
        out = np.empty((flat.size, length), SIGNAL.dtype)
        is_coded = self._kind[flat] > 0
        coded, plain = np.flatnonzero(is_coded), np.flatnonzero(~is_coded)
        self._codes(flat[coded], start[coded], length).write(out, coded)
        out[plain] = self._gatherers[0].windows(self._number[flat[plain]], start[plain], length)
        return out.reshape(*numbers.shape, length)

    def codes(self, numbers: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> TrackCodes:
        """Return the codes of windows; arguments as `windows`.

        Raises:
            ValueError: an array is not kept as codes.
        """
        if not self.all_codes:
            raise ValueError("some of the signal is not kept as codes")
        return self._codes(numbers, starts, length)

    def _codes(self, numbers: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> TrackCodes:
        """Return the codes of windows of arrays that are all kept as codes."""
        kinds = [k for k in self._kinds if k > 0] or [1]
        if len(kinds) == 1:
            codes = self._gatherers[kinds[0]].windows(self._number[numbers], starts, length)
            return TrackCodes(codes, self._table_starts[numbers], self._tables)
        kind, starts = self._kind[numbers], np.broadcast_to(starts, numbers.shape)
        codes = np.empty((*numbers.shape, length), CODE_TYPES[-1])
        for k in kinds:
            at = kind == k
            codes[at] = self._gatherers[k].windows(self._number[numbers[at]], starts[at], length)
        return TrackCodes(codes, self._table_starts[numbers], self._tables)
