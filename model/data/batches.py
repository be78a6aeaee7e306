"""Copy batches of a window stream to a device, ahead of their consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.windows.batch import Batch, CodedBatch, StreamSettings, describe_windows
from ...store.windows.loader import WindowStream
from ...store.windows.signal_windows import TrackCodes
from ..network.variants import AnyConfig
from .signal_codes import as_tensor, look_up


@dataclass(frozen=True, slots=True)
class TensorBatch:
    """A batch on the device; fields as in `factornet.store.Batch`, but float32 labels, and None without features."""

    index: NDArray[np.int64]
    codes: Tensor
    tracks: Tensor
    features: Tensor | None
    labels: Tensor

    def __repr__(self) -> str:
        shapes = describe_windows(self.codes, self.tracks, self.features, self.labels)
        return f"TensorBatch({shapes}, on {self.codes.device})"


_Ready = tuple[TensorBatch, "torch.cuda.Event | None"] | BaseException | None


class TensorStream:
    """Batches of a stream as tensors, to be iterated once; measures how long the consumer waited for them.

    Args:
        stream: the windows.
        device: device of the tensors.
        prefetch: number of batches that a thread keeps ready, from now on; 0 reads on demand. On CUDA the thread also
            copies them, from pinned memory, while the device computes.
        codes: whether signal that is kept as codes is copied as such, a quarter of the bytes, and looked up on the
            device; None for any device but the CPU.

    Use it as a context manager: leaving it ends the thread, wherever the consumer stopped.
    """

    def __init__(
        self, stream: WindowStream, device: torch.device, *, prefetch: int = 0, codes: bool | None = None
    ) -> None:
        self._stream, self._device = stream, device
        self._codes = (device.type != "cpu" if codes is None else codes) and stream.has_codes
        self._tables: Tensor | None = None  # on the device, the same for all batches
        cuda = device.type == "cuda" and prefetch > 0
        self._copies = torch.cuda.Stream(device) if cuda else None  # type: ignore[no-untyped-call]
        self._ready: queue.Queue[_Ready] = queue.Queue(maxsize=max(1, prefetch))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tensor-stream", daemon=True) if prefetch else None
        self.waited = 0.0
        """Seconds spent waiting for batches so far."""
        if self._thread is not None:
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def __iter__(self) -> Iterator[TensorBatch]:
        batches = map(self._as_tensors, self._batches()) if self._thread is None else iter(self._take, None)
        while True:
            begin = perf_counter()
            batch = next(batches, None)
            self.waited += perf_counter() - begin
            if batch is None:
                return
            yield batch

    def _batches(self) -> Iterator[Batch | CodedBatch]:
        return self._stream.coded_batches() if self._codes else iter(self._stream)

    def _as_tensors(self, batch: Batch | CodedBatch) -> TensorBatch:
        features = self._to_device(batch.features) if batch.features.shape[1] else None
        labels = self._to_device(batch.labels).to(torch.float32)
        tracks = self._to_device(batch.tracks) if isinstance(batch, Batch) else self._look_up(batch.tracks)
        return TensorBatch(batch.index, self._to_device(batch.codes), tracks, features, labels)

    def _to_device(self, values: NDArray[Any]) -> Tensor:
        tensor = as_tensor(values)
        return (tensor.pin_memory() if self._copies else tensor).to(self._device, non_blocking=True)

    def _look_up(self, tracks: TrackCodes) -> Tensor:
        if self._tables is None:
            self._tables = torch.from_numpy(tracks.tables).to(self._device)
        starts = self._to_device(tracks.table_starts.astype(np.int32))
        return look_up(self._to_device(tracks.codes), starts, self._tables)

    def _work(self) -> None:
        """Run in the thread: put batches, then None, or the error that ended them."""
        try:
            for batch in self._batches():
                with torch.cuda.stream(self._copies):
                    tensors = self._as_tensors(batch)
                    copied = self._copies.record_event() if self._copies else None
                if not self._put((tensors, copied)):
                    return
            self._put(None)
        except BaseException as error:  # raised where the consumer takes the batch
            self._put(error)

    def _put(self, item: _Ready) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _take(self) -> TensorBatch | None:
        item = self._ready.get()
        if item is None:
            return None
        if isinstance(item, BaseException):
            raise item
        batch, copied = item
        if copied is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(copied)
            for tensor in (batch.codes, batch.tracks, batch.features, batch.labels):
                if tensor is not None:
                    tensor.record_stream(current)  # its memory is not reused before this stream is done with it
        return batch


def stream_settings(config: AnyConfig, *, batch_size: int, rank: int = 0, world_size: int = 1) -> StreamSettings:
    """Return settings for streaming the windows of a network."""
    return StreamSettings(
        config.window_length,
        batch_size=batch_size,
        tracks=config.tracks,
        meta=bool(config.meta),
        gencode=config.gencode,
        rank=rank,
        world_size=world_size,
    )
