"""Which batches are computed as a CUDA graph, and what happens where none can be made; graphs themselves are checked by
benchmarks/gpu_checks.py on a GPU."""

import pytest
import torch

from factornet.cli.common.output import with_options
from factornet.model.training.step import gradients
from factornet.model.training.step.gradients import GradientPass
from factornet.model.training.step.loss import TrainingError


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


def make_pass(network, *, graphed):
    def compute(x):
        loss = network(x).square().mean()
        loss.backward()
        return loss.detach()

    return GradientPass(compute, network, graphed=graphed)


def steps(*, graphed):
    """Return losses and weights of four steps, of which the third has a smaller batch."""
    network = torch.nn.Linear(3, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
        network.bias.zero_()
    optimizer = torch.optim.Adam(network.parameters())
    run, rng, losses = make_pass(network, graphed=graphed), torch.Generator().manual_seed(1), []
    for n in (4, 4, 3, 4):
        losses.append(float(run([torch.randn(n, 3, generator=rng)])))
        optimizer.step()
    return losses, [p.detach().clone() for p in network.parameters()], run


def test_steps_are_those_without_a_graph(monkeypatch):
    expected, weights, _ = steps(graphed=0)
    monkeypatch.setattr(gradients, "CudaGraph", FakeGraph)
    losses, found, run = steps(graphed=4)
    assert losses == expected
    assert all(torch.equal(a, b) for a, b in zip(found, weights, strict=True))
    assert run._graph.calls == 3  # the smaller batch is not among them


def test_a_graph_that_cannot_be_made_ends_the_training_with_a_cure(monkeypatch):
    monkeypatch.setattr(gradients, "CudaGraph", RefusedGraph)
    with pytest.raises(TrainingError) as refused:
        steps(graphed=4)
    message = with_options(str(refused.value))
    assert "(operation not permitted when stream is capturing); train with --no-cuda-graph, or" in message
