"""Describe bins by numbers for boosted trees: motif, signal, annotation and composition in and around each bin.

All are means and maxima over blocks of 50 bases, so they are computed for whole stretches of the genome at once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ...store.schema import FEATURES, STRIDE
from .block_config import BIN_BLOCKS, BlockConfig
from .blocks import annotation_flags

_NEAR = range(-6, BIN_BLOCKS + 6)  # blocks from the first of the bin on whose best motif hit is a feature
_SIGNAL = (-10, -7, -4, -2, -1, 0, 1, 2, 3, 4, 5, 7, 10, 13)  # likewise, for the mean of each track
_BIN, _NARROW, _WIDE = 5, 21, 101  # blocks of windows around the middle of a bin: 0.25, 1 and 5 kb
_MIDDLE = BIN_BLOCKS // 2  # the block, counted from the first of the bin, on which windows are centred
_WIDELY_AVERAGED = (0, 3, 4)  # CpG islands, promoters, 5' UTRs: their wide means say how far one is
MOTIF_FEATURES = len(_NEAR) + 3
_COMPOSITION = 5


def feature_count(config: BlockConfig) -> int:
    """Return the number of features of a bin."""
    annotation = (len(FEATURES) + 2 * len(_WIDELY_AVERAGED)) * config.annotation
    return MOTIF_FEATURES + _COMPOSITION + annotation + len(config.signals) * (len(_SIGNAL) + 5)


def linear_columns(config: BlockConfig) -> list[int]:
    """Return the columns of the features that a regression on few bound bins can use.

    Best hit of the motif in the bin and within 1 kb, and mean of each track over 0.25 and 1 kb.
    """
    n = len(config.signals)
    signal = MOTIF_FEATURES + _COMPOSITION + len(_SIGNAL) * n
    return [len(_NEAR), len(_NEAR) + 1, *range(signal, signal + 2 * n)]


class BinFeatures:
    """Features of all bins of some stretches of the genome.

    Args:
        config: names of the signals, and whether there is annotation.
        bases: one-hot bases, float32 (B, 4, L), L as for `BlockNetwork`.
        tracks: signal, float32 (B, T, L).
        annotation: bits of each block, uint8 (B, L / 50); None without annotation.

    Attributes:
        common: features that do not depend on a motif, float32 (B, bins, features).
    """

    def __init__(self, config: BlockConfig, bases: Tensor, tracks: Tensor, annotation: Tensor | None) -> None:
        self._first = config.margin // STRIDE
        self._bins = bases.shape[-1] // STRIDE - 2 * self._first - BIN_BLOCKS + 1
        self._bases = bases
        common = torch.cat([self._composition(), self._signal(tracks), *self._annotation(annotation)], dim=1)
        self.common = common.mT

    def of_task(self, odds: Tensor) -> Tensor:
        """Return the features of a task, float32 (B, bins, features): those of its motif, then those of all tasks."""
        return torch.cat([self.of_motif(odds), self.common], dim=2)

    def of_motif(self, odds: Tensor) -> Tensor:
        """Return the features of a motif, float32 (B, bins, MOTIF_FEATURES).

        Args:
            odds: log odds of the motif on both strands, (2, 4, width); zeros where the factor has no motif.
        """
        width = odds.shape[-1]
        if not width:  # no factor has a motif
            odds, width = self._bases.new_zeros(2, 4, 1), 1
        hits = functional.conv1d(functional.pad(self._bases, (width // 2, width - 1 - width // 2)), odds).amax(1)
        blocks = functional.max_pool1d(hits[:, None], STRIDE)
        near = [self._at(blocks, offset) for offset in _NEAR]
        best = functional.max_pool1d(blocks, BIN_BLOCKS, stride=1)[..., self._first : self._first + self._bins]
        return torch.cat([*near, best, self._highest(blocks, _NARROW), self._highest(blocks, _WIDE)], dim=1).mT

    def _composition(self) -> Tensor:
        a, c, g, t = self._bases.unbind(1)
        del a, t
        gc = functional.avg_pool1d((c + g)[:, None], STRIDE)
        cpg = functional.pad((c[:, :-1] * g[:, 1:])[:, None], (0, 1))
        cpg = functional.avg_pool1d(cpg, STRIDE)
        wide = [self._mean(gc, w) for w in (_BIN, _NARROW, _WIDE)] + [self._mean(cpg, w) for w in (_BIN, _NARROW)]
        return torch.cat(wide, dim=1)

    def _signal(self, tracks: Tensor) -> Tensor:
        if not tracks.shape[1]:
            return tracks.new_zeros(len(tracks), 0, self._bins)
        means = functional.avg_pool1d(tracks.clamp(min=0), STRIDE)
        found = [self._at(means, offset) for offset in _SIGNAL]
        found += [self._mean(means, w) for w in (_BIN, _NARROW, _WIDE)]
        found += [self._highest(means, w) for w in (_BIN, _NARROW)]
        return torch.log1p(torch.cat(found, dim=1))

    def _annotation(self, bits: Tensor | None) -> list[Tensor]:
        if bits is None:
            return []
        flags = annotation_flags(bits)
        wide = flags[:, list(_WIDELY_AVERAGED)]
        return [self._mean(flags, _BIN), self._mean(wide, _NARROW), self._mean(wide, _WIDE)]

    def _at(self, blocks: Tensor, offset: int) -> Tensor:
        """Return the value of a block of each bin, by its distance from the bin's first block."""
        return blocks[..., self._first + offset : self._first + offset + self._bins]

    def _mean(self, blocks: Tensor, width: int) -> Tensor:
        return self._around(functional.avg_pool1d(blocks, width, stride=1), width)

    def _highest(self, blocks: Tensor, width: int) -> Tensor:
        return self._around(functional.max_pool1d(blocks, width, stride=1), width)

    def _around(self, pooled: Tensor, width: int) -> Tensor:
        """Return the windows, `width` blocks wide, that are centred on the middle of each bin."""
        first = self._first + _MIDDLE - width // 2
        return pooled[..., first : first + self._bins]
