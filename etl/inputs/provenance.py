"""Record the provenance of a build: input files, versions and options; detect inputs that change meanwhile."""

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
from ...store.files.digest import file_digest
from ...store.files.limited_read import is_there, parse_json, read_cure, read_limited

_LIBRARIES = ("zarr", "zarrs", "numcodecs", "numpy", "pyfaidx", "pyBigWig", "pybedtools", "dask")
SOURCES = "sources.json"
"""Name of the file that says where the files of a cell-line folder are from: name -> {what: text}."""
_MAX_SOURCES = 16_000_000  # bytes of it
_TIME_RESOLUTION = 2_000_000_000
"""Nanoseconds: the coarsest file times (FAT's), and more than clocks of file servers differ."""


@dataclass(frozen=True)
class InputFingerprint:
    """State of an input file at the start of a build.

    Attributes:
        path: of the file.
        identity: inode, size in bytes, modification and status change time in ns.
        settled: whether the last change is long enough ago that a further one would alter the times.
        sha256: of the content.
    """

    path: Path
    identity: tuple[int, int, int, int]
    settled: bool
    sha256: str

    def describe(self) -> dict[str, Any]:
        """Return name, size and digest; the folder is left out, as it differs between machines."""
        return {"name": self.path.name, "size": self.identity[1], "sha256": self.sha256}


def fingerprint_inputs(inputs: Iterable[Path]) -> tuple[InputFingerprint, ...]:
    """Fingerprint input files before they are read.

    Raises:
        InputError: a file cannot be read.
    """
    return tuple(_fingerprint(path) for path in inputs)


def check_unchanged(states: Iterable[InputFingerprint]) -> None:
    """Check that inputs are unchanged, after all were read.

    Raises:
        InputError: one has changed.
    """
    for before in states:
        if before.settled and _identity(before.path) == before.identity:
            continue  # hashing large inputs a second time would take as long as the build
        after = _fingerprint(before.path)
        if (after.identity, after.sha256) != (before.identity, before.sha256):
            size = "" if after.identity[1] == before.identity[1] else f" from {before.identity[1]} bytes"
            raise InputError(
                before.path,
                f"was changed while it was being read{size} (now {after.identity[1]} bytes, "
                f"sha256 {after.sha256[:16]}..., before {before.sha256[:16]}...); nothing was published",
                hint="build again once the file is complete",
            )


@contextmanager
def report_changed_inputs(states: Iterable[InputFingerprint]) -> Iterator[None]:
    """Context in which an InputError becomes one that names the changed input, where an input has changed.

    Raises:
        InputError: as raised within, or an input has changed.
    """
    try:
        yield
    except InputError:
        check_unchanged(states)
        raise


def _fingerprint(path: Path) -> InputFingerprint:
    identity = _identity(path)
    settled = time.time_ns() - max(identity[2:]) > _TIME_RESOLUTION
    try:
        return InputFingerprint(path, identity, settled, file_digest(path))
    except OSError as e:
        raise _unreadable(path, e) from e


def _identity(path: Path) -> tuple[int, int, int, int]:
    try:
        with path.open("rb") as file:  # NFS refreshes cached attributes on open
            stat = os.fstat(file.fileno())
    except OSError as e:
        raise _unreadable(path, e) from e
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        path, f"cannot be read ({error.strerror})", hint=read_cure(error, "correct the path or its permissions")
    )


def read_sources(folder: Path) -> dict[str, dict[str, str]]:
    """Return where files of a cell-line folder are from, by name, as its sources.json says; empty if it has none.

    Raises:
        InputError: it is not an object of objects of strings of printable characters.
    """
    path = folder / SOURCES
    if not is_there(path):
        return {}
    hint = 'write {"FILE": {"accession": "...", "lab": "..."}}, or remove it'
    content = parse_json(read_limited(path, _MAX_SOURCES), path, hint=hint)
    entries = content.items() if isinstance(content, dict) else [("", None)]
    for name, entry in entries:
        texts = [name, *entry, *entry.values()] if isinstance(entry, dict) else [None]
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise InputError(path, f"{name[:80]!r} is not described by printable texts", hint=hint)
    return dict(content)


def describe_build(
    inputs: Sequence[InputFingerprint],
    options: Mapping[str, Any],
    *,
    sources: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the provenance of a group; it has no timestamps, so that equal inputs give equal groups.

    Args:
        inputs: states of the input files.
        options: of the build.
        sources: where files are from, by name; those of other files than the inputs are left out.
    """
    names = {state.path.name for state in inputs}
    known = {name: dict(source) for name, source in (sources or {}).items() if name in names}
    return {
        "factornet": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "inputs": [state.describe() for state in inputs],
        "options": dict(options),
        **({"sources": known} if known else {}),
    }


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe the differences between two provenances; empty where they are equal."""
    changes = []
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "inputs" and isinstance(old, list) and isinstance(new, list):
            names = sorted({item["name"] for item in [*old, *new] if item not in old or item not in new})
            changes.append(f"inputs ({', '.join(names) or 'their order'})")
        elif key == "sources" and isinstance(old, dict) and isinstance(new, dict):
            names = sorted(name for name in {**old, **new} if old.get(name) != new.get(name))
            changes.append(f"sources ({', '.join(names)})")
        elif isinstance(old, dict) and isinstance(new, dict):
            changes.append(f"{key} ({', '.join(_changed_values(old, new))})")
        else:
            changes.append(f"{key} ({old} before, {new} now)")
    return "; ".join(changes)


def _changed_values(old: Mapping[str, Any], new: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Yield the differences between two dictionaries, those of dictionaries in them by dotted names."""
    for key in {**old, **new}:
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _changed_values(a, b, f"{within}{key}.")
        elif a != b:
            yield f"{within}{key}: {a} before, {b} now"
