"""Run the epochs of a training: early stopping, best and last weights, training states, exact resume."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from ...store.errors import UsageError
from ...store.files.limited_read import is_there
from ..model_dir.card import Selection, moved_error, read_card
from ..model_dir.training_state import remove_paused_states, save_paused_state, save_training_state
from ..model_dir.weights import save_weights
from .distributed import ProcessGroup
from .history import Callbacks, EpochRecord, Progress, TrainingResult
from .outputs import finish_outputs, restore_outputs, save_history
from .pausing import EpochPausedError, OrderChangedError, TrainingPausedError

_SEEDS = 2**63
_ORDER_CHANGED = (
    "{folder}: was paused within epoch {epoch}, on windows in another order: the store is read in another form, or by "
    "another number of processes; the epoch is trained from its begin"
)


def check_numbers(*, learning_rate: float, seed: int) -> None:
    """Check numbers of a training that its options may have from a file, or from a command line.

    Raises:
        UsageError: one cannot be trained with.
    """
    if not (math.isfinite(learning_rate) and learning_rate >= 0):
        raise UsageError(f"learning_rate must be a finite number of at least 0, got {learning_rate!r}")
    if not 0 <= seed < _SEEDS:
        raise UsageError(f"seed must be a whole number of 0 to {_SEEDS - 1:,}, got {seed!r}")


class EpochTrainer(Protocol):
    """Network and optimiser of a training that can do one epoch."""

    @property
    def network(self) -> nn.Module:
        """The network."""
        ...

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Its optimiser."""
        ...

    def epoch(self, progress: Progress) -> tuple[EpochRecord, int]:
        """Train for an epoch, or what is left of it, and validate; return its record and the number of its steps.

        Raises:
            EpochPausedError: the callbacks ask to pause.
            OrderChangedError: it was paused, and its windows come in another order now.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EpochLimits:
    """When a training ends, and which of its epochs is best.

    Attributes:
        epochs: maximum number of epochs.
        patience: number of epochs without a better one after which training stops.
        select: by what an epoch is better, see `history.Selection`.
    """

    epochs: int
    patience: int
    select: Selection


def run_epochs(
    trainer: EpochTrainer,
    folder: Path,
    limits: EpochLimits,
    *,
    resume: bool,
    process_group: ProcessGroup,
    callbacks: Callbacks,
) -> TrainingResult:
    """Train epoch by epoch; write best weights, states, history and its picture to the model folder.

    Only the main process writes. It holds the lock of the folder.

    Raises:
        TrainingPausedError: the callbacks asked to pause; the state is saved.
        InputError: no training state is valid, model.json was replaced, or a file cannot be written.
    """
    network, progress = trainer.network, Progress(limits.select)
    if process_group.is_main and not is_there(folder / "model.json"):
        raise moved_error(folder)
    # What is written is bound to this model.json, never to one that another process has put in its place.
    model = read_card(folder).digest if process_group.is_main else ""
    # For a resumed training whose windows turn out to come in another order.
    begin = copy.deepcopy(progress.state(network, trainer.optimizer)) if resume else None
    if resume:
        progress = _restore(trainer, folder, limits, process_group, callbacks)
    reason = f"all {limits.epochs} epochs done"
    while progress.epoch < limits.epochs:
        if progress.stale >= limits.patience:
            reason = f"no better {progress.measure} in {limits.patience} epochs"
            break
        try:
            record, steps = trainer.epoch(progress)
        except OrderChangedError:
            assert begin is not None, "it is resumed"
            if process_group.is_main:
                callbacks.warning(_ORDER_CHANGED.format(folder=folder, epoch=progress.epoch + 1))
            Progress.of(begin, network, trainer.optimizer, folder, limits.select)
            progress, _ = Progress.restored(network, trainer.optimizer, folder, limits.select, within_epoch=False)
            continue
        except EpochPausedError as paused:
            if process_group.is_main:
                state = progress.state(network, trainer.optimizer, paused.position)
                save_paused_state(folder, state, model=model)
            raise TrainingPausedError(folder, progress.epoch + 1, progress.step + paused.position.steps) from None
        better = progress.add(record, steps)
        if process_group.is_main:
            # The state first: the best weights so far must stay until nothing makes this epoch be trained again. On a
            # device that is not deterministic it may then be no better than they are.
            save_training_state(folder, progress.state(network, trainer.optimizer), model=model)
            remove_paused_states(folder, model=model)
            if better:
                save_weights(folder, network.state_dict(), "best", model=model, epoch=progress.epoch)
            save_history(folder, progress.history, model=model)
            callbacks.epoch(record)
    if process_group.is_main:
        save_weights(folder, network.state_dict(), "last", model=model, epoch=progress.epoch)
        finish_outputs(folder, progress.history, model=model, reason=reason)
    process_group.wait()
    return TrainingResult(tuple(progress.history), progress.best_record, reason)


def _restore(
    trainer: EpochTrainer,
    folder: Path,
    limits: EpochLimits,
    process_group: ProcessGroup,
    callbacks: Callbacks,
) -> Progress:
    """Restore a training from its folder, and write what a killed one left older than its state."""
    progress, warning = Progress.restored(trainer.network, trainer.optimizer, folder, limits.select)
    if process_group.is_main:
        if warning:
            callbacks.warning(warning)
        # Within an epoch the weights are later than those of the best.
        is_best = bool(progress.history) and progress.stale == 0 and progress.position is None
        restore_outputs(folder, progress.history, best=trainer.network.state_dict() if is_best else None)
    return progress
