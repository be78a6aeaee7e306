"""Ctrl-C, kill and a closed terminal end a command in one line at any time."""

import argparse
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from factornet.cli.common.runner import run_command
from factornet.cli.crossvalidation import commands
from factornet.cli.run import thread_check

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def start(script: str, *arguments: object, handler: str = "default_int_handler") -> subprocess.Popen:
    """Start an installed command as pip's script does; it first prints whether argparse was imported.

    Interrupts are not ignored, even if they are while the tests run, unless another `handler` is given.
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
    """Return status and standard error of a command that is interrupted `seconds` after its code starts."""
    assert started.stdout is not None
    assert started.stdout.readline() == "False\n", "argparse is imported before interrupts are handled"
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    return started.returncode, errors


@pytest.mark.alone  # on busy cores 0.02 s may pass before the command handles interrupts
@pytest.mark.parametrize("script", SCRIPTS)
def test_command_interrupted_at_start_ends_in_one_line(script):
    assert interrupted(start(script, "--help"), 0.02) == (130, f"{script}: interrupted\n")


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.45, 0.6])
def test_command_interrupted_during_imports_ends_in_one_line(tmp_path, seconds):
    training = ("--store", tmp_path / "none", "-f", "CTCF", "-i", "K562", "-o", tmp_path / "model")
    for script, arguments in (("factornet-etl", ("demo", tmp_path / "files")), ("factornet-train", training)):
        assert interrupted(start(script, *arguments), seconds) == (130, f"{script}: interrupted\n")


@pytest.mark.parametrize(("status", "logged"), [(130, False), (2, True)])
def test_tasks_that_an_interrupt_left_are_not_logged_at_exit(status, logged):
    """As of zarr's event loop, whose executor is shut down at exit; seen in a genome that was interrupted at its end."""
    program = f"""
import atexit, asyncio, sys, threading, types
from factornet.cli import entry_points

async def fail():
    raise RuntimeError("cannot schedule new futures after shutdown")

def drop_task():
    loop = asyncio.new_event_loop()
    task = loop.create_task(fail())
    loop.run_until_complete(asyncio.wait([task]))
    del task
    loop.close()

def main(argv, prog):
    atexit.register(drop_task)
    return {status}

sys.modules["factornet.cli.fake"] = types.SimpleNamespace(main=main)
sys.exit(entry_points._run("fake"))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert ("Task exception was never retrieved" in ended.stderr) == logged
    assert logged or not ended.stderr


def test_coroutine_that_an_interrupt_kept_from_starting_is_not_said():
    program = """
import argparse, sys
from factornet.cli.common.runner import run_command

async def write():
    pass

def handler(options):
    coroutine = write()
    raise KeyboardInterrupt

parser = argparse.ArgumentParser(prog="factornet-x")
parser.set_defaults(verbose=False)
sys.exit(run_command(parser, handler, []))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "factornet-x: interrupted\n")


def test_interrupt_of_a_library_without_threads_is_an_error(monkeypatch, capsys):
    """OpenBLAS sends one where it cannot start its threads (ulimit -u); nobody has interrupted."""

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    def handler(options):
        raise KeyboardInterrupt

    parser = argparse.ArgumentParser(prog="factornet-x")
    parser.set_defaults(verbose=False)
    monkeypatch.setattr(thread_check._thread, "start_new_thread", refuse)
    assert run_command(parser, handler, []) == 2
    assert (
        "error: a library cannot start its threads; raise the limit on processes (ulimit -u)" in capsys.readouterr().err
    )
    monkeypatch.undo()
    assert run_command(parser, handler, []) == 130


def test_ignored_interrupt_stays_ignored():
    """`nohup`, and `&` in a script, ignore it for the commands that they start."""
    assert interrupted(start("factornet-etl", "--version", handler="SIG_IGN"), 0.1) == (0, "")


def run(handler) -> int:
    parser = argparse.ArgumentParser("factornet-x")
    parser.set_defaults(verbose=False)
    return run_command(parser, handler, [])


def test_import_error_caused_by_an_interrupt_is_an_interrupt(capsys):
    """numpy, matplotlib and others raise errors of their own if interrupted."""

    def handler(options):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as e:
            raise ImportError("numpy.core.multiarray failed to import") from e

    assert run(handler) == 130
    assert capsys.readouterr().err == "factornet-x: interrupted\n"


def test_other_errors_are_raised():
    def handler(options):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(handler)


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_interrupt_within_a_callback_of_a_library_is_not_lost(name, status):
    """Python ignores exceptions there, as when numba compiles: the interrupt is sent again."""
    program = f"""
import argparse, ctypes, signal, sys, time
from factornet.cli.common.runner import run_command

def handler(options):
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.{name}))()
    time.sleep(30)
    return 0

parser = argparse.ArgumentParser(prog="x")
parser.add_argument("--verbose", action="store_true")
# Below nohup, or in the background of a script, they are ignored, and stay so.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(run_command(parser, handler, []))
"""
    begin = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (status, "x: interrupted\n")
    assert time.perf_counter() - begin < 25


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_ended_command_leaves_no_lock_where_files_cannot_be_locked(tmp_path, name, status):
    """Another host could not tell whether the process that a lock file names still runs."""
    program = """
import without_flock, argparse, pathlib, signal, sys, time
from factornet.cli.common.runner import run_command
from factornet.store.files.outputs import output_lock

def handler(options):
    with output_lock(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(30)
    return 0

parser = argparse.ArgumentParser(prog="factornet-predict")
parser.add_argument("--verbose", action="store_true")
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(run_command(parser, handler, []))
"""
    started = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "x.bw")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/support")},
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "held\n"
    assert len(list(tmp_path.iterdir())) == 1
    started.send_signal(signal.Signals[name])
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (status, "factornet-predict: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_command_that_crossval_has_started_ends_by_itself_when_terminated(monkeypatch):
    """A training saves its state, and a prediction removes its locks, before factornet-crossval ends."""
    monkeypatch.setattr(commands, "_GRACE", 0.1)
    program = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("on", flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        commands._end(process)
    assert process.returncode == 143
