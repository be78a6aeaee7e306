"""Train a network on windows streamed from a store: Adam, early stopping, best and last weights, exact resume."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.errors import FactorNetError, UsageError
from ...store.sampling.plan import SamplingPlan
from ...store.sampling.sampler import Sampler
from ..data.batches import TensorBatch, stream_settings
from ..data.sources import BatchStream, Source, choose_source
from ..evaluation.metrics import average_precision
from ..model_dir.checkpoint import save_training_state, save_weights
from ..model_dir.lifecycle import complete_model
from ..network.factornet import BatchShare, FactorNet
from ..prediction.predict import predict_plan
from .distributed import ProcessGroup
from .history import Callbacks, EpochRecord, Progress, StepReport, TrainingResult, write_history
from .optimizer import KerasAdam

Precision = Literal["float32", "bfloat16", "float64"]
_PREFETCH = 3  # batches ready on the device
_ORDER = 1  # purpose of random numbers, apart from those that draw a plan


class TrainingError(FactorNetError):
    """Training cannot go on; the message names the step."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training; defaults as FactorNet's.

    Attributes:
        epochs: at most so many.
        patience: stop after so many epochs without a better validation loss.
        learning_rate: of Adam (`KerasAdam`).
        batch_size: windows a step, of all processes together.
        seed: of plans, order, dropout.
        precision: "bfloat16" computes in it where that is safe; weights, losses and the LSTM stay float32. "float64"
            is slow, and for comparisons: what differs there is no rounding.
        compile: let torch compile the network.
    """

    epochs: int = 100
    patience: int = 20
    learning_rate: float = 0.001
    batch_size: int = 100
    seed: int = 420
    precision: Precision = "float32"
    compile: bool = False


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
) -> TrainingResult:
    """Train, and keep best weights, last state and history in the model folder.

    A resumed training ends with the weights an undisturbed one would have, bit for bit on one CPU: everything drawn
    depends on (seed, epoch), and the state at the end of each epoch is kept. A team sees the same batches as one
    process would, each member its share of every batch, dropout included: the same losses but for rounding, which
    Adam amplifies step by step. The windows come from `source`, by default from the sampler's store.

    Raises:
        TrainingError: a loss or gradient is not finite; the message names the step, and the input where that is not.
        UsageError: the batch cannot be shared evenly.
        InputError: no training state is whole, or a file cannot be written.
    """
    process_group, callbacks = process_group or ProcessGroup(), callbacks or Callbacks()
    source = source or choose_source("no", sampler, network.config, device)
    with _Run(
        network, sampler, options, source=source, device=device, process_group=process_group, callbacks=callbacks
    ) as run:
        progress = Progress()
        if resume:
            progress, warning = Progress.restored(network, run.optimizer, folder)
            if warning and process_group.is_main:
                callbacks.warning(warning)
        reason = f"all {options.epochs} epochs done"
        while progress.epoch < options.epochs:
            if progress.stale >= options.patience:
                reason = f"no better validation loss in {options.patience} epochs"
                break
            record, steps = run.epoch(progress)
            better = progress.add(record, steps)
            if process_group.is_main:
                if better:
                    save_weights(folder, network.state_dict(), "best")
                save_training_state(folder, progress.state(network, run.optimizer))
                write_history(folder, progress.history)
                callbacks.epoch(record)
        if process_group.is_main:
            save_weights(folder, network.state_dict(), "last")
            complete_model(folder)
        process_group.wait()
    best = min(progress.history, key=lambda r: r.val_loss)
    return TrainingResult(tuple(progress.history), best, reason)


@dataclass(frozen=True)
class _Epoch:
    """Windows of one epoch, being read."""

    number: int
    windows: int
    stream: BatchStream


class _Run:
    """What the epochs of one training share."""

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
    ) -> None:
        if options.batch_size % process_group.size:
            raise UsageError(
                f"a batch of {options.batch_size} windows (-b) cannot be shared by {process_group.size} processes"
            )
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
        self.shared = process_group.wrap(network)
        self.optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=options.learning_rate)
        self.valid: SamplingPlan = sampler.validation(options.seed)
        self._prepared: _Epoch | None = None
        torch.manual_seed(options.seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared is not None:
            self._prepared.stream.__exit__()

    def _prepare(self, number: int) -> _Epoch:
        """Draw an epoch and begin to read it."""
        plan = self.sampler.epoch(self.options.seed, number)
        order = (self.options.seed, number, _ORDER, 0)
        return _Epoch(number, len(plan), self.source.open(plan, self.settings, seed=order, prefetch=_PREFETCH))

    def epoch(self, progress: Progress) -> tuple[EpochRecord, int]:
        """Train for an epoch and validate: its record, and the steps done."""
        begin = perf_counter()
        opened, self._prepared = self._prepared or self._prepare(progress.epoch), None
        with opened.stream:
            loss, steps = self._train(opened, progress)
        seconds = perf_counter() - begin
        if progress.epoch + 1 < self.options.epochs:
            self._prepared = self._prepare(progress.epoch + 1)  # read while this one is validated
        val_loss, val_ap = self.validate()
        record = EpochRecord(
            epoch=progress.epoch + 1,
            loss=loss,
            val_loss=val_loss,
            val_average_precision=val_ap,
            windows=opened.windows,
            windows_per_second=opened.windows / seconds,
            data_wait=opened.stream.waited / seconds,
            seconds=seconds,
        )
        return record, steps

    def _train(self, epoch: _Epoch, progress: Progress) -> tuple[float, int]:
        """One pass over the windows: mean loss a window, and steps."""
        self.network.train()
        total, done, steps = 0.0, 0, 0
        for batch in epoch.stream:
            windows = min(self.options.batch_size, epoch.windows - done)
            value = self._step(batch, windows)
            steps, done = steps + 1, done + windows
            fault = f"the loss is {value}" if not math.isfinite(value) else self._odd_gradient()
            if fault:
                raise TrainingError(
                    f"{fault} at step {progress.step + steps} (epoch {progress.epoch + 1}){_odd_input(batch)}; nothing "
                    "of this step is kept; resume with a lower learning rate (-lr), or look for odd values in tracks"
                )
            self.optimizer.step()
            total += value
            running = total * self.process_group.size / done
            self.callbacks.step(StepReport(epoch=progress.epoch + 1, done=done, windows=epoch.windows, loss=running))
        whole = (
            self.process_group.sum(np.array([total], np.float32), self.device)
            if self.process_group.size > 1
            else [total]
        )
        return float(whole[0]) / done, steps

    def _step(self, batch: TensorBatch, windows: int) -> float:
        """Gradients of the loss of a batch of `windows` in all; the summed loss of this process's share of it."""
        rows, size = len(batch.index), self.process_group.size
        self.network.batch_share = BatchShare.of(windows, self.process_group.rank, size) if size > 1 else None
        self.optimizer.zero_grad(set_to_none=True)
        if rows == 0:
            batch = _placeholder(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            probabilities = self.shared(batch.codes, batch.tracks, batch.features)
        loss = cross_entropy(probabilities, batch.labels)
        # The team averages gradients over processes; the loss is a mean over windows.
        (loss * (rows * size / windows)).backward()  # type: ignore[no-untyped-call]
        return loss.item() * rows

    def _odd_gradient(self) -> str:
        """The first gradient that is not finite, in words; nothing where all are. A step with one spoils weights."""
        named = [(name, p.grad) for name, p in self.network.named_parameters() if p.grad is not None]
        if math.isfinite(torch.nn.utils.get_total_norm([g for _, g in named], norm_type=math.inf).item()):
            return ""
        return f"the gradient of {next(name for name, g in named if not g.isfinite().all())} is not finite"

    def validate(self) -> tuple[float, float]:
        """Mean binary cross-entropy, and average precision (mean over tasks), on the validation windows."""
        self.network.batch_share = None
        plan = self.valid
        store = self.sampler.store
        # Each process takes a stretch of the genome, so that none reads what another has read.
        order = np.argsort(store.coordinates.to_absolute(plan.chrom, plan.start), kind="stable")
        mine = order[
            self.process_group.rank * len(plan) // self.process_group.size : (self.process_group.rank + 1)
            * len(plan)
            // self.process_group.size
        ]
        part = plan.take(mine)
        scores = np.zeros((len(plan), len(self.sampler.tasks)), np.float32)
        settings = stream_settings(self.network.config, batch_size=self.options.batch_size)
        with self.source.open(part, settings, seed=None) as stream:
            scores[mine] = predict_plan(self.network, stream, len(part), self.device, amp=self.amp)
        return score_validation(self.process_group.sum(scores, self.device), plan.label.astype(np.float32))


def score_validation(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> tuple[float, float]:
    """Mean binary cross-entropy, and average precision (mean over the tasks with positives); both (windows, tasks).

    Raises:
        TrainingError: the loss is not finite.
    """
    loss = cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels)).item()
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss is {loss}; look for odd values in the tracks, or lower -lr")
    scored = [average_precision(labels[:, t], scores[:, t]) for t in range(labels.shape[1]) if labels[:, t].any()]
    return loss, float(np.mean(scored))


def _odd_input(batch: TensorBatch) -> str:
    """What of a batch is not finite, in words; nothing where all of it is."""
    given = {"tracks": batch.tracks, "features": batch.features}
    odd = [name for name, values in given.items() if values is not None and not values.isfinite().all()]
    return f", whose {' and '.join(odd)} hold values that are not finite" if odd else ""


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu" and not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise UsageError("--compile needs a C++ compiler on the CPU (g++ or clang++); install one, or leave it out")


def _placeholder(batch: TensorBatch) -> TensorBatch:
    """One window of N in the place of none: every process of a team takes every step, if only with weight 0."""
    features = batch.features
    return TensorBatch(
        batch.index,
        batch.codes.new_full((1, *batch.codes.shape[1:]), 4),
        batch.tracks.new_zeros((1, *batch.tracks.shape[1:])),
        None if features is None else features.new_zeros((1, *features.shape[1:])),
        batch.labels.new_zeros((1, *batch.labels.shape[1:])),
    )


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy, probabilities kept 1e-7 away from 0 and 1 as Keras did; NaN stays NaN.

    (torch's own raises, or on a GPU brings the process down, before anyone can say at which step.)
    """
    p = probabilities.clamp(1e-7, 1 - 1e-7)
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
