"""Entry points of the installed commands: an interrupt during import ends in one line, as it does later.

They import nothing heavy. `python -m factornet.cli.train`, which torchrun runs, starts in the module itself.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from .run.thread_check import NO_THREADS, lacks_threads


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


def factornet() -> int:
    """Run ``factornet``: one of the others, named by its first word, or the help and the completion of all."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word in PROGRAMS:
        return _run(word, prog=f"factornet {word}", argv=sys.argv[2:])
    return _run("main", prog="factornet")


PROGRAMS = {
    "etl": "convert input files into a store; verify, copy and share stores",
    "train": "train a model on windows streamed from a store",
    "predict": "predict binding in a cell line, of one factor or of many",
    "evaluate": "score predictions against the labels of a store",
    "crossval": "leave each cell line out, train on the others, and score",
    "visualize": "show the motifs that the kernels of a model detect",
    "model": "fetch, import, describe, verify, calibrate and pack models",
}
"""The commands of ``factornet``, each a program of its own too (``factornet-train``), and what they do."""


def _run(command: str, *, prog: str = "", argv: list[str] | None = None) -> int:
    """Import the module of a command, run it, and return its exit status.

    Args:
        command: its module in this package.
        prog: its name, by default ``factornet-<command>``.
        argv: its arguments; None for those of the process.
    """
    name = prog or f"factornet-{command}"

    def exit_at_once(*_: object) -> None:
        # No exception: a library that is being imported may swallow it, or turn it into an ImportError.
        message, status = (f"error: {NO_THREADS}", 2) if lacks_threads() else ("interrupted", 130)
        os.write(2, f"{name}: {message}\n".encode())
        os._exit(status)

    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler  # as under nohup
    if not ignored:
        signal.signal(signal.SIGINT, exit_at_once)
    main = import_module(f".{command}", __package__).main
    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    status = int(main(argv, prog=name))
    if status >= 128:
        import logging  # which the commands have imported

        # Event loops of libraries log tasks that the interrupt left and that fail once their executor is shut down.
        logging.disable()
    return status
