"""Train a network on windows of a store: Adam, early stopping, best and last weights, exact resume."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from ...store.errors import UsageError
from ...store.files.outputs import output_lock
from ...store.sampling.plan import SamplingPlan
from ...store.sampling.sampler import Sampler
from ..data.batches import TensorBatch, stream_settings
from ..data.sources import BatchStream, Source, choose_source
from ..model_dir.card import Selection
from ..network.factornet import BatchShare, FactorNet
from ..prediction.predict import predict_plan
from .distributed import ProcessGroup
from .history import Callbacks, EpochRecord, Progress, StepReport, TrainingResult
from .loop import EpochLimits, check_numbers, run_epochs
from .pausing import EpochCursor
from .step.gradients import GradientPass
from .step.loss import TrainingError, cross_entropy, score_validation
from .step.optimizer import KerasAdam
from .validation.region_validation import RegionValidation

Precision = Literal["float32", "bfloat16", "float64"]
_PREFETCH = 3  # batches ready on the device
_ORDER = 1  # seeds the order of windows, apart from the numbers that draw a plan


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training; the defaults are FactorNet's.

    Attributes:
        epochs: maximum number of epochs.
        patience: number of epochs without a better one after which training stops.
        learning_rate: learning rate of `KerasAdam`.
        batch_size: windows per step, over all processes.
        seed: seed of plans, order and dropout.
        precision: "bfloat16" is used where it is safe; weights, losses and the LSTM stay float32. "float64" is slow,
            for comparisons free of rounding.
        compile: whether torch compiles the network.
        select: by what the best epoch is chosen: the loss of the validation windows, or the average precision of all
            bins of the validation regions.

    Raises:
        UsageError: as for `check_numbers`.
    """

    epochs: int = 100
    patience: int = 20
    learning_rate: float = 0.001
    batch_size: int = 100
    seed: int = 420
    precision: Precision = "float32"
    compile: bool = False
    select: Selection = "loss"

    def __post_init__(self) -> None:
        check_numbers(learning_rate=self.learning_rate, seed=self.seed)


def train(
    network: FactorNet,
    sampler: Sampler,
    folder: Path,
    options: TrainingOptions,
    *,
    device: torch.device,
    resume: bool = False,
    source: Source | None = None,
    process_group: ProcessGroup | None = None,
    callbacks: Callbacks | None = None,
    locked: bool = False,
    cuda_graph: bool = True,
) -> TrainingResult:
    """Train a network; write best weights, last state, history and its picture to the model folder.

    A resumed training ends with bit-identical weights on one CPU: everything drawn depends on (seed, epoch), and the
    state at the end of each epoch is saved, and where a training is paused. A process group sees the same batches as
    one process, each rank its share of every batch, dropout included: the losses are equal but for rounding, which
    Adam amplifies step by step. The windows come from `source`, by default from the sampler's store.

    The main process holds the lock of the folder, unless the caller holds it (`locked`), as it must where it has made
    or replaced the folder just before.

    On a GPU, one process computes the passes of a step as a CUDA graph, unless `cuda_graph` is False or torch compiles
    the network: the same kernels, launched at once.

    Raises:
        TrainingPausedError: the callbacks asked to pause; the state is saved, and a resumed training goes on there.
        TrainingError: a loss or gradient is not finite; the message names the step, and the input where that is not. No
            CUDA graph can be made.
        UsageError: the batch size is not a multiple of the number of processes.
        InputError: another process writes the folder, no training state is valid, or a file cannot be written.
    """
    process_group, callbacks = process_group or ProcessGroup(), callbacks or Callbacks()
    with nullcontext() if locked or not process_group.is_main else output_lock(folder):
        return _train(
            network,
            sampler,
            folder,
            options,
            device=device,
            resume=resume,
            source=source,
            process_group=process_group,
            callbacks=callbacks,
            cuda_graph=cuda_graph,
        )


def _train(
    network: FactorNet,
    sampler: Sampler,
    folder: Path,
    options: TrainingOptions,
    *,
    device: torch.device,
    resume: bool,
    source: Source | None,
    process_group: ProcessGroup,
    callbacks: Callbacks,
    cuda_graph: bool,
) -> TrainingResult:
    source = source or choose_source("no", sampler, network.config, device)
    with _Trainer(
        network,
        sampler,
        options,
        source=source,
        device=device,
        process_group=process_group,
        callbacks=callbacks,
        cuda_graph=cuda_graph,
    ) as trainer:
        limits = EpochLimits(epochs=options.epochs, patience=options.patience, select=options.select)
        return run_epochs(trainer, folder, limits, resume=resume, process_group=process_group, callbacks=callbacks)


@dataclass(frozen=True)
class _Epoch:
    """Windows of one epoch and the stream that reads them."""

    number: int
    windows: int
    stream: BatchStream


class _Trainer:
    """Network, optimiser and data of one training, over its epochs."""

    def __init__(
        self,
        network: FactorNet,
        sampler: Sampler,
        options: TrainingOptions,
        *,
        source: Source,
        device: torch.device,
        process_group: ProcessGroup,
        callbacks: Callbacks,
        cuda_graph: bool,
    ) -> None:
        if options.batch_size % process_group.size:
            raise UsageError(f"batch_size {options.batch_size} is not a multiple of the {process_group.size} processes")
        self.network, self.sampler, self.options = network, sampler, options
        self.source, self.device, self.process_group, self.callbacks = source, device, process_group, callbacks
        self.settings = stream_settings(
            network.config, batch_size=options.batch_size, rank=process_group.rank, world_size=process_group.size
        )
        network.to(device, torch.float64 if options.precision == "float64" else torch.float32)
        self.amp = options.precision == "bfloat16"
        if options.compile:
            _check_compiler(device)
            network.compile()
        self.distributed = process_group.wrap(network)
        self.weight = 1.0
        """Factor of the loss of a batch: gradients are averaged over processes, the loss is a mean over windows."""
        graphs = cuda_graph and device.type == "cuda" and process_group.size == 1 and not options.compile
        self.gradient_pass = GradientPass(
            self._compute_gradients,
            network,
            graphed=options.batch_size if graphs else 0,
        )
        self.optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=options.learning_rate)
        self.valid: SamplingPlan = sampler.validation(options.seed)
        self.regions = None
        if options.select == "ap":
            self.regions = RegionValidation(
                sampler.store, cells=sampler.valid_cells, factors=sampler.tasks, regions=sampler.split.valid
            )
        self._prepared: _Epoch | None = None
        torch.manual_seed(options.seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared is not None:
            self._prepared.stream.__exit__()

    def _prepare(self, number: int) -> _Epoch:
        """Draw an epoch and start to read it."""
        plan = self.sampler.epoch(self.options.seed, number)
        order = (self.options.seed, number, _ORDER, 0)
        return _Epoch(number, len(plan), self.source.open(plan, self.settings, seed=order, prefetch=_PREFETCH))

    def epoch(self, progress: Progress) -> tuple[EpochRecord, int]:
        """Train for an epoch and validate; return its record and the number of steps."""
        start = perf_counter()
        epoch, self._prepared = self._prepared or self._prepare(progress.epoch), None
        cursor = EpochCursor(
            progress.position, process_group=self.process_group, device=self.device, callbacks=self.callbacks
        )
        with epoch.stream:
            learnt = self._run_epoch(epoch, progress, cursor)
        seconds = perf_counter() - start
        if progress.epoch + 1 < self.options.epochs:
            self._prepared = self._prepare(progress.epoch + 1)  # read during validation
        val_loss, val_ap = self.validate(cursor.check_pause_in_validation)
        if self.regions is not None:
            _, val_ap = self.regions.score(
                self.network,
                device=self.device,
                process_group=self.process_group,
                amp=self.amp,
                on_batch=cursor.check_pause_in_validation,
            )
        record = EpochRecord(
            epoch=progress.epoch + 1,
            loss=cursor.total_loss() / cursor.windows,
            val_loss=val_loss,
            val_average_precision=val_ap,
            windows=epoch.windows,
            windows_per_second=learnt / seconds,
            data_wait=epoch.stream.waited / seconds,
            seconds=seconds,
        )
        return record, cursor.steps

    def _run_epoch(self, epoch: _Epoch, progress: Progress, cursor: EpochCursor) -> int:
        """Pass over the windows once, from the position of the cursor; return how many were learnt from."""
        self.network.train()
        batches = cursor.skip(iter(epoch.stream), epoch.windows)
        before = cursor.windows
        for batch in batches:
            windows = min(self.options.batch_size, epoch.windows - cursor.windows)
            value, fault = self._step(batch, windows)
            if fault:
                raise TrainingError(
                    f"{fault} at step {progress.step + cursor.steps + 1} (epoch {progress.epoch + 1})"
                    f"{_non_finite_input(batch)}; the weights of this step are not saved; resume with a lower "
                    "learning_rate, or check the tracks for extreme values"
                )
            self.optimizer.step()
            cursor.add(batch, windows, value)
            done, running = cursor.windows, cursor.loss * self.process_group.size / cursor.windows
            self.callbacks.step(StepReport(epoch=progress.epoch + 1, done=done, windows=epoch.windows, loss=running))
            cursor.check_pause()
        return cursor.windows - before

    def _step(self, batch: TensorBatch, windows: int) -> tuple[float, str]:
        """Compute gradients for a batch of `windows` over all processes.

        Returns the summed loss of this process's share, and which value is not finite; empty if all are.
        """
        rows, size = len(batch.index), self.process_group.size
        self.network.batch_share = BatchShare.of(windows, self.process_group.rank, size) if size > 1 else None
        self.weight = rows * size / windows
        own = _placeholder(batch) if rows == 0 else batch
        features = () if own.features is None else (own.features,)
        loss, largest = self.gradient_pass((own.labels, own.codes, own.tracks, *features)).tolist()
        value: float = loss * rows
        if not math.isfinite(value):
            return value, f"the loss is {value}"
        return value, "" if math.isfinite(largest) else self._non_finite_gradient()

    def _compute_gradients(self, labels: Tensor, *inputs: Tensor) -> Tensor:
        """Add the gradients of a batch; return its loss and the largest gradient, (2,), to be fetched in one copy."""
        # No cast weights are kept: each is used once, and a CUDA graph would use those of its capture for ever.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp, cache_enabled=False):
            probabilities = self.distributed(*inputs)
        loss = cross_entropy(probabilities, labels)
        (loss * self.weight).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        return torch.stack([loss.detach(), torch.nn.utils.get_total_norm(gradients, norm_type=math.inf)])

    def _non_finite_gradient(self) -> str:
        """Describe the first gradient that is not finite."""
        named = ((name, p.grad) for name, p in self.network.named_parameters() if p.grad is not None)
        return f"the gradient of {next(name for name, g in named if not g.isfinite().all())} is not finite"

    def validate(self, on_batch: Callable[[int], None]) -> tuple[float, float]:
        """Return mean binary cross-entropy and average precision (mean over tasks) on the validation windows."""
        self.network.batch_share = None
        plan = self.valid
        store = self.sampler.store
        # Each process validates a contiguous part of the genome, so that no chunk is read twice.
        order = np.argsort(store.coordinates.to_absolute(plan.chrom, plan.start), kind="stable")
        rank, size = self.process_group.rank, self.process_group.size
        rows = order[rank * len(plan) // size : (rank + 1) * len(plan) // size]
        own_plan = plan.take(rows)
        scores = np.zeros((len(plan), len(self.sampler.tasks)), np.float32)
        settings = stream_settings(self.network.config, batch_size=self.options.batch_size)
        with self.source.open(own_plan, settings, seed=None) as stream:
            scores[rows] = predict_plan(self.network, stream, len(own_plan), self.device, on_batch, amp=self.amp)
        return score_validation(self.process_group.sum(scores, self.device), plan.label.astype(np.float32))


def _non_finite_input(batch: TensorBatch) -> str:
    """Describe which inputs of a batch are not finite; empty where all are."""
    inputs = {"tracks": batch.tracks, "features": batch.features}
    names = [name for name, values in inputs.items() if values is not None and not values.isfinite().all()]
    return f", whose {' and '.join(names)} hold values that are not finite" if names else ""


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu" and not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise UsageError("compile needs a C++ compiler on the CPU (g++ or clang++); install one, or do not compile")


def _placeholder(batch: TensorBatch) -> TensorBatch:
    """Return one window of N for an empty batch: every process takes part in every step, with weight 0."""
    features = batch.features
    return TensorBatch(
        batch.index,
        batch.codes.new_full((1, *batch.codes.shape[1:]), 4),
        batch.tracks.new_zeros((1, *batch.tracks.shape[1:])),
        None if features is None else features.new_zeros((1, *features.shape[1:])),
        batch.labels.new_zeros((1, *batch.labels.shape[1:])),
    )
