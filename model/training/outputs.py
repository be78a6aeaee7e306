"""Write what a training leaves in its model folder besides weights and states: history, picture, lists of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from ..model_dir.card import ModelCard, model_digest, read_card, restore_lists
from ..model_dir.history import write_history
from ..model_dir.lifecycle import complete_model
from ..model_dir.weights import check_best_weights, recorded_epochs, save_weights
from .history import EpochRecord
from .plots import plot_history


def save_history(folder: Path, history: Sequence[EpochRecord], *, model: str = "", ended: str = "") -> None:
    """Write training.json of a model folder, and the tables history.json and history.csv.

    Args:
        folder: the model folder.
        history: the rows.
        model: digest that model.json must have (`model_digest`).
        ended: the reason why the training ended; empty while it has not.

    Raises:
        InputError: a file cannot be written, or model.json is damaged or another one.
    """
    write_history(folder, model_digest(folder, model), [asdict(r) for r in history], ended=ended)


def finish_outputs(folder: Path, history: Sequence[EpochRecord], *, model: str, reason: str) -> None:
    """Draw training.png, then record in the history why the training ended, and mark the model as complete.

    Raises:
        InputError: a file cannot be written, or model.json is damaged or another one than `model`.
    """
    digest = model_digest(folder, model)
    plot_history(history, folder / "training.png", model=digest, select=read_card(folder).select)
    save_history(folder, history, model=model, ended=reason)  # last: where it says so, the others are complete
    complete_model(folder)


def restore_outputs(folder: Path, history: Sequence[EpochRecord], *, best: Mapping[str, Tensor] | None = None) -> None:
    """Write the files that a killed training left older than its training state, or had not written yet.

    Args:
        folder: the model folder.
        history: that of the training state.
        best: weights of the training state, if they are the best of this history.

    Raises:
        InputError: a file cannot be written, model.json is damaged, or so are best weights that only the folder has.
    """
    card = read_card(folder)
    restore_lists(folder, card.config)
    if not history:
        return
    if best is None:
        check_best_weights(folder, card, [asdict(record) for record in history])
    # Best weights may be of later epochs than training.json has, not of earlier ones than the best that it has.
    is_ahead = len(recorded_epochs(folder, card)) > len(history)
    if is_ahead:
        _restore_history(folder, history, card)
    if best is not None:
        save_weights(folder, best, "best", model=card.digest, epoch=len(history))
    if not is_ahead:
        _restore_history(folder, history, card)


def _restore_history(folder: Path, history: Sequence[EpochRecord], card: ModelCard) -> None:
    if (folder / "training.png").exists():
        # Before training.json: it must not draw an epoch that this lacks, as it may where a damaged state was left out.
        plot_history(history, folder / "training.png", model=card.digest, select=card.select)
    save_history(folder, history)
