"""Settings of a stream, the batches it yields, and the blocks of windows that batches are cut from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..sampling.plan import SamplingPlan
from ..text import format_count
from .signal_windows import TrackCodes


@dataclass(frozen=True)
class StreamSettings:
    """How to stream windows.

    Attributes:
        window_length: length of the model's window, bases.
        batch_size: windows per batch; the last batch of an epoch may be smaller.
        pool_bytes: memory for the windows of one shuffle buffer; two buffers are held. Random access holds a few
            small blocks instead, of as many bytes together.
        slab: bases read at once (compressed stores).
        threads: reader threads (compressed stores; random access uses one, which fills the memory bus).
        meta: whether the features include the cell line's meta values.
        gencode: whether the features include the annotation of the bin, after the meta values.
        rank, world_size: yield the rank-th of `world_size` equal parts of every batch. The last batch of an epoch may
            leave some ranks fewer windows than others, or none; all ranks get the same number of batches.
        tracks: names of the tracks to read, in order, from cell lines that may have others; None reads all, which must
            then be the same in all cell lines of the plan.

    Raises:
        UsageError: a value is out of range, or `batch_size` is no multiple of `world_size`.
    """

    window_length: int
    batch_size: int = 100
    pool_bytes: int = 128 * 1024 * 1024
    slab: int = 4 * 1024 * 1024
    threads: int = 2
    meta: bool = False
    gencode: bool = False
    rank: int = 0
    world_size: int = 1
    tracks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("window_length", "batch_size", "pool_bytes", "slab", "threads", "world_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.rank < self.world_size or self.batch_size % self.world_size:
            raise UsageError(
                f"a batch of {self.batch_size} windows cannot be shared by {self.world_size} processes "
                f"(this is {self.rank})"
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows ready for a model; B of them.

    Attributes:
        index: their rows in the plan, int64 (B,).
        codes: base codes 0..4, uint8 (B, L); 4 past the ends of a chromosome.
        tracks: signal, float32 (B, tracks, L), in the order of the settings, else of the cell line; 0 past the ends of
            a chromosome.
        features: meta values, then six booleans (does the bin, as drawn, overlap a CpG island, CDS, intron, promoter,
            5' UTR, 3' UTR), float32 (B, features); features is 0 unless the settings ask for them.
        labels: targets, uint8 (B, tasks).
    """

    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"Batch({describe_windows(self.codes, self.tracks, self.features, self.labels)})"


@dataclass(frozen=True, slots=True, eq=False)
class CodedBatch:
    """A batch with the codes of its signal; other fields as in `Batch`."""

    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: TrackCodes
    features: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def decoded(self) -> Batch:
        """Return the batch with the values of its signal."""
        return Batch(self.index, self.codes, self.tracks.values(), self.features, self.labels)

    def __repr__(self) -> str:
        return f"CodedBatch({describe_windows(self.codes, self.tracks, self.features, self.labels)})"


def describe_windows(codes: Any, tracks: Any, features: Any, labels: Any) -> str:
    """Describe the shapes of a batch, for its `repr`: arrays or tensors as in `Batch`; features may be None."""
    n_features = 0 if features is None else features.shape[1]
    counts = ((tracks.shape[1], "track"), (n_features, "feature"), (labels.shape[1], "task"))
    windows = f"{format_count(len(codes), 'window')} of {codes.shape[1]:,} bases"
    return ", ".join((windows, *(format_count(*count) for count in counts)))


@dataclass(frozen=True, slots=True)
class WindowBlock:
    """Windows of consecutive batches, held at once; fields as in `Batch` or `CodedBatch`.

    Attributes:
        sizes: number of windows in each batch.
    """

    sizes: list[int]
    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32] | TrackCodes
    features: NDArray[np.float32]

    def batches(self, plan: SamplingPlan) -> Iterator[Batch | CodedBatch]:
        """Yield the batches, with labels of the plan."""
        stop = 0
        for size in self.sizes:
            rows = slice(stop, stop := stop + size)
            index, codes, features = self.index[rows], self.codes[rows], self.features[rows]
            if isinstance(self.tracks, TrackCodes):
                yield CodedBatch(index, codes, self.tracks[rows], features, plan.label[index])
            else:
                yield Batch(index, codes, self.tracks[rows], features, plan.label[index])
