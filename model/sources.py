"""Where a training's windows come from: a store, read as it goes, or memory that holds all they are cut from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, Self, get_args

import numpy as np
import torch
from torch import Tensor

from ..store.batch import Windows, share_of
from ..store.errors import UsageError
from ..store.plan import Plan, generator
from ..store.reader import Store
from ..store.resident import Needs, arrays_needed, read_blocks, resident_copy
from ..store.sampling import Sampler
from ..store.schema import BIN, FEATURES
from ..store.stream import StreamSettings, WindowStream, shared_meta, shared_tracks
from .batches import TensorBatch, TensorStream
from .network import NetworkConfig

Residence = Literal["auto", "no", "host", "device"]
_SHARE = 0.6  # of the free memory that held arrays may take


class BatchStream(Protocol):
    """Batches of one plan as tensors, once; a context that frees what it holds."""

    waited: float

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def __iter__(self) -> Iterator[TensorBatch]: ...


class Source(Protocol):
    """Opens plans."""

    @property
    def reason(self) -> str:
        """For the log: what it is, and why it was chosen."""
        ...

    def open(
        self, plan: Plan, settings: StreamSettings, *, seed: tuple[int, ...] | None, ahead: int = 0
    ) -> BatchStream:
        """The windows of a plan, in random order, or in order of place where `seed` is None."""
        ...


@dataclass(frozen=True)
class StoreSource:
    """Windows from a store: streamed, memory-mapped or held in host memory, as the store is."""

    store: Store
    device: torch.device
    reason: str

    def open(
        self, plan: Plan, settings: StreamSettings, *, seed: tuple[int, ...] | None, ahead: int = 0
    ) -> TensorStream:
        """See `Source`; `ahead` batches are kept ready by a thread."""
        return TensorStream(WindowStream(self.store, plan, settings, seed=seed), self.device, ahead=ahead)


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
        needs: Needs,
        config: NetworkConfig,
        device: torch.device,
        *,
        reason: str,
        on_bytes: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.store, self.reason, self.device = store, reason, device
        self._margin = max(config.length, BIN)
        self._base: dict[str, int] = {}
        kinds = {"codes": ("genome/sequence/",), "bits": ("genome/annotation/",)}
        named = {kind: [p for p in needs.paths if p.startswith(starts)] for kind, starts in kinds.items()}
        named["signal"] = [p for p in needs.paths if p not in named["codes"] + named["bits"]]
        hold = {"codes": (torch.uint8, 4), "bits": (torch.uint8, 0), "signal": (torch.float32, 0)}
        self._held = {k: self._load(named[k], needs, *hold[k], on_bytes=on_bytes) for k in named}

    def _load(
        self, paths: list[str], needs: Needs, dtype: torch.dtype, outside: int, *, on_bytes: Callable[[int], None]
    ) -> Tensor:
        size = sum(needs.paths[p] + self._margin for p in paths) + self._margin
        held = torch.full((size,), outside, dtype=dtype, device=self.device)
        place = self._margin
        for path in paths:
            self._base[path] = place
            for start, block in read_blocks(self.store.array(path), needs.paths[path]):
                held[place + start : place + start + len(block)] = torch.from_numpy(block)
                on_bytes(block.nbytes)
            place += needs.paths[path] + self._margin
        return held

    def open(
        self, plan: Plan, settings: StreamSettings, *, seed: tuple[int, ...] | None, ahead: int = 0
    ) -> DeviceStream:
        """See `Source`; nothing need be ready ahead."""
        return DeviceStream(self, plan, settings, seed)

    def bases(self, kind: str, plan: Plan, tracks: tuple[str, ...] = ()) -> Tensor:
        """Where arrays begin: (chromosomes,) of codes or bits; (cells, tracks, chromosomes) of signal; -1 if absent."""
        names = self.store.axis.names
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
        self, source: DeviceSource, plan: Plan, settings: StreamSettings, seed: tuple[int, ...] | None
    ) -> None:
        store = source.store
        tracks = shared_tracks(store, plan.cells)
        meta = np.zeros((len(plan.cells), 0), np.float32)
        if settings.meta:
            shared_meta(store, plan.cells)
            meta = np.stack([store.meta(cell) for cell in plan.cells])
        self._source, self._windows = source, Windows(store.axis, plan, settings, tracks, meta)
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
            order = generator(*self._seed).permutation(len(windows.plan))
        index, sizes = share_of(order, settings.batch, *settings.share)
        stop = 0
        for size in sizes:
            yield self._batch(index[stop : stop + size])
            stop += size

    def _batch(self, index: np.ndarray) -> TensorBatch:
        source, windows, plan = self._source, self._windows, self._windows.plan
        settings, device = windows.settings, self._source.device
        chrom, cell = torch.from_numpy(plan.chrom[index]), torch.from_numpy(plan.cell[index])
        starts = torch.from_numpy(windows.starts[index])
        codes = source.cut("codes", self._codes[chrom] + starts, settings.length)
        where = self._signal[cell, :, chrom] + starts[:, None]
        tracks = source.cut("signal", where, settings.length)
        features = [torch.from_numpy(windows.meta[plan.cell[index]]).to(device)]
        if settings.gencode:
            bins = torch.from_numpy(plan.bin_starts[index])
            bits = source.cut("bits", self._bits[chrom] + bins, BIN)
            each = torch.arange(len(FEATURES), device=device, dtype=torch.uint8)
            features.append(((bits.unsqueeze(2) >> each) & 1).amax(1).float())
        joined = torch.cat(features, dim=1)
        labels = torch.from_numpy(plan.label[index]).to(device, torch.float32)
        return TensorBatch(index, codes, tracks, joined if joined.shape[1] else None, labels)


def choose_source(choice: Residence, sampler: Sampler, config: NetworkConfig, device: torch.device) -> Source:
    """Where the windows of a training are to come from.

    "auto" holds the arrays on a GPU that has room for them, and streams otherwise: on a CPU a stream outruns the
    network, and a raw store is as quick as memory.

    Raises:
        UsageError: no such choice, or no room for what was asked for; both sizes are given.
    """
    if choice not in get_args(Residence):
        raise UsageError(f"--resident {choice!r} is none of {', '.join(get_args(Residence))}")
    store = sampler.store
    cells = tuple(dict.fromkeys(sampler.cells + sampler.valid_cells))
    needs = arrays_needed(store, cells=cells, tracks=config.tracks, gencode=config.gencode, chroms=sampler.chromosomes)
    size = f"{needs.bytes / 1e9:.2f} GB"
    if choice == "auto":
        room = free_memory(device) if device.type == "cuda" else 0
        if needs.bytes > _SHARE * room:
            what = "memory-mapped from the raw store" if store.is_raw else "streamed from the compressed store"
            why = (
                f"{size} do not fit into {room / 1e9:.2f} GB of free memory on {device}"
                if room
                else "training on a CPU"
            )
            return StoreSource(store, device, f"{what} ({why})")
        return DeviceSource(store, needs, config, device, reason=f"cut on {device}, which holds {size} of the store")
    if choice == "no":
        return StoreSource(store, device, "read from the store as it goes (--resident no)")
    room = free_memory(device if choice == "device" else torch.device("cpu"))
    if needs.bytes > room:
        raise UsageError(
            f"--resident {choice}: {size} are to be held, {room / 1e9:.2f} GB are free; use fewer cell lines, or "
            "--resident no"
        )
    if choice == "device":
        return DeviceSource(store, needs, config, device, reason=f"cut on {device}, which holds {size} of the store")
    held = resident_copy(store)
    held.hold(needs)
    return StoreSource(held, device, f"gathered from host memory, which holds {size} of the store")


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device, or on this machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(os.sysconf("SC_AVPHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
