"""Entry points of the installed commands: an interrupt during import ends in one line, as it does later.

They import nothing heavy. `python -m factornet.cli.train`, which torchrun runs, starts in the module itself.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module


def etl() -> int:
    """Run ``factornet-etl``."""
    return _run("etl")


def train() -> int:
    """Run ``factornet-train``."""
    return _run("train")


def predict() -> int:
    """Run ``factornet-predict``."""
    return _run("predict")


def evaluate() -> int:
    """Run ``factornet-evaluate``."""
    return _run("evaluate")


def visualize() -> int:
    """Run ``factornet-visualize``."""
    return _run("visualize")


def crossval() -> int:
    """Run ``factornet-crossval``."""
    return _run("crossval")


def model() -> int:
    """Run ``factornet-model``."""
    return _run("model")


def _run(command: str) -> int:
    """Import the module of a command, run it, and return its exit status."""

    def exit_at_once(*_: object) -> None:
        # No exception: a library that is being imported may swallow it, or turn it into an ImportError.
        os.write(2, f"factornet-{command}: interrupted\n".encode())
        os._exit(130)

    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler  # as under nohup
    if not ignored:
        signal.signal(signal.SIGINT, exit_at_once)
    main = import_module(f".{command}", __package__).main
    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(main())
