"""The optimiser of the original FactorNet: Adam as Keras 1 wrote it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

_EPSILON = 1e-8  # Keras 1's default, which FactorNet kept


class KerasAdam(torch.optim.Adam):
    """Adam with epsilon where Keras 1 has it: outside the bias-corrected root.

    At step t, with m and v the running means of the gradient and of its square,

        Keras 1:  p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + 1e-8)
        torch:    p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)

    The two are one where eps = 1e-8 / sqrt(1 - b2^t), which is what each step sets. It matters in the first steps, for
    weights whose gradient is tiny: there torch's epsilon is up to 32 times smaller than Keras's.

    The state is that of ``torch.optim.Adam``, and so is ``state_dict()``; the epsilon in it is set at each step.
    Like Keras, it counts the steps of a parameter group, not of each parameter: all are to get a gradient every time.

    Source: Keras 1.2.2, ``keras/optimizers.py``, ``Adam.get_updates``; it is the form that Kingma & Ba
    (arXiv:1412.6980) give at the end of their section 2, where this epsilon is called epsilon hat.

    Args:
        parameters: tensors to train, or groups of them.
        lr: learning rate.
    """

    def __init__(self, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], lr: float = 0.001) -> None:
        super().__init__(parameters, lr=lr, betas=(0.9, 0.999), eps=_EPSILON)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Perform a step; return the loss computed by the closure, if one is given."""
        for group in self.param_groups:
            group["eps"] = _EPSILON / math.sqrt(1 - group["betas"][1] ** (self._steps(group) + 1))
        loss: float | None = super().step(closure)
        return loss

    def _steps(self, group: dict[str, Any]) -> int:
        """Return the number of steps that the group has taken."""
        return max((int(self.state[p]["step"]) for p in group["params"] if self.state.get(p)), default=0)
