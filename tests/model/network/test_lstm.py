from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor

from factornet.model.network.lstm import BidirectionalLSTM, DirectionWeights, _one_chunk, hard_sigmoid, loop_over_time


def make(gates: Literal["sigmoid", "hard_sigmoid"] = "sigmoid", *, dropout: float = 0.1) -> BidirectionalLSTM:
    layer = BidirectionalLSTM(6, 5, gates=gates, dropout=dropout)
    layer.initialise(torch.Generator().manual_seed(3))
    return layer


def steps(n: int = 4) -> Tensor:
    return torch.randn(n, 9, 6, generator=torch.Generator().manual_seed(1))


def reference_direction(x: Tensor, weights: DirectionWeights, gate: Callable[[Tensor], Tensor]) -> Tensor:
    """Compute one direction by the LSTM's equations, one window and one step at a time, in float64."""
    cells = weights.recurrent.shape[1]
    outputs = torch.zeros(*x.shape[:2], cells, dtype=torch.float64)
    for n in range(len(x)):
        h = c = torch.zeros(cells, dtype=torch.float64)
        for t in range(x.shape[1]):
            z = weights.input.double() @ x[n, t].double() + weights.recurrent.double() @ h
            i, f, g, o = (z + weights.input_bias.double()).split(cells)
            c = gate(f) * c + gate(i) * torch.tanh(g)
            h = gate(o) * torch.tanh(c)
            outputs[n, t] = h
    return outputs


@pytest.mark.parametrize(("gates", "gate"), [("sigmoid", torch.sigmoid), ("hard_sigmoid", hard_sigmoid)])
def test_layer_equals_the_equations(gates, gate):
    layer, x = make(gates).eval(), steps()
    forward, backward = layer._directions()
    expected = torch.cat(
        [reference_direction(x, forward, gate), reference_direction(x.flip(1), backward, gate).flip(1)], dim=-1
    )
    assert torch.allclose(layer(x).double(), expected, atol=1e-6)


def test_loop_equals_the_fused_kernel():
    layer, x = make().eval(), steps(50)
    assert (loop_over_time(x, layer._directions(), gates="sigmoid") - layer(x)).abs().max() < 1e-6


def test_masked_weights_agree_between_kernel_and_loop():
    layer, x = make(), steps()
    masked = [layer._masked(weights) for weights in layer._directions()]
    assert torch.allclose(layer._fused(x, masked), loop_over_time(x, masked, gates="sigmoid"), atol=1e-6)


def test_hard_sigmoid_is_that_of_keras_1():
    x = torch.tensor([-3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0])
    assert torch.allclose(hard_sigmoid(x), torch.tensor([0, 0, 0.3, 0.5, 0.7, 1, 1]))


def test_both_gates_share_names_and_shapes():
    plain, hard = make("sigmoid").state_dict(), make("hard_sigmoid").state_dict()
    assert {k: v.shape for k, v in plain.items()} == {k: v.shape for k, v in hard.items()}


@pytest.mark.parametrize("gates", ["sigmoid", "hard_sigmoid"])
def test_dropout_is_drawn_per_forward_pass_and_only_in_training(gates):
    layer, x = make(gates, dropout=0.5), steps()
    assert not torch.equal(layer(x), layer(x))
    torch.manual_seed(0)
    first = layer(x)
    torch.manual_seed(0)
    assert torch.equal(first, layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_without_dropout_training_equals_evaluation():
    layer, x = make(dropout=0), steps()
    assert torch.equal(layer.train()(x), layer.eval()(x))


def test_masks_are_per_gate_and_column_and_keep_the_mean():
    layer = BidirectionalLSTM(2000, 1, dropout=0.1)
    with torch.no_grad():
        dropped = layer._drop(torch.ones(12, 2000)).view(4, 3, 2000)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))  # all cells of a gate drop the same inputs
    assert not torch.equal(dropped[0], dropped[1])  # gates differ
    assert dropped.unique().tolist() == [0, pytest.approx(1 / 0.9)]
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)


def test_one_chunk_holds_the_weights_in_one_tensor():
    weights = [w for direction in make()._directions() for w in direction]
    packed = _one_chunk(make()._directions())
    assert all(torch.equal(a, b) for a, b in zip(weights, packed, strict=True))
    assert len({t.untyped_storage().data_ptr() for t in packed}) == 1
    assert packed[0].storage_offset() == 0


@pytest.mark.parametrize("gates", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_reach_every_trained_weight(gates, training):
    layer = make(gates).train(training)
    layer(steps()).square().sum().backward()
    trained = {name: p for name, p in layer.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.values())
    # The second bias of torch's kernel stays 0: the network has one bias a gate.
    fixed = {name: p for name, p in layer.named_parameters() if not p.requires_grad}
    assert set(fixed) == {"lstm.bias_hh_l0", "lstm.bias_hh_l0_reverse"}
    assert all(p.abs().sum() == 0 for p in fixed.values())


def test_initial_values_are_those_of_keras_1():
    layer = BidirectionalLSTM(30, 20)
    layer.initialise(torch.Generator().manual_seed(0))
    limit = (6 / 50) ** 0.5
    for weights in layer._directions():
        assert 0.95 * limit < weights.input.abs().max() <= limit
        for gate in weights.recurrent.chunk(4):
            assert torch.allclose(gate @ gate.T, 1.21 * torch.eye(20), atol=1e-5)
        assert weights.input_bias.chunk(4)[1].eq(1).all()
        assert weights.input_bias.sum() == 20
