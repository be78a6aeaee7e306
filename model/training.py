"""Train a network on windows streamed from a store: Adam, early stopping, best and last weights, exact resume."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from ..store.errors import FactorNetError
from ..store.plan import Plan
from ..store.sampling import Sampler
from ..store.stream import StreamSettings, WindowStream
from .batches import TensorStream, stream_settings
from .checkpoint import TrainingState, load_training_state, save_training_state, save_weights, write_file
from .metrics import average_precision
from .network import FactorNet
from .prediction import predict_plan

_ORDER = 1  # purpose of random numbers, apart from those that draw a plan


class TrainingError(FactorNetError):
    """Training cannot go on; the message names the step."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of a training; defaults as FactorNet's.

    Attributes:
        epochs: at most so many.
        patience: stop after so many epochs without a better validation loss.
        learning_rate: of Adam (beta 0.9 and 0.999, epsilon 1e-8).
        batch: windows a step.
        seed: of plans, order, dropout.
    """

    epochs: int = 100
    patience: int = 20
    learning_rate: float = 0.001
    batch: int = 100
    seed: int = 420


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One row of the history; losses are binary cross-entropy, `data_wait` a share of the time."""

    epoch: int
    loss: float
    val_loss: float
    val_average_precision: float
    windows: int
    windows_per_second: float
    data_wait: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Progress within an epoch: windows done of all, running loss."""

    epoch: int
    done: int
    windows: int
    loss: float


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended."""

    history: tuple[EpochRecord, ...]
    best: EpochRecord
    reason: str


OnStep = Callable[[StepReport], None]
OnEpoch = Callable[[EpochRecord], None]


def train(
    network: FactorNet,
    sampler: Sampler,
    folder: Path,
    options: TrainingOptions,
    *,
    device: torch.device,
    resume: bool = False,
    on_step: OnStep = lambda report: None,
    on_epoch: OnEpoch = lambda record: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> TrainingResult:
    """Train, and keep best weights, last state and history in the model folder.

    A resumed training ends with the weights an undisturbed one would have, bit for bit on one CPU: everything drawn
    depends on (seed, epoch), and the state at the end of each epoch is kept.

    Raises:
        TrainingError: a loss or weight is not finite; the message names the step.
        InputError: nothing to resume from, or a file cannot be written.
    """
    settings = stream_settings(network.config, batch=options.batch)
    network.to(device)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=options.learning_rate)
    torch.manual_seed(options.seed)
    progress = _resumed(network, optimizer, folder, on_warning) if resume else _Progress()
    valid = sampler.validation(options.seed)
    reason = f"all {options.epochs} epochs done"
    while progress.epoch < options.epochs:
        if progress.stale >= options.patience:
            reason = f"no better validation loss in {options.patience} epochs"
            break
        plan = sampler.epoch(options.seed, progress.epoch)
        order = (options.seed, progress.epoch, _ORDER, 0)
        stream = TensorStream(WindowStream(sampler.store, plan, settings, seed=order), device)
        begin = perf_counter()
        loss, steps = _train_epoch(network, optimizer, stream, progress, windows=len(plan), on_step=on_step)
        seconds = perf_counter() - begin
        val_loss, val_ap = validate(network, sampler, valid, settings, device)
        record = EpochRecord(
            epoch=progress.epoch + 1,
            loss=loss,
            val_loss=val_loss,
            val_average_precision=val_ap,
            windows=len(plan),
            windows_per_second=len(plan) / seconds,
            data_wait=stream.waited / seconds,
            seconds=seconds,
        )
        if progress.add(record, steps):
            save_weights(folder, network.state_dict(), "best")
        save_training_state(folder, progress.state(network, optimizer))
        write_history(folder, progress.history)
        on_epoch(record)
    save_weights(folder, network.state_dict(), "last")
    best = min(progress.history, key=lambda r: r.val_loss)
    return TrainingResult(tuple(progress.history), best, reason)


class _Progress:
    """Where a training stands."""

    def __init__(self) -> None:
        self.step, self.epoch, self.stale = 0, 0, 0
        self.best: float | None = None
        self.history: list[EpochRecord] = []

    def add(self, record: EpochRecord, steps: int) -> bool:
        """Take an epoch in; whether it is the best so far."""
        better = self.best is None or record.val_loss < self.best
        self.step, self.epoch = self.step + steps, record.epoch
        self.best = record.val_loss if better else self.best
        self.stale = 0 if better else self.stale + 1
        self.history.append(record)
        return better

    def state(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
        rng = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            rng["cuda"] = torch.cuda.get_rng_state()
        return TrainingState(
            step=self.step,
            epoch=self.epoch,
            weights=network.state_dict(),
            optimizer=optimizer.state_dict(),
            rng=rng,
            best_loss=self.best,
            stale_epochs=self.stale,
            history=[asdict(r) for r in self.history],
        )


def _resumed(
    network: FactorNet, optimizer: torch.optim.Optimizer, folder: Path, on_warning: Callable[[str], None]
) -> _Progress:
    state, warning = load_training_state(folder)
    if warning:
        on_warning(warning)
    network.load_state_dict(dict(state.weights))
    optimizer.load_state_dict(dict(state.optimizer))
    torch.set_rng_state(state.rng["cpu"])
    if torch.cuda.is_available() and "cuda" in state.rng:
        torch.cuda.set_rng_state(state.rng["cuda"])
    progress = _Progress()
    progress.step, progress.epoch, progress.stale = state.step, state.epoch, state.stale_epochs
    progress.best = state.best_loss
    progress.history = [EpochRecord(**dict(r)) for r in state.history]
    return progress


def _train_epoch(
    network: FactorNet,
    optimizer: torch.optim.Optimizer,
    stream: TensorStream,
    progress: _Progress,
    *,
    windows: int,
    on_step: OnStep,
) -> tuple[float, int]:
    """One pass over the plan; mean loss a window, and steps."""
    network.train()
    total, done, steps = 0.0, 0, 0
    for batch in stream:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(network(batch.codes, batch.tracks, batch.features), batch.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        value = loss.item()
        steps += 1
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {progress.step + steps} (epoch {progress.epoch + 1}); nothing of this "
                "step is kept; resume with a lower learning rate (-lr), or look for odd values in the tracks"
            )
        optimizer.step()
        total += value * len(batch.index)
        done += len(batch.index)
        on_step(StepReport(epoch=progress.epoch + 1, done=done, windows=windows, loss=total / done))
    return total / done, steps


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy, probabilities kept 1e-7 away from 0 and 1 as Keras did; NaN stays NaN.

    (torch's own raises, or on a GPU brings the process down, before anyone can say at which step.)
    """
    p = probabilities.clamp(1e-7, 1 - 1e-7)
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()


def validate(
    network: FactorNet, sampler: Sampler, plan: Plan, settings: StreamSettings, device: torch.device
) -> tuple[float, float]:
    """Mean binary cross-entropy and average precision (mean over tasks) on a plan's windows."""
    scores = predict_plan(network, WindowStream(sampler.store, plan, settings, seed=None), len(plan), device)
    labels = plan.label.astype(np.float32)
    loss = cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels)).item()
    if not math.isfinite(loss):
        raise TrainingError(f"the validation loss is {loss}; look for odd values in the tracks, or lower -lr")
    scored = [average_precision(labels[:, t], scores[:, t]) for t in range(labels.shape[1]) if labels[:, t].any()]
    return loss, float(np.mean(scored))


def write_history(folder: Path, history: list[EpochRecord]) -> None:
    """history.json and history.csv of a model folder."""
    rows = [asdict(r) for r in history]
    write_file(folder / "history.json", json.dumps(rows, indent=1).encode())
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(folder / "history.csv", text.getvalue().encode())
