"""Derive the motif of each kernel from the sites in real sequence that activate it most.

The method is FactorNet's (its ``visualize``): in every sequence, on both strands, take the window under a kernel's
highest activation if that is above 0. These windows, aligned, are the kernel's motif, and the mean of each signal track
over them its footprint. Layer 1 is the convolution, layer 2 the mixing of its kernels at every position.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.files.atomic_write import write_atomic
from ...store.reader import Store
from ...store.sampling.plan import SamplingPlan
from ...store.schema import BIN
from ...store.windows.batch import StreamSettings
from ...store.windows.loader import WindowStream
from ..data.batches import TensorStream
from ..data.inputs import check_tracks
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet
from ..prediction.bins import Bins

FloatArray = NDArray[np.float64]

CORE_BITS = 0.25
"""Bits that a position must have, on average, to extend a motif's core."""

_BATCH_VALUES = 2**24
"""Number of values in the largest tensor of a batch: 64 MiB, whatever the size of the network."""


@dataclass(frozen=True, eq=False)
class KernelSites:
    """Sums over the sites of the K kernels of one layer: windows of w bases that activate them most.

    Attributes:
        counts: of each base at each position, float64 (K, w, 4), columns A, C, G, T; N is not counted.
        sites: number of sites, int64 (K,).
        mean_signal: of each track over the sites, in the direction of the motif, float64 (tracks, K, w); 0 for a
            kernel without sites.
        mean_activation: over the sites, float64 (K,); 0 without sites.
        max_activation: over the sites, float64 (K,); 0 without sites.
    """

    counts: FloatArray
    sites: NDArray[np.int64]
    mean_signal: FloatArray
    mean_activation: FloatArray
    max_activation: FloatArray

    @cached_property
    def probabilities(self) -> FloatArray:
        """Share of each base at each position, float64 (K, w, 4); 0.25 each where no base was counted."""
        total = self.counts.sum(-1, keepdims=True)
        return np.where(total > 0, self.counts / np.maximum(total, 1), 0.25)

    @cached_property
    def information(self) -> FloatArray:
        """Bits of each position relative to equal shares, float64 (K, w), 0 to 2, corrected for few sites.

        Source: Schneider et al. 1986; the correction is 3 / (2 ln 2 n) for n bases.
        """
        p = self.probabilities
        entropy = -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)
        total = self.counts.sum(-1)
        chance = 3 / (2 * np.log(2) * np.maximum(total, 1))
        return np.where(total > 0, np.maximum(2 - entropy - chance, 0), 0.0)

    @cached_property
    def cores(self) -> NDArray[np.int64]:
        """First position of each motif's core and the one past its last, int64 (K, 2); see `find_core`."""
        return np.array([find_core(bits) for bits in self.information], np.int64)

    @cached_property
    def strength(self) -> FloatArray:
        """Number of sites times the core's bits above `CORE_BITS` per position, float64 (K,); kernels are ranked by it.

        Neither a sharp motif with few sites nor a weak preference (for G and C, say) along all of many windows ranks
        high.
        """
        bits = [row[a:b].sum() - CORE_BITS * (b - a) for row, (a, b) in zip(self.information, self.cores, strict=True)]
        return np.array(bits) * self.sites

    @property
    def ranked(self) -> list[int]:
        """Kernels that have sites, the strongest first."""
        order = np.argsort(-self.strength, kind="stable")
        return [int(k) for k in order if self.sites[k] > 0]


def find_core(bits: FloatArray) -> tuple[int, int]:
    """Return the half-open range of positions with the largest sum of ``bits - CORE_BITS``.

    It is the part of a wide kernel that contains the motif; (0, 0) if no position has more than `CORE_BITS`.

    Args:
        bits: information of each position, shape (w,).
    """
    sums = np.concatenate([[0.0], np.cumsum(bits - CORE_BITS)])
    lowest = np.minimum.accumulate(sums[:-1])
    stop = int(np.argmax(sums[1:] - lowest)) + 1
    start = int(np.argmin(sums[:stop]))
    return (start, stop) if sums[stop] > sums[start] else (0, 0)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over sequences, on the device: channels float64 (K, C, w), sites int64 (K,), activations float64 (K,)."""

    channels: Tensor
    sites: Tensor
    activation: Tensor
    highest: Tensor

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.channels + other.channels,
            self.sites + other.sites,
            self.activation + other.activation,
            torch.maximum(self.highest, other.highest),
        )

    def result(self) -> KernelSites:
        sums = self.channels.cpu().numpy()
        sites = self.sites.cpu().numpy()
        n = np.maximum(sites, 1)
        return KernelSites(
            counts=np.ascontiguousarray(sums[:, :4].transpose(0, 2, 1)),
            sites=sites,
            mean_signal=np.ascontiguousarray(sums[:, 4:].transpose(1, 0, 2)) / n[:, None],
            mean_activation=self.activation.cpu().numpy() / n,
            max_activation=self.highest.cpu().numpy(),
        )


def _sum_best_windows(channels: Tensor, activations: Tensor, width: int) -> _Sums:
    """Sum over sequences, for each kernel, the window under its highest activation (the first of equals), if above 0.

    Args:
        channels: input of the network, shape (N, L, C).
        activations: of the kernels, shape (N, L - width + 1, K).
        width: of a kernel, in bases.
    """
    highest, position = activations.max(dim=1)  # (N, K)
    active = highest > 0
    rows = torch.arange(len(channels), device=channels.device)[:, None]
    windows = channels.unfold(1, width, 1)[rows, position]  # (N, K, C, w)
    return _Sums(
        (windows * active[:, :, None, None]).sum(0, dtype=torch.float64),
        active.sum(0),
        (highest * active).sum(0, dtype=torch.float64),
        highest.amax(0).double(),
    )


@torch.inference_mode()
def find_kernel_sites(
    network: FactorNet,
    store: Store,
    cell: str,
    sequences: Bins,
    *,
    device: torch.device,
    on_batch: Callable[[int], None] = lambda windows: None,
) -> tuple[KernelSites, KernelSites]:
    """Find the sites of the kernels of layer 1 and of layer 2 in windows of the network's length.

    Both strands count as sequences of their own; beyond the ends of a chromosome the sequence is N and the signal 0.
    Blacklisted positions count too, as in FactorNet. Memory does not grow with the number of sequences.

    Args:
        network: moved to `device`, and set to evaluation mode.
        store: to read from.
        cell: cell line whose tracks are read.
        sequences: the windows are centred on their middles.
        device: to compute on.
        on_batch: called with the number of windows of each batch.

    Raises:
        UsageError: the cell line lacks a track of the network.
    """
    config = network.config
    check_tracks(config, store, cell)  # the first two layers see no meta values
    network = network.to(device).eval()
    first = second = _Sums(*(torch.zeros(1, device=device, dtype=torch.float64) for _ in range(4)))
    for batch in TensorStream(_stream(config, store, cell, sequences), device):
        channels = network.both_strands(batch.codes, batch.tracks)
        activations = network.convolve(channels)
        first += _sum_best_windows(channels, activations, config.kernel_width)
        activations = network.mixing(activations)  # without its ReLU: values above 0 are the same
        second += _sum_best_windows(channels, activations, config.kernel_width)
        on_batch(len(batch.index))
    return first.result(), second.result()


def _stream(config: NetworkConfig, store: Store, cell: str, sequences: Bins) -> WindowStream:
    zeros = np.zeros(len(sequences), np.int64)
    start = (sequences.start + sequences.stop) // 2 - BIN // 2
    plan = SamplingPlan((cell,), zeros, sequences.chrom, start, zeros, np.zeros((zeros.size, 0), np.uint8))
    values = 2 * config.kernels * max(config.positions, config.channels * config.kernel_width)  # of a window
    settings = StreamSettings(config.window_length, batch_size=max(1, _BATCH_VALUES // values), tracks=config.tracks)
    return WindowStream(store, plan, settings, seed=None)


def meme_text(layer: KernelSites) -> str:
    """Return the motifs of a layer in minimal MEME format, named MOTIF0, MOTIF1, ... by kernel.

    Kernels without sites are left out; the numbers then have gaps, and remain those of the rows of the mean signals.
    """
    share = layer.counts.sum((0, 1)) + 1
    letters = " ".join(f"{base} {p:.5f}" for base, p in zip("ACGT", share / share.sum(), strict=True))
    head = f"MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n{letters}\n"
    return head + "".join(_meme_motif(layer, int(k)) for k in np.flatnonzero(layer.sites))


def _meme_motif(layer: KernelSites, kernel: int) -> str:
    matrix = layer.probabilities[kernel]
    rows = "".join("  ".join(f"{p:.6f}" for p in row) + "\n" for row in matrix)
    title = f"letter-probability matrix: alength= 4 w= {len(matrix)} nsites= {layer.sites[kernel]} E= 0"
    return f"\nMOTIF MOTIF{kernel}\n\n{title}\n{rows}"


def write_motifs(folder: Path, layers: Sequence[KernelSites], tracks: Sequence[str]) -> None:
    """Write FactorNet's files of the two layers.

    They are motifs.txt and motifs2.txt in MEME format, and for each track <track>_meansignal.npy and
    <track>_meansignal2.npy, float64 (kernels, w).

    Raises:
        InputError: a file cannot be written.
    """
    for layer, suffix in zip(layers, ("", "2"), strict=True):
        write_atomic(folder / f"motifs{suffix}.txt", meme_text(layer).encode())
        for track, signal in zip(tracks, layer.mean_signal, strict=True):
            buffer = io.BytesIO()
            np.save(buffer, signal)
            write_atomic(folder / f"{track}_meansignal{suffix}.npy", buffer.getvalue())
