"""The windows of one plan: their order, the shard of a rank, and the arrays that they are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..genome.intervals import GenomeCoordinates
from ..reader import Store
from ..sampling.plan import SamplingPlan
from .batch import StreamSettings
from .inputs import ANNOTATION, SEQUENCE, WindowInputs, genome_path


@dataclass(frozen=True, eq=False)
class PlannedWindows:
    """The windows of a plan, and what to read for each.

    Attributes:
        coordinates: chromosomes of the genome.
        plan: the windows.
        settings: how they are streamed.
        inputs: tracks, meta values and annotation of the plan's cell lines.
    """

    coordinates: GenomeCoordinates
    plan: SamplingPlan
    settings: StreamSettings
    inputs: WindowInputs

    @classmethod
    def of(cls, store: Store, plan: SamplingPlan, settings: StreamSettings) -> Self:
        """Check a plan and its settings against a store.

        Raises:
            UsageError: the plan refers to chromosomes or cell lines that do not exist, or as for `WindowInputs.of`.
        """
        inputs = WindowInputs.of(
            store, plan.cells, tracks=settings.tracks, meta=settings.meta, gencode=settings.gencode
        )
        n_chroms = len(store.coordinates.names)
        for noun, index, size in (("chromosome", plan.chrom, n_chroms), ("cell line", plan.cell, len(plan.cells))):
            if index.size and not (index.min() >= 0 and index.max() < size):
                raise UsageError(
                    f"{store.location}: the plan has windows of {noun} {index.min()} to {index.max()}, "
                    f"of 0 to {size - 1}; draw it from this store"
                )
        return cls(store.coordinates, plan, settings, inputs)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First base of each window on its chromosome; negative before the first base."""
        return self.plan.window_starts(self.settings.window_length)

    @cached_property
    def slabs(self) -> NDArray[np.int64]:
        """Slab of a chromosome that each window starts in, as one number that grows along the genome."""
        slabs = self.coordinates.to_absolute(self.plan.chrom, self.starts) // self.settings.slab
        return slabs * len(self.coordinates.names) + self.plan.chrom

    @property
    def n_batches(self) -> int:
        """Number of batches, the same for every rank."""
        return -(-len(self.plan) // self.settings.batch_size)

    @property
    def window_bytes(self) -> int:
        """Memory of one window."""
        return self.settings.window_length * (1 + 4 * len(self.inputs.tracks))

    def order(self, rng: np.random.Generator | None) -> NDArray[np.int64]:
        """Return rows of the plan in exact random order, or in genome order (by slab) without a generator."""
        return np.argsort(self.slabs, kind="stable") if rng is None else rng.permutation(len(self.plan))

    def shard(self, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
        """Return this rank's part of consecutive whole batches, and the number of windows in each part.

        Args:
            order: rows of the plan, batch after batch.
        """
        settings = self.settings
        return shard_batches(order, settings.batch_size, settings.rank, settings.world_size)

    def features(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return features of rows of the plan, float32 (n, features); see `WindowInputs.features`."""
        return self.inputs.features(self.plan.cell[index])


def shard_batches(
    order: NDArray[np.int64], batch_size: int, rank: int, world_size: int
) -> tuple[NDArray[np.int64], list[int]]:
    """Return the rank-th of `world_size` parts of each batch, one after the other, and the size of each part."""
    sizes = np.minimum(order.size - np.arange(0, order.size, batch_size), batch_size)
    first, stop = sizes * rank // world_size, sizes * (rank + 1) // world_size
    position = np.arange(order.size) % batch_size
    in_shard = (position >= np.repeat(first, sizes)) & (position < np.repeat(stop, sizes))
    return order[in_shard], (stop - first).tolist()


@dataclass(frozen=True, eq=False)
class PlannedArrays:
    """Paths of the arrays that the windows of a plan are cut from, and which window needs which.

    Attributes:
        sequence: paths, one per chromosome that occurs in the plan.
        annotation: likewise; empty where the settings do not ask for it.
        signal: paths, one per track of each pair of cell line and chromosome that occurs.
        chrom_row: number of each chromosome in `sequence` and `annotation`, int64 (chromosomes,); -1 if it does not
            occur.
        signal_row: number in `signal`, int64 (cells, chromosomes, tracks); -1 if the pair does not occur.
    """

    sequence: list[str]
    annotation: list[str]
    signal: list[str]
    chrom_row: NDArray[np.int64]
    signal_row: NDArray[np.int64]

    @classmethod
    def of(cls, store: Store, windows: PlannedWindows) -> Self:
        """Collect the arrays of a plan; none is opened."""
        plan, names, tracks = windows.plan, windows.coordinates.names, windows.inputs.tracks
        chroms = np.unique(plan.chrom).tolist()
        chrom_row = np.full(len(names), -1, np.int64)
        chrom_row[chroms] = np.arange(len(chroms))
        pairs = [divmod(p, len(names)) for p in np.unique(plan.cell * len(names) + plan.chrom).tolist()]
        signal_row = np.full((len(plan.cells), len(names), len(tracks)), -1, np.int64)
        for k, (cell, chrom) in enumerate(pairs):
            signal_row[cell, chrom] = np.arange(len(tracks)) + k * len(tracks)
        return cls(
            sequence=[genome_path(SEQUENCE, names[c]) for c in chroms],
            annotation=[genome_path(ANNOTATION, names[c]) for c in chroms] if windows.settings.gencode else [],
            signal=[store.track_path(plan.cells[i], track, names[c]) for i, c in pairs for track in tracks],
            chrom_row=chrom_row,
            signal_row=signal_row,
        )
