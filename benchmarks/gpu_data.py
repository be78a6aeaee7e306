"""Made-up data of the GPU benchmark: a genome with tracks and peaks in arrays, plans of windows, networks, segments."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from factornet.model.network.block_config import BlockConfig
from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.network.blocks import BlockNetwork
from factornet.model.network.config import NetworkConfig
from factornet.model.network.factornet import FactorNet
from factornet.store.cell_info import Track
from factornet.store.errors import UsageError
from factornet.store.format.value_tables.coded_array import CodedArray
from factornet.store.format.value_tables.table import find_table
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.sampling.plan import SamplingPlan
from factornet.store.schema import BIN, STRIDE
from factornet.store.windows.inputs import ANNOTATION, SEQUENCE, genome_path

FACTOR, CELLS = "MAX", ("A", "B")
TRACKS = ("Unique35", "DGF")
SHARED = TRACKS[:1]
META = ("meta1", "meta2")


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes:
        chromosomes: bases of each.
        window: bases of a window of a FactorNet.
        networks: kernels, LSTM cells and dense units of the networks to time.
        blocks: fields of the configuration of the network over blocks.
        trees: of the ensemble over blocks.
        batch: windows a batch, as the product's default.
        large: windows of a large batch.
        checked: windows of a batch that is compared with float64 on the CPU.
        segments: segments a step of the network over blocks, as the product's default, and many.
        bins: bins of a segment.
        tile: bins of a tile to predict.
        seconds: that one timing takes, at least.
        product: length of the matrices whose product is timed.
        copied: bytes to copy.
    """

    chromosomes: tuple[int, ...] = (6_000_000, 4_000_000)
    window: int = 1000
    networks: tuple[tuple[int, int, int], ...] = ((32, 32, 64), (128, 128, 256))
    blocks: tuple[tuple[str, int], ...] = ()
    trees: int = 120
    batch: int = 100
    large: int = 1000
    checked: int = 32
    segments: tuple[int, int] = (16, 128)
    bins: int = 41
    tile: int = 16384
    seconds: float = 0.25
    product: int = 8192
    copied: int = 2**30


SMALL = Sizes(
    chromosomes=(60_000, 40_000),
    window=300,
    networks=((6, 4, 8), (8, 6, 8)),
    blocks=(("kernels", 6), ("width", 8)),
    trees=3,
    batch=10,
    large=20,
    checked=6,
    segments=(2, 3),
    bins=9,
    tile=64,
    seconds=0.002,
    product=64,
    copied=2**20,
)


@dataclass(frozen=True)
class _Cell:
    """What the readers of windows ask of a cell line."""

    name: str
    track_names: tuple[str, ...] = TRACKS
    meta: tuple[str, ...] = META


class ArrayStore:
    """Arrays in the memory of this process that are read like those of a store.

    Attributes:
        coordinates: of its chromosomes.
        arrays: by their paths in a store.
        peaks: first base of the peaks of each cell line and chromosome; each has 400 bases.
    """

    location = "made-up arrays"
    random_access = True
    has_annotation = True

    def __init__(self, lengths: tuple[int, ...], *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.coordinates = GenomeCoordinates(tuple(f"chr{i + 1}" for i in range(len(lengths))), lengths)
        self.arrays: dict[str, Any] = {}
        self.peaks: dict[tuple[str, str], NDArray[np.int64]] = {}
        self._meta = rng.normal(size=(len(CELLS), len(META))).astype(np.float32)
        for chrom, length in zip(self.coordinates.names, lengths, strict=True):
            codes = rng.integers(0, 4, length, dtype=np.uint8)
            codes[length // 2 : length // 2 + length // 50] = 4
            self.arrays[genome_path(SEQUENCE, chrom)] = codes
            self.arrays[genome_path(ANNOTATION, chrom)] = np.repeat(
                rng.integers(0, 64, length // STRIDE + 1, dtype=np.uint8), STRIDE
            )[:length]
            uniqueness = rng.choice(np.array([0, 1 / 4, 1 / 3, 1 / 2, 1], np.float32), length // 20 + 1)
            self.arrays[f"genome/tracks/{SHARED[0]}/{chrom}"] = np.repeat(uniqueness, 20)[:length]
            for cell in CELLS:
                self._add_signal(cell, chrom, length, rng)

    def _add_signal(self, cell: str, chrom: str, length: int, rng: np.random.Generator) -> None:
        """Add counts times a scale, more of them in peaks."""
        rate = np.full(length, 0.3, np.float32)
        starts = np.sort(rng.integers(0, length - 400, max(1, length // 5000)))
        rate[(starts[:, None] + np.arange(400)).ravel()] = 3
        self.peaks[cell, chrom] = starts
        self.arrays[f"cells/{cell}/tracks/{TRACKS[1]}/{chrom}"] = rng.poisson(rate).astype(np.float32) * np.float32(0.1)

    def cell(self, name: str) -> _Cell:
        """Return what a cell line has."""
        if name not in CELLS:
            raise UsageError(f"no cell line {name!r}")
        return _Cell(name)

    def tracks_of(self, cell: str) -> tuple[Track, ...]:
        """Return the tracks of a cell line."""
        return tuple(Track(name, shared=name in SHARED) for name in self.cell(cell).track_names)

    def array(self, path: str) -> NDArray[Any] | CodedArray:
        """Return an array by its path."""
        return self.arrays[path]

    def with_codes(self) -> ArrayStore:
        """Return the same store with its signal kept as codes."""
        coded = copy.copy(self)
        tables = ((path, array, find_table([array])) for path, array in self.arrays.items() if "/tracks/" in path)
        codes = {path: CodedArray(table.encode(array), table) for path, array, table in tables if table is not None}
        coded.arrays = self.arrays | codes
        return coded

    def track_path(self, cell: str, name: str, chrom: str) -> str:
        """Return the path of a track."""
        return f"{'genome' if name in SHARED else f'cells/{cell}'}/tracks/{name}/{chrom}"

    def meta(self, cell: str) -> NDArray[np.float32]:
        """Return the meta values of a cell line."""
        return np.array(self._meta[CELLS.index(cell)])

    def plan(self, n: int, *, seed: int) -> SamplingPlan:
        """Return n windows, half of them at peaks; some reach past an end of their chromosome, or lie beyond it."""
        rng, lengths = np.random.default_rng(seed), np.array(self.coordinates.lengths)
        cell, chrom = rng.integers(0, len(CELLS), n), rng.integers(0, len(lengths), n)
        start = rng.integers(-3 * BIN, lengths[chrom] + 2 * BIN)
        label = np.zeros((n, 1), np.uint8)
        for i, name in enumerate(CELLS):
            for j, of in enumerate(self.coordinates.names):
                rows, peaks = np.flatnonzero((cell == i) & (chrom == j)), self.peaks[name, of]
                half = rows[::2]
                start[half] = rng.choice(peaks, half.size) + rng.integers(0, 400 - BIN, half.size)
                nearest = peaks[np.searchsorted(peaks, start[rows], side="right").clip(1) - 1]
                label[rows, 0] = (start[rows] >= nearest) & (start[rows] + BIN <= nearest + 400)
        return SamplingPlan(CELLS, cell, chrom, start, rng.integers(-50, 50, n), label)

    def tile(self, n_bases: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return codes, (S,), and tracks, (T, S), of bases in the first chromosome."""
        chrom = self.coordinates.names[0]
        tracks = [self.arrays[self.track_path(CELLS[0], name, chrom)][:n_bases] for name in TRACKS]
        return self.arrays[genome_path(SEQUENCE, chrom)][:n_bases], np.stack(tracks)


def factornet_config(sizes: Sizes, network: tuple[int, int, int], **fields: Any) -> NetworkConfig:
    """Return the configuration of a FactorNet of so many kernels, cells and units."""
    kernels, recurrent, dense = network
    settings = {"kernels": kernels, "recurrent": recurrent, "dense": dense, "window_length": sizes.window, **fields}
    return NetworkConfig(tasks=(FACTOR,), tracks=TRACKS, **settings)


def block_config(sizes: Sizes, **fields: Any) -> BlockConfig:
    """Return the configuration of networks over blocks."""
    return BlockConfig(tasks=(FACTOR,), tracks=TRACKS, **{**dict(sizes.blocks), **fields})


def name_of(config: NetworkConfig) -> str:
    """Return the name of a network by its sizes."""
    return f"k{config.kernels} r{config.recurrent} d{config.dense}"


@torch.no_grad()
def made_up_weights(network: nn.Module, *, seed: int) -> None:
    """Set weights as after some training: all layers and biases matter, and logits are of order 1.

    Those at the beginning of a training are so small that a fault in a layer would hardly change the output.
    """
    rng = torch.Generator().manual_seed(seed)
    for name, values in network.named_parameters():
        fan_in = values[0].numel() if values.ndim > 1 else 1
        if values.ndim > 1:
            values.normal_(0, fan_in**-0.5, generator=rng)
        elif "norm" not in name:
            values.uniform_(-0.2, 0.2, generator=rng)
        if "motifs.weight" in name:
            values.mul_(2)


def make_factornet(config: NetworkConfig, *, seed: int = 1) -> FactorNet:
    """Return a FactorNet with made-up weights, on the CPU."""
    network = FactorNet(config, seed=seed)
    made_up_weights(network, seed=seed)
    return network


def make_ensemble(config: BlockConfig, *, seed: int = 1) -> BlockEnsemble:
    """Return networks over blocks with made-up weights; their trees, if any, are complete, on random features."""
    ensemble = BlockEnsemble(config, seed=seed)
    made_up_weights(ensemble, seed=seed)
    trees, rng = ensemble.trees, torch.Generator().manual_seed(seed)
    if trees is None:
        return ensemble
    inner = config.leaves - 1
    shape, nodes = trees.feature[..., :inner].shape, torch.arange(inner, dtype=torch.int32)
    trees.feature[..., :inner] = torch.randint(0, 20, shape, dtype=torch.int32, generator=rng)
    trees.threshold[..., :inner] = torch.rand(shape, generator=rng)
    trees.left[..., :inner], trees.right[..., :inner] = 2 * nodes + 1, 2 * nodes + 2
    trees.value[..., inner:] = torch.randn(trees.value[..., inner:].shape, generator=rng)
    ensemble.motif_odds.normal_(generator=rng)
    ensemble.slopes.normal_(0, 0.1, generator=rng)
    ensemble.shares[:] = torch.tensor([0.5, 0.3, 0.2])
    return ensemble


@dataclass(frozen=True)
class Inputs:
    """A batch as tensors: windows and labels (B, tasks), or segments with labels and weights (B, bins, tasks)."""

    codes: Tensor
    tracks: Tensor
    labels: Tensor
    features: Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype = torch.float32) -> Inputs:
        """Return them on a device."""
        features = None if self.features is None else self.features.to(device, dtype)
        return replace(
            self,
            codes=self.codes.to(device),
            tracks=self.tracks.to(device, dtype),
            labels=self.labels.to(device, dtype),
            features=features,
        )

    def split(self, parts: int) -> list[Inputs]:
        """Return them in so many parts, or as many as there are rows, of one size; what is left over is left out."""
        size = max(1, len(self.codes) // parts)
        return [self._rows(i, i + size) for i in range(0, len(self.codes) // size * size, size)][:parts]

    def _rows(self, first: int, stop: int) -> Inputs:
        features = None if self.features is None else self.features[first:stop]
        return Inputs(self.codes[first:stop], self.tracks[first:stop], self.labels[first:stop], features)


def segment_inputs(store: ArrayStore, network: BlockNetwork, n: int, *, bins: int, seed: int) -> Inputs:
    """Return segments of so many bins each, from random places of the first chromosome, with random labels."""
    rng = np.random.default_rng(seed)
    length = network.config.window_length + (bins - 1) * STRIDE
    codes, tracks = store.tile(store.coordinates.lengths[0])
    first = rng.integers(0, codes.size - length, n)
    span = first[:, None] + np.arange(length)
    labels = (rng.random((n, bins, 1)) < 0.2).astype(np.float32)
    return Inputs(
        torch.from_numpy(codes[span]),
        torch.from_numpy(np.ascontiguousarray(tracks[:, span].transpose(1, 0, 2))),
        torch.from_numpy(labels),
    )
