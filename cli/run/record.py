"""The record of a run: command, options, versions, host, dates, digests of what it wrote, and scores.

Equal runs leave equal outputs, and equal records of what these are: model.json, the JSON next to predictions, the
provenance of a store. What differs between equal runs is recorded here, in a file of TOML; it names those records by
their digests, and repeats nothing of them. ``--config`` takes options from it (`config`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.files.digest import file_digest
from ...store.files.outputs import output_lock
from ...store.files.sealed_json import check_format
from ...store.files.sealed_toml import RUN_FILE, RUN_FORMAT, read_toml, write_sealed_toml
from ...store.text import format_foreign
from .options import option_name, own_actions

NOT_RECORDED = {"config", "record", "json", "verbose", "resume", "dry_run", "help", "version", "command", "handler"}
"""Options that say nothing of what is computed."""
_OTHER_FOLDERS = {"model.json": "a model folder", "zarr.json": "a store", ".zgroup": "a store"}
"""Folders that take no results of other commands, by a file that each has."""
_LIBRARIES = ("numpy", "zarr", "torch", "lightgbm")


@dataclass
class Run:
    """A run of a command.

    Attributes:
        command: its name, with its sub-command: ``factornet-train``, ``factornet-etl build``.
        words: the command line after the name of the program.
        options: values of all options by their long names.
        started: when it began.
        resumed: whether it continued an earlier one.
        path: where its record is written; None: nowhere.
        outputs: files whose digests are recorded.
        scores: measures that it found, as JSON values.
    """

    command: str
    words: tuple[str, ...]
    options: dict[str, Any]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    resumed: bool = False
    path: Path | None = None
    outputs: list[Path] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the record.

        Raises:
            InputError: it cannot be written.
        """
        ended = datetime.now(UTC)
        content = {
            "command": self.command,
            "options": self.options,
            "run": {
                "command_line": [self.command.split()[0], *self.words],
                "directory": str(Path.cwd()),
                "host": platform.node(),
                "started": self.started.isoformat(timespec="seconds"),
                "ended": ended.isoformat(timespec="seconds"),
                "seconds": round((ended - self.started).total_seconds(), 3),
                "resumed": self.resumed,
            },
            "versions": _versions(),
            "sha256": {os.path.relpath(p, path.parent): file_digest(p) for p in self.outputs if p.is_file()},
            "scores": self.scores,
        }
        comment = f"a run of {self.command}; repeat it with: {self.command} --config {path.name}"
        with output_lock(path):  # what a run that was killed here has left is removed
            write_sealed_toml(path, RUN_FORMAT, content, comment=comment)


def start_run(parser: argparse.ArgumentParser, command: str, options: argparse.Namespace, words: Sequence[str]) -> Run:
    """Return the run that begins, with the values of its options before the command changes them.

    Args:
        parser: that has the options: of the sub-command, where there is one.
        command: its name.
        options: as parsed.
        words: of the command line.
    """
    actions = [action for action in own_actions(parser) if action.dest not in NOT_RECORDED]
    values = {
        option_name(action): _plain(getattr(options, action.dest, None))
        for action in actions
        if _is_set(action, options)
    }
    return Run(command, tuple(words), values, resumed=bool(getattr(options, "resume", False)))


def _is_set(action: argparse.Action, options: argparse.Namespace) -> bool:
    """Return whether an option has a value that a command line can give."""
    value = getattr(options, action.dest, None)
    is_absent = value is None or (value == [] and action.default == [])
    return not is_absent and not (value is False and not isinstance(action, argparse.BooleanOptionalAction))


def note_run(
    options: argparse.Namespace,
    *,
    path: Path | None = None,
    outputs: Sequence[Path] = (),
    scores: Mapping[str, Any] | None = None,
) -> None:
    """Note what a run wrote and found, for its record.

    Args:
        options: of the command.
        path: where the record is written unless ``--record`` says otherwise.
        outputs: files whose digests are recorded: records of outputs where there are some, else the outputs.
        scores: measures, as JSON values.
    """
    run: Run | None = getattr(options, "run", None)
    if run is not None:
        run.path = path or run.path
        run.outputs += outputs
        run.scores |= scores or {}


def next_to(output: Path) -> Path:
    """Return the path of the record of a run that wrote a file."""
    return output.with_name(f"{output.name}.{RUN_FILE}")


def check_record_path(path: Path, command: str) -> None:
    """Check that the record of a run of a command can be written to a path.

    Raises:
        UsageError: it holds another file, or the record of another command, or its folder does not exist.
        InputError: it cannot be written, or another process writes it.
    """
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--record {path}: its folder does not exist; create it first")
    if why := why_not_recorded(path, command):
        raise UsageError(f"--record {path}: {why}; give another name")
    with output_lock(path):  # a folder without the right to write is refused before hours of computing
        pass


def check_results_folder(folder: Path, command: str) -> None:
    """Check that a folder can take the results of a command, if it exists.

    Raises:
        UsageError: it is a model folder or a store, or holds the results of another command.
    """
    cure = "give another folder for the results"
    for name, kind in _OTHER_FOLDERS.items():
        if (folder / name).exists():
            raise UsageError(f"{folder}: is {kind} (it holds {name}); {cure}")
    if (other := recorded_command(folder / RUN_FILE)) not in ("", command):
        raise UsageError(f"{folder}: holds the results of {other} ({RUN_FILE}); {cure}")


def why_not_recorded(path: Path, command: str) -> str:
    """Return why the record of a run of a command may not be written to a path; empty where it may be."""
    if not path.exists():
        return ""
    other = recorded_command(path)
    if not other:
        return "exists and is no record of a run"
    return "" if other == command else f"exists and is the record of a run of {other}"


def recorded_command(path: Path) -> str:
    """Return the command of a record of a run, as written or edited; empty where there is none."""
    try:
        content = read_toml(path)
        check_format(path, content, RUN_FORMAT)
    except InputError:
        return ""
    return format_foreign(content.get("command") or "a command that it does not name", 100)


def _versions() -> dict[str, str]:
    """Return the versions of factornet, of Python, and of the libraries that the run has imported."""
    found = {"factornet": __version__, "python": platform.python_version(), "system": platform.platform()}
    return found | {name: metadata.version(name) for name in _LIBRARIES if name in sys.modules}


def _plain(value: Any) -> Any:
    """Return the value of an option as one of TOML."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
