"""Builds on dask.distributed: real schedulers and workers in processes of their own, some of which are killed."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.processes import descendants, worker_processes
from support.schedulers import running_scheduler

from factornet.cli.etl.parser import main
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.publish.transaction import InterruptedBuildError
from factornet.etl.shards import executor
from factornet.etl.verify.objects import verify_store
from factornet.store import UsageError, open_store
from factornet.store.format.layout import Layout

LAYOUT = Layout(65536, 65536)  # many shards, so that several workers have some


@pytest.fixture
def store(demo_files, tmp_path) -> Path:
    path = tmp_path / "s.zarr"
    build_genome(path, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    return path


@pytest.fixture(scope="module")
def undisturbed(demo_files, tmp_path_factory) -> str:
    """Return the digest of a cell line that one process built."""
    path = tmp_path_factory.mktemp("alone") / "s.zarr"
    build_genome(path, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    return build(path, demo_files, Resources(1))


def build(store, files, resources, **more) -> str:
    build_cell(store, files / "cells/K562", CellOptions(layout=LAYOUT), resources, force=True, **more)
    return open_store(store).cell("K562").manifest


@pytest.mark.slow
def test_one_two_and_four_workers_give_the_same_digests(store, demo_files, undisturbed):
    assert build(store, demo_files, Resources(2)) == undisturbed
    before = dict(os.environ)
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # another process has it, which does as well
            taken.bind(("0.0.0.0", 8787))
            taken.listen()
        for workers in (1, 2, 4):
            assert build(store, demo_files, Resources(workers, cluster=True)) == undisturbed
    assert dict(os.environ) == before, "what nannies set for their workers is removed"
    assert verify_store(store).findings == ()


@pytest.mark.slow
def test_killed_worker_is_replaced(store, demo_files, undisturbed):
    killed = []

    def kill_one(report):
        if not killed:
            worker = worker_processes()[0]
            worker.kill()
            killed.append(worker)

    assert build(store, demo_files, Resources(2, cluster=True), on_report=kill_one) == undisturbed
    assert len(killed) == 1
    assert verify_store(store).findings == ()
    assert not store.with_name("s.zarr.building").exists()


def start_build(store, files, option) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start the command on two workers; return it and the processes that it has started."""
    arguments = ["build", str(store), str(files / "cells/K562"), option, "2"]
    program = (
        "import signal, sys; from factornet.cli.etl import main; signal.signal(signal.SIGINT, "
        f"signal.default_int_handler); signal.signal(signal.SIGHUP, signal.SIG_DFL); sys.exit(main({arguments!r}))"
    )
    started = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 60
    while len(descendants(started.pid)) < 3:  # two workers and the resource tracker
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return started, descendants(started.pid)


def wait_for_end_of(processes: list[psutil.Process]) -> None:
    assert not psutil.wait_procs(processes, timeout=10)[1], "processes are left behind"


@pytest.mark.parametrize("option", ["-p", pytest.param("--workers", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGINT, os.killpg),
        pytest.param(signal.SIGHUP, os.killpg, marks=pytest.mark.slow),
        (signal.SIGTERM, os.kill),
    ],
)
def test_signal_ends_command_with_one_line_and_no_process_left(store, demo_files, option, number, send):
    """A terminal sends its signals to the workers too; only the command itself handles them."""
    started, processes = start_build(store, demo_files, option)
    send(started.pid, number)
    _, errors = started.communicate(timeout=60)  # until the last process that holds standard error has ended
    hint = "run the same command again to resume K562"
    assert (started.returncode, errors) == (128 + number, f"factornet-etl: interrupted; {hint}\n")
    wait_for_end_of(processes)


def test_killed_command_leaves_no_process_behind(store, demo_files):
    started, processes = start_build(store, demo_files, "-p")
    started.kill()
    started.communicate(timeout=60)
    wait_for_end_of(processes)


def test_spawned_workers_give_the_same_digests(store, demo_files, undisturbed, monkeypatch):
    """As on macOS, where workers cannot be forked."""
    monkeypatch.setattr(executor, "_START_METHOD", "spawn")
    assert build(store, demo_files, Resources(2)) == undisturbed


@pytest.fixture
def scheduler(tmp_path):
    """Yield address and worker processes of a scheduler with two workers, started as users start them."""
    with running_scheduler(tmp_path / "scheduler.log", workers=2, folder=Path(__file__).parents[3]) as started:
        yield started


@pytest.mark.slow
def test_build_continues_when_a_worker_of_a_scheduler_dies(store, demo_files, undisturbed, scheduler):
    address, workers = scheduler

    def kill_one(report):
        if workers[0].poll() is None:
            workers[0].kill()

    assert build(store, demo_files, Resources(scheduler=address), on_report=kill_one) == undisturbed
    assert verify_store(store).findings == ()


def test_interrupted_build_on_a_scheduler_is_resumed_without_it(store, demo_files, undisturbed, scheduler, monkeypatch):
    """A scheduler without workers waits for new ones, as it should; here the scheduler is gone too."""
    address, _ = scheduler

    def end(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(store, demo_files, Resources(scheduler=address), on_report=end)
    assert open_store(store).cells == ()

    def lose_cluster(client, nodes, on_report):
        raise InterruptedBuildError("workers were lost")

    monkeypatch.setattr(executor, "run_on", lose_cluster)
    with pytest.raises(InterruptedBuildError):
        build(store, demo_files, Resources(scheduler=address))
    assert build(store, demo_files, Resources(1)) == undisturbed


def test_failing_task_gives_the_same_message_as_on_one_machine(store, demo_files, tmp_path, capfd):
    folder = tmp_path / "K562"
    folder.mkdir()
    for name in ("bigwig.txt", "meta.txt"):
        (folder / name).write_bytes((demo_files / "cells/K562" / name).read_bytes())
    for file in (demo_files / "cells/K562").glob("*.bw"):
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 2000] = bytes(2000)
        (folder / file.name).write_bytes(content)
    alone = main(["build", str(store), str(folder), "-p", "1"]), capfd.readouterr().err
    cluster = main(["build", str(store), str(folder), "--workers", "2"]), capfd.readouterr().err
    assert alone == cluster
    assert alone[0] == 2
    assert alone[1].count("\n") == 1


def test_unreachable_scheduler_and_other_version_are_refused(store, demo_files, scheduler, monkeypatch, capsys):
    monkeypatch.setattr("factornet.store.workers.cluster._TIMEOUT", 1)
    folder = str(demo_files / "cells/K562")
    assert main(["build", str(store), folder, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert re.search(r"no dask scheduler answers at tcp://127.0.0.1:9 .*`dask scheduler`", capsys.readouterr().err)
    monkeypatch.setattr("factornet.store.workers.cluster._describe_worker", lambda locations: ("0.0.0", ""))
    with pytest.raises(
        UsageError, match=r"worker tcp://.*: has factornet 0.0.0, this process .*; install the same on all"
    ):
        build(store, demo_files, Resources(scheduler=scheduler[0]))
    assert main(["build", str(store), folder, "--scheduler", "not an address"]) == 2
    assert "no dask scheduler answers" in capsys.readouterr().err
    assert open_store(store).cells == ()
