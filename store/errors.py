"""The errors a user is meant to read: what is wrong, where, and the cure."""

from __future__ import annotations

from pathlib import Path


class FactorNetError(Exception):
    """Base of every error that ends a command with one clear line and exit status 2."""


class InputError(FactorNetError):
    """A file given by the user cannot be used.

    Args:
        path: the file at fault.
        problem: what is wrong, with the offending value in it.
        cure: what to do about it, as a sentence; empty where the problem says it all.
        line: 1-based line number in the (decompressed) file, where there is one.
    """

    def __init__(self, path: str | Path, problem: str, *, hint: str = "", line: int | None = None) -> None:
        location = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{location}: {problem}" + (f"; {hint}" if hint else ""))
        self.path, self.problem, self.hint, self.line = str(path), problem, hint, line

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process with all fields."""
        return (_rebuild_input_error, (self.path, self.problem, self.hint, self.line))


def _rebuild_input_error(path: str, problem: str, hint: str, line: int | None) -> InputError:
    return InputError(path, problem, hint=hint, line=line)


class StoreError(FactorNetError):
    """A store cannot be opened, read or written as asked; the message names store, array and cure."""


class UsageError(FactorNetError):
    """Options that do not go together, or name something that is not there."""
