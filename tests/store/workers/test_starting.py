"""Where no processes can be started, the message says what the machine lacks."""

import multiprocessing
import os
import threading

import pytest

from factornet.cli import etl
from factornet.etl.shards import executor
from factornet.store import UsageError
from factornet.store.workers import cluster
from factornet.store.workers.starting import starting_processes


def no_shared_memory(monkeypatch):
    """As in a container without /dev/shm, or with one that is read-only."""

    def refuse(self):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(type(multiprocessing.get_context("fork")), "Lock", refuse)


def test_machine_without_shared_memory_is_named(demo_store, tmp_path, monkeypatch, capsys):
    """The error of the system was that of the folder to be written; with --workers, a traceback."""
    no_shared_memory(monkeypatch)
    words = ["unpack", str(demo_store), str(tmp_path / "raw.zarr")]
    assert etl.main([*words, "-p", "2"]) == 2
    error = capsys.readouterr().err
    assert "none can be created in /dev/shm (Read-only file system); let the container mount one" in error
    assert "or work in one process (-p 1, or without --workers)" in error
    assert etl.main([*words, "-p", "1"]) == 0


def test_local_cluster_without_shared_memory_is_refused(monkeypatch):
    no_shared_memory(monkeypatch)
    with pytest.raises(UsageError, match="worker processes need shared memory"), cluster.local_cluster(1, None):
        pass


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (BlockingIOError(11, "Resource temporarily unavailable"), r"raise the limit on processes \(ulimit -u\)"),
        (PermissionError(1, "Operation not permitted", "x"), r"x.; raise the limit on processes \(ulimit -u\)"),
        (MemoryError(), "out of memory"),
    ],
)
def test_first_cause_of_processes_that_do_not_start_is_named(cause, why):
    """Of dask: "Nanny failed to start", and a traceback."""

    def start():
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("Nanny failed to start.") from error

    with pytest.raises(UsageError, match=f"worker processes cannot be started: .*{why}"), starting_processes(2):
        start()


def test_script_without_a_main_block_sees_what_python_says():
    text = "An attempt has been made to start a new process before the current process has finished its bootstrapping phase."
    with pytest.raises(RuntimeError, match="bootstrapping phase"), starting_processes(1):
        raise RuntimeError(text)


def test_limit_on_processes_is_met_before_they_are_started(monkeypatch):
    """Within them it was a hang, or a traceback of the fork server."""
    started = []

    def start(thread):
        if len(started) == 5:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        run(thread)

    run = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    message = "cannot be started: no thread can be started; raise the limit on processes"
    with pytest.raises(UsageError, match=message), starting_processes(2):
        pytest.fail("not reached")
    assert not any(thread.is_alive() for thread in started)


def test_workers_that_do_not_answer_are_named(demo_store, tmp_path, monkeypatch, capsys):
    """Where a thread of the pool had died, the command waited for ever."""
    monkeypatch.setattr(executor, "_START_TIMEOUT", 0)
    assert etl.main(["unpack", str(demo_store), str(tmp_path / "raw.zarr"), "-p", "2"]) == 2
    assert "of 2 worker processes do not answer within 0 s" in capsys.readouterr().err
