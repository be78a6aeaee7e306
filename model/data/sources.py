"""Choose where a training's windows come from: a store that is read on the go, or memory that holds its arrays."""

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
from ...store.windows.in_memory import find_tables, load_in_memory, required_arrays
from ...store.windows.loader import WindowStream
from ..network.variants import AnyConfig
from .batches import TensorBatch, TensorStream
from .device import free_memory
from .device_windows import DeviceSource
from .inputs import network_inputs

DataPlacement = Literal["auto", "no", "host", "device"]
_MEMORY_FRACTION = 0.6  # of the free memory that held arrays may take


class BatchStream(Protocol):
    """Batches of one plan as tensors, to be iterated once; a context manager that releases what it holds."""

    waited: float

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def __iter__(self) -> Iterator[TensorBatch]: ...


class Source(Protocol):
    """Opens plans."""

    @property
    def reason(self) -> str:
        """The kind of source and why it was chosen, for the log."""
        ...

    def open(
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
    ) -> BatchStream:
        """Open the windows of a plan, in random order, or in genome order if `seed` is None.

        Raises:
            UsageError: as for `WindowStream`.
        """
        ...


@dataclass(frozen=True)
class StoreSource:
    """Windows from a store: streamed, memory-mapped or gathered from host memory, depending on the store."""

    store: Store
    device: torch.device
    reason: str

    def open(
        self, plan: SamplingPlan, settings: StreamSettings, *, seed: tuple[int, ...] | None, prefetch: int = 0
    ) -> TensorStream:
        """See `Source`; a thread keeps `prefetch` batches ready."""
        return TensorStream(WindowStream(self.store, plan, settings, seed=seed), self.device, prefetch=prefetch)


def choose_source(choice: DataPlacement, sampler: Sampler, config: AnyConfig, device: torch.device) -> Source:
    """Return the source of a training's windows.

    "auto" holds the arrays on a GPU that has room for them, and streams otherwise: on a CPU a stream outruns the
    network, and a raw store is as fast as memory.

    Args:
        choice: "no" reads the store, "host" and "device" hold its arrays in that memory.
        sampler: draws the plans.
        config: of the network.
        device: device of the network.

    Raises:
        UsageError: the choice is unknown, a cell line lacks inputs of the network, or there is not enough memory for
            the choice; both sizes are given.
        StoreError: an array to hold is missing or damaged.
    """
    if choice not in get_args(DataPlacement):
        raise UsageError(f"data placement {choice!r} is unknown; use one of {', '.join(get_args(DataPlacement))}")
    store = sampler.store
    cells = tuple(dict.fromkeys(sampler.cells + sampler.valid_cells))
    network_inputs(config, store, cells)
    required = required_arrays(
        store, cells=cells, tracks=config.tracks, gencode=config.gencode, chroms=sampler.chromosomes
    )
    if choice == "no":
        return StoreSource(store, device, "read from the store on the go (arrays are not held)")
    free = 0
    if choice != "auto" or device.type == "cuda":
        free = free_memory(device if choice != "host" else torch.device("cpu"))
    if required.least_bytes <= free * (_MEMORY_FRACTION if choice == "auto" else 1):
        required = find_tables(store, required)  # which reads the signal of a compressed store
    size = f"{required.bytes / 1e9:.2f} GB"
    if choice == "auto":
        if required.bytes > _MEMORY_FRACTION * free:
            reading = "memory-mapped from the raw store" if store.is_raw else "streamed from the compressed store"
            reason = f"{size} do not fit into {free / 1e9:.2f} GB of free memory on {device}"
            return StoreSource(store, device, f"{reading} ({reason if free else 'training on a CPU'})")
    elif required.bytes > free:
        raise UsageError(
            f"data placement {choice!r}: the arrays take {size}, {free / 1e9:.2f} GB are free; use fewer cell "
            "lines, or placement 'no'"
        )
    if choice == "host":
        held = load_in_memory(store)
        held.hold(required)
        return StoreSource(held, device, f"gathered from host memory, which holds {size} of the store")
    return DeviceSource(store, required, config, device, reason=f"cut on {device}, which holds {size} of the store")
