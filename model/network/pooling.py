"""Max-pooling over positions, with the original software's gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class MaxPool(torch.autograd.Function):
    """Maxima of `size` positions at a time, shape (N, P, k) -> (N, P // size, k); positions left over do not count.

    Where positions tie for a maximum, each gets the whole gradient, as in Theano; torch's own pooling gives it to the
    first. Ties are common: wherever no kernel fires, the next layer is its bare bias. To compare is also faster than
    to keep and scatter indices.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, size: int) -> Tensor:
        """The maxima."""
        windows, positions, kernels = y.shape
        steps = positions // size
        pooled = y[:, : steps * size].view(windows, steps, size, kernels).amax(2)
        ctx.save_for_backward(y, pooled)
        ctx.size = size
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient of `y`; none of `size`."""
        y, pooled = ctx.saved_tensors
        windows, steps, kernels = pooled.shape
        shape = (windows, steps, ctx.size, kernels)
        used = slice(steps * ctx.size)
        spread = torch.zeros_like(y)
        largest = y[:, used].view(shape) == pooled.unsqueeze(2)
        spread[:, used].view(shape).copy_(torch.where(largest, gradient.unsqueeze(2), 0.0))
        return spread, None
