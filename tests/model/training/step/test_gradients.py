"""Which batches are computed as a CUDA graph, and what happens where none can be made; graphs themselves are checked by
benchmarks/gpu_checks.py on a GPU."""

import pytest
import torch

from factornet.model.training.step import gradients
from factornet.model.training.step.gradients import GradientPass


class FakeGraph:
    """Computes as a graph does: with gradients of its own, which each call overwrites."""

    def __init__(self, compute, network, inputs):
        self.compute, self.network, self.shapes = compute, network, [t.shape for t in inputs]
        self.own = [torch.zeros_like(p) for p in network.parameters()]
        self.calls = 0

    def __call__(self, inputs):
        assert [t.shape for t in inputs] == self.shapes
        self.calls += 1
        self.network.zero_grad(set_to_none=True)
        found = self.compute(*inputs)
        for parameter, gradient in zip(self.network.parameters(), self.own, strict=True):
            gradient.copy_(parameter.grad)
            parameter.grad = gradient
        return found


class RefusedGraph:
    def __init__(self, compute, network, inputs):
        compute(*inputs)  # leaves gradients, as a capture that breaks off may
        raise RuntimeError("operation not permitted when stream is capturing\nCompile with TORCH_USE_CUDA_DSA")


def make_pass(network, *, graphed, said):
    def compute(x):
        loss = network(x).square().mean()
        loss.backward()
        return loss.detach()

    return GradientPass(compute, network, graphed=graphed, warning=said.append)


def steps(*, graphed, said):
    """Return losses and weights of four steps, of which the third has a smaller batch."""
    network = torch.nn.Linear(3, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
        network.bias.zero_()
    optimizer = torch.optim.Adam(network.parameters())
    run, rng, losses = make_pass(network, graphed=graphed, said=said), torch.Generator().manual_seed(1), []
    for n in (4, 4, 3, 4):
        losses.append(float(run([torch.randn(n, 3, generator=rng)])))
        optimizer.step()
    return losses, [p.detach().clone() for p in network.parameters()], run


@pytest.mark.parametrize("graph", [FakeGraph, RefusedGraph])
def test_steps_are_those_without_a_graph(graph, monkeypatch):
    expected, weights, _ = steps(graphed=0, said=[])
    monkeypatch.setattr(gradients, "CudaGraph", graph)
    said = []
    losses, found, run = steps(graphed=4, said=said)
    assert losses == expected
    assert all(torch.equal(a, b) for a, b in zip(found, weights, strict=True))
    if graph is FakeGraph:
        assert (run._graph.calls, said) == (3, [])  # the smaller batch is not among them
    else:
        assert said == [
            "a step cannot be made a CUDA graph and is computed without, slower: operation not permitted when stream "
            "is capturing"
        ]
