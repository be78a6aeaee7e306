"""Windows gathered on the device, from a store that lies in its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan, make_rng
from ...store.schema import BIN, FEATURES
from ...store.windows.batch import StreamSettings, Windows, shard_batch
from ...store.windows.in_memory import RequiredArrays, read_blocks
from ...store.windows.loader import common_meta, common_tracks
from ..network.config import NetworkConfig
from .batches import TensorBatch


class DeviceSource:
    """Windows cut on the device from arrays that lie there.

    Sequence codes, annotation bits and signal of all chromosomes are three long tensors, each array with a margin of
    one window on either side, so that a window over a chromosome's end needs no care.

    Args:
        store: to read from, once.
        needs: what to hold.
        config: of the network; its length is the margin.
        device: where.
        reason: for the log.
        on_bytes: told of each block that was read.

    Raises:
        StoreError: an array is missing or damaged.
    """

    def __init__(
        self,
        store: Store,
        needs: RequiredArrays,
        config: NetworkConfig,
        device: torch.device,
        *,
        reason: str,
        on_bytes: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.store, self.reason, self.device = store, reason, device
        self._margin = max(config.window_length, BIN)
        self._base: dict[str, int] = {}
        kinds = {"codes": ("genome/sequence/",), "bits": ("genome/annotation/",)}
        named = {kind: [p for p in needs.paths if p.startswith(starts)] for kind, starts in kinds.items()}
        named["signal"] = [p for p in needs.paths if p not in named["codes"] + named["bits"]]
        hold = {"codes": (torch.uint8, 4), "bits": (torch.uint8, 0), "signal": (torch.float32, 0)}
        self._held = {k: self._load(named[k], needs, *hold[k], on_bytes=on_bytes) for k in named}

    def _load(
        self,
        paths: list[str],
        needs: RequiredArrays,
        dtype: torch.dtype,
        pad_value: int,
        *,
        on_bytes: Callable[[int], None],
    ) -> Tensor:
        size = sum(needs.paths[p] + self._margin for p in paths) + self._margin
        held = torch.full((size,), pad_value, dtype=dtype, device=self.device)
        location = self._margin
        for path in paths:
            self._base[path] = location
            for start, block in read_blocks(self.store.array(path), needs.paths[path]):
                held[location + start : location + start + len(block)] = torch.from_numpy(block)
                on_bytes(block.nbytes)
            location += needs.paths[path] + self._margin
        return held

    def open(
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
    ) -> DeviceStream:
        """See `Source`; nothing need be ready ahead."""
        return DeviceStream(self, plan, settings, seed)

    def bases(self, kind: str, plan: SamplingPlan, tracks: tuple[str, ...] = ()) -> Tensor:
        """Where arrays begin: (chromosomes,) of codes or bits; (cells, tracks, chromosomes) of signal; -1 if absent."""
        names = self.store.coordinates.names
        if kind != "signal":
            folder = "sequence" if kind == "codes" else "annotation"
            return torch.tensor([self._base.get(f"genome/{folder}/{c}", -1) for c in names])
        table = [
            [[self._base.get(self.store.track_path(i, t, c), -1) for c in names] for t in tracks] for i in plan.cells
        ]
        return torch.tensor(table, dtype=torch.long).view(len(plan.cells), len(tracks), len(names))

    def cut(self, kind: str, places: Tensor, length: int) -> Tensor:
        """Windows of `length` that begin at `places` of a held tensor, shape (*places, length)."""
        steps = torch.arange(length, device=self.device)
        return self._held[kind][places.to(self.device).unsqueeze(-1) + steps]


class DeviceStream:
    """Batches of a plan, cut on the device; the order is that of a raw store."""

    def __init__(
        self, source: DeviceSource, plan: SamplingPlan, settings: StreamSettings, seed: tuple[int, ...] | None
    ) -> None:
        store = source.store
        tracks = common_tracks(store, plan.cells)
        meta = np.zeros((len(plan.cells), 0), np.float32)
        if settings.meta:
            common_meta(store, plan.cells)
            meta = np.stack([store.meta(cell) for cell in plan.cells])
        self._source, self._windows = source, Windows(store.coordinates, plan, settings, tracks, meta)
        self._seed = seed
        self._codes, self._bits = source.bases("codes", plan), source.bases("bits", plan)
        self._signal = source.bases("signal", plan, tracks)
        self.waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __iter__(self) -> Iterator[TensorBatch]:
        windows, settings = self._windows, self._windows.settings
        if self._seed is None:
            order = np.argsort(windows.places, kind="stable")
        else:
            order = make_rng(*self._seed).permutation(len(windows.plan))
        index, sizes = shard_batch(order, settings.batch_size, settings.rank, settings.world_size)
        stop = 0
        for size in sizes:
            yield self._batch(index[stop : stop + size])
            stop += size

    def _batch(self, index: np.ndarray) -> TensorBatch:
        source, windows, plan = self._source, self._windows, self._windows.plan
        settings, device = windows.settings, self._source.device
        chrom, cell = torch.from_numpy(plan.chrom[index]), torch.from_numpy(plan.cell[index])
        starts = torch.from_numpy(windows.starts[index])
        codes = source.cut("codes", self._codes[chrom] + starts, settings.window_length)
        where = self._signal[cell, :, chrom] + starts[:, None]
        tracks = source.cut("signal", where, settings.window_length)
        features = [torch.from_numpy(windows.meta[plan.cell[index]]).to(device)]
        if settings.gencode:
            bins = torch.from_numpy(plan.bin_starts[index])
            bits = source.cut("bits", self._bits[chrom] + bins, BIN)
            each = torch.arange(len(FEATURES), device=device, dtype=torch.uint8)
            features.append(((bits.unsqueeze(2) >> each) & 1).amax(1).float())
        joined = torch.cat(features, dim=1)
        labels = torch.from_numpy(plan.label[index]).to(device, torch.float32)
        return TensorBatch(index, codes, tracks, joined if joined.shape[1] else None, labels)
