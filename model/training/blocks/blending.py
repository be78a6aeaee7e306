"""Choose how much members, trees and regression of an ensemble count, by whole validation regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from ...model_dir.calibration import to_logits
from ...network.block_ensemble import BlockEnsemble, EnsembleParts
from ..distributed import ProcessGroup
from ..validation.region_validation import RegionValidation, measure

FloatArray = NDArray[np.float64]

_STEPS = 10
_SHARES = np.array([s for s in product(range(_STEPS + 1), repeat=3) if sum(s) == _STEPS], np.float64) / _STEPS
_USUAL = np.array([0.5, 0.4, 0.1])
"""Shares that are right in the mean of many factors: what differs from them has to be better on validation."""
_REGRESSION_ALONE = int(np.argmax(_SHARES[:, 2]))
_TOLERANCE = 1.0  # standard errors of an average precision


@dataclass(frozen=True)
class EnsembleScores:
    """Means over cell lines and factors, on all bins of the validation regions.

    Attributes:
        loss: binary cross-entropy of the blend.
        average_precision: of the blend.
        regression: average precision of the regression alone; None without.
    """

    loss: float
    average_precision: float
    regression: float | None = None


def validate_ensemble(
    network: BlockEnsemble,
    validation: RegionValidation,
    *,
    device: torch.device,
    on_batch: Callable[[int], None] = lambda bins: None,
) -> EnsembleScores:
    """Measure an ensemble on the validation regions.

    Of an ensemble with trees, the shares of each task are chosen first: among those whose average precision, the mean
    over the cell lines, is within a standard error of the best, the ones nearest to 0.5, 0.4 and 0.1. With few
    bound bins the best ones are a matter of chance.
    """
    if network.trees is None:
        return EnsembleScores(
            *validation.score(network, device=device, process_group=ProcessGroup(), on_batch=on_batch)
        )
    parts, found, n_bound = EnsembleParts(network), {}, {}
    n_tasks = len(network.config.tasks)
    for cell in validation.cells:
        scores = validation.predict(parts, cell, device=device, on_batch=on_batch)
        for task, clear, truth in validation.labelled(cell):
            logits = to_logits(scores[clear][:, task::n_tasks])
            found[cell, task] = np.array([measure(truth, _blend(logits, shares)) for shares in _SHARES])
            n_bound[cell, task] = int(truth.sum())
    chosen = {}
    for task in {task for _, task in found}:
        of_task = [key for key in found if key[1] == task]
        precision = np.mean([found[key][:, 1] for key in of_task], axis=0)
        chosen[task] = choose_shares(precision, sum(n_bound[key] for key in of_task))
        network.shares[task] = torch.from_numpy(_SHARES[chosen[task]])
    loss, precision = np.mean([rows[chosen[task]] for (_, task), rows in found.items()], axis=0)
    regression = np.mean([rows[_REGRESSION_ALONE, 1] for rows in found.values()])
    return EnsembleScores(float(loss), float(precision), float(regression))


def choose_shares(precision: FloatArray, n_bound: int) -> int:
    """Return the row of the shares to use.

    Args:
        precision: average precision of each, (shares,).
        n_bound: number of bound bins that it was measured on.
    """
    best = float(precision.max())
    error = np.sqrt(best * (1 - best) / n_bound)
    good = np.flatnonzero(precision >= best - _TOLERANCE * error)
    return int(good[np.argmin(((_SHARES[good] - _USUAL) ** 2).sum(1))])


def _blend(logits: FloatArray, shares: FloatArray) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-(logits @ shares))), np.float32)
