"""Where a store comes from: the inputs' names, sizes and digests, the versions and options that made it."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...store.errors import InputError
from ...store.storage.files import file_digest

_LIBRARIES = ("zarr", "zarrs", "numcodecs", "numpy", "pyfaidx", "pyBigWig", "pybedtools", "dask")
_TICK = 2_000_000_000
"""Nanoseconds that the times of a file may be coarse by (those of FAT), and more than clocks of servers are apart."""


@dataclass(frozen=True)
class InputFingerprint:
    """An input file as it was when a build began.

    Attributes:
        path: of the file.
        identity: inode, size in bytes, and times of change of content and of the rest, in ns.
        settled: whether it had not just been changed: another change so soon could leave the times as they are.
        sha256: of the content.
    """

    path: Path
    identity: tuple[int, int, int, int]
    settled: bool
    sha256: str

    def describe(self) -> dict[str, Any]:
        """Name, size and digest. Folders are left out: they differ from machine to machine."""
        return {"name": self.path.name, "size": self.identity[1], "sha256": self.sha256}


def fingerprint_inputs(inputs: Iterable[Path]) -> tuple[InputFingerprint, ...]:
    """The state of each input file, before it is read.

    Raises:
        InputError: a file cannot be read.
    """
    return tuple(_state(path) for path in inputs)


def check_unchanged(states: Iterable[InputFingerprint]) -> None:
    """See that the inputs, all read by now, are what they were before.

    Raises:
        InputError: one has changed.
    """
    for before in states:
        if before.settled and _identity(before.path) == before.identity:
            continue  # to read all of it again would take as long as the build, where inputs are large
        after = _state(before.path)
        if (after.identity, after.sha256) != (before.identity, before.sha256):
            size = "" if after.identity[1] == before.identity[1] else f" from {before.identity[1]} bytes"
            raise InputError(
                before.path,
                f"was changed while it was being read{size} (now {after.identity[1]} bytes, "
                f"sha256 {after.sha256[:16]}..., before {before.sha256[:16]}...); nothing was published",
                hint="build again when it is complete",
            )


@contextmanager
def report_changed_inputs(states: Iterable[InputFingerprint]) -> Iterator[None]:
    """Where an input is refused while it is read: was it changed meanwhile? Then that is what is wrong.

    Raises:
        InputError: as raised within, or one has changed.
    """
    try:
        yield
    except InputError:
        check_unchanged(states)
        raise


def _state(path: Path) -> InputFingerprint:
    identity = _identity(path)
    settled = time.time_ns() - max(identity[2:]) > _TICK
    try:
        return InputFingerprint(path, identity, settled, file_digest(path))
    except OSError as e:
        raise _unreadable(path, e) from e


def _identity(path: Path) -> tuple[int, int, int, int]:
    try:
        with path.open("rb") as file:  # a server of files is asked anew when one is opened
            state = os.fstat(file.fileno())
    except OSError as e:
        raise _unreadable(path, e) from e
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(path, f"cannot be read ({error.strerror})", hint="correct the path, or fetch it anew")


def describe_build(inputs: Sequence[InputFingerprint], options: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance of a group. It holds no time of day, so that equal inputs give equal groups."""
    return {
        "factornet": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "inputs": [state.describe() for state in inputs],
        "options": dict(options),
    }


def what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which of its parts a description of a build differs from another; nothing where it does not."""
    parts = []
    for key in dict.fromkeys([*before, *now]):
        a, b = before.get(key), now.get(key)
        if a == b:
            continue
        if key == "inputs" and isinstance(a, list) and isinstance(b, list):
            names = sorted({item["name"] for item in [*a, *b] if item not in a or item not in b})
            parts.append(f"inputs ({', '.join(names) or 'their order'})")
        elif isinstance(a, dict) and isinstance(b, dict):
            inner = ", ".join(f"{k}: {a.get(k)} before, {b.get(k)} now" for k in {**a, **b} if a.get(k) != b.get(k))
            parts.append(f"{key} ({inner})")
        else:
            parts.append(f"{key} ({a} before, {b} now)")
    return "; ".join(parts)
