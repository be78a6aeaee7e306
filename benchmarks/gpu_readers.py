"""Training that reads windows: from arrays of the host by pinned copies, and from those of the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from gpu_data import CELLS, ArrayStore, Inputs, Sizes, factornet_config, make_factornet
from gpu_measure import profile, synchronize
from gpu_paths import DEFAULT, gradient_pass, on_device
from gpu_report import Report, Row
from gpu_timing import WINDOWS, check_finite

from factornet.model.data.batches import TensorBatch, TensorStream, stream_settings
from factornet.model.data.device_windows import DeviceSource
from factornet.model.training.step.optimizer import KerasAdam
from factornet.store.sampling.plan import SamplingPlan
from factornet.store.windows.in_memory import required_arrays
from factornet.store.windows.loader import WindowStream


@dataclass(frozen=True)
class Way:
    """How windows are read.

    Attributes:
        batch: windows a batch.
        resident: whether they are cut on the device, instead of copied to it.
        trains: whether a FactorNet is trained on them; otherwise they are only read.
    """

    batch: int
    resident: bool
    trains: bool


class Readers:
    """Epochs of a small FactorNet over windows of one plan.

    Args:
        store: arrays.
        device: to train on.
        sizes: of network and batches.
    """

    def __init__(self, store: ArrayStore, device: torch.device, sizes: Sizes) -> None:
        self._store, self._device, self._sizes = store, device, sizes
        config = factornet_config(sizes, sizes.networks[0])
        self._network = make_factornet(config)
        arrays = required_arrays(
            store, cells=CELLS, tracks=config.tracks, gencode=False, chroms=store.coordinates.names
        )
        self._held = DeviceSource(store, arrays, config, device, reason="")

    def time(self, report: Report) -> None:
        """Time an epoch of each way, after one that is not timed."""
        plan = self._store.plan(30 * self._sizes.large, seed=11)
        for way in self._ways():

            def settled(way: Way = way) -> Row:
                learn = self._learner(way)
                self._epoch(plan, way, learn)
                return self._epoch(plan, way, learn)

            report.timing(self._name(way), settled)

    def profile(self, report: Report) -> None:
        """Add kernels and copies of a step to the rows of `time`."""
        rows = {row["name"]: row for row in report.timings if "ms" in row}
        plan = self._store.plan(3 * self._sizes.large, seed=12)
        for way in self._ways():
            row = rows.get(self._name(way))
            if row is not None and report.elapsed < report.budget:
                found = profile(partial(self._epoch, plan, way, self._learner(way)), self._device, calls=1)
                steps = len(plan) / way.batch
                row |= {key: found[key] / steps for key in ("kernels_ms", "copies_ms", "launched")}

    def _ways(self) -> list[Way]:
        return [
            Way(batch, resident, trains)
            for batch in (self._sizes.batch, self._sizes.large)
            for trains in (False, True)
            for resident in (False, True)
        ]

    def _name(self, way: Way) -> str:
        what = f"train k{self._network.config.kernels} x{way.batch}, default" if way.trains else f"read x{way.batch}"
        return f"{what}, {'cut on the device' if way.resident else 'streamed'}"

    def _learner(self, way: Way) -> Callable[[TensorBatch], None]:
        """Return what does with a batch as the trainer does, or nothing."""
        if not way.trains:
            return lambda batch: None
        network = on_device(self._network, self._device).train()
        optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=0.001)
        run = gradient_pass(network, graphed=way.batch if self._device.type == "cuda" else 0)

        def learn(batch: TensorBatch) -> None:
            check_finite(run(Inputs(batch.codes, batch.tracks, batch.labels)))
            optimizer.step()

        return learn

    def _epoch(self, plan: SamplingPlan, way: Way, learn: Callable[[TensorBatch], None]) -> Row:
        """Pass over the plan as the trainer does; return the time of a step and what of it was spent waiting."""
        settings = stream_settings(self._network.config, batch_size=way.batch)
        synchronize(self._device)
        steps, begin = 0, perf_counter()
        if way.resident:
            opened = self._held.open(plan, settings, seed=(1,))
        else:
            opened = TensorStream(WindowStream(self._store, plan, settings, seed=(1,)), self._device, prefetch=3)
        with opened as stream, DEFAULT.settings():
            for read in stream:
                steps += 1
                learn(read)
        synchronize(self._device)
        seconds = perf_counter() - begin
        row: Row = {"ms": 1000 * seconds / steps, "rate": len(plan) / seconds, "unit": WINDOWS}
        return row | {"waited_ms": 1000 * opened.waited / steps}
