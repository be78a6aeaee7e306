"""Plot losses and validation scores of a training by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from ..figures import GREY, INK, RED, save_figure
from ..model_dir.card import Selection, model_digest
from ..model_dir.history import merit, picture_digest
from ..model_dir.png_text import HISTORY_KEY
from .history import EpochRecord


def plot_history(history: Sequence[EpochRecord], path: Path, *, model: str, select: Selection = "loss") -> None:
    """Plot training and validation loss, and validation average precision, by epoch.

    Args:
        history: one record per epoch, at least one.
        path: of the picture; a PNG carries the digest of what it draws.
        model: self-digest of the model.json that the history belongs to, and that the folder must have.
        select: by what the best epoch was chosen; with "ap" the average precision is that of whole regions.

    Raises:
        InputError: the picture cannot be written, or the folder has another model.json by now.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [r.epoch for r in history]
    left.plot(epochs, [r.loss for r in history], color=GREY, label="training")
    left.plot(epochs, [r.val_loss for r in history], color=INK, label="validation")
    best = max(history, key=lambda r: merit(asdict(r), select))
    left.plot(best.epoch, best.val_loss, "o", color=RED, label=f"best: epoch {best.epoch}")
    left.set(xlabel="epoch", ylabel="binary cross-entropy", title="Loss")
    left.legend(frameon=False)
    right.plot(epochs, [r.val_average_precision for r in history], color=INK)
    title = "All bins of the validation regions" if select == "ap" else "Validation windows"
    right.set(xlabel="epoch", ylabel="average precision", title=title, ylim=(0, 1.02))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    text = {HISTORY_KEY: picture_digest(model, [asdict(r) for r in history])}
    save_figure(figure, path, text=text, check=lambda: model_digest(path.parent, model))
