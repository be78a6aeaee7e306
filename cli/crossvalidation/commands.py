"""Run the other commands as processes of their own, so that each part's memory is given back."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ...store.errors import UsageError
from ..common.output import print_line

_GRACE = 2.0  # seconds; less than those within which a training takes a second SIGTERM for the first


def run(command: str, words: Sequence[str], *, quiet: bool) -> None:
    """Run ``factornet-<command>``, and print what is run; its output goes to standard error.

    Args:
        command: ``train``, ``predict`` or ``evaluate``.
        words: its arguments.
        quiet: do not print what is run.

    Raises:
        UsageError: it failed; its own message is on standard error.
    """
    _start(command, words, stdout=sys.stderr, quiet=quiet)


def run_json(command: str, words: Sequence[str], *, quiet: bool) -> Any:
    """Run ``factornet-<command> --json`` as `run`, and return its result."""
    return json.loads(_start(command, [*words, "--json"], stdout=subprocess.PIPE, quiet=quiet))


def _start(command: str, words: Sequence[str], *, stdout: Any, quiet: bool) -> str:
    if not quiet:
        print_line(f"+ factornet-{command} {shlex.join(words)}", file=sys.stderr)
    code = f"import sys; from factornet.cli.entry_points import {command}; sys.exit({command}())"
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=stdout, text=True) as process:
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:
            _end(process)
            raise
    if process.returncode in (130, -2):
        raise KeyboardInterrupt
    if process.returncode == 128 + signal.SIGTERM:  # it has paused
        raise KeyboardInterrupt(int(signal.SIGTERM))
    if process.returncode:
        raise UsageError(f"factornet-{command} ended with status {process.returncode}; its message is above")
    return printed or ""


def _end(process: subprocess.Popen[str]) -> None:
    """Let an interrupted command end by itself: it saves what it can resume from, and removes its locks."""
    try:
        process.wait(_GRACE)  # it has received the signal, too, if that was sent to all processes of a terminal or job
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
