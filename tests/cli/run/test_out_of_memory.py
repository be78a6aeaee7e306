"""A lack of memory ends a command with one line, whoever notices it: Python, torch, or the loader of libraries."""

import argparse

import numpy as np
import pytest

from factornet.cli.common.arguments import add_common_options
from factornet.cli.common.runner import run_command
from factornet.store import open_store, read_span


def command(error):
    def fail(_: argparse.Namespace) -> int:
        raise error

    parser = argparse.ArgumentParser("factornet-x")
    add_common_options(parser)
    return run_command(parser, fail, [])


def _allocation():
    try:
        np.empty(2**57)
    except MemoryError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (MemoryError(), ""),
        (_allocation(), " (Unable to allocate 1.00 EiB for an array"),
        (RuntimeError("[enforce fail]\n DefaultCPUAllocator: can't allocate memory: 29"), " ([enforce fail]  Default"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), " (CUDA out of memory. Tried"),
    ],
)
def test_lack_of_memory_is_one_line(error, why, capsys):
    assert command(error) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"factornet-x: error: out of memory{why}")
    assert line.endswith("; free memory, or raise its limit (ulimit -v, or that of the job)\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started; raise the limit on processes"),
        (
            ImportError("libtorch_cpu.so: failed to map segment from shared object"),
            "a library cannot be loaded (libtorch_cpu.so: failed to map segment from shared object); free memory",
        ),
        (OSError("Could not find/load shared object file 'libllvmlite.so'"), "a library cannot be loaded (Could not"),
    ],
)
def test_other_lacks_of_the_machine_are_one_line(error, said, capsys):
    assert command(error) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"factornet-x: error: {said}")
    assert line.count("\n") == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_lack_of_the_machine_is_no_damage_of_a_store(demo_store, monkeypatch, error):
    store = open_store(demo_store)
    array = store.track("K562", "DGF", store.coordinates.names[0])

    def fail(*_):
        raise error

    monkeypatch.setattr("factornet.store.format.sharded.decode", fail)
    with pytest.raises(type(error)):
        read_span(array, 0, 1000)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ImportError("no module named x")])
def test_other_errors_are_raised(error):
    with pytest.raises(type(error)):
        command(error)
