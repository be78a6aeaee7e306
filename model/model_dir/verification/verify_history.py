"""Verify training.json, the tables of the history and training.png against each other and the training states.

Each function adds the finding of one file. `rows` is the history of the newest valid training state, empty without one.
"""

from __future__ import annotations

import re

from ....store.files.digest import sha256_of
from ....store.files.limited_read import read_limited
from ..card import ModelCard
from ..findings import Checks, FileKind
from ..history import HISTORY_HINT, RECORD, TABLES, History, Rows, history_tables, picture_digest, read_history
from ..png_text import HISTORY_KEY, read_png_text

_MAX_TABLE = 64_000_000  # bytes


def check_history(checks: Checks, card: ModelCard, rows: Rows) -> History | None:
    """Check training.json; return it unless it is damaged."""
    name, covered_by = RECORD, "SHA-256 of its text; training state"
    if not checks.exists(name):
        later = any(map(checks.exists, ("training.png", "last.safetensors")))
        if later or len(rows) > 1 or (any(map(checks.exists, TABLES)) and not rows):
            checks.add(name, "missing", covered_by, problem="no such file", remedy=HISTORY_HINT)
        elif rows:
            checks.add(name, "unfinished", covered_by, problem="not written yet")
        return None
    history = checks.run(name, covered_by, lambda: read_history(checks.folder, card.digest), remedy=HISTORY_HINT)
    if history is None or not rows:
        return history
    n, n_saved = len(history.epochs), len(rows)
    if list(history.epochs)[:n_saved] != list(rows)[:n]:
        problem = "its epochs are not those of the training state"
    elif n_saved > n + 1 or (history.ended and n_saved > n):
        problem = f"older than the training state: it has {n} epochs, that has {n_saved}"
    elif n_saved > n:
        checks.add(name, "unfinished", covered_by, problem=f"without epoch {n_saved}, the last of the training state")
        return history
    else:
        return history
    checks.add(name, "damaged", covered_by, problem=problem, remedy=HISTORY_HINT)
    return None


def _lacks_a_state(checks: Checks) -> bool:
    """Return whether a training state is damaged or cannot be read, so that `rows` may not be the whole history."""
    return any(f.kind != "ok" for name, f in checks.findings.items() if name.startswith("last-"))


def check_table(checks: Checks, name: str, history: History | None, rows: Rows) -> None:
    """Check a table, which is as old as training.json, or as the newest training state where that differs."""
    covered_by = f"SHA-256 in {RECORD}; training state"
    if not checks.exists(name):
        if checks.exists(RECORD) or checks.kind(RECORD) == "missing":
            checks.add(name, "missing", covered_by, problem="no such file", remedy=HISTORY_HINT)
        elif rows:
            checks.add(name, "unfinished", covered_by, problem="not written yet")
        return
    text = checks.run(name, covered_by, lambda: read_limited(checks.folder / name, _MAX_TABLE), remedy=HISTORY_HINT)
    if text is None:
        return
    if history is not None and sha256_of([text]) == history.tables_sha256[name]:
        behind = "without the last epoch of the training state" if len(rows) > len(history.epochs) else ""
        checks.add(name, "unfinished" if behind else "ok", covered_by, problem=behind)
    elif rows and text == history_tables(rows)[name]:
        alone = checks.kind(RECORD) in ("damaged", "missing", "unchecked")
        problem = "" if alone else f"that of the training state, which {RECORD} is not"
        checks.add(name, "unfinished" if problem else "ok", covered_by, problem=problem)
    elif history is None and (not rows or _lacks_a_state(checks)):
        problem = f"neither {RECORD} nor a training state is there to compare it with"
        checks.add(name, "unchecked", covered_by, problem=problem, remedy=HISTORY_HINT)
    else:
        problem = f"damaged or changed: its {len(text):,} bytes are not the history of the training"
        checks.add(name, "damaged", covered_by, problem=problem, remedy=HISTORY_HINT)


def check_picture(checks: Checks, card: ModelCard, history: History | None, rows: Rows) -> None:
    """Check training.png, which draws all epochs, or the first ones where the training was resumed later."""
    name, covered_by = "training.png", "CRC-32 of each chunk; SHA-256 of the epochs it draws"
    if not checks.exists(name):
        if history and history.ended:
            checks.add(name, "missing", covered_by, problem="no such file", remedy=HISTORY_HINT)
        return
    texts = checks.run(name, covered_by, lambda: read_png_text(checks.folder / name, hint=""), remedy=HISTORY_HINT)
    if texts is None:
        return
    known = max((history.epochs if history else (), rows), key=len)
    drawn = re.fullmatch(r"epochs=(\d{1,9}) sha256=[0-9a-f]{64}", texts.get(HISTORY_KEY, ""))
    n_drawn = int(drawn[1]) if drawn else 0
    if not known or (history is None and n_drawn > len(known) and _lacks_a_state(checks)):
        problem = f"neither {RECORD} nor a training state is there to compare it with"
        checks.add(name, "unchecked", covered_by, problem=problem, remedy=HISTORY_HINT)
    elif drawn is None or not 0 < n_drawn <= len(known) or drawn[0] != picture_digest(card.digest, known[:n_drawn]):
        problem = "does not draw the history of this training" if drawn else "does not say which history it draws"
        checks.add(name, "damaged", covered_by, problem=problem, remedy=HISTORY_HINT)
    elif n_drawn < len(known):
        kind: FileKind = "damaged" if history and history.ended else "unfinished"
        checks.add(name, kind, covered_by, problem=f"draws {n_drawn} of {len(known)} epochs", remedy=HISTORY_HINT)
