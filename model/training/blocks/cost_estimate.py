"""Estimate segments, memory and time of the training of a network over blocks."""

from __future__ import annotations

from time import perf_counter

import torch

from ....store.genome.regions import to_regions
from ....store.machine import peak_memory
from ....store.schema import STRIDE
from ...network.block_ensemble import BlockEnsemble
from ...prediction.bins import count_bins
from ..cost_estimate import Estimate
from .setup import BlockSetup
from .trainer import segment_stream

_STEPS = 5
_BINS = 512  # predicted at once


def estimate_blocks(setup: BlockSetup, device: torch.device) -> Estimate:
    """Draw one epoch, time five steps on random segments, and extrapolate; its windows are segments, then bins."""
    sampler, options, segments = setup.sampler, setup.options, setup.segment_options
    n_segments = len(setup.segment_sampler().epoch(options.seed, 0))
    regions = to_regions(sampler.split.valid, sampler.store.coordinates)
    n_bins = count_bins(regions, sampler.store.coordinates, stride=STRIDE) * len(sampler.valid_cells)
    network = setup.build().to(device)
    step = _time(network, options.batch_size, segments.window_length, device, training=True)
    prediction = _time(network, 1, network.config.window_length + (_BINS - 1) * STRIDE, device, training=False)
    steps = -(-n_segments // options.batch_size)
    settings = segment_stream(segments, network.config, batch_size=options.batch_size)
    return Estimate(
        positives=dict(zip(sampler.cells, sampler.positives_per_epoch, strict=True)),
        windows_per_epoch=n_segments,
        validation_windows=n_bins,
        steps_per_epoch=steps,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        stream_bytes=2 * settings.pool_bytes,
        resident_bytes=peak_memory(),
        seconds_per_step=step,
        seconds_per_epoch=step * steps + prediction * n_bins / _BINS,
        device=str(device),
        processes=1,
    )


def _time(network: BlockEnsemble, batch_size: int, length: int, device: torch.device, *, training: bool) -> float:
    """Return seconds per step on random bases: of training, or of scoring both strands."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 4, (batch_size, length), generator=generator, dtype=torch.uint8).to(device)
    tracks = torch.rand((batch_size, len(network.config.signals), length), generator=generator).to(device)
    bits = torch.zeros((batch_size, length // STRIDE), dtype=torch.uint8, device=device)
    inputs = (codes, tracks, bits if network.config.annotation else None)
    network.train(training)
    for i in range(_STEPS + 1):
        if i == 1:  # the first step warms up
            begin = perf_counter()
        with torch.set_grad_enabled(training):
            if not training:
                network.both_strands(*inputs).sum().item()
                continue
            network.zero_grad()
            for member in network.networks:
                member(inputs[0], member.own_signals(tracks), inputs[2]).sum().backward()
    return (perf_counter() - begin) / _STEPS
