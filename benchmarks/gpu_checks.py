"""Checks of the device paths of FactorNets against `gpu_reference`; each returns an error for the report to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from gpu_data import CELLS, META, ArrayStore, Inputs, Sizes, factornet_config, make_factornet, name_of
from gpu_paths import (
    BFLOAT16,
    CPU,
    DEFAULT,
    FLOAT32,
    PRECISIONS,
    GraphedForward,
    Precision,
    backward_pass,
    both_strands,
    drawn_on_cpu,
    gradient_pass,
    graphed_pass,
    group_of_one,
    on_device,
    without_dropout,
)
from gpu_reference import (
    FORWARD,
    GRADIENT,
    Reference,
    compared_batch,
    dropout_error,
    relative_error,
)
from gpu_report import Report
from torch import Tensor, nn

from factornet.model.data.batches import TensorBatch, TensorStream, stream_settings
from factornet.model.data.device_windows import DeviceSource
from factornet.model.network.factornet import FactorNet, _dropout_mask
from factornet.model.network.lstm import BidirectionalLSTM, loop_over_time
from factornet.model.prediction.predict import predict_plan
from factornet.model.prediction.scorers.shared_convolution import SharedConvolution
from factornet.model.training.step.optimizer import KerasAdam
from factornet.store.windows.in_memory import find_tables, required_arrays
from factornet.store.windows.loader import WindowStream


def check_windows(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes) -> None:
    """Check windows cut on the device, and copied to it from pinned memory: they must be equal, byte for byte."""
    config = factornet_config(sizes, sizes.networks[0], meta=META, gencode=True)
    plan, settings = store.plan(8 * sizes.batch + 3, seed=3), stream_settings(config, batch_size=sizes.batch)
    expected = list(TensorStream(WindowStream(store, plan, settings, seed=(1,)), CPU))

    def cut_on_device(*, codes: bool = False) -> float:
        arrays = required_arrays(store, cells=CELLS, tracks=config.tracks, gencode=True, chroms=store.coordinates.names)
        arrays = find_tables(store, arrays) if codes else arrays
        source = DeviceSource(store, arrays, config, device, reason="")
        return _count_different(list(source.open(plan, settings, seed=(1,))), expected)

    def copied(*, codes: bool = False) -> float:
        busy, kept = torch.ones(256, 256, device=device), []
        windows = WindowStream(store.with_codes() if codes else store, plan, settings, seed=(1,))
        with TensorStream(windows, device, prefetch=3, codes=codes) as stream:
            for batch in stream:
                for _ in range(20):  # so that copies run ahead of what reads them
                    busy = busy @ busy / 256
                values = (t.clone() for t in (batch.codes, batch.tracks, batch.features, batch.labels))
                kept.append(TensorBatch(batch.index, *values))
        return _count_different(kept, expected)

    report.check("windows cut on the device", cut_on_device, tolerance=0)
    report.check("windows copied from pinned memory", copied, tolerance=0)
    report.check("windows cut on the device from codes", partial(cut_on_device, codes=True), tolerance=0)
    report.check("windows copied from pinned memory as codes", partial(copied, codes=True), tolerance=0)


def _count_different(found: list[TensorBatch], expected: list[TensorBatch]) -> int:
    """Return the number of values that are not equal."""
    different = abs(len(found) - len(expected))
    for one, other in zip(found, expected, strict=False):
        different += int((one.index != other.index).sum())
        for name in ("codes", "tracks", "features", "labels"):
            different += int((getattr(one, name).cpu() != getattr(other, name)).sum())
    return different


def check_network(
    report: Report,
    name: str,
    reference: Reference,
    device: torch.device,
    *,
    outputs: Sequence[Precision] = PRECISIONS,
    gradients: Sequence[Precision] = PRECISIONS,
) -> None:
    """Check outputs and gradients of a network of either kind, by precision, and as CUDA graphs."""
    inputs = reference.inputs.to(device)

    def forward(precision: Precision) -> float:
        network = on_device(reference.network, device).eval()
        with precision.settings():
            return relative_error(both_strands(network, inputs, amp=precision.amp), reference.logits)

    def backward(precision: Precision) -> float:
        return reference.gradient_error(without_dropout(on_device(reference.network, device)), precision=precision)

    for precision in outputs:
        label = f"{name}, {precision.name}: outputs"
        report.check(label, partial(forward, precision), tolerance=FORWARD[precision.name])
    for precision in gradients:
        label = f"{name}, {precision.name}: gradients"
        report.check(label, partial(backward, precision), tolerance=GRADIENT[precision.name])
    if device.type == "cuda":
        graphed = [p for p in (FLOAT32, BFLOAT16) if p in gradients]
        _check_graphs(report, name, reference, inputs, graphed)


def _check_graphs(
    report: Report, name: str, reference: Reference, inputs: Inputs, precisions: Sequence[Precision]
) -> None:
    """Capture with another batch, then replay with the batch itself, or its parts."""
    device = inputs.codes.device

    def backward(precision: Precision) -> float:
        network, part = without_dropout(on_device(reference.network, device)), reference.parts[0].to(device)
        with precision.settings():
            run = graphed_pass(network, _another(part), amp=precision.amp)
        return reference.gradient_error(network, precision=precision, run=run)

    def forward() -> float:
        network = on_device(reference.network, device).eval()
        with FLOAT32.settings():
            return relative_error(GraphedForward(network, _another(inputs))(inputs), reference.logits)

    for precision in precisions:
        label = f"{name}, {precision.name}, CUDA graph: gradients"
        report.check(label, partial(backward, precision), tolerance=GRADIENT[precision.name])
    if isinstance(reference.network, FactorNet):
        report.check(f"{name}, float32, CUDA graph: outputs", forward, tolerance=FORWARD["float32"])


def _another(inputs: Inputs) -> Inputs:
    """Return a batch of the same shape with other values."""
    features = None if inputs.features is None else inputs.features.flip(0)
    return Inputs(inputs.codes.flip(0), inputs.tracks.flip(0), 1 - inputs.labels, features)


def check_training(report: Report, reference: Reference, device: torch.device) -> None:
    """Check steps of training of a FactorNet: with dropout, with Adam, in a group of one process."""
    inputs, exact = reference.inputs.to(device), reference.inputs.to(CPU, torch.float64)

    def same_seed() -> float:
        losses = []
        network = on_device(reference.network, device).train()
        for _ in range(2):
            torch.manual_seed(7)
            losses.append(backward_pass(network, inputs).item())
        return abs(losses[0] / losses[1] - 1)

    def losses(where: torch.device, dtype: torch.dtype, values: Inputs) -> Tensor:
        network = without_dropout(on_device(reference.network, where, dtype))
        optimizer, found = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=0.001), []
        for _ in range(4):
            found.append(backward_pass(network, values).cpu())
            optimizer.step()
        return torch.stack(found)

    def steps() -> float:
        with FLOAT32.settings():
            return relative_error(losses(device, torch.float32, inputs), losses(CPU, torch.float64, exact))

    def group() -> float:
        network = without_dropout(on_device(reference.network, device))
        with group_of_one(device):
            wrapped = nn.parallel.DistributedDataParallel(network)
            return reference.gradient_error(network, run=lambda part: backward_pass(wrapped, part))

    report.check("dropout: share kept", lambda: kept_share_error(device), tolerance=0.01)
    dropout = partial(dropout_error, reference, device)
    report.check("training with the same dropout: gradients", dropout, tolerance=GRADIENT["float32"])
    report.check("training with the same seed twice: loss", same_seed, tolerance=1e-6)
    report.check("four steps of Adam: losses", steps, tolerance=1e-4)
    report.check("group of one process: gradients", group, tolerance=GRADIENT["float32"])
    if device.type == "cuda":
        report.check("steps with dropout, CUDA graph: losses", lambda: _graph_error(reference, device), tolerance=1e-4)


def _graph_error(reference: Reference, device: torch.device) -> float:
    """Return how far losses of steps with dropout and Adam are from those without a graph; one batch is smaller."""

    def losses(*, graph: bool) -> Tensor:
        network = on_device(reference.network, device).train()
        optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=0.001)
        batches = [reference.inputs, reference.parts[0], _another(reference.inputs), reference.inputs]
        size = len(reference.inputs.codes) if graph else 0
        found, run = [], gradient_pass(network, graphed=size)
        torch.manual_seed(7)
        for batch in batches:
            found.append(run(batch.to(device)).clone())
            optimizer.step()
        drawn = torch.rand(1, device=device)  # the generator went on by as much
        return torch.cat([*found, drawn]).cpu()

    with FLOAT32.settings():
        return relative_error(losses(graph=True), losses(graph=False))


def kept_share_error(device: torch.device, draw: Callable[..., tuple[Tensor, float]] = _dropout_mask) -> float:
    """Return how far the share of values that dropout keeps is from 0.9: the worst of the four of a random number.

    Args:
        device: to draw on.
        draw: FactorNet's own way to draw, or the same compiled.
    """
    keep, scale = draw(torch.zeros(200, 1000, device=device), 0.1, None)
    shares = torch.stack([keep[:, i::4].double().mean() for i in range(4)])
    return max(float((shares - 0.9).abs().max()), abs(scale * 0.9 - 1))


def check_lstm(report: Report, device: torch.device, sizes: Sizes) -> None:
    """Check the fused LSTM, plain and masked, and the loop over time, against that loop in float64 on the CPU."""
    kernels, cells, _ = sizes.networks[-1]
    layers = {gates: BidirectionalLSTM(kernels, cells, gates=gates) for gates in ("sigmoid", "hard_sigmoid")}
    for layer in layers.values():
        layer.initialise(torch.Generator().manual_seed(1))
    x = torch.randn(2 * sizes.checked, 20, kernels, generator=torch.Generator().manual_seed(2))

    def outputs(layer: BidirectionalLSTM, where: torch.device, dtype: torch.dtype) -> Tensor:
        """Return outputs and gradients of inputs and weights as one vector; float64 takes the loop over time."""
        layer, values = on_device(layer, where, dtype).train(), x.clone().to(where, dtype).detach().requires_grad_()
        with FLOAT32.settings(), drawn_on_cpu(3):
            if dtype == torch.float64:
                directions = layer._directions()
                masked = [layer._masked(d) for d in directions] if layer.dropout else directions
                y = loop_over_time(values, masked, gates=layer.gates)
            else:
                y = layer(values)
            y.square().sum().backward()
        gradients = [values.grad.flatten(), *(p.grad.flatten() for p in layer.parameters() if p.grad is not None)]
        return torch.cat([t.detach().to(CPU, torch.float64) for t in (y.flatten(), *gradients)])

    for gates, rate in (("sigmoid", 0.0), ("sigmoid", 0.1), ("hard_sigmoid", 0.1)):
        layers[gates].dropout = rate

        def compare(layer: BidirectionalLSTM = layers[gates]) -> float:
            return relative_error(outputs(layer, device, torch.float32), outputs(layer, CPU, torch.float64))

        report.check(f"LSTM, {gates}, dropout {rate}: outputs, gradients", compare, tolerance=1e-4)


def check_prediction(report: Report, store: ArrayStore, network: FactorNet, device: torch.device, sizes: Sizes) -> None:
    """Check predictions of streamed windows, and of windows that share the convolution of a tile."""
    config, n = network.config, 2 * sizes.checked
    exact = on_device(network, CPU, torch.float64).eval()
    plan, settings = store.plan(n, seed=8), stream_settings(config, batch_size=max(1, sizes.checked - 1))
    starts = torch.from_numpy(np.random.default_rng(9).permutation(n) * 50)
    codes, tracks = map(torch.from_numpy, store.tile(config.window_length + n * 50))

    def probabilities(inputs: Inputs) -> Tensor:
        return torch.sigmoid(both_strands(exact, inputs.to(CPU, torch.float64))).mean(0)

    def streamed(precision: Precision) -> float:
        on = on_device(network, device)
        with TensorStream(WindowStream(store, plan, settings, seed=None), CPU) as stream:
            batches = list(stream)
        expected = torch.empty(n, 1, dtype=torch.float64)
        for b in batches:
            expected[torch.from_numpy(b.index)] = probabilities(Inputs(b.codes, b.tracks, b.labels))
        windows = WindowStream(store, plan, settings, seed=None)
        with precision.settings(), TensorStream(windows, device, prefetch=3) as stream:
            found = predict_plan(on, stream, n, device, amp=precision.amp)
        return relative_error(torch.from_numpy(found), expected)

    def shared(precision: Precision) -> float:
        span = starts[:, None] + torch.arange(config.window_length)
        expected = probabilities(Inputs(codes[span], tracks[:, span].transpose(0, 1), torch.zeros(n, 1)))
        with precision.settings():
            scorer = SharedConvolution(on_device(network, device).eval())
            arguments: list[Any] = [t.to(device) for t in (codes, tracks, starts)]
            found = scorer.score(*arguments, batch_size=max(1, n // 3), amp=precision.amp)
        return relative_error(found, expected)

    for precision in (FLOAT32, DEFAULT, BFLOAT16):
        of, tolerance = precision.name, FORWARD[precision.name]
        report.check(f"prediction of streamed windows, {of}", partial(streamed, precision), tolerance=tolerance)
        report.check(f"prediction of a tile, {of}", partial(shared, precision), tolerance=tolerance)


def check_factornets(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes) -> list[Reference]:
    """Check all that FactorNets do; return the references, by network."""
    references = []
    for network in sizes.networks:
        config = factornet_config(sizes, network)
        reference = Reference(make_factornet(config), compared_batch(store, config, sizes.checked))
        check_network(report, name_of(config), reference, device)
        references.append(reference)
    features = factornet_config(sizes, sizes.networks[0], meta=META, gencode=True)
    check_training(report, Reference(make_factornet(features), compared_batch(store, features, sizes.checked)), device)
    check_lstm(report, device, sizes)
    check_prediction(report, store, references[0].network, device, sizes)
    return references
