"""Write motifs into the kernels of a network over blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ...store.errors import UsageError
from ..network.block_ensemble import BlockEnsemble
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


@torch.no_grad()
def set_tree_motifs(ensemble: BlockEnsemble, motifs: Mapping[str, Motif]) -> None:
    """Set the motif whose hits the trees of each factor see: its log odds on both strands, centred.

    Args:
        ensemble: with trees, or nothing is set.
        motifs: of the factors that have one, by factor.
    """
    if ensemble.trees is None:
        return
    for factor, motif in motifs.items():
        odds = torch.from_numpy(log_odds(motif.probabilities))
        start = ensemble.config.motif_width // 2 - len(odds) // 2
        both = ensemble.motif_odds[ensemble.config.tasks.index(factor)]
        both[0, :, start : start + len(odds)] = odds.T
        both[1, :, start : start + len(odds)] = odds.flip(0, 1).T


def _most_informative(odds: torch.Tensor, width: int) -> torch.Tensor:
    """Return the `width` neighbouring columns of log odds with the largest sum of absolute values."""
    if len(odds) <= width:
        return odds
    first = int(odds.abs().sum(1).unfold(0, width, 1).sum(1).argmax())
    return odds[first : first + width]
