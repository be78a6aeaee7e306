"""Estimate windows, memory and time of a training from a few steps on random data."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import torch

from ...store.machine import peak_memory
from ...store.text import format_seconds
from ..data.batches import stream_settings
from ..network.factornet import FactorNet
from .distributed import ProcessGroup
from .setup import TrainingSetup
from .step.loss import cross_entropy

_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated cost of a training, in seconds and bytes.

    `stream_bytes` is the memory of the windows held, `resident_bytes` the peak memory of this process so far.
    """

    positives: dict[str, int]
    windows_per_epoch: int
    validation_windows: int
    steps_per_epoch: int
    parameters: int
    stream_bytes: int
    resident_bytes: int
    seconds_per_step: float
    seconds_per_epoch: float
    device: str
    processes: int

    def text(self, epochs: int) -> str:
        """Format the estimate for people."""
        counts = ", ".join(f"{n:,} in {c}" for c, n in self.positives.items())
        memory = (self.stream_bytes + self.resident_bytes) / 1e9
        return (
            f"positives: {counts}\n"
            f"per epoch: {self.windows_per_epoch:,} windows in {self.steps_per_epoch:,} steps, then "
            f"{self.validation_windows:,} for validation\n"
            f"network: {self.parameters:,} parameters on {self.device}, {self.processes} process(es)\n"
            f"memory: about {memory:.1f} GB per process\n"
            f"time: {self.seconds_per_step * 1000:.0f} ms per step, {self.seconds_per_epoch:.0f} s per epoch, at most "
            f"{format_seconds(self.seconds_per_epoch * epochs)} for {epochs} epochs (reading overlaps)\n"
            "nothing was written"
        )


def estimate(setup: TrainingSetup, device: torch.device, process_group: ProcessGroup) -> Estimate:
    """Draw one epoch, time five steps on random windows, and extrapolate."""
    sampler, options = setup.sampler, setup.options
    windows, valid = len(sampler.epoch(options.seed, 0)), len(sampler.validation(options.seed))
    network = setup.build().to(device)
    step, validation = _time_steps(network, options.batch_size // process_group.size, device)
    steps = -(-windows // options.batch_size)
    return Estimate(
        positives=dict(zip(sampler.cells, sampler.positives_per_epoch, strict=True)),
        windows_per_epoch=windows,
        validation_windows=valid,
        steps_per_epoch=steps,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        # Two pools of windows are held: one is read while the other is used.
        stream_bytes=2 * stream_settings(network.config, batch_size=options.batch_size).pool_bytes,
        resident_bytes=peak_memory(),
        seconds_per_step=step,
        seconds_per_epoch=step * steps + validation * valid / options.batch_size,
        device=str(device),
        processes=process_group.size,
    )


def _time_steps(network: FactorNet, batch_size: int, device: torch.device) -> tuple[float, float]:
    """Return seconds per training step and per prediction step."""
    config = network.config
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 4, (batch_size, config.window_length), generator=generator, dtype=torch.uint8).to(device)
    tracks = torch.rand((batch_size, len(config.tracks), config.window_length), generator=generator).to(device)
    features = torch.zeros((batch_size, config.features), device=device) if config.features else None
    labels = torch.zeros((batch_size, len(config.tasks)), device=device)
    seconds = []
    for training in (True, False):
        network.train(training)
        for i in range(_STEPS + 1):
            if i == 1:  # the first step warms up
                begin = perf_counter()
            with torch.set_grad_enabled(training):
                loss = cross_entropy(network(codes, tracks, features), labels)
            if training:
                network.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            loss.item()
        seconds.append((perf_counter() - begin) / _STEPS)
    return seconds[0], seconds[1]
