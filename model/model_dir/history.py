"""The history of a training: history.json, which is sealed, history.csv, and the digest that training.png carries.

Files are replaced one at a time, so that a killed training leaves some older than others. After each epoch the training
state is written first, then history.csv, then history.json: none of them is ever newer than those before it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...store.errors import InputError
from ...store.files.atomic_write import write_atomic
from ...store.files.digest import sha256_of
from ...store.files.sealed_json import JsonFormat, read_sealed_json, write_sealed_json

Rows = Sequence[Mapping[str, Any]]
Selection = Literal["loss", "ap"]
"""By what the best epoch is chosen: the validation loss, or the average precision of the validation regions."""
BETTER_BY = {"loss": "validation loss", "ap": "average precision of the validation regions"}
HISTORY_HINT = "resume the training: it writes its history again; or copy the folder again"
DRAWN = ("epoch", "loss", "val_loss", "val_average_precision")
"""Columns that training.png shows."""
_HISTORY = JsonFormat("factornet-history", 1, HISTORY_HINT)


@dataclass(frozen=True, eq=False, kw_only=True)
class History:
    """Content of history.json.

    Args:
        epochs: one JSON object per epoch; each value is a number.
        ended: the reason why the training ended; empty while it has not.
        csv_digest: SHA-256 of history.csv.
    """

    epochs: Rows
    ended: str
    csv_digest: str


def write_history(folder: Path, model: str, epochs: Rows, *, ended: str = "") -> None:
    """Write history.csv and, after it, history.json of a model folder.

    Args:
        folder: the model folder.
        model: self-digest of its model.json.
        epochs: one row per epoch, at least one; all have the same columns.
        ended: as for `History`.

    Raises:
        InputError: a file cannot be written.
    """
    text = history_csv(epochs)
    write_atomic(folder / "history.csv", text)
    content = {"model": model, "ended": ended or None, "history_csv_sha256": sha256_of([text])}
    write_sealed_json(folder / "history.json", _HISTORY, {**content, "epochs": [dict(row) for row in epochs]})


def read_history(folder: Path, model: str) -> History:
    """Read history.json of a model folder.

    Raises:
        InputError: it cannot be read, is damaged, or belongs to another model.json.
    """
    path = folder / "history.json"
    content = read_sealed_json(path, _HISTORY, hint=HISTORY_HINT)
    if content.get("model") != model:
        raise InputError(path, "belongs to another model.json", hint=HISTORY_HINT)
    epochs, ended, digest = (content.get(key) for key in ("epochs", "ended", "history_csv_sha256"))
    if not (isinstance(epochs, list) and epochs and all(map(_is_row, epochs))):
        raise InputError(path, f"epochs must be a list of numbers by name, {', '.join(DRAWN)} among them")
    if not isinstance(digest, str) or not isinstance(ended, str | None):
        raise InputError(path, "history_csv_sha256 must be a text, and ended a text or null")
    return History(epochs=epochs, ended=ended or "", csv_digest=digest)


def merit(row: Mapping[str, Any], select: Selection) -> float:
    """Return by what an epoch is better than another: the larger, the better."""
    return float(row["val_average_precision"] if select == "ap" else -row["val_loss"])


def best_epoch(epochs: Rows, select: Selection) -> int:
    """Return the number of the best epoch, the first of equal ones; 0 without epochs."""
    return int(max(epochs, key=lambda row: merit(row, select))["epoch"]) if epochs else 0


def history_csv(epochs: Rows) -> bytes:
    """Return history.csv: a header with the columns of the first row, then one line per epoch."""
    text = io.StringIO()
    names = list(epochs[0])
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name) for name in names] for row in epochs)
    return text.getvalue().encode()


def picture_digest(model: str, epochs: Rows) -> str:
    """Return the text by which training.png says what it draws: number and SHA-256 of epochs and model.

    The SHA-256 is of the columns that are drawn: a repeated epoch has other times, but the same losses.
    """
    drawn = [model, [[row.get(name) for name in DRAWN] for row in epochs]]
    return f"epochs={len(epochs)} sha256={hashlib.sha256(json.dumps(drawn).encode()).hexdigest()}"


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and set(DRAWN) <= set(row) and all(type(v) in (int, float) for v in row.values())
