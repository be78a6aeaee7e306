"""Where the installed commands begin: an interrupt while their modules are imported ends in one line, as it does later.

Nothing heavy is imported up here. `python -m factornet.cli.train`, which torchrun runs, begins in the module itself.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module


def etl() -> int:
    """``factornet-etl``."""
    return _start("etl")


def train() -> int:
    """``factornet-train``."""
    return _start("train")


def predict() -> int:
    """``factornet-predict``."""
    return _start("predict")


def evaluate() -> int:
    """``factornet-evaluate``."""
    return _start("evaluate")


def visualize() -> int:
    """``factornet-visualize``."""
    return _start("visualize")


def model() -> int:
    """``factornet-model``."""
    return _start("model")


def _start(command: str) -> int:
    """Import the module of a command, and run it; its exit status comes back."""

    def end(*_: object) -> None:
        # Not an exception: a library that is being imported may swallow it, or make an ImportError of it.
        os.write(2, f"factornet-{command}: interrupted\n".encode())
        os._exit(130)

    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # or it is ignored, as under nohup
    if heard:
        signal.signal(signal.SIGINT, end)
    main = import_module(f".{command}", __package__).main
    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return int(main())
