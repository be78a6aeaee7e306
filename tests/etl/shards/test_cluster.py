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

import pytest

from factornet.cli.etl.parser import main
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.publish.transaction import InterruptedBuildError
from factornet.etl.shards import executor as graph
from factornet.etl.verify.objects import verify_store
from factornet.store import UsageError, open_store
from factornet.store.format.layout import Layout

LAYOUT = Layout(65536, 65536)  # many shards, so that there is something to share


@pytest.fixture
def store(demo_files, tmp_path) -> Path:
    path = tmp_path / "s.zarr"
    build_genome(path, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    return path


@pytest.fixture(scope="module")
def undisturbed(demo_files, tmp_path_factory) -> str:
    """Digest of a cell line that one process built."""
    path = tmp_path_factory.mktemp("alone") / "s.zarr"
    build_genome(path, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    return build(path, demo_files, Resources(1))


def build(store, files, resources, **more) -> str:
    build_cell(store, files / "cells/K562", CellOptions(layout=LAYOUT), resources, force=True, **more)
    return open_store(store).cell("K562").manifest


def children(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def workers_here() -> list[int]:
    """The processes of a local cluster that run tasks; not what they are started by, nor a resource tracker."""
    found = [p for p in children(os.getpid()) if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    return [p for p in found if not any(c in found for c in children(p))]


def test_one_two_and_four_workers_give_the_same_digests(store, demo_files, undisturbed):
    assert build(store, demo_files, Resources(2)) == undisturbed
    before = dict(os.environ)
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # another process has it, which is as well
            taken.bind(("0.0.0.0", 8787))
            taken.listen()
        for workers in (1, 2, 4):
            assert build(store, demo_files, Resources(workers, cluster=True)) == undisturbed
    assert dict(os.environ) == before, "what nannies set for their workers is not left here"
    assert verify_store(store).findings == ()


def test_a_worker_that_is_killed_is_replaced(store, demo_files, undisturbed):
    killed = []

    def kill_one(report):
        if not killed:
            victim = workers_here()[0]
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    assert build(store, demo_files, Resources(2, cluster=True), on_report=kill_one) == undisturbed
    assert len(killed) == 1
    assert verify_store(store).findings == ()
    assert not store.with_name("s.zarr.building").exists()


def started_build(store, files, how) -> tuple[subprocess.Popen, list[int]]:
    """The command, building on two workers, and the processes that it has started."""
    arguments = ["build", str(store), str(files / "cells/K562"), how, "2"]
    program = (
        "import signal, sys; from factornet.cli.etl import main; signal.signal(signal.SIGINT, "
        f"signal.default_int_handler); signal.signal(signal.SIGHUP, signal.SIG_DFL); sys.exit(main({arguments!r}))"
    )
    started = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 60
    while len(children(started.pid)) < 3:  # two workers, and the process that keeps track of what they share
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return started, children(started.pid)


def wait_for_the_end_of(processes: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in processes):
        assert time.monotonic() < deadline, "processes are left behind"
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["-p", "--workers"])
@pytest.mark.parametrize(
    ("number", "send"), [(signal.SIGINT, os.killpg), (signal.SIGHUP, os.killpg), (signal.SIGTERM, os.kill)]
)
def test_interrupted_ended_and_hung_up(store, demo_files, how, number, send):
    """A terminal sends its signals to the workers too; only the command itself answers, and leaves nothing behind."""
    started, left = started_build(store, demo_files, how)
    send(started.pid, number)
    _, said = started.communicate(timeout=60)  # until the last that holds standard error has ended
    how = "run the same command again to resume K562"
    assert (started.returncode, said) == (128 + number, f"factornet-etl: interrupted; {how}\n")
    wait_for_the_end_of(left)


def test_killed_it_leaves_no_process_behind(store, demo_files):
    started, left = started_build(store, demo_files, "-p")
    started.kill()
    started.communicate(timeout=60)
    wait_for_the_end_of(left)


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and two workers, started as users start them; their processes, and the address."""
    log = tmp_path / "scheduler.log"
    started = []

    def start(*command):
        with log.open("a") as file:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", "distributed.cli." + command[0], *command[1:]],
                    stdout=file,
                    stderr=file,
                    cwd=Path(__file__).parents[3],
                )
            )
        return started[-1]

    try:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        address = found[1]
        workers = [start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") for _ in range(2)]
        yield address, workers
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def test_a_scheduler_whose_worker_dies(store, demo_files, undisturbed, scheduler):
    address, workers = scheduler

    def kill_one(report):
        if workers[0].poll() is None:
            workers[0].kill()

    assert build(store, demo_files, Resources(scheduler=address), on_report=kill_one) == undisturbed
    assert verify_store(store).findings == ()


def test_all_workers_die_and_the_build_goes_on_later(store, demo_files, undisturbed, scheduler, monkeypatch):
    """A scheduler without workers waits for new ones, as it should; here the scheduler goes too."""
    address, _ = scheduler

    def end(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(store, demo_files, Resources(scheduler=address), on_report=end)
    assert open_store(store).cells == ()
    notes = []

    def note(client, nodes, on_report):
        notes.append(len(nodes))
        raise InterruptedBuildError("no more")

    monkeypatch.setattr(graph, "run_on", note)
    with pytest.raises(InterruptedBuildError):
        build(store, demo_files, Resources(scheduler=address))
    assert build(store, demo_files, Resources(1)) == undisturbed


def test_a_task_that_fails_says_so_as_on_one_machine(store, demo_files, tmp_path, capfd):
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


def test_no_scheduler_no_workers_no_shared_folder(store, demo_files, scheduler, monkeypatch, capsys):
    monkeypatch.setattr("factornet.etl.shards.cluster._PATIENCE", 1)
    folder = str(demo_files / "cells/K562")
    assert main(["build", str(store), folder, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert re.search(
        r"--scheduler tcp://127.0.0.1:9: no dask scheduler answers .*`dask scheduler`", capsys.readouterr().err
    )
    monkeypatch.setattr("factornet.etl.shards.cluster._look", lambda location: ("0.0.0", True))
    with pytest.raises(UsageError, match=r"worker tcp://.*: has factornet 0.0.0, this is .*; install the same on all"):
        build(store, demo_files, Resources(scheduler=scheduler[0]))
    assert main(["build", str(store), folder, "--scheduler", "not an address"]) == 2
    assert "no dask scheduler answers" in capsys.readouterr().err
    assert open_store(store).cells == ()
