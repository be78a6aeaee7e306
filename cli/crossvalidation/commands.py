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
    ended = subprocess.run([sys.executable, "-c", code, *words], stdout=stdout, text=True, check=False)
    if ended.returncode in (130, -2):
        raise KeyboardInterrupt
    if ended.returncode == 128 + signal.SIGTERM:  # it has paused
        raise KeyboardInterrupt(int(signal.SIGTERM))
    if ended.returncode:
        raise UsageError(f"factornet-{command} ended with status {ended.returncode}; its message is above")
    return ended.stdout or ""
