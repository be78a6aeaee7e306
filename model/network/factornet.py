"""The FactorNet network: one trunk, applied to a window and to its reverse complement.

Everything is position-major, (windows, positions, channels). That is the order in which FactorNet flattens, the one
one-hot encoding produces, and the one ("channels last") in which torch's convolution is fastest on a CPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...store.errors import UsageError
from .config import NetworkConfig, strand_order
from .lstm import BidirectionalLSTM
from .pooling import MaxPool


def one_hot(codes: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Encode base codes as columns A, C, G, T (0..3; all else, 4 = N, is a row of zeros), (..., L) -> (..., L, 4)."""
    return (codes[..., None] == torch.arange(4, dtype=codes.dtype, device=codes.device)).to(dtype)


@dataclass(frozen=True)
class BatchShare:
    """Rows ``first:stop`` of a batch of `windows`: the share of one process of several."""

    first: int
    stop: int
    windows: int

    @classmethod
    def of(cls, windows: int, rank: int, size: int) -> Self:
        """Return the share of process `rank` of `size`: at least one window, so that every process computes."""
        first, stop = windows * rank // size, windows * (rank + 1) // size
        return cls(min(first, windows - 1), max(stop, min(first, windows - 1) + 1), windows)


class FactorNet(nn.Module):
    """FactorNet (Quang & Xie 2019) in all its variants.

    Layers 1-2 (`scan`) apply at every position, layers 3-5 (`classify`) to a window. Both strands pass through them,
    and their probabilities are averaged.

    Args:
        config: sizes and names.
        seed: the only randomness in the initial weights. Dropout draws from torch's generator of the device.

    Attributes:
        batch_share: the rows of a distributed batch that the next call receives; None for all. Dropout is drawn for
            the whole batch, so that processes with one seed drop the same values as a single one.
    """

    def __init__(self, config: NetworkConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.batch_share: BatchShare | None = None
        with torch.device("meta"):  # shapes only: torch's own initial values would draw from its global generator
            self.motifs = nn.Conv1d(config.channels, config.kernels, config.kernel_width)
            self.mixing = nn.Linear(config.kernels, config.kernels)
            self.recurrent: BidirectionalLSTM | None = None
            if config.recurrent > 0:
                self.recurrent = BidirectionalLSTM(config.kernels, config.recurrent, gates=config.gates)
            self.dense = nn.Linear(config.flat, config.dense)
            self.context: nn.Linear | None = None
            if config.features:
                self.context = nn.Linear(config.dense + config.features, config.dense)
            self.output = nn.Linear(config.dense, len(config.tasks))
        self.to_empty(device="cpu")
        _initialise(self, torch.Generator().manual_seed(seed))
        self.strand_order: Tensor
        self.register_buffer(
            "strand_order", torch.tensor(strand_order(config.tracks), dtype=torch.long), persistent=False
        )

    def forward(self, codes: Tensor, tracks: Tensor, features: Tensor | None = None) -> Tensor:
        """Return probabilities, averaged over the two strands, float (B, tasks).

        Args:
            codes: bases, uint8, shape (B, L): 0..3 = ACGT, anything else N.
            tracks: signal, float32, shape (B, T, L), in the order of ``config.tracks``.
            features: meta values and annotation booleans, float32, shape (B, F); None where the network has none.

        Raises:
            UsageError: a shape does not match the configuration.
        """
        # In bfloat16 probabilities from 0.998 on are 1, whose loss is infinite, or NaN.
        logits = self.logits_per_strand(codes, tracks, features).to(self.motifs.weight.dtype)
        return torch.sigmoid(logits).mean(0)

    def logits_per_strand(self, codes: Tensor, tracks: Tensor, features: Tensor | None = None) -> Tensor:
        """Return logits of the windows and of their reverse complements, (2, B, tasks); arguments as for `forward`."""
        self._check_shapes(codes, tracks, features)
        strands = self.both_strands(codes, tracks)
        logits = self.classify(self.scan(strands), None if features is None else features.repeat(2, 1))
        return logits.view(2, len(codes), len(self.config.tasks))

    def both_strands(self, codes: Tensor, tracks: Tensor) -> Tensor:
        """Stack the channels (A, C, G, T, tracks) of all windows and of their reverse complements, (2B, L, 4 + T)."""
        bases = one_hot(codes, dtype=self.motifs.weight.dtype)
        signal = tracks.to(bases.dtype).mT
        forward = torch.cat([bases, signal], dim=2)
        # The complement of code c is 3 - c: it reverses the base columns, as it must the positions.
        reverse = torch.cat([bases.flip(1, 2), signal.flip(1)[:, :, self.strand_order]], dim=2)
        return torch.cat([forward, reverse])

    def convolve(self, channels: Tensor) -> Tensor:
        """Apply layer 1: activations of the kernels, (N, L, 4 + T) -> (N, L - w + 1, kernels), for any L >= w."""
        image = channels.unsqueeze(1).permute(0, 3, 1, 2)  # (N, channels, 1, L), channels last in memory
        y = functional.conv2d(image, self.motifs.weight.unsqueeze(2), self.motifs.bias)
        return functional.relu(y.permute(0, 2, 3, 1).squeeze(1))

    def scan(self, channels: Tensor) -> Tensor:
        """Apply layers 1 and 2 at every position, (N, L, 4 + T) -> (N, L - w + 1, kernels), for any L >= w.

        The ReLU of layer 2 is left to `classify`, which applies it after the pooling to w//2 times fewer values, with
        the same result.
        """
        y = self.convolve(channels)
        if not self.training:
            return functional.linear(y, self.mixing.weight, self.mixing.bias)
        keep, scale = _dropout_mask(y, 0.1, self.batch_share)
        # Scale the small matrix rather than the largest tensor of the network.
        return functional.linear(torch.where(keep, y, 0.0), self.mixing.weight * scale, self.mixing.bias)

    def classify(self, scanned: Tensor, features: Tensor | None) -> Tensor:
        """Apply layers 3 to 5: logits, (N, tasks), from `scan` of whole windows and one row of features each."""
        pooled: Tensor = functional.relu(MaxPool.apply(scanned, self.config.pool))  # type: ignore[no-untyped-call]
        return self.head(pooled, features)

    def head(self, y: Tensor, features: Tensor | None) -> Tensor:
        """Apply layers 4 and 5: logits, (N, tasks), from the steps of layer 3, (N, P // pool, kernels)."""
        if self.recurrent is not None:
            # Sixty steps accumulate bfloat16's rounding, and the fused kernel needs weights and input of one dtype.
            with torch.autocast(y.device.type, enabled=False):
                y = self.recurrent(y.to(self.motifs.weight.dtype))
        y = self._drop(y.flatten(1), self.config.dropout)
        y = functional.relu(self.dense(y))
        if self.context is not None and features is not None:
            y = self._drop(torch.cat([y, features.to(y.dtype)], dim=1), 0.1)
            y = functional.relu(self.context(y))
        logits: Tensor = self.output(self._drop(y, self.config.dropout))
        return logits

    def _drop(self, y: Tensor, rate: float) -> Tensor:
        if not self.training or rate == 0:
            return y
        keep, scale = _dropout_mask(y, rate, self.batch_share)
        return torch.where(keep, y, 0.0) * scale

    def _check_shapes(self, codes: Tensor, tracks: Tensor, features: Tensor | None) -> None:
        config, batch = self.config, len(codes)
        expected = {
            "codes": (codes.shape, (batch, config.window_length)),
            "tracks": (tracks.shape, (batch, len(config.tracks), config.window_length)),
            "features": (
                () if features is None else features.shape,
                (batch, config.features) if config.features else (),
            ),
        }
        for name, (got, want) in expected.items():
            if tuple(got) != want:
                raise UsageError(f"{name} must have shape {want or 'none (omit them)'}, got {tuple(got) or None}")


def _dropout_mask(y: Tensor, rate: float, batch_share: BatchShare | None) -> tuple[Tensor, float]:
    """Draw which values of `y` to keep, a boolean tensor, and the factor to scale them by.

    Four values share one 64-bit random number: one number per value, as torch's dropout draws on a CPU, takes as long
    as the convolution. The rate is a multiple of 1/65536 (0.1 becomes 0.100006), and the scale matches it exactly.

    Args:
        y: both strands of the windows, shape (2 B, ...).
        rate: dropout rate.
        batch_share: which B windows of a larger batch these are; None for all of it.
    """
    threshold = round(rate * 2**16)
    windows, values = len(y) // 2, y[0].numel()
    rows = batch_share or BatchShare(0, windows, windows)
    words = torch.randint(-(2**63), 2**63 - 1, (2, rows.windows, -(-values // 4)), device=y.device)
    draws = words[:, rows.first : rows.stop].contiguous().view(torch.int16).flatten(0, 1)
    keep = draws[:, :values].view(y.shape) >= threshold - 2**15
    return keep, 2**16 / (2**16 - threshold)


@torch.no_grad()
def _initialise(network: FactorNet, generator: torch.Generator) -> None:
    """Initialise as Keras 1: Glorot uniform weights, biases 0; the LSTM initialises itself.

    For the convolution Keras computed fans from (width, 1, channels, kernels): width * channels * kernels and
    channels * kernels, hence a far smaller limit than Glorot's.
    """
    config = network.config
    dense = [network.mixing, network.dense, network.output] + ([network.context] if network.context else [])
    limits: list[tuple[nn.Conv1d | nn.Linear, float]] = [
        (network.motifs, math.sqrt(6 / (config.channels * config.kernels * (config.kernel_width + 1))))
    ]
    limits += [(layer, math.sqrt(6 / (layer.in_features + layer.out_features))) for layer in dense]
    for layer, limit in limits:
        layer.weight.uniform_(-limit, limit, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
    if network.recurrent is not None:
        network.recurrent.initialise(generator)
