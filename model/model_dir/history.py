"""The history of a training: training.json, which is sealed, two plain tables of it, and what training.png carries.

history.json and history.csv are for other programs: a list of one object an epoch, and the same with a header.
Files are replaced one at a time, so that a killed training leaves some older than others. After each epoch the training
state is written first, then the tables, then training.json: none of them is ever newer than those before it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...store.errors import InputError
from ...store.files.digest import sha256_of
from ...store.files.sealed_json import JsonFormat, read_sealed_json, seal_document
from .card import Selection, write_model_file

Rows = Sequence[Mapping[str, Any]]
BETTER_BY = {"loss": "validation loss", "ap": "average precision of the validation regions"}
HISTORY_HINT = "resume the training: it writes its history again; or copy the folder again"
DRAWN = ("epoch", "loss", "val_loss", "val_average_precision")
"""Columns that training.png shows."""
RECORD, TABLES = "training.json", ("history.json", "history.csv")
_HISTORY = JsonFormat("factornet-history", 1, HISTORY_HINT)


@dataclass(frozen=True, eq=False, kw_only=True)
class History:
    """Content of training.json.

    Args:
        epochs: one JSON object per epoch; each value is a number.
        ended: the reason why the training ended; empty while it has not.
        tables_sha256: digest of each table, by the name of its file.
    """

    epochs: Rows
    ended: str
    tables_sha256: Mapping[str, str]


def write_history(folder: Path, model: str, epochs: Rows, *, ended: str = "") -> None:
    """Write the tables and, after them, training.json of a model folder.

    Args:
        folder: the model folder.
        model: self-digest of its model.json.
        epochs: one row per epoch, at least one; all have the same columns.
        ended: as for `History`.

    Raises:
        InputError: a file cannot be written, or the folder has another model.json by now.
    """
    tables = history_tables(epochs)
    for name, text in tables.items():
        write_model_file(folder / name, text, model)
    content = {
        "model": model,
        "ended": ended or None,
        "tables_sha256": {name: sha256_of([text]) for name, text in tables.items()},
        "epochs": [dict(row) for row in epochs],
    }
    write_model_file(folder / RECORD, seal_document(_HISTORY, content), model)


def read_history(folder: Path, model: str) -> History:
    """Read training.json of a model folder.

    Raises:
        InputError: it cannot be read, is damaged, or belongs to another model.json.
    """
    path = folder / RECORD
    content = read_sealed_json(path, _HISTORY, hint=HISTORY_HINT)
    if content.get("model") != model:
        raise InputError(path, "belongs to another model.json", hint=HISTORY_HINT)
    epochs, ended, digests = (content.get(key) for key in ("epochs", "ended", "tables_sha256"))
    if not (isinstance(epochs, list) and epochs and all(map(_is_row, epochs))):
        raise InputError(path, f"epochs must be a list of numbers by name, {', '.join(DRAWN)} among them")
    if not isinstance(digests, dict) or set(digests) != set(TABLES) or not isinstance(ended, str | None):
        names = " and ".join(TABLES)
        raise InputError(path, f"tables_sha256 must be the digests of {names}, and ended a text or null")
    return History(epochs=epochs, ended=ended or "", tables_sha256=digests)


def merit(row: Mapping[str, Any], select: Selection) -> float:
    """Return by what an epoch is better than another: the larger, the better."""
    return float(row["val_average_precision"] if select == "ap" else -row["val_loss"])


def best_epoch(epochs: Rows, select: Selection) -> int:
    """Return the number of the best epoch, the first of equal ones; 0 without epochs."""
    return int(max(epochs, key=lambda row: merit(row, select))["epoch"]) if epochs else 0


def history_tables(epochs: Rows) -> dict[str, bytes]:
    """Return the content of the tables by file: the rows as a list of objects, and as lines under a header."""
    rows = json.dumps([dict(row) for row in epochs], indent=1, allow_nan=False).encode() + b"\n"
    return {"history.json": rows, "history.csv": _history_csv(epochs)}


def _history_csv(epochs: Rows) -> bytes:
    """Return a header with the columns of the first row, then one line per epoch."""
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
