"""Hold arrays of a store in the memory of a device, and cut windows from them there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan, make_rng
from ...store.schema import BIN, FEATURES
from ...store.windows.batch import StreamSettings
from ...store.windows.in_memory import RequiredArrays, not_held, read_blocks
from ...store.windows.inputs import ANNOTATION, SEQUENCE, SIGNAL, ArrayKind
from ...store.windows.planned import PlannedArrays, PlannedWindows
from ..network.variants import AnyConfig
from .batches import TensorBatch


class DeviceSource:
    """Arrays of a store in device memory, to cut windows from.

    All arrays of a kind are one long tensor, each with a margin of padding on either side: a window that extends past
    an end of its chromosome is cut like any other.

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
        self._held = {kind: self._load(kind, required.by_kind[kind], on_bytes) for kind in required.by_kind}

    def _load(self, kind: ArrayKind, lengths: dict[str, int], on_bytes: Callable[[int], None]) -> Tensor:
        dtype = torch.from_numpy(np.empty(0, kind.dtype)).dtype
        size = sum(length + self.margin for length in lengths.values()) + self.margin
        held = torch.full((size,), kind.pad_value, dtype=dtype, device=self.device)
        first = self.margin
        for path, length in lengths.items():
            self._first[path] = first
            for start, block in read_blocks(self.store.array(path), length):
                held[first + start : first + start + len(block)] = torch.from_numpy(block)
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

    def cut(self, kind: ArrayKind, positions: NDArray[np.int64], length: int) -> Tensor:
        """Return windows of `length` values from `positions` of a held tensor on, shape (*positions.shape, length)."""
        steps = torch.arange(length, device=self.device)
        return self._held[kind][torch.from_numpy(positions).to(self.device).unsqueeze(-1) + steps]


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
        self._sequence, self._annotation, self._signal = (
            source.positions(paths) for paths in (arrays.sequence, arrays.annotation, arrays.signal)
        )
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
        tracks = source.cut(SIGNAL, self._signal[signal_row] + starts[:, None], length)
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
