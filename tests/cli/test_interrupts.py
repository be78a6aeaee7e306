"""Ctrl-C, kill and a closed terminal end a command in one line, whatever it is doing."""

import argparse
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from factornet.cli.common.runner import run_command

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def start(script: str, *arguments: object, handler: str = "default_int_handler") -> subprocess.Popen:
    """An installed command as pip's script starts it; as its own code begins, it says whether anything was imported.

    It hears interrupts even where the tests are run deaf to them, unless another `handler` is named.
    """
    module, function = SCRIPTS[script].split(":")
    program = (
        f"import signal, sys; signal.signal(signal.SIGINT, signal.{handler}); from {module} import {function}; "
        f"print('argparse' in sys.modules, flush=True); sys.exit({function}())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def interrupted(started: subprocess.Popen, seconds: float) -> tuple[int, str]:
    """Status and last words of a command that is interrupted so long after its own code began."""
    assert started.stdout is not None
    assert started.stdout.readline() == "False\n", "much is imported before an interrupt is seen to"
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    return started.returncode, said


@pytest.mark.parametrize("script", SCRIPTS)
def test_interrupted_at_the_first_moment(script):
    assert interrupted(start(script, "--help"), 0.02) == (130, f"{script}: interrupted\n")


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.45, 0.6])
def test_interrupted_while_modules_are_imported(tmp_path, seconds):
    training = ("--store", tmp_path / "none", "-f", "CTCF", "-i", "K562", "-o", tmp_path / "model")
    for script, arguments in (("factornet-etl", ("demo", tmp_path / "files")), ("factornet-train", training)):
        assert interrupted(start(script, *arguments), seconds) == (130, f"{script}: interrupted\n")


def test_an_ignored_interrupt_stays_ignored():
    """`nohup` and `&` of a script ignore it for the commands that they start."""
    assert interrupted(start("factornet-etl", "--version", handler="SIG_IGN"), 0.1) == (0, "")


def run(handler) -> int:
    parser = argparse.ArgumentParser("factornet-x")
    parser.set_defaults(verbose=False)
    return run_command(parser, handler, [])


def test_what_an_import_makes_of_an_interrupt_is_one(capsys):
    """numpy, matplotlib and others raise errors of their own where an interrupt met them."""

    def handler(options):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as e:
            raise ImportError("numpy.core.multiarray failed to import") from e

    assert run(handler) == 130
    assert capsys.readouterr().err == "factornet-x: interrupted\n"


def test_other_errors_are_shown_as_they_are():
    def handler(options):
        raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        run(handler)
