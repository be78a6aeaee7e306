"""Training loss and validation score."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....store.errors import FactorNetError
from ...evaluation.metrics import average_precision


class TrainingError(FactorNetError):
    """Training cannot continue; the message names the step."""


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return mean binary cross-entropy, probabilities clipped to [1e-7, 1 - 1e-7] as in Keras; NaN stays NaN.

    (torch's function raises on NaN, or aborts the process on a GPU, before the step can be named.)
    """
    p = probabilities.clamp(1e-7, 1 - 1e-7)
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()


def score_validation(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> tuple[float, float]:
    """Return mean binary cross-entropy and average precision (mean over tasks with positives).

    `scores` and `labels` are (windows, tasks).

    Raises:
        TrainingError: the loss is not finite.
    """
    loss = cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels)).item()
    if not math.isfinite(loss):
        raise TrainingError(
            f"the validation loss is {loss}; check the tracks for extreme values, or lower learning_rate"
        )
    scored = [average_precision(labels[:, t], scores[:, t]) for t in range(labels.shape[1]) if labels[:, t].any()]
    return loss, float(np.mean(scored))
