"""Cases that the GPU benchmark times: steps of training, predictions, and training fed by the readers of windows."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gpu_cost import Layer, cost, factornet_layers, trained
from gpu_data import (
    ArrayStore,
    Inputs,
    Sizes,
    factornet_config,
    make_factornet,
)
from gpu_measure import Work, profile, seconds_per_call
from gpu_paths import (
    BFLOAT16,
    DEFAULT,
    PRECISIONS,
    TF32,
    GraphedForward,
    Precision,
    check_compiler,
    gradient_pass,
    on_device,
)
from gpu_reference import compared_batch
from gpu_report import Report, Row
from torch import Tensor

from factornet.model.network.factornet import FactorNet
from factornet.model.prediction.scorers.shared_convolution import SharedConvolution
from factornet.model.training.step.optimizer import KerasAdam
from factornet.store.schema import STRIDE

WINDOWS, BINS = "windows/s", "bins/s"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed.

    Attributes:
        name: for the table.
        make: returns what to call; called with the settings of the precision.
        precision: to compute in.
        n: windows or bins a call.
        unit: of the rate.
        layers: of a window or segment, with the number of them a call.
        profiled: whether the kernels are listed; those of CUDA graphs are not.
    """

    name: str
    make: Callable[[], Work]
    precision: Precision
    n: int
    unit: str
    layers: tuple[Sequence[Layer], float]
    profiled: bool = True


def time_cases(report: Report, cases: Sequence[Case], device: torch.device, sizes: Sizes, *, reserve: float) -> None:
    """Time cases, as long as `reserve` seconds are left of the budget."""
    gc.freeze()  # what was imported need not be searched after each case
    for case in cases:
        report.timing(case.name, lambda case=case: _timed(report, case, device, sizes), reserve=reserve)
        _release(device)


def profile_cases(report: Report, cases: Sequence[Case], device: torch.device, *, reserve: float) -> None:
    """Add the kernels of cases to their rows; to be done last, as a profiler that has run slows what follows."""
    rows = {row["name"]: row for row in report.timings if "ms" in row}
    for case in cases:
        if case.profiled and case.name in rows and report.elapsed + reserve < report.budget:
            _profile(rows[case.name], case, device)
            _release(device)
    report.save()


def _timed(report: Report, case: Case, device: torch.device, sizes: Sizes) -> Row:
    with case.precision.settings():
        seconds = seconds_per_call(case.make(), device, least=sizes.seconds)
    layers, times = case.layers
    row: Row = {"ms": 1000 * seconds, "rate": case.n / seconds, "unit": case.unit}
    row |= cost(layers, times, precision=case.precision, ceilings=report.ceilings)
    return row | ({"share": row["floor_ms"] / row["ms"]} if "floor_ms" in row else {})


def _profile(row: Row, case: Case, device: torch.device) -> None:
    """Add the kernels of a case to its row; a profiler that fails leaves a note and the time as it is."""
    try:
        with case.precision.settings():
            row |= profile(case.make(), device)
    except Exception as error:
        row["note"] = f"not profiled: {type(error).__name__}: {' '.join(str(error).split())[:80]}"


def _release(device: torch.device) -> None:
    """Give back the memory of a GPU, that of graphs too."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def training_step(
    network: FactorNet, inputs: Inputs, precision: Precision, *, reads_back: bool = True, graph: bool = False
) -> Work:
    """Return a step of `training.trainer`.

    Args:
        network: on the device, in training.
        inputs: a batch, on the device.
        precision: to compute in.
        reads_back: whether the loss and the norm of the gradient are fetched, as the trainer does, to be checked.
        graph: whether forward and backward pass are one CUDA graph; the optimiser is not in it.
    """
    optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=0.001)
    size = len(inputs.codes) if graph else 0
    run = gradient_pass(network, graphed=size, precision=precision)

    def step() -> None:
        found = run(inputs)
        if reads_back:
            check_finite(found)
        optimizer.step()

    return step


def check_finite(found: Tensor) -> None:
    """Fetch loss and norm of the gradient, as the trainer does.

    Raises:
        ArithmeticError: one is not finite.
    """
    if not all(map(math.isfinite, found.tolist())):
        raise ArithmeticError("the made-up training diverged")


def factornet_cases(store: ArrayStore, device: torch.device, sizes: Sizes) -> list[Case]:
    """Return training and prediction of FactorNets: all precisions, and CUDA graphs where there is CUDA."""
    cases = []
    for shape in sizes.networks:
        config = factornet_config(sizes, shape)
        network = make_factornet(config)
        for n in (sizes.batch, sizes.large):
            inputs = compared_batch(store, config, n).to(device)
            cases += _training_cases(network, inputs, n, device) + _prediction_cases(network, inputs, n, device)
        hard = make_factornet(factornet_config(sizes, shape, gates="hard_sigmoid"))  # of published weights
        cases += _prediction_cases(hard, inputs, sizes.large, device, precisions=(DEFAULT,))
        cases += _tile_cases(store, network, device, sizes)
    return cases


def _training_cases(network: FactorNet, inputs: Inputs, n: int, device: torch.device) -> list[Case]:
    ways: list[tuple[str, Precision, dict[str, bool]]] = [(p.name, p, {}) for p in PRECISIONS]
    ways.append(("default, no fetch", DEFAULT, {"reads_back": False}))
    if device.type == "cuda":
        ways += [(f"{p.name}, graph", p, {"graph": True}) for p in (DEFAULT, BFLOAT16)]
        ways.append(("default, graph, no fetch", DEFAULT, {"reads_back": False, "graph": True}))
    layers = (trained(factornet_layers(network.config)), n)

    def make(precision: Precision, options: dict[str, bool]) -> Callable[[], Work]:
        return lambda: training_step(on_device(network, device).train(), inputs, precision, **options)

    return [
        Case(
            name=f"train k{network.config.kernels} x{n}, {name}",
            make=make(precision, options),
            precision=precision,
            n=n,
            unit=WINDOWS,
            layers=layers,
            profiled="graph" not in options,
        )
        for name, precision, options in ways
    ]


def _prediction_cases(
    network: FactorNet,
    inputs: Inputs,
    n: int,
    device: torch.device,
    *,
    precisions: Sequence[Precision] = PRECISIONS,
) -> list[Case]:
    def make(precision: Precision) -> Callable[[], Work]:
        """As `prediction.predict.scored_batches`."""

        def made() -> Work:
            copied = on_device(network, device).eval()

            def work() -> np.ndarray:
                with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision.amp):
                    probabilities = copied(inputs.codes, inputs.tracks)
                return probabilities.float().cpu().numpy()

            return work

        return made

    def graphed() -> Work:
        replay = GraphedForward(on_device(network, device).eval(), inputs)
        return lambda: replay(inputs)

    hard = " hard gates" if network.config.gates == "hard_sigmoid" else ""
    label, layers = f"predict k{network.config.kernels}{hard} x{n}", (factornet_layers(network.config), n)
    cases = [
        Case(name=f"{label}, {p.name}", make=make(p), precision=p, n=n, unit=WINDOWS, layers=layers) for p in precisions
    ]
    if device.type == "cuda":
        graph = f"{label}, default, graph, no fetch"
        cases.append(
            Case(name=graph, make=graphed, precision=DEFAULT, n=n, unit=WINDOWS, layers=layers, profiled=False)
        )
    return cases


def _tile_cases(store: ArrayStore, network: FactorNet, device: torch.device, sizes: Sizes) -> list[Case]:
    """Return predictions of bins 50 bases apart, which share their convolution."""
    n, config = sizes.tile, network.config
    codes, tracks = map(torch.from_numpy, store.tile(config.window_length + n * STRIDE))
    arguments: list[Any] = [t.to(device) for t in (codes, tracks, torch.arange(n) * STRIDE)]

    def make(precision: Precision, at_once: int) -> Callable[[], Work]:
        def made() -> Work:
            scorer = SharedConvolution(on_device(network, device).eval())
            return lambda: scorer.score(*arguments, batch_size=at_once, amp=precision.amp).cpu()

        return made

    return [
        Case(
            name=f"predict k{config.kernels} tile, {p.name}, {at_once} at once",
            make=make(p, at_once),
            precision=p,
            n=n,
            unit=BINS,
            layers=(factornet_layers(config, bases=STRIDE), n),
        )
        for p, at_once in ((DEFAULT, 512), (DEFAULT, n), (TF32, n), (BFLOAT16, n))
    ]


def time_compiled(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes, *, limit: float) -> None:
    """Time a step of training that torch compiled, next to one that it did not."""
    config = factornet_config(sizes, sizes.networks[0])
    network, n = make_factornet(config), sizes.batch
    inputs = compared_batch(store, config, n).to(device)

    def make(compiled: bool) -> Work:
        copied = on_device(network, device).train()
        if compiled:
            check_compiler()
            copied.compile()
        return training_step(copied, inputs, DEFAULT)

    for name, compiled in (("again, not compiled", False), ("compiled", True)):
        case = Case(
            name=f"train k{config.kernels} x{n}, default, {name}",
            make=lambda compiled=compiled: make(compiled),
            precision=DEFAULT,
            n=n,
            unit=WINDOWS,
            layers=(trained(factornet_layers(config)), n),
        )
        report.timing(case.name, lambda case=case: _timed(report, case, device, sizes), limit=limit)
