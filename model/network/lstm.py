"""The bidirectional LSTM of FactorNet: two kinds of gates, one set of parameters."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Gates = Literal["sigmoid", "hard_sigmoid"]


class DirectionWeights(NamedTuple):
    """Weights of one direction, gates stacked in torch's order i, f, g (the cell input, Keras's c), o."""

    input: Tensor  # (4 cells, inputs)
    recurrent: Tensor  # (4 cells, cells)
    input_bias: Tensor  # (4 cells,)
    recurrent_bias: Tensor  # (4 cells,)


def hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 1's gate, ``clip(0.2 x + 0.5, 0, 1)``; torch's own ``hardsigmoid`` has a slope of 1/6 instead."""
    return (0.2 * x + 0.5).clamp(0, 1)


class BidirectionalLSTM(nn.Module):
    """Bidirectional LSTM; the outputs of both directions are concatenated.

    In training, dropout multiplies the inputs of each gate and direction by a mask that is constant over time, as in
    Keras 1 (Gal & Ghahramani, arXiv:1512.05287). Here the masks multiply the columns of the weights and are drawn
    once per forward pass, so that all windows of a batch share them. The original draws them per window; sharing keeps
    the expectation and torch's fused kernel, which takes weights but no masks.

    Args:
        inputs: number of channels per step.
        cells: number of cells per direction.
        gates: "sigmoid" runs torch's fused kernel; "hard_sigmoid", the gates of the published FactorNet weights, a
            loop over time. The parameters and their names are the same.
        dropout: rate for inputs and recurrent values in training.
    """

    def __init__(self, inputs: int, cells: int, *, gates: Gates = "sigmoid", dropout: float = 0.1) -> None:
        super().__init__()
        self.gates, self.dropout = gates, dropout
        self.lstm = nn.LSTM(inputs, cells, batch_first=True, bidirectional=True)
        # The fused kernel adds two biases. If both were trained, Adam would move their sum, the single bias of the
        # published network, twice as far.
        for direction in self._directions():
            direction.recurrent_bias.requires_grad_(False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Initialise as Keras 1: Glorot uniform and orthogonal times 1.1, gate by gate; forget bias 1, others 0."""
        cells = self.lstm.hidden_size
        limit = math.sqrt(6 / (self.lstm.input_size + cells))
        for weights in self._directions():
            weights.input.uniform_(-limit, limit, generator=generator)
            for gate in weights.recurrent.chunk(4):
                nn.init.orthogonal_(gate, gain=1.1, generator=generator)
            weights.input_bias.zero_()
            weights.input_bias[cells : 2 * cells] = 1
            weights.recurrent_bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of both directions, (N, steps, 2 cells), for `x` of shape (N, steps, inputs)."""
        dropping = self.training and self.dropout > 0
        if self.gates == "sigmoid" and not dropping:
            outputs: Tensor = self.lstm(x)[0]
            return outputs
        directions = [self._masked(weights) if dropping else weights for weights in self._directions()]
        if self.gates == "sigmoid":
            return self._fused(x, directions)
        return loop_over_time(x, directions, gates=self.gates)

    def _directions(self) -> list[DirectionWeights]:
        return [DirectionWeights(*weights) for weights in self.lstm.all_weights]

    def _masked(self, weights: DirectionWeights) -> DirectionWeights:
        # Not by `_replace`: torch 2.11 cannot compile what takes its result.
        masked = self._drop(weights.input), self._drop(weights.recurrent)
        return DirectionWeights(*masked, weights.input_bias, weights.recurrent_bias)

    def _drop(self, weight: Tensor) -> Tensor:
        """Multiply `weight` by a mask per gate and column, scaled to keep its mean."""
        gates = weight.view(4, -1, weight.shape[1])
        mask = functional.dropout(weight.new_ones(4, 1, weight.shape[1]), self.dropout)
        return (gates * mask).view_as(weight)

    def _fused(self, x: Tensor, directions: list[DirectionWeights]) -> Tensor:
        # nn.LSTM always uses its own parameters; torch.lstm takes any weights, here the masked ones.
        state = x.new_zeros(2, x.shape[0], self.lstm.hidden_size)
        weights = _one_chunk(directions)
        return torch.lstm(x, (state, state), weights, True, 1, 0.0, self.training, True, True)[0]


def _one_chunk(directions: list[DirectionWeights]) -> list[Tensor]:
    """Return the weights as views of one tensor, in the order of nn.LSTM.

    In memory all matrices come first and the biases last, as nn.LSTM lays them out for cuDNN; cuDNN copies weights in
    any other layout at every call, with a warning.
    """
    matrices = [w for d in directions for w in (d.input, d.recurrent)]
    biases = [b for d in directions for b in (d.input_bias, d.recurrent_bias)]
    chunk = torch.cat([t.flatten() for t in matrices + biases])
    pieces = torch.split_with_sizes(chunk, [t.numel() for t in matrices + biases])
    forward_in, forward_re, backward_in, backward_re = (p.view_as(m) for p, m in zip(pieces[:4], matrices, strict=True))
    return [forward_in, forward_re, *pieces[4:6], backward_in, backward_re, *pieces[6:]]


def loop_over_time(x: Tensor, directions: list[DirectionWeights], *, gates: Gates) -> Tensor:
    """Compute a bidirectional LSTM step by step, with gates that torch's fused kernel does not have.

    Args:
        x: shape (N, steps, inputs).
        directions: weights of the forward and of the backward direction.
        gates: activation of the input, forget and output gates.

    Returns:
        Shape (N, steps, 2 cells).
    """
    gate = torch.sigmoid if gates == "sigmoid" else hard_sigmoid
    # Both directions advance together: the leading axis of every tensor below is the direction.
    w_input = torch.stack([d.input for d in directions]).mT
    w_recurrent = torch.stack([d.recurrent for d in directions]).mT
    bias = torch.stack([d.input_bias + d.recurrent_bias for d in directions])
    both = torch.stack([x, x.flip(1)]).transpose(1, 2)  # (2, steps, N, inputs)
    driven = both @ w_input[:, None] + bias[:, None, None]  # (2, steps, N, 4 cells)
    hidden = cell = driven.new_zeros(2, x.shape[0], w_recurrent.shape[1])
    outputs = []
    for step in driven.unbind(1):
        i, f, g, o = (step + hidden @ w_recurrent).chunk(4, dim=-1)
        cell = gate(f) * cell + gate(i) * torch.tanh(g)
        hidden = gate(o) * torch.tanh(cell)
        outputs.append(hidden)
    forward, backward = torch.stack(outputs, dim=2).unbind(0)
    return torch.cat([forward, backward.flip(1)], dim=-1)
