"""What device paths are compared with, float64 on the CPU, and how errors are measured.

Errors are relative norms, ``|a - b| / |b|``, and 0 or more where values must be equal: the number that are not.

Rounding decides otherwise where a ReLU's argument is nearly 0, or two positions are nearly the maximum, and one such
decision changes a gradient more than all other rounding: of the 481,280 ReLUs of a batch of 16 segments one, whose
argument was 3.5e-7, was another in float32 than in float64, and alone made an error of 1.8e-4, of 6.3e-4 with dropout,
on the CPU as on an H100; all other rounding made 3e-7. So gradients are compared in parts of a batch (`median_error`),
few of which have such a decision; and in TF32 and bfloat16, where all have small ones, by `misalignment`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from gpu_data import ArrayStore, Inputs
from gpu_paths import (
    CPU,
    FLOAT32,
    Precision,
    backward_pass,
    both_strands,
    drawn_on_cpu,
    gradient,
    on_device,
    without_dropout,
)
from torch import Tensor, nn

from factornet.model.data.batches import stream_settings
from factornet.model.network.config import NetworkConfig
from factornet.store.windows.loader import WindowStream

FORWARD = {"float32": 1e-5, "default": 5e-3, "tf32": 5e-3, "bfloat16": 3e-2}
"""Tolerance of outputs by precision."""
GRADIENT = {"float32": 5e-5, "default": 5e-3, "tf32": 5e-3, "bfloat16": 2e-2}
"""Tolerance of the median error of gradients; of their misalignment where it is not float32.

What is expected of TF32 was computed in float64 with the factors of convolutions, products and LSTM rounded to 10 bits,
forwards and backwards. Medians: 2e-5 (default) and 3.3e-4 where they are rounded to nearest; 5e-4 and 2.4e-3 where bits
are cut off, as some kernels do. Worst part 0.1; whole batches up to 0.028, where an H100 had 0.011 and 0.014. bfloat16
on a CPU: medians 3.5e-3, worst part 0.07. Whole batches in float32: 7e-6 on an H100 without another decision.
"""
WORST = 0.5
"""Tolerance of the error of any part."""
PARTS = 8
"""Parts of a batch in which gradients are compared; all have the same number of windows."""


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference by the norm of what is expected."""
    found, expected = (t.detach().to(CPU, torch.float64) for t in (found, expected))
    return float((found - expected).norm() / expected.norm())


def misalignment(found: Tensor, expected: Tensor) -> float:
    """Return how far a gradient is from the expected one in length along it, and in direction (1 - cosine)."""
    along = torch.dot(found, expected)
    cosine = along / (found.norm() * expected.norm())
    return float(torch.maximum((along / torch.dot(expected, expected) - 1).abs(), 1 - cosine))


def gradient_error(precision: Precision, found: Tensor, expected: Tensor) -> float:
    """Return how far the gradient of a part is from the expected one."""
    return relative_error(found, expected) if precision == FLOAT32 else misalignment(found, expected)


def median_error(errors: Sequence[float]) -> float:
    """Return the measure that `GRADIENT` limits: the median of the parts' errors; the largest if it is over `WORST`."""
    found = torch.tensor(errors, dtype=torch.float64)
    return float(found.quantile(0.5) if found.max() <= WORST else found.max())


def compared_batch(store: ArrayStore, config: NetworkConfig, n: int, *, seed: int = 2) -> Inputs:
    """Return a batch of windows on the CPU."""
    settings = stream_settings(config, batch_size=n)
    batch = next(iter(WindowStream(store, store.plan(n, seed=seed), settings, seed=(1,))))
    labels = torch.from_numpy(batch.labels).to(torch.float32)
    features = torch.from_numpy(batch.features) if config.features else None
    return Inputs(torch.from_numpy(batch.codes), torch.from_numpy(batch.tracks), labels, features)


class Reference:
    """A network, a batch, and what float64 on the CPU makes of them, without dropout.

    Attributes:
        network: on the CPU.
        inputs: on the CPU.
        logits: of both strands.
        parts: of the inputs, each of as many windows or segments as the others.
        gradients: of the loss of each part, as one vector each.
    """

    def __init__(self, network: nn.Module, inputs: Inputs) -> None:
        self.network, self.inputs, self.parts = network, inputs, inputs.split(PARTS)
        exact = on_device(network, CPU, torch.float64).eval()
        self.logits = both_strands(exact, inputs.to(CPU, torch.float64))
        self.gradients = part_gradients(without_dropout(exact), self.parts)  # last: it moves averages of normalizations

    def gradient_error(
        self, network: nn.Module, *, precision: Precision = FLOAT32, run: Callable[[Inputs], object] | None = None
    ) -> float:
        """Return the median error of the gradients of the parts.

        Args:
            network: whose gradients are compared, on its device.
            precision: to compute in.
            run: computes the gradients of a part; by default `backward_pass`.
        """
        found = part_gradients(network, self.parts, precision=precision, run=run)
        pairs = zip(found, self.gradients, strict=True)
        return median_error([gradient_error(precision, *pair) for pair in pairs])


def part_gradients(
    network: nn.Module,
    parts: Sequence[Inputs],
    *,
    precision: Precision = FLOAT32,
    run: Callable[[Inputs], object] | None = None,
) -> list[Tensor]:
    """Return the gradients of a network for each part; arguments as of `Reference.gradient_error`."""
    values, found = next(network.parameters()), []
    with precision.settings():
        for part in parts:
            inputs = part.to(values.device, values.dtype)
            if run is None:
                backward_pass(network, inputs, amp=precision.amp)
            else:
                run(inputs)
            found.append(gradient(network))
    return found


def dropout_error(reference: Reference, device: torch.device) -> float:
    """Return the median error of gradients of training whose masks of dropout are the same on both devices."""

    def masked(where: torch.device, dtype: torch.dtype) -> list[Tensor]:
        with drawn_on_cpu(5):
            return part_gradients(on_device(reference.network, where, dtype).train(), reference.parts)

    pairs = zip(masked(device, torch.float32), masked(CPU, torch.float64), strict=True)
    return median_error([relative_error(*pair) for pair in pairs])
