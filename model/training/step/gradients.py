"""Compute the gradients of a batch: kernel by kernel, or on a GPU as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .loss import TrainingError

Inputs = Sequence[Tensor]
"""Tensors of a batch; the first dimension of the first one is its size."""


class GradientPass:
    """The forward and backward pass of a training, for one batch after the other.

    A step on a hundred windows is some three hundred small kernels, which take longer to launch than to run. As a graph
    they are launched at once. Batches of another size, as the last of an epoch, are computed kernel by kernel.

    Args:
        compute: called with the tensors of a batch; adds its gradients, and returns a tensor of values for the caller.
        network: whose gradients are computed.
        graphed: size of the batches that are computed as a CUDA graph, for which `compute` must launch the same kernels
            each time; 0 for none.
    """

    def __init__(self, compute: Callable[..., Tensor], network: nn.Module, *, graphed: int) -> None:
        self._compute, self._network, self._graphed = compute, network, graphed
        self._graph: CudaGraph | None = None

    def __call__(self, inputs: Inputs) -> Tensor:
        """Compute the gradients of a batch in place of earlier ones; return what `compute` does.

        Raises:
            TrainingError: no graph can be made.
        """
        if len(inputs[0]) != self._graphed:
            self._network.zero_grad(set_to_none=True)
            return self._compute(*inputs)
        if self._graph is None:
            try:
                self._graph = CudaGraph(self._compute, self._network, inputs)
            except RuntimeError as error:  # the memory of a capture that broke off stays taken: nothing else is tried
                reason = str(error).strip().partition("\n")[0]
                raise TrainingError(
                    f"a step cannot be made a CUDA graph ({reason}); "
                    "train with cuda_graph=False, or with a smaller batch_size"
                ) from error
        return self._graph(inputs)


class CudaGraph:
    """A forward and backward pass as one CUDA graph, for batches of one shape.

    It computes with the weights of the time of each call, and draws on from torch's generator of the device.

    Args:
        compute: adds the gradients of a batch; must launch the same kernels for any batch, and return a tensor.
        network: whose gradients are computed, on a GPU.
        inputs: tensors of a batch; those of all calls must have their shapes and types.

    Raises:
        RuntimeError: it cannot be captured.
    """

    def __init__(self, compute: Callable[..., Tensor], network: nn.Module, inputs: Inputs) -> None:
        device = inputs[0].device
        self._inputs = [values.clone() for values in inputs]
        drawn = torch.cuda.get_rng_state(device)
        averages = [values.clone() for values in network.buffers()]
        try:
            warm_up(lambda: compute(*self._inputs), device)
            network.zero_grad(set_to_none=True)  # so that the graph has gradients of its own, which it overwrites
            self._graph = torch.cuda.CUDAGraph()
            # Other threads go on to copy and allocate meanwhile.
            with torch.cuda.device(device), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._found = compute(*self._inputs)
        finally:
            torch.cuda.set_rng_state(drawn, device)
            with torch.no_grad():
                for own, before in zip(network.buffers(), averages, strict=True):
                    own.copy_(before)
        self._gradients = [(p, p.grad) for p in network.parameters() if p.grad is not None]

    def __call__(self, inputs: Inputs) -> Tensor:
        """Compute the gradients of a batch; return what `compute` did, which the next call overwrites."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        self._graph.replay()
        return self._found


def warm_up(run: Callable[[], object], device: torch.device) -> None:
    """Run on a stream of its own, before a capture: libraries choose algorithms and allocate."""
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    current = torch.cuda.current_stream(device)
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    current.wait_stream(side)
