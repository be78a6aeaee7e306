"""Highest value of kernels in stretches of bases, with a gradient that costs next to nothing on a CPU.

The gradient of a maximum goes to one position: 1 in 25 of those that the gradient of a convolution would visit.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


def kernel_maxima(bases: Tensor, codes: Tensor, kernels: nn.Conv1d, *, width: int) -> Tensor:
    """Return the highest value of each kernel in adjacent stretches of positions, (B, kernels, stretches).

    Args:
        bases: one-hot bases, (B, 4, L).
        codes: the same as codes 0..4, uint8 (B, L); on a CPU the gradient is computed from them.
        kernels: convolution over 4 channels, with a bias.
        width: positions of a stretch.
    """
    weight = kernels.weight
    if torch.is_grad_enabled() and weight.device.type == "cpu" and weight.dtype == torch.float32:
        found: Tensor = _KernelMaxima.apply(weight, kernels.bias, bases, codes, width)  # type: ignore[no-untyped-call]
        return found
    return functional.max_pool1d(kernels(bases), width)


class _KernelMaxima(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        weight, bias, bases, codes, width = arguments
        values = functional.conv1d(bases, weight, bias)
        found: Tensor
        found, at = functional.max_pool1d(values, width, return_indices=True)
        ctx.save_for_backward(codes, at)
        ctx.shape = weight.shape
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (codes, at), (kernels, _, span) = ctx.saved_tensors, ctx.shape
        sums = np.zeros((kernels, span, 5), np.float32)
        _spread(codes.clamp(max=4).numpy(), at.numpy(), gradient.contiguous().numpy(), sums)
        of_weight = torch.from_numpy(sums[:, :, :4]).transpose(1, 2).contiguous()
        return of_weight, gradient.sum((0, 2)), None, None, None


@numba.njit(nogil=True)
def _spread(
    codes: NDArray[np.uint8], at: NDArray[np.int64], gradient: NDArray[np.float32], sums: NDArray[np.float32]
) -> None:
    """Add the gradient of each maximum to the bases of its kernel, `sums` (kernels, w, 5), that it was found with."""
    for b in range(at.shape[0]):
        row = codes[b]
        for k in range(at.shape[1]):
            of_kernel = sums[k]
            for p in range(at.shape[2]):
                value = gradient[b, k, p]
                if value != 0:
                    first = at[b, k, p]
                    for j in range(of_kernel.shape[0]):
                        of_kernel[j, row[first + j]] += value
