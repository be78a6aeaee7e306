"""Choose how much the trees of an ensemble count, by average precision on whole validation regions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...network.block_ensemble import BlockEnsemble, EnsembleParts
from ..distributed import ProcessGroup
from ..validation.region_validation import RegionValidation, measure

_SHARES = np.linspace(0, 1, 11)
_LEAST = 1e-7  # probability, of bins that are not computed

FloatArray = NDArray[np.float64]


def validate_ensemble(
    network: BlockEnsemble, validation: RegionValidation, *, device: torch.device
) -> tuple[float, float]:
    """Return binary cross-entropy and average precision, as `RegionValidation.score`.

    Of an ensemble with trees, the share of the trees in each task's logit is set first: to that with the highest
    average precision, the mean over the cell lines.
    """
    if network.trees is None:
        return validation.score(network, device=device, process_group=ProcessGroup())
    parts, found = EnsembleParts(network), {}
    for cell in validation.cells:
        scores = validation.predict(parts, cell, device=device)
        for task, clear, truth in validation.labelled(cell):
            logits = _logits(scores[clear][:, [task, len(network.config.tasks) + task]])
            found[cell, task] = [measure(truth, _blend(logits, share)) for share in _SHARES]
    tasks = {task: np.mean([rows for (_, k), rows in found.items() if k == task], axis=0) for _, task in found}
    best = {task: int(np.argmax(rows[:, 1])) for task, rows in tasks.items()}
    for task, row in best.items():
        network.tree_weight[task] = float(_SHARES[row])
    chosen = [rows[best[task]] for (_, task), rows in found.items()]
    loss, precision = np.mean(chosen, axis=0)
    return float(loss), float(precision)


def _logits(probabilities: NDArray[np.float32]) -> FloatArray:
    p = np.clip(probabilities.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.log(p / (1 - p))


def _blend(logits: FloatArray, share: float) -> NDArray[np.float32]:
    blended = logits @ np.array([1 - share, share])
    return np.asarray(1 / (1 + np.exp(-blended)), np.float32)
