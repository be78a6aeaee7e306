"""The errors a user is meant to read: what is wrong, where, and the cure."""

from __future__ import annotations

from pathlib import Path


def count(number: int, thing: str) -> str:
    """A number of things for people: ``1 fault``, ``2 faults``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def megabytes(size: float) -> str:
    """A size for people: ``2.50 GB``, ``4 MB``, ``12 kB``."""
    for unit, name, digits in ((1e9, "GB", 2), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return count(int(size), "byte")


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

    def __init__(self, path: str | Path, problem: str, *, cure: str = "", line: int | None = None) -> None:
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {problem}" + (f"; {cure}" if cure else ""))
        self.path, self.problem, self.cure, self.line = str(path), problem, cure, line

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process with all fields."""
        return (_rebuild_input_error, (self.path, self.problem, self.cure, self.line))


def _rebuild_input_error(path: str, problem: str, cure: str, line: int | None) -> InputError:
    return InputError(path, problem, cure=cure, line=line)


class StoreError(FactorNetError):
    """A store cannot be opened, read or written as asked; the message names store, array and cure."""


class UsageError(FactorNetError):
    """Options that do not go together, or name something that is not there."""
