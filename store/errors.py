"""Errors that are reported to users: where, what is wrong, and what to do about it.

Each of them ends a command with its message on one line and exit status 2. Callers branch on class and fields, never
on the text. Checks that are told a `Problems` raise the first error, or collect all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .text import shortened


class FactorNetError(Exception):
    """Base class of all errors that are reported to users without a traceback.

    Values of a file may have any length: a message that is too long for a person is shortened in the middle.
    """

    def __str__(self) -> str:
        return shortened(super().__str__())


class InputError(FactorNetError):
    """An input file cannot be used.

    Args:
        path: the file.
        problem: what is wrong, with the offending value.
        hint: what to do about it; empty if the problem makes that clear.
        line: 1-based line number in the (decompressed) file, if known.
    """

    def __init__(self, path: str | Path, problem: str, *, hint: str = "", line: int | None = None) -> None:
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(_message(where, problem, hint))
        self.path, self.problem, self.hint, self.line = str(path), problem, hint, line

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all fields: workers send errors to the parent process."""
        return (_rebuild_input_error, (self.path, self.problem, self.hint, self.line))


def _rebuild_input_error(path: str, problem: str, hint: str, line: int | None) -> InputError:
    return InputError(path, problem, hint=hint, line=line)


class StoreError(FactorNetError):
    """A store cannot be opened, read or written.

    Args:
        location: path or URL of the store, group, array or object at fault.
        problem: what is wrong, with the offending value.
        hint: what to do about it; empty if the problem makes that clear.
    """

    def __init__(self, location: str | Path, problem: str, *, hint: str = "") -> None:
        super().__init__(_message(str(location), problem, hint))
        self.location, self.problem, self.hint = str(location), problem, hint

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the class and all fields."""
        return (_rebuild_store_error, (type(self), self.location, self.problem, self.hint))

    def with_hint(self, hint: str) -> Self:
        """Return the same error with another hint."""
        return type(self)(self.location, self.problem, hint=hint)


def _rebuild_store_error(kind: type[StoreError], location: str, problem: str, hint: str) -> StoreError:
    return kind(location, problem, hint=hint)


class SchemaVersionError(StoreError):
    """A store, or a cell line in it, has a schema version that this factornet does not read."""


class UnreadableError(StoreError):
    """The machine, a permission or a server stands in the way of reading a store, which may be sound."""


class RemoteError(UnreadableError):
    """A server failed to send or accept an object after all retries; what was transferred before is kept."""


class ContentError(RemoteError):
    """A server sends other bytes than the manifest lists, after all retries: the object is at fault, not the server."""


class UsageError(FactorNetError):
    """Parameters contradict each other or name something that does not exist."""


class OutputExistsError(UsageError):
    """An output exists and may not be overwritten."""


@dataclass
class Problems:
    """What checks do with an error: raise it, as a build does, or collect it and go on, as its plan does.

    Attributes:
        collect: whether errors are collected.
        errors: those collected.
    """

    collect: bool = False
    errors: list[FactorNetError] = field(default_factory=list)

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Collect an error of the block, after which the caller goes on, or raise it.

        Errors of the system, such as a lack of permission, are collected as an `InputError` that names the file.
        """
        try:
            yield
        except FactorNetError as error:
            if not self.collect:
                raise
            self.errors.append(error)
        except OSError as error:
            if not self.collect:
                raise
            problem = f"cannot be read ({error.strerror or error})"
            self.errors.append(
                InputError(error.filename or "a file", problem, hint="check its permissions and the disk")
            )


def _message(where: str, problem: str, hint: str) -> str:
    return f"{where}: {problem}" + (f"; {hint}" if hint else "")
