"""Batches of a stream as tensors on a device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..store.errors import UsageError
from ..store.stream import StreamSettings, WindowStream
from .network import NetworkConfig


@dataclass(frozen=True, slots=True)
class TensorBatch:
    """A batch on the device; fields as in `factornet.store.stream.Batch`, labels as float32, no features as None."""

    index: NDArray[np.int64]
    codes: Tensor
    tracks: Tensor
    features: Tensor | None
    labels: Tensor


class TensorStream:
    """Iterates over a stream's batches as tensors, and measures how long its consumer waited for them."""

    def __init__(self, stream: WindowStream, device: torch.device) -> None:
        self._stream, self._device = stream, device
        self.waited = 0.0
        """Seconds spent waiting for batches so far."""

    def __iter__(self) -> Iterator[TensorBatch]:
        batches = iter(self._stream)
        while True:
            begin = perf_counter()
            batch = next(batches, None)
            self.waited += perf_counter() - begin
            if batch is None:
                return
            yield TensorBatch(
                batch.index,
                torch.from_numpy(batch.codes).to(self._device, non_blocking=True),
                torch.from_numpy(batch.tracks).to(self._device, non_blocking=True),
                torch.from_numpy(batch.features).to(self._device) if batch.features.shape[1] else None,
                torch.from_numpy(batch.labels).to(self._device, torch.float32),
            )


def stream_settings(config: NetworkConfig, *, batch: int, share: tuple[int, int] = (0, 1)) -> StreamSettings:
    """How to stream the windows that a network of this kind takes."""
    return StreamSettings(config.length, batch=batch, meta=bool(config.meta), gencode=config.gencode, share=share)


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: CUDA was asked for by name and is not there. It never falls back.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise UsageError(f"--device {name!r} is no device; give auto, cpu, cuda or cuda:1") from e
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {name}: this machine, or this build of torch {torch.__version__}, has no CUDA")
    return device
