"""Where a training's windows come from: a store, read as it goes, or memory that holds all they are cut from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, Self, get_args

import torch

from ...store.errors import UsageError
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.sampling.sampler import Sampler
from ...store.windows.batch import StreamSettings
from ...store.windows.in_memory import load_in_memory, required_arrays
from ...store.windows.loader import WindowStream
from ..network.config import NetworkConfig
from .batches import TensorBatch, TensorStream
from .device import free_memory
from .device_windows import DeviceSource

DataPlacement = Literal["auto", "no", "host", "device"]
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
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
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
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
    ) -> TensorStream:
        """See `Source`; `prefetch` batches are kept ready by a thread."""
        return TensorStream(WindowStream(self.store, plan, settings, seed=seed), self.device, prefetch=prefetch)


def choose_source(choice: DataPlacement, sampler: Sampler, config: NetworkConfig, device: torch.device) -> Source:
    """Where the windows of a training are to come from.

    "auto" holds the arrays on a GPU that has room for them, and streams otherwise: on a CPU a stream outruns the
    network, and a raw store is as quick as memory.

    Raises:
        UsageError: no such choice, or no room for what was asked for; both sizes are given.
    """
    if choice not in get_args(DataPlacement):
        raise UsageError(f"--resident {choice!r} is none of {', '.join(get_args(DataPlacement))}")
    store = sampler.store
    cells = tuple(dict.fromkeys(sampler.cells + sampler.valid_cells))
    needs = required_arrays(
        store, cells=cells, tracks=config.tracks, gencode=config.gencode, chroms=sampler.chromosomes
    )
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
    held = load_in_memory(store)
    held.hold(needs)
    return StoreSource(held, device, f"gathered from host memory, which holds {size} of the store")
