"""An error of a run as JSON, for ``--json``."""

from __future__ import annotations

import json
from typing import Any

from ...store.errors import FactorNetError, InputError, StoreError


def describe_failure(error: BaseException, *, command: str, message: str, status: int) -> dict[str, Any]:
    """Return an error as JSON values.

    Args:
        error: that ended the command.
        command: with its sub-command, as ``factornet-etl build``.
        message: of the error, as it is printed.
        status: exit status of the command.

    Returns:
        ``{"error": {"command", "kind", "message", "status"}}``, kind the class of the error. Of an `InputError` also
        ``file``, ``line``, ``problem`` and ``hint``; of a `StoreError` ``location``, ``problem`` and ``hint``; of an
        error of the system ``file``.
    """
    found: dict[str, Any] = {"command": command, "kind": _kind(error), "message": message, "status": status}
    if isinstance(error, InputError):
        found |= {"file": error.path, "line": error.line, "problem": error.problem, "hint": error.hint}
    elif isinstance(error, StoreError):
        found |= {"location": error.location, "problem": error.problem, "hint": error.hint}
    elif isinstance(error, OSError):
        found |= {"file": None if error.filename is None else str(error.filename)}
    return {"error": found}


def _kind(error: BaseException) -> str:
    """Return the class of an error of this project, or what it is."""
    if isinstance(error, FactorNetError):
        return type(error).__name__
    return "Interrupted" if isinstance(error, KeyboardInterrupt) else "SystemError"


def failure_line(description: dict[str, Any]) -> str:
    """Return a description as one line of ASCII."""
    return json.dumps(description).replace("\x7f", r"\u007f")
