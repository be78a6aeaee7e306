"""`KerasAdam` equals Adam of Keras 1."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from factornet.model.training.step.optimizer import KerasAdam


def adam_steps(gradients: np.ndarray, *, lr: float) -> np.ndarray:
    """Return the weights that Keras 1 reaches from 0, in float64."""
    p = m = v = np.zeros(gradients.shape[1])
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
    return p


def take_steps(optimizer: torch.optim.Optimizer, parameter: Tensor, gradients: np.ndarray) -> None:
    for g in gradients:
        parameter.grad = torch.from_numpy(g)
        optimizer.step()


@pytest.fixture
def gradients() -> np.ndarray:
    # From large ones down to those for which epsilon is not negligible.
    return np.random.default_rng(3).normal(size=(20, 6)) * 10.0 ** np.arange(1, -11, -2)


def test_adam_equals_keras_1_and_differs_from_torch(gradients):
    parameters = [torch.nn.Parameter(torch.zeros(6, dtype=torch.float64)) for _ in range(2)]
    take_steps(KerasAdam([parameters[0]], lr=0.01), parameters[0], gradients)
    take_steps(torch.optim.Adam([parameters[1]], lr=0.01), parameters[1], gradients)
    keras, plain = (p.detach().numpy() for p in parameters)
    np.testing.assert_allclose(keras, adam_steps(gradients, lr=0.01), rtol=1e-12)
    assert np.abs(plain - keras).max() > 0.01  # what the class corrects


def test_adam_resumes_from_its_state(gradients):
    parameter = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    optimizer = KerasAdam([parameter], lr=0.01)
    take_steps(optimizer, parameter, gradients[:7])
    again = KerasAdam([parameter])
    again.load_state_dict(json_groups(optimizer.state_dict()))
    take_steps(again, parameter, gradients[7:])
    np.testing.assert_allclose(parameter.detach().numpy(), adam_steps(gradients, lr=0.01), rtol=1e-12)


def json_groups(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state as read from a training state on disk."""
    return {"state": state["state"], "param_groups": json.loads(json.dumps(state["param_groups"]))}
