"""What streams yield and are told: settings, batches, and blocks of windows that batches are cut from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome.intervals import GenomeCoordinates
from ..sampling.plan import SamplingPlan
from ..schema import FEATURES


@dataclass(frozen=True)
class StreamSettings:
    """How to stream.

    Attributes:
        window_length: model window, bases.
        batch_size: windows a batch; the last one of an epoch may be smaller.
        pool_bytes: memory for the windows of one pool; two pools are held. Of a raw store a few small blocks are.
        slab: bases read at once (compressed stores).
        threads: readers (compressed stores; a raw one is read by one thread, which fills the memory bus).
        meta: whether batches carry the cell line's values.
        gencode: whether batches carry the annotation of the bin, after the values.
        rank, world_size: yield the rank-th of `world_size` equal parts of every batch. The last batch of an epoch may
            leave some ranks less than others, or nothing; all get the same number of batches.
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

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size or self.batch_size % self.world_size:
            raise UsageError(
                f"a batch of {self.batch_size} windows cannot be shared by {self.world_size} processes (this is {self.rank})"
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows ready for a model; B of them.

    Attributes:
        index: their place in the plan, int64 (B,).
        codes: base codes 0..4, uint8 (B, L); 4 past the ends of a chromosome.
        tracks: signal, float32 (B, tracks, L); 0 past the ends of a chromosome.
        features: meta values, then six booleans (does the bin, as drawn, overlap a CpG island, CDS, intron, promoter,
            5' UTR, 3' UTR), float32 (B, features); features is 0 unless the settings ask for them.
        labels: targets, uint8 (B, tasks).
    """

    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class WindowBlock:
    """Windows held at once, in the order they are emitted, `sizes` of them at a time; fields as in `Batch`."""

    sizes: list[int]
    index: NDArray[np.int64]
    codes: NDArray[np.uint8]
    tracks: NDArray[np.float32]
    features: NDArray[np.float32]

    def cut(self, plan: SamplingPlan) -> Iterator[Batch]:
        """Its batches."""
        stop = 0
        for size in self.sizes:
            rows = slice(stop, stop := stop + size)
            index = self.index[rows]
            yield Batch(index, self.codes[rows], self.tracks[rows], self.features[rows], plan.label[index])


@dataclass(frozen=True)
class Windows:
    """The windows of a plan, and what to read of each.

    Attributes:
        axis: the genome's chromosomes.
        plan: the windows.
        settings: how they are streamed.
        tracks: names of the tracks.
        meta: values of each of the plan's cell lines, float32 (cells, values); no values where none are wanted.
    """

    coordinates: GenomeCoordinates
    plan: SamplingPlan
    settings: StreamSettings
    tracks: tuple[str, ...]
    meta: NDArray[np.float32]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First base of each window on its chromosome; it may lie before the first."""
        return self.plan.window_starts(self.settings.window_length)

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Which slab of which chromosome each window starts in, as one number that grows along the genome."""
        places = self.coordinates.to_absolute(self.plan.chrom, self.starts) // self.settings.slab
        return places * len(self.coordinates.names) + self.plan.chrom

    @property
    def bytes_each(self) -> int:
        """Memory a window takes."""
        return self.settings.window_length * (1 + 4 * len(self.tracks))

    def features_of(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of these windows with the meta values filled in, the annotation yet to come, float32 (n, all)."""
        meta = self.meta.shape[1]
        features = np.empty((index.size, meta + len(FEATURES) * self.settings.gencode), np.float32)
        features[:, :meta] = self.meta[self.plan.cell[index]]
        return features


def shard_batch(block: NDArray[np.int64], batch: int, rank: int, size: int) -> tuple[NDArray[np.int64], list[int]]:
    """The rank-th of `size` parts of each batch of a block, one after the other, and how many windows each has."""
    starts = np.arange(0, block.size, batch)
    windows = np.minimum(block.size - starts, batch)
    first, stop = windows * rank // size, windows * (rank + 1) // size
    location = np.arange(block.size) % batch
    mine = (location >= np.repeat(first, windows)) & (location < np.repeat(stop, windows))
    return block[mine], (stop - first).tolist()


def annotation_flags(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The six booleans of each bin from the bits of its bases, uint8 (n, 200) to (n, 6)."""
    inside = np.bitwise_or.reduce(bits, axis=1)
    return np.unpackbits(inside[:, None], axis=1, count=len(FEATURES), bitorder="little")
