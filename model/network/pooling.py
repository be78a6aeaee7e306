"""Max-pooling over positions, with the original software's gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class MaxPool(torch.autograd.Function):
    """Max-pooling over `size` positions, (N, P, k) -> (N, P // size, k); trailing positions are ignored.

    Where positions tie for a maximum, each receives the full gradient, as in Theano; torch's pooling gives it to the
    first only. Ties are common: wherever no kernel fires, the next layer equals its bias. Comparing is also faster than
    storing and scattering indices.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, size: int) -> Tensor:
        """Return the maxima."""
        windows, positions, kernels = y.shape
        steps = positions // size
        pooled = y[:, : steps * size].view(windows, steps, size, kernels).amax(2)
        ctx.save_for_backward(y, pooled)
        ctx.size = size
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of `y`, and None for `size`."""
        y, pooled = ctx.saved_tensors
        windows, steps, kernels = pooled.shape
        shape = (windows, steps, ctx.size, kernels)
        used = slice(steps * ctx.size)
        spread = torch.zeros_like(y)
        largest = y[:, used].view(shape) == pooled.unsqueeze(2)
        spread[:, used].view(shape).copy_(torch.where(largest, gradient.unsqueeze(2), 0.0))
        return spread, None
