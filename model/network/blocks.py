"""The network over blocks: scores of all bins of a stretch of the genome at once.

Kernels scan the bases, the maxima of each block of 50 bases join the tracks' means, and dilated convolutions run over
the blocks. No layer pads, so a bin's score is the same in whatever stretch it is computed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...store.errors import UsageError
from ...store.schema import FEATURES, STRIDE
from .block_config import BIN_BLOCKS, MAX_BLOCKS, MEAN_BLOCKS, POOLS, BlockConfig
from .config import strand_order
from .kernel_maxima import kernel_maxima

_PRIOR_LOGIT = -5.0  # initial bias of the output: a factor binds in about 0.7 % of all bins


class BlockNetwork(nn.Module):
    """Network over blocks of 50 bases.

    Args:
        config: sizes and names.
        seed: the only randomness in the initial weights.
    """

    def __init__(self, config: BlockConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.motifs = nn.Conv1d(4, config.kernels, config.kernel_width)
            self.motifs_norm = nn.BatchNorm1d(config.kernels)
            self.signal_norm = nn.BatchNorm1d(config.signal_channels) if config.signals else nn.Identity()
            self.annotation_norm = nn.BatchNorm1d(config.annotation_channels) if config.annotation else nn.Identity()
            channels = POOLS * config.kernels + config.signal_channels + config.annotation_channels
            self.mixing = nn.Conv1d(channels, config.width, 1)
            self.residual = nn.ModuleList(_Residual(config, dilation) for dilation in config.dilations)
            self.bin = nn.Conv1d(config.width, config.width, BIN_BLOCKS)
            self.output = nn.Conv1d(config.width, len(config.learnt), 1)
            nn.init.constant_(self.output.bias, _PRIOR_LOGIT)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(config.dropout)
        self.strand_order: Tensor
        self.register_buffer(
            "strand_order", torch.tensor(strand_order(config.signals), dtype=torch.long), persistent=False
        )

    def forward(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return logits of the bins on the forward strand, (B, bins, factors): of tasks, then of auxiliary factors.

        Args:
            codes: bases, uint8, shape (B, L): 0..3 = ACGT, anything else N. L is a multiple of 50, from `margin` bases
                before the first bin to `margin` bases after the last one; the first base is that of a block.
            tracks: signal, float32, shape (B, T, L), in the order of ``config.signals``.
            annotation: bits of each block, uint8, shape (B, L / 50); None where the configuration has no annotation.

        Raises:
            UsageError: a shape does not match the configuration.
        """
        self._check_shapes(codes, tracks, annotation)
        return self._score(codes, tracks, annotation)

    def both_strands(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None = None) -> Tensor:
        """Return logits of the tasks averaged over both strands, (B, bins, tasks); arguments as for `forward`."""
        self._check_shapes(codes, tracks, annotation)
        flipped = None if annotation is None else annotation.flip(1)
        reverse = self._score(*self.reversed_inputs(codes, tracks), flipped).flip(1)
        both: Tensor = self._score(codes, tracks, annotation) + reverse
        return both[..., : len(self.config.tasks)] / 2

    def own_signals(self, signals: Tensor) -> Tensor:
        """Return those of an ensemble's signals, (B, T, L), that this network sees: mean signals are the last."""
        return signals[:, : len(self.config.signals)]

    def reversed_inputs(self, codes: Tensor, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reverse complement of codes and tracks, of the same shapes."""
        complement = torch.where(codes < 4, 3 - codes, codes)
        return complement.flip(1), tracks[:, self.strand_order].flip(2)

    def _score(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None) -> Tensor:
        config = self.config
        context = max(MEAN_BLOCKS) // 2 * STRIDE  # only the means of the tracks reach so far
        # A block's kernels begin at its bases, from half a kernel to the left on.
        left = config.kernel_width // 2
        right = config.kernel_width - 1 - left
        codes = codes[:, context - left : codes.shape[1] - context + right]
        y = kernel_maxima(codes, self.motifs, width=STRIDE // POOLS)
        y = functional.relu(self.motifs_norm(y))
        # (B, kernels, POOLS x blocks) -> (B, POOLS x kernels, blocks)
        y = y.view(*y.shape[:2], -1, POOLS).permute(0, 3, 1, 2).flatten(1, 2)
        inputs = [y]
        if config.signals:
            inputs.append(self.signal_norm(block_signal(tracks.to(y.dtype))))
        if annotation is not None:
            inner = annotation[:, context // STRIDE : annotation.shape[1] - context // STRIDE]
            inputs.append(self.annotation_norm(annotation_flags(inner).to(y.dtype)))
        y = torch.cat(inputs, dim=1)
        y = functional.relu(self.mixing(y))
        for layer in self.residual:
            y = layer(y)
        y = functional.relu(self.bin(self.dropout(y)))
        logits: Tensor = self.output(self.dropout(y))
        return logits.mT

    def _check_shapes(self, codes: Tensor, tracks: Tensor, annotation: Tensor | None) -> None:
        config, (batch, length) = self.config, codes.shape
        shortest = 2 * config.margin + BIN_BLOCKS * STRIDE
        if length % STRIDE or length < shortest:
            raise UsageError(f"codes must have a multiple of {STRIDE} bases, {shortest} at least, got {length}")
        if tuple(tracks.shape) != (batch, len(config.signals), length):
            expected = (batch, len(config.signals), length)
            raise UsageError(f"tracks must have shape {expected}, got {tuple(tracks.shape)}")
        blocks = (batch, length // STRIDE) if config.annotation else None
        found = None if annotation is None else tuple(annotation.shape)
        if found != blocks:
            raise UsageError(f"annotation must have shape {blocks}, got {found}")


class _Residual(nn.Module):
    """Add a dilated convolution over three blocks; each side loses `dilation` blocks."""

    def __init__(self, config: BlockConfig, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Conv1d(config.width, config.width, 3, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(config.width)
        self.dropout = nn.Dropout(config.residual_dropout)

    def forward(self, y: Tensor) -> Tensor:
        """Return (B, width, blocks - 2 dilation)."""
        added: Tensor = self.dropout(functional.relu(self.norm(self.convolution(y))))
        return y[..., self.dilation : -self.dilation] + added


def annotation_flags(bits: Tensor) -> Tensor:
    """Return the annotation of blocks as channels, float32 (B, 6, blocks), from their bits, uint8 (B, blocks)."""
    return torch.stack([(bits >> i & 1).float() for i in range(len(FEATURES))], dim=1)


def block_signal(tracks: Tensor) -> Tensor:
    """Return the channels made of the tracks, (B, T x (means and maximum), blocks): logarithms of 1 + mean.

    Args:
        tracks: signal, (B, T, 50 x blocks); the channels lack 50 blocks (2.5 kb) on either side. Negative values count
            as 0.
    """
    context = max(MEAN_BLOCKS) // 2
    means = functional.avg_pool1d(tracks.clamp(min=0), STRIDE)
    n = means.shape[-1] - 2 * context
    channels = [
        functional.avg_pool1d(means, w, stride=1)[..., context - w // 2 : context - w // 2 + n] for w in MEAN_BLOCKS
    ]
    first = context - MAX_BLOCKS // 2
    channels.append(functional.max_pool1d(means, MAX_BLOCKS, stride=1)[..., first : first + n])
    return torch.log1p(torch.cat(channels, dim=1))
