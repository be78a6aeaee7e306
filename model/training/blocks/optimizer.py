"""AdamW with weight decay on matrices, and the one-cycle learning rate."""

from __future__ import annotations

import math

import torch

from ...network.block_ensemble import BlockEnsemble

WARM_UP = 0.2
"""Share of a training over which the learning rate rises."""
_FIRST, _LAST = 1 / 25, 1 / 250_000  # of the highest learning rate


def make_optimizer(network: BlockEnsemble, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Return the optimiser of a network; kernels over bases, biases and normalization do not decay."""
    named = list(network.named_parameters())
    decays = [p for name, p in named if p.ndim > 1 and ".motifs." not in name]
    others = [p for name, p in named if p.ndim <= 1 or ".motifs." in name]
    groups = [{"params": decays, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate)


def one_cycle(done: float) -> float:
    """Return the learning rate as a fraction of the highest one, after a fraction of a training.

    It rises to 1 over the first fifth and falls to almost 0 over the rest, both as half a cosine (Smith & Topin,
    arXiv:1708.07120). It depends on `done` alone, so a resumed training has the same.

    Args:
        done: from 0 to 1.
    """
    start, stop, part = (
        (_FIRST, 1.0, done / WARM_UP) if done < WARM_UP else (1.0, _LAST, (done - WARM_UP) / (1 - WARM_UP))
    )
    return stop + (start - stop) * (1 + math.cos(math.pi * min(part, 1.0))) / 2
