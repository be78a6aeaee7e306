"""Hold arrays of a store in the memory of a device, and cut windows from them there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.errors import UsageError
from ...store.format.value_tables.table import CODE_TYPES, ValueTable
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan, make_rng
from ...store.schema import BIN, FEATURES
from ...store.windows.batch import StreamSettings
from ...store.windows.in_memory import RequiredArrays, blocks_to_hold, not_held
from ...store.windows.inputs import ANNOTATION, SEQUENCE, SIGNAL, ArrayKind
from ...store.windows.planned import PlannedArrays, PlannedWindows
from ..network.variants import AnyConfig
from .batches import TensorBatch
from .signal_codes import as_tensor, look_up

_FORMS = (SIGNAL.dtype, *CODE_TYPES)
"""Types that signal is held as: its values, or their codes."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldSignal:
    """Where the signal of some arrays is held.

    Attributes:
        form: number in `_FORMS` of each array, int64 (arrays,).
        first: position of its first base in the tensor of that form, int64 (arrays,).
        table_start: first value of its table in the tensor of all tables, int32 (arrays,); 0 where it has none.
    """

    form: NDArray[np.int64]
    first: NDArray[np.int64]
    table_start: NDArray[np.int32]


class DeviceSource:
    """Arrays of a store in device memory, to cut windows from.

    All arrays of a kind and type are one long tensor, each with a margin of padding on either side: a window that
    extends past an end of its chromosome is cut like any other. Signal that has a table is held as codes.

    Args:
        store: to read from, once.
        required: the arrays.
        config: of the network; its window length is the margin.
        device: the device.
        reason: for the log.
        on_bytes: called with the size of each block that was read.

    Raises:
        StoreError: an array is missing or damaged.
    """

    def __init__(
        self,
        store: Store,
        required: RequiredArrays,
        config: AnyConfig,
        device: torch.device,
        *,
        reason: str,
        on_bytes: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.store, self.reason, self.device = store, reason, device
        self.margin = max(config.window_length, BIN)
        self._first: dict[str, int] = {}
        self._dtype: dict[str, np.dtype[Any]] = {}
        self._held: dict[tuple[ArrayKind, np.dtype[Any]], Tensor] = {}
        for kind, lengths in required.by_kind.items():
            forms: dict[np.dtype[Any], dict[str, int]] = {kind.dtype: {}}
            for path, length in lengths.items():
                self._dtype[path] = required.tables[path].dtype if path in required.tables else kind.dtype
                forms.setdefault(self._dtype[path], {})[path] = length
            for dtype, members in forms.items():
                self._held[kind, dtype] = self._load(kind, dtype, members, required.tables, on_bytes)
        sizes = [table.padded.size for table in required.tables.values()]
        self._table_start = dict(zip(required.tables, np.cumsum([0, *sizes]).tolist(), strict=False))
        tables = [np.zeros(0, np.float32), *(table.padded for table in required.tables.values())]
        self._tables = torch.from_numpy(np.concatenate(tables)).to(device)

    def _load(
        self,
        kind: ArrayKind,
        dtype: np.dtype[Any],
        lengths: dict[str, int],
        tables: dict[str, ValueTable],
        on_bytes: Callable[[int], None],
    ) -> Tensor:
        size = sum(length + self.margin for length in lengths.values()) + self.margin
        held = torch.full((size,), kind.pad_value, dtype=as_tensor(np.empty(0, dtype)).dtype, device=self.device)
        first = self.margin
        for path, length in lengths.items():
            self._first[path] = first
            for start, block in blocks_to_hold(self.store.array(path), length, tables.get(path)):
                held[first + start : first + start + len(block)] = as_tensor(block)
                on_bytes(block.nbytes)
            first += length + self.margin
        return held

    def open(
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
    ) -> DeviceStream:
        """See `Source`; `prefetch` has no effect, as nothing is read."""
        return DeviceStream(self, plan, settings, seed)

    def positions(self, paths: list[str]) -> NDArray[np.int64]:
        """Return the position of the first base of each array in the tensor of its kind, int64 (paths,).

        Raises:
            UsageError: an array is not held.
        """
        for path in paths:
            if path not in self._first:
                raise not_held(self.store, path, f"memory of {self.device}")
        return np.array([self._first[path] for path in paths], np.int64)

    def signal(self, paths: list[str]) -> HeldSignal:
        """Return where and how signal is held.

        Raises:
            UsageError: an array is not held.
        """
        return HeldSignal(
            np.array([_FORMS.index(self._dtype.get(path, SIGNAL.dtype)) for path in paths], np.int64),
            self.positions(paths),
            np.array([self._table_start.get(path, 0) for path in paths], np.int32),
        )

    def cut(self, kind: ArrayKind, positions: NDArray[np.int64], length: int) -> Tensor:
        """Return windows of `length` values from `positions` of a held tensor on, shape (*positions.shape, length)."""
        return self._cut(self._held[kind, kind.dtype], positions, length)

    def cut_signal(self, held: HeldSignal, rows: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> Tensor:
        """Return windows of signal, float32 (*rows.shape, length); codes are looked up by one gather.

        Args:
            held: the arrays.
            rows: number of the array of each window, (B, T).
            starts: first base of each window on its chromosome, (B, 1).
            length: bases of a window.
        """
        form, positions, table_start = held.form[rows], held.first[rows] + starts, held.table_start[rows]
        present = np.unique(form).tolist()
        if len(present) == 1:
            return self._values(present[0], positions, table_start, length)
        values = torch.empty((*rows.shape, length), dtype=torch.float32, device=self.device)
        for k in present:
            at = form == k
            where = torch.from_numpy(at).to(self.device)
            values[where] = self._values(k, positions[at], table_start[at], length)
        return values

    def _values(self, k: int, positions: NDArray[np.int64], table_start: NDArray[np.int32], length: int) -> Tensor:
        """Return windows of signal that is all held in the k-th of `_FORMS`."""
        windows = self._cut(self._held[SIGNAL, _FORMS[k]], positions, length)
        if _FORMS[k] == SIGNAL.dtype:
            return windows
        return look_up(windows, torch.from_numpy(table_start).to(self.device), self._tables)

    def _cut(self, held: Tensor, positions: NDArray[np.int64], length: int) -> Tensor:
        steps = torch.arange(length, device=self.device)
        return held[torch.from_numpy(positions).to(self.device).unsqueeze(-1) + steps]


class DeviceStream:
    """Batches of a plan, cut on the device; the order is that of a raw store.

    Raises:
        UsageError: as for `WindowStream`, an array of the plan is not held, or windows are longer than the margin.
    """

    def __init__(
        self, source: DeviceSource, plan: SamplingPlan, settings: StreamSettings, seed: tuple[int, ...] | None
    ) -> None:
        self._source, self._seed = source, seed
        self._windows = PlannedWindows.of(source.store, plan, settings)
        if settings.window_length > source.margin:
            raise UsageError(
                f"windows of {settings.window_length} bases cannot be cut from arrays that are held with margins of "
                f"{source.margin}; hold them for a network of that window length"
            )
        self._arrays = arrays = PlannedArrays.of(source.store, self._windows)
        self._sequence, self._annotation = source.positions(arrays.sequence), source.positions(arrays.annotation)
        self._signal = source.signal(arrays.signal)
        self._lengths = np.array(source.store.coordinates.lengths, np.int64)
        self.waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __iter__(self) -> Iterator[TensorBatch]:
        order = self._windows.order(None if self._seed is None else make_rng(*self._seed))
        index, sizes = self._windows.shard(order)
        stop = 0
        for size in sizes:
            yield self._batch(index[stop : stop + size])
            stop += size

    def _batch(self, index: NDArray[np.int64]) -> TensorBatch:
        source, windows, arrays, plan = self._source, self._windows, self._arrays, self._windows.plan
        length, device = windows.settings.window_length, source.device
        cell, chrom = plan.cell[index], plan.chrom[index]
        starts = self._within_margins(windows.starts[index], chrom, length)
        chrom_row, signal_row = arrays.chrom_row[chrom], arrays.signal_row[cell, chrom]
        codes = source.cut(SEQUENCE, self._sequence[chrom_row] + starts, length)
        tracks = source.cut_signal(self._signal, signal_row, starts[:, None], length)
        features = torch.from_numpy(windows.features(index)).to(device)
        if windows.inputs.gencode:
            bin_starts = self._within_margins(plan.bin_starts[index], chrom, BIN)
            bits = source.cut(ANNOTATION, self._annotation[chrom_row] + bin_starts, BIN)
            features[:, windows.inputs.annotation_columns] = _annotation_flags(bits)
        labels = torch.from_numpy(plan.label[index]).to(device, torch.float32)
        return TensorBatch(index, codes, tracks, features if features.shape[1] else None, labels)

    def _within_margins(self, starts: NDArray[np.int64], chrom: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """Return starts with windows wholly past an end moved next to it, where they see padding all the same."""
        return np.clip(starts, -length, self._lengths[chrom])


def _annotation_flags(bits: Tensor) -> Tensor:
    """Compute `store.windows.inputs.annotation_flags` on the device, float32 (n, 6)."""
    shifts = torch.arange(len(FEATURES), device=bits.device, dtype=torch.uint8)
    return ((bits.unsqueeze(2) >> shifts) & 1).amax(1).float()
