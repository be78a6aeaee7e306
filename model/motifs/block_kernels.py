"""Write motifs into the kernels of a network over blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...store.errors import UsageError
from ..network.blocks import BlockNetwork
from .pwm import Motif, log_odds

_SCALE = 0.25  # of log odds, about as large as the activations of untrained kernels


@torch.no_grad()
def set_motif_kernels(network: BlockNetwork, motifs: Sequence[Motif]) -> None:
    """Set two kernels of an untrained network for each motif: a quarter of its log odds, and their reverse complement.

    Both are centred. A motif wider than the kernels loses the columns at its ends that carry the least information.

    Raises:
        UsageError: the network has fewer than two kernels for each motif.
    """
    config = network.config
    if 2 * len(motifs) > config.kernels:
        raise UsageError(f"{len(motifs)} motifs need {2 * len(motifs)} kernels; the network has {config.kernels}")
    for i, motif in enumerate(motifs):
        odds = _most_informative(torch.from_numpy(log_odds(motif.probabilities)), config.kernel_width) * _SCALE
        start, width = config.kernel_width // 2 - len(odds) // 2, len(odds)
        kernels = network.motifs.weight[2 * i : 2 * i + 2]
        kernels.zero_()
        kernels[0, :, start : start + width] = odds.T
        kernels[1, :, start : start + width] = odds.flip(0, 1).T
        if network.motifs.bias is not None:
            network.motifs.bias[2 * i : 2 * i + 2] = 0


def _most_informative(odds: torch.Tensor, width: int) -> torch.Tensor:
    """Return the `width` neighbouring columns of log odds with the largest sum of absolute values."""
    if len(odds) <= width:
        return odds
    first = int(odds.abs().sum(1).unfold(0, width, 1).sum(1).argmax())
    return odds[first : first + width]
