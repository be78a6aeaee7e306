"""Reports of a running training, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...store.errors import InputError
from ...store.files.sealed_json import NewerVersionError
from ...store.machine import describe_lack
from ...store.text import format_foreign
from ..model_dir.card import Selection
from ..model_dir.history import BETTER_BY, merit
from ..model_dir.training_state import EpochPosition, TrainingState, load_paused_state, load_training_state

_HINT = "start the training again"


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One row of the history; losses are binary cross-entropy, `data_wait` is a fraction of the time.

    The validation average precision is that of the validation windows, or of all bins of the validation regions where
    the best epoch is selected by it.
    """

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
    """Progress within an epoch: windows done, windows in all, running loss."""

    epoch: int
    done: int
    windows: int
    loss: float


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training: its history, the best epoch, the reason it stopped."""

    history: tuple[EpochRecord, ...]
    best: EpochRecord
    reason: str


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """Functions that a training calls.

    Attributes:
        step: called after each optimiser step.
        epoch: called after each epoch, once its state and history are written.
        warning: called with warnings for the user.
        pause: asked after each step, and during validation, whether to pause: the training then saves its state and
            raises `TrainingPausedError`. Resumed, it ends with the same weights.

    What a function raises ends the training; a resumed one goes on after the last complete epoch. A tracker of one's
    own is two functions::

        def on_epoch(record: EpochRecord) -> None:
            tracker.log({"loss": record.loss, "val_loss": record.val_loss}, step=record.epoch)

        train(network, sampler, folder, options, device=device, callbacks=Callbacks(epoch=on_epoch))
    """

    step: Callable[[StepReport], None] = lambda report: None
    epoch: Callable[[EpochRecord], None] = lambda record: None
    warning: Callable[[str], None] = lambda text: None
    pause: Callable[[], bool] = lambda: False


class Progress:
    """Progress of a training: steps and epochs done, epochs since the best, the history, the position in an epoch.

    Args:
        select: by what an epoch is better than those before it.
    """

    def __init__(self, select: Selection = "loss") -> None:
        self.select: Selection = select
        self.step, self.epoch, self.stale = 0, 0, 0
        self.history: list[EpochRecord] = []
        self.position: EpochPosition | None = None

    @property
    def measure(self) -> str:
        """Name of what epochs are selected by."""
        return BETTER_BY[self.select]

    @property
    def best_record(self) -> EpochRecord:
        """Record of the best epoch, the first of equal ones."""
        return max(self.history, key=self._merit)

    def _merit(self, record: EpochRecord) -> float:
        return merit(asdict(record), self.select)

    def add(self, record: EpochRecord, steps: int) -> bool:
        """Add an epoch; return whether it is the best so far."""
        better = not self.history or self._merit(record) > self._merit(self.best_record)
        self.step, self.epoch, self.position = self.step + steps, record.epoch, None
        self.stale = 0 if better else self.stale + 1
        self.history.append(record)
        return better

    def state(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, position: EpochPosition | None = None
    ) -> TrainingState:
        """Return the state from which the training can resume, at the begin of an epoch or at a position within it."""
        rng = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            rng["cuda"] = torch.cuda.get_rng_state()
        return TrainingState(
            step=self.step,
            epoch=self.epoch,
            weights=network.state_dict(),
            optimizer=optimizer.state_dict(),
            rng=rng,
            best_loss=self.best_record.val_loss if self.history else None,
            stale_epochs=self.stale,
            history=[asdict(r) for r in self.history],
            position=position,
        )

    @classmethod
    def restored(
        cls,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        select: Selection = "loss",
        *,
        within_epoch: bool = True,
    ) -> tuple[Progress, str]:
        """Restore progress, network, optimiser and random generators from a model folder.

        Args:
            network: to load the weights into.
            optimizer: to load its state into.
            folder: the model folder.
            select: by what an epoch is better than those before it.
            within_epoch: whether a state of a pause counts, too.

        Returns the progress and a warning, which may be empty.

        Raises:
            InputError: no training state is valid, or all are missing of a training that has ended.
        """
        state, warning = _newest_state(folder, within_epoch=within_epoch)
        if state is None and (folder / "last.safetensors").exists():
            problem = "its training states (last-*.json) are missing: to start again would replace its weights"
            hint = "bring them back, start another training from its weights, or replace the model"
            raise InputError(folder, problem, hint=hint)
        if state is None:
            starting = f"{folder}: stopped before its first epoch ended; starting again"
            return cls(select), "; ".join(filter(None, (warning, starting)))
        return cls.of(state, network, optimizer, folder, select), warning

    @classmethod
    def of(
        cls,
        state: TrainingState,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        select: Selection = "loss",
    ) -> Progress:
        """Restore progress, network, optimiser and random generators from a state of a model folder.

        Raises:
            InputError: the state is none of this network and optimiser, or a row of its history has other columns.
        """
        progress = cls(select)
        progress.step, progress.epoch, progress.stale = state.step, state.epoch, state.stale_epochs
        progress.history = [_epoch_record(row, folder) for row in state.history]
        progress.position = state.position
        try:
            network.load_state_dict(dict(state.weights))
            optimizer.load_state_dict(dict(state.optimizer))
            torch.set_rng_state(state.rng["cpu"])
            if torch.cuda.is_available() and "cuda" in state.rng:
                torch.cuda.set_rng_state(state.rng["cuda"])
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
            if describe_lack(error):
                raise
            problem = f"its training state is of another network or optimiser ({format_foreign(error)})"
            raise InputError(folder, problem, hint=_HINT) from error
        return progress


def _newest_state(folder: Path, *, within_epoch: bool) -> tuple[TrainingState | None, str]:
    """Return the newest valid state of a model folder, None if it has none, and a warning of damaged ones.

    Raises:
        InputError: it has states, and none is valid.
    """
    paused, warning = load_paused_state(folder) if within_epoch else (None, "")
    if warning:
        warning += "; " + ("a state before it is used" if paused else "the epoch is trained from its begin")
    if not any(folder.glob("last-*.json")):
        return paused, warning
    try:
        last, damage = load_training_state(folder)
    except NewerVersionError:
        raise
    except InputError as error:
        if paused is None:
            raise
        return paused, "; ".join(filter(None, (warning, f"{error.problem}; resuming within epoch {paused.epoch + 1}")))
    if paused is not None and paused.epoch >= last.epoch:
        return paused, warning
    return last, "; ".join(filter(None, (warning, damage)))


def _epoch_record(row: Mapping[str, Any], folder: Path) -> EpochRecord:
    names = {field.name for field in fields(EpochRecord)}
    if set(row) != names or not all(type(value) in (int, float) for value in row.values()):
        problem = f"the history of its training state has {dict(row)}, not a number for each of {', '.join(names)}"
        raise InputError(folder, problem, hint=_HINT)
    return EpochRecord(**row)
