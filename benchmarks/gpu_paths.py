"""Ways to compute the same: precisions, forward and backward passes, CUDA graphs, one process of a group."""

from __future__ import annotations

import copy
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from gpu_data import Inputs
from gpu_package import has_library
from gpu_report import Skipped
from torch import Tensor, distributed, nn
from torch.nn import functional

from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.network.blocks import BlockNetwork
from factornet.model.network.factornet import FactorNet
from factornet.model.training.step.gradients import CudaGraph, GradientPass, warm_up
from factornet.model.training.step.loss import cross_entropy

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Precision:
    """Precision of a computation.

    Attributes:
        name: for the table.
        products: whether cuBLAS rounds the factors of float32 products to TF32.
        cudnn: whether cuDNN does, in convolutions and LSTMs.
        amp: autocast to bfloat16.
    """

    name: str
    products: bool = False
    cudnn: bool = False
    amp: bool = False

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Apply the settings of TF32, which are torch's globals; they are restored."""
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32
        matmul.allow_tf32, cudnn.allow_tf32 = self.products, self.cudnn
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before


FLOAT32 = Precision("float32")
DEFAULT = Precision("default", cudnn=True)
"""As torch does it unless told otherwise, and so the package: cuDNN may use TF32, cuBLAS not."""
TF32 = Precision("tf32", products=True, cudnn=True)
BFLOAT16 = Precision("bfloat16", cudnn=True, amp=True)
PRECISIONS = (FLOAT32, DEFAULT, TF32, BFLOAT16)


def loss_of(network: nn.Module, inputs: Inputs, *, amp: bool = False) -> Tensor:
    """Return the loss that training minimises.

    Args:
        network: FactorNet, a network over blocks, or either wrapped.
        inputs: on its device.
        amp: autocast to bfloat16.
    """
    features = () if inputs.features is None else (inputs.features,)
    with torch.autocast(inputs.codes.device.type, torch.bfloat16, enabled=amp, cache_enabled=False):
        output = network(inputs.codes, inputs.tracks, *features)
    if inputs.labels.ndim == 2:
        return cross_entropy(output, inputs.labels)
    return block_loss(output, inputs.labels)


def block_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the loss of a network over blocks, as `training.blocks.trainer` computes it where all bins weigh 1."""
    weight = torch.ones_like(target)
    sums = functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none").sum((0, 1))
    return (sums / weight.sum((0, 1)).clamp(min=1)).mean()


def backward_pass(network: nn.Module, inputs: Inputs, *, amp: bool = False) -> Tensor:
    """Compute the gradients of a batch in place of earlier ones; return the loss."""
    if isinstance(network, BlockNetwork):
        check_loops(inputs.codes.device, inputs.tracks.dtype)
    network.zero_grad(set_to_none=True)
    loss = loss_of(network, inputs, amp=amp)
    loss.backward()
    return loss.detach()


def gradient(network: nn.Module) -> Tensor:
    """Return the gradients of all parameters as one vector, float64 on the CPU."""
    found = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.cat([g.detach().to(CPU, torch.float64).flatten() for g in found])


def without_dropout(network: nn.Module) -> nn.Module:
    """Switch to training without dropout, in place: what remains is the same on every device."""
    if isinstance(network, FactorNet):
        network.eval()
        if network.recurrent is not None:
            network.recurrent.train()  # cuDNN computes gradients of an LSTM in training only
            network.recurrent.dropout = 0.0
        return network
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def on_device(network: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """Return a copy of a network on a device."""
    return copy.deepcopy(network).to(device, dtype)


@contextmanager
def drawn_on_cpu(seed: int) -> Iterator[None]:
    """Draw the masks of dropout on the CPU, whatever the device: so that they are the same on all."""
    rng, randint = torch.Generator().manual_seed(seed), torch.randint

    def draw_words(low: int, high: int, size: tuple[int, ...], *, device: torch.device) -> Tensor:
        return randint(low, high, size, generator=rng).to(device)

    def drop(values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        del inplace
        if not training or p == 0:
            return values
        keep = torch.rand(values.shape, generator=rng) >= p
        return values * keep.to(values.device) / (1 - p)

    with mock.patch.object(torch, "randint", draw_words), mock.patch.object(functional, "dropout", drop):
        yield


def graphed_pass(network: nn.Module, inputs: Inputs, *, amp: bool = False) -> Callable[[Inputs], Tensor]:
    """Capture a forward and backward pass as the trainer does; return what computes the gradients of a batch.

    Args:
        network: on a GPU.
        inputs: a batch, on the device; those of all calls must have its shapes.
        amp: autocast to bfloat16.

    Returns:
        Called with a batch, it returns the loss, which the next call overwrites.
    """

    def compute(labels: Tensor, codes: Tensor, tracks: Tensor, *features: Tensor) -> Tensor:
        loss = loss_of(network, Inputs(codes, tracks, labels, *features), amp=amp)
        loss.backward()
        return loss.detach()

    graph = CudaGraph(compute, network, _tensors(inputs))
    return lambda given: graph(_tensors(given))


def gradient_pass(
    network: nn.Module,
    *,
    graphed: int,
    precision: Precision = DEFAULT,
) -> Callable[[Inputs], Tensor]:
    """Return the forward and backward pass of `training.trainer`, which returns loss and largest gradient, (2,).

    Args:
        network: on its device.
        graphed: windows of the batches that are a CUDA graph.
        precision: autocasts as this one.
    """

    def compute(labels: Tensor, codes: Tensor, tracks: Tensor, *features: Tensor) -> Tensor:
        loss = loss_of(network, Inputs(codes, tracks, labels, *features), amp=precision.amp)
        loss.backward()
        return torch.stack([loss.detach(), gradient_norm(network)])

    run = GradientPass(compute, network, graphed=graphed)
    return lambda inputs: run(_tensors(inputs))


def gradient_norm(network: nn.Module) -> Tensor:
    """Return the largest value of the gradients, as the trainer computes it."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients, norm_type=math.inf)


def _tensors(inputs: Inputs) -> list[Tensor]:
    features = () if inputs.features is None else (inputs.features,)
    return [inputs.labels, inputs.codes, inputs.tracks, *features]


class GraphedForward:
    """A forward pass as one CUDA graph, for batches of one shape.

    Args:
        network: on a GPU, in evaluation mode.
        inputs: a batch, on the device.
        amp: autocast to bfloat16.
    """

    def __init__(self, network: FactorNet, inputs: Inputs, *, amp: bool = False) -> None:
        self._codes, self._tracks = inputs.codes.clone(), inputs.tracks.clone()

        def run() -> Tensor:
            with torch.autocast("cuda", torch.bfloat16, enabled=amp, cache_enabled=False):
                return network.logits_per_strand(self._codes, self._tracks)

        with torch.no_grad():
            warm_up(run, inputs.codes.device)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._logits = run()

    def __call__(self, inputs: Inputs) -> Tensor:
        """Return the logits of both strands, which the next call overwrites."""
        self._codes.copy_(inputs.codes, non_blocking=True)
        self._tracks.copy_(inputs.tracks, non_blocking=True)
        self._graph.replay()
        return self._logits


@contextmanager
def group_of_one(device: torch.device) -> Iterator[None]:
    """Join a group of processes that has one member."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")  # a machine may have no other interface
        store = distributed.FileStore(str(Path(folder, "group")), 1)
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, store=store, rank=0, world_size=1)
        try:
            yield
        finally:
            distributed.destroy_process_group()


def both_strands(network: FactorNet | BlockNetwork | BlockEnsemble, inputs: Inputs, *, amp: bool = False) -> Tensor:
    """Return the logits of a batch without gradients: of each strand, or averaged by a network over blocks."""
    with torch.no_grad(), torch.autocast(inputs.codes.device.type, torch.bfloat16, enabled=amp):
        if isinstance(network, FactorNet):
            return network.logits_per_strand(inputs.codes, inputs.tracks, inputs.features)
        check_loops(inputs.codes.device, inputs.tracks.dtype)
        return network.both_strands(inputs.codes, inputs.tracks)


def check_compiler() -> None:
    """Skip what torch compiles where there is no compiler: its kernels for GPUs need one of C.

    Raises:
        Skipped: there is none.
    """
    if not any(shutil.which(name) for name in ("gcc", "cc", "clang")):
        raise Skipped("no C compiler, which torch needs")


def check_loops(device: torch.device, dtype: torch.dtype = torch.float32) -> None:
    """Skip what is a loop compiled by numba on a CPU: networks over blocks in float32, and trees.

    Raises:
        Skipped: the device is a CPU, the values are float32, and there is no numba.
    """
    if device.type == "cpu" and dtype == torch.float32 and not has_library("numba"):
        raise Skipped("no numba, which the CPU needs for it")
