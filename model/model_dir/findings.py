"""What `verify_model` reports: each file of a model folder, what covers it, and how far its training has come."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from ...store.errors import InputError
from ...store.files.sealed_json import NewerVersionError

FileKind = Literal["ok", "unfinished", "damaged", "missing", "unchecked", "foreign", "temporary"]
Stage = Literal["in training", "ended", "interrupted", "weights only", "unknown"]
_T = TypeVar("_T")
_FAULTS = ("damaged", "missing", "unchecked")
READ_HINT = "check permissions and the disk"


def is_read_error(error: InputError) -> bool:
    """Return whether a file could not be read; else it is missing or has other content than was written."""
    return isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)


@dataclass(frozen=True, kw_only=True)
class FileFinding:
    """State of one file of a model folder.

    Attributes:
        path: relative to the folder.
        kind: "ok"; "unfinished", where an interrupted training has not brought it up to date; "damaged"; "missing";
            "unchecked", where it cannot be read, or what is needed to check it is missing; "foreign", of the user;
            "temporary", left by a killed run or being written.
        size: bytes; 0 if it is missing or a folder.
        covered_by: digests and checksums that were compared; empty for foreign and temporary files.
        problem: what is wrong, or unfinished.
        remedy: what to do about a fault.
    """

    path: str
    kind: FileKind
    size: int = 0
    covered_by: str = ""
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """What `verify_model` found.

    Attributes:
        folder: as given.
        stage: how far the training has come.
        note: the same as a sentence, with its holder where it is being written.
        epochs: number of epochs that are complete.
        files: all files, and those that are missing.
    """

    folder: str
    stage: Stage
    note: str
    epochs: int
    files: tuple[FileFinding, ...]

    @property
    def faults(self) -> tuple[FileFinding, ...]:
        """Files that are damaged, missing, or could not be checked."""
        return tuple(f for f in self.files if f.kind in _FAULTS)


@dataclass
class Checks:
    """Findings by path, collected one check at a time."""

    folder: Path
    findings: dict[str, FileFinding] = field(default_factory=dict)

    def exists(self, name: str) -> bool:
        """Return whether the folder has such an entry; a link that leads nowhere is one."""
        return os.path.lexists(self.folder / name)

    def add(self, name: str, kind: FileKind, covered_by: str = "", *, problem: str = "", remedy: str = "") -> None:
        """Add a finding, in the place of an earlier one of this file."""
        self.findings[name] = FileFinding(
            path=name, kind=kind, size=_size(self.folder / name), covered_by=covered_by, problem=problem, remedy=remedy
        )

    def run(self, name: str, covered_by: str, check: Callable[[], _T], *, remedy: str) -> _T | None:
        """Run a check and add its finding; return its result, None where it failed."""
        if not self.exists(name):
            self.add(name, "missing", covered_by, problem="no such file", remedy=remedy)
            return None
        try:
            value = check()
        except NewerVersionError as error:
            if name == "model.json":
                raise
            self.add(name, "unchecked", covered_by, problem=error.problem, remedy=error.hint)
        except InputError as error:
            kind: FileKind = "unchecked" if is_read_error(error) else "damaged"
            self.add(name, kind, covered_by, problem=error.problem, remedy=READ_HINT if kind == "unchecked" else remedy)
        else:
            self.add(name, "ok", covered_by)
            return value
        return None

    def kind(self, name: str) -> FileKind | None:
        """Return what was found of a file; None where it was not looked at."""
        return self.findings[name].kind if name in self.findings else None


def _size(path: Path) -> int:
    """Return the size of a file; 0 of what is none, or that a running training has just replaced by the next."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
