"""Highest value of kernels in stretches of bases, much faster than a convolution and a pooling on a CPU.

Of one-hot bases, the values that a kernel has for four neighbouring bases can be looked up in a table of all words of
four letters. So a kernel of 24 bases takes six additions a position in place of 96 multiplications, and nothing but the
highest value of each stretch is written. The gradient of a maximum goes to one position: 1 in 25 of those that the
gradient of a convolution would visit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .factornet import one_hot

_WORD = 4  # bases: tables of six words without N, for 48 kernels, take 300 kB, which stay in the cache of a core
_LETTERS = 5  # A, C, G, T and N, which adds nothing
_AT_ONCE = 3  # words added before a sum is stored

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int32]


def kernel_maxima(codes: Tensor, kernels: nn.Conv1d, *, width: int) -> Tensor:
    """Return the highest value of each kernel in adjacent stretches of positions, (B, kernels, stretches).

    Args:
        codes: bases, uint8, (B, L): 0..3 = ACGT, anything else N.
        kernels: convolution over 4 channels, with a bias. Weights that are not finite make values that are not.
        width: positions of a stretch.
    """
    weight = kernels.weight
    # Comparisons would pass over NaN; the convolution spreads it.
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and bool(weight.isfinite().all()):
        found: Tensor = _KernelMaxima.apply(weight, kernels.bias, codes, width)  # type: ignore[no-untyped-call]
        return found
    return functional.max_pool1d(kernels(one_hot(codes, dtype=weight.dtype).mT), width)


class _KernelMaxima(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        weight, bias, codes, width = arguments
        letters = codes.clamp(max=_LETTERS - 1)
        tables, words = _word_tables(weight.detach().numpy())
        stretches = (codes.shape[1] - weight.shape[2] + 1) // width
        values = np.empty((len(codes), stretches, len(weight)), np.float32)
        at = np.empty(values.shape, np.int32)
        index = _word_index(letters.numpy(), stretches * width + (words - 1) * _WORD)
        _in_threads(len(codes) * stretches, index, tables, words, bias.detach().numpy(), width, values, at)
        ctx.save_for_backward(letters)
        ctx.at, ctx.shape = at, weight.shape
        return torch.from_numpy(values).mT.contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (letters,), (kernels, _, span) = ctx.saved_tensors, ctx.shape
        sums = np.zeros((kernels, span, _LETTERS), np.float32)
        _spread(letters.numpy(), ctx.at.transpose(0, 2, 1), gradient.contiguous().numpy(), sums)
        of_weight = torch.from_numpy(sums[:, :, :4]).transpose(1, 2).contiguous()
        return of_weight, gradient.sum((0, 2)), None, None


def _word_tables(weight: FloatArray) -> tuple[FloatArray, int]:
    """Return the sums of weights of each word in each place of the kernels, (words x 625, kernels), and `words`."""
    kernels, bases, span = weight.shape
    words = -(-span // (_WORD * _AT_ONCE)) * _AT_ONCE  # those beyond the kernels add zeros
    padded = np.zeros((_LETTERS, words * _WORD, kernels), np.float32)
    padded[:bases, :span] = weight.transpose(1, 2, 0)
    tables = np.zeros((words, *[_LETTERS] * _WORD, kernels), np.float32)
    for word in range(words):
        for i in range(_WORD):
            shape = [1] * i + [_LETTERS] + [1] * (_WORD - 1 - i) + [kernels]
            tables[word] += padded[:, word * _WORD + i].reshape(shape)
    return tables.reshape(-1, kernels), words


def _word_index(letters: NDArray[np.uint8], length: int) -> IndexArray:
    """Return the index of the word that begins at each of `length` positions, int32 (B, length); N follows the end."""
    missing = max(length + _WORD - 1 - letters.shape[1], 0)
    padded = np.pad(letters, ((0, 0), (0, missing)), constant_values=_LETTERS - 1).astype(np.int32)
    index = np.zeros((len(letters), length), np.int32)
    for i in range(_WORD):
        index = index * _LETTERS + padded[:, i : i + length]
    return index


def _in_threads(n: int, *arguments: Any) -> None:
    """Scan `n` stretches, on as many threads as torch uses."""
    threads = min(torch.get_num_threads(), n)
    if threads <= 1:
        _scan(0, n, *arguments)
        return
    ends = [n * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(_scan, ends[i], ends[i + 1], *arguments) for i in range(threads)]
        for future in done:
            future.result()


@numba.njit(nogil=True)
def _scan(  # noqa: PLR0917 (numba has no keyword-only arguments)
    first: int,
    stop: int,
    index: IndexArray,
    tables: FloatArray,
    words: int,
    bias: FloatArray,
    width: int,
    values: FloatArray,
    at: IndexArray,
) -> None:
    """Write the highest value of each kernel, and where it is, of stretches `first` to `stop` of all rows' together.

    Equal values: the first one. `values` and `at` are (B, stretches, kernels).
    """
    kernels, size, stretches = bias.size, tables.shape[0] // words, values.shape[1]
    total, best, place = np.empty(kernels, np.float32), np.empty(kernels, np.float32), np.empty(kernels, np.int32)
    for i in range(first, stop):
        row, s = index[i // stretches], i % stretches
        best[:] = -np.inf
        place[:] = s * width
        for p in range(s * width, (s + 1) * width):
            for word in range(0, words, _AT_ONCE):
                a = tables[word * size + row[p + word * _WORD]]
                b = tables[(word + 1) * size + row[p + (word + 1) * _WORD]]
                c = tables[(word + 2) * size + row[p + (word + 2) * _WORD]]
                if word == 0:
                    for k in range(kernels):
                        total[k] = a[k] + b[k] + c[k]
                else:
                    for k in range(kernels):
                        total[k] += a[k] + b[k] + c[k]
            for k in range(kernels):
                better = total[k] > best[k]
                best[k] = total[k] if better else best[k]
                place[k] = p if better else place[k]
        for k in range(kernels):
            values[i // stretches, s, k] = best[k] + bias[k]
            at[i // stretches, s, k] = place[k]


@numba.njit(nogil=True)
def _spread(codes: NDArray[np.uint8], at: IndexArray, gradient: FloatArray, sums: FloatArray) -> None:
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
