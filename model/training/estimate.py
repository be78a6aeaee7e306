"""What a training will take, before it begins: windows, memory and time, from a few steps on made-up data."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import torch

from ...store.machine import peak_memory
from ..data.batches import stream_settings
from ..network.factornet import FactorNet
from .distributed import ProcessGroup
from .setup import TrainingSetup
from .trainer import cross_entropy

_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Numbers for a person to plan with; seconds and bytes.

    `stream_bytes` is the memory of the windows held, `resident_bytes` what this process has used so far.
    """

    positives: dict[str, int]
    windows_an_epoch: int
    validation_windows: int
    steps_an_epoch: int
    parameters: int
    stream_bytes: int
    resident_bytes: int
    seconds_a_step: float
    seconds_an_epoch: float
    device: str
    processes: int

    def text(self, epochs: int) -> str:
        """The estimate for people."""
        counts = ", ".join(f"{n:,} in {c}" for c, n in self.positives.items())
        memory = (self.stream_bytes + self.resident_bytes) / 1e9
        return (
            f"positives: {counts}\n"
            f"an epoch: {self.windows_an_epoch:,} windows in {self.steps_an_epoch:,} steps, then "
            f"{self.validation_windows:,} to validate\n"
            f"network: {self.parameters:,} parameters on {self.device}, {self.processes} process(es)\n"
            f"memory: about {memory:.1f} GB a process\n"
            f"time: {self.seconds_a_step * 1000:.0f} ms a step, {self.seconds_an_epoch:.0f} s an epoch, at most "
            f"{self.seconds_an_epoch * epochs / 3600:.1f} h for {epochs} epochs (reading goes on beside)\n"
            "nothing was written"
        )


def estimate(plan: TrainingSetup, device: torch.device, process_group: ProcessGroup) -> Estimate:
    """Draw one epoch, take five steps on windows of no meaning, and see."""
    sampler, options = plan.sampler, plan.options
    windows, valid = len(sampler.epoch(options.seed, 0)), len(sampler.validation(options.seed))
    network = plan.build().to(device)
    step, validation = _time_steps(network, options.batch_size // process_group.size, device)
    steps = -(-windows // options.batch_size)
    return Estimate(
        positives=dict(zip(sampler.cells, sampler.positives_per_epoch, strict=True)),
        windows_an_epoch=windows,
        validation_windows=valid,
        steps_an_epoch=steps,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        # Two pools of windows are held, one read while the other is shown.
        stream_bytes=2 * stream_settings(network.config, batch_size=options.batch_size).pool_bytes,
        resident_bytes=peak_memory(),
        seconds_a_step=step,
        seconds_an_epoch=step * steps + validation * valid / options.batch_size,
        device=str(device),
        processes=process_group.size,
    )


def _time_steps(network: FactorNet, batch: int, device: torch.device) -> tuple[float, float]:
    """Seconds of a step of training, and of a step of prediction."""
    config = network.config
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 4, (batch, config.window_length), generator=generator, dtype=torch.uint8).to(device)
    tracks = torch.rand((batch, len(config.tracks), config.window_length), generator=generator).to(device)
    features = torch.zeros((batch, config.features), device=device) if config.features else None
    labels = torch.zeros((batch, len(config.tasks)), device=device)
    took = []
    for training in (True, False):
        network.train(training)
        for i in range(_STEPS + 1):
            if i == 1:  # the first step prepares what the others use again
                begin = perf_counter()
            with torch.set_grad_enabled(training):
                loss = cross_entropy(network(codes, tracks, features), labels)
            if training:
                network.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            loss.item()
        took.append((perf_counter() - begin) / _STEPS)
    return took[0], took[1]
