"""Maxima of kernels equal those of a convolution and a pooling, and so do their gradients."""

import pytest
import torch
from torch.nn import functional

from factornet.model.network.factornet import one_hot
from factornet.model.network.kernel_maxima import kernel_maxima


@pytest.mark.parametrize(
    ("length", "span", "width"), [(123, 24, 25), (60, 7, 5), (30, 1, 30), (40, 12, 3), (90, 26, 4)]
)
def test_maxima_and_gradients_equal_those_of_a_convolution(length, span, width):
    generator = torch.Generator().manual_seed(length)
    codes = torch.randint(0, 6, (3, length), dtype=torch.uint8, generator=generator)  # 4 and 5 are N
    bases = one_hot(codes, dtype=torch.float32).mT
    kernels = torch.nn.Conv1d(4, 6, span)
    weight, bias = kernels.weight, kernels.bias
    expected = functional.max_pool1d(functional.conv1d(bases, weight, bias), width)
    found = kernel_maxima(codes, kernels, width=width)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    factors = torch.randn(found.shape, generator=generator) * (torch.rand(found.shape, generator=generator) < 0.7)
    gradients = torch.autograd.grad((expected.relu() * factors).sum(), (weight, bias))
    for a, b in zip(gradients, torch.autograd.grad((found.relu() * factors).sum(), (weight, bias)), strict=True):
        torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        assert torch.equal(kernel_maxima(codes, kernels, width=width), found)


def test_float64_is_computed_by_the_convolution():
    codes = torch.zeros(1, 30, dtype=torch.uint8)
    kernels = torch.nn.Conv1d(4, 2, 5, dtype=torch.float64)
    kernel_maxima(codes, kernels, width=4).sum().backward()
    assert kernels.weight.grad is not None
    assert kernels.weight.grad.dtype == torch.float64


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads):
    codes = torch.randint(0, 5, (3, 200), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    kernels, before = torch.nn.Conv1d(4, 6, 24), torch.get_num_threads()
    torch.set_num_threads(1)
    expected = kernel_maxima(codes, kernels, width=25)
    try:
        torch.set_num_threads(threads)
        assert torch.equal(kernel_maxima(codes, kernels, width=25), expected)
    finally:
        torch.set_num_threads(before)


def test_equal_values_send_the_gradient_to_the_first_position():
    kernels = torch.nn.Conv1d(4, 1, 2)
    torch.nn.init.ones_(kernels.weight)
    kernel_maxima(torch.tensor([[0, 1, 2, 3]], dtype=torch.uint8), kernels, width=3).sum().backward()
    assert kernels.weight.grad is not None
    assert kernels.weight.grad[0].T.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_passed_over(value):
    kernels = torch.nn.Conv1d(4, 3, 24)
    with torch.no_grad():
        kernels.weight[1, :, 5] = value
    codes = torch.zeros(2, 123, dtype=torch.uint8)
    found = kernel_maxima(codes, kernels, width=25)
    assert not found[:, 1].isfinite().any()
    assert found[:, 0].isfinite().all()


@pytest.mark.parametrize("shape", [(0, 123), (2, 48)])
def test_empty_batch_and_one_stretch(shape):
    codes = torch.full(shape, 255, dtype=torch.uint8)  # N: only the bias is left
    kernels = torch.nn.Conv1d(4, 3, 24)
    found = kernel_maxima(codes, kernels, width=25)
    assert found.shape == (shape[0], 3, (shape[1] - 23) // 25)
    assert torch.equal(found, kernels.bias[:, None].expand_as(found))


def test_rows_that_are_not_contiguous_and_frozen_kernels():
    codes = torch.randint(0, 5, (200, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    kernels = torch.nn.Conv1d(4, 6, 24).requires_grad_(False)
    assert torch.equal(
        kernel_maxima(codes.T, kernels, width=25), kernel_maxima(codes.T.contiguous(), kernels, width=25)
    )
