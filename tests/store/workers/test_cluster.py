"""Clusters of dask.distributed: the order of tasks, workers that die early, and what is said when all are gone."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from support.schedulers import running_scheduler

from factornet.store.workers import cluster
from factornet.store.workers.cluster import (
    WorkersError,
    ask_workers,
    delayed_call,
    delayed_value,
    local_cluster,
    remote_cluster,
    run_on,
)


@dataclass(frozen=True)
class Wait:
    """A task that waits, and returns its number."""

    number: int

    def __call__(self):
        time.sleep(0.01)
        return self.number


def calls(*tasks):
    return [delayed_call(task, priority=-i) for i, task in enumerate(tasks)]


class FakeClient:
    """A client whose workers answer as listed, one item a round."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)

    def run(self, call, *arguments, on_error):
        return self.rounds.pop(0)

    def wait_for_workers(self, n, timeout):
        """Wait for none."""


@pytest.fixture
def scheduler(tmp_path):
    with running_scheduler(tmp_path / "scheduler.log", workers=1, folder=Path(__file__).parents[3]) as started:
        yield started


@pytest.mark.slow
def test_earlier_tasks_are_started_first():
    found, shared = [], delayed_value(Wait(7))
    with local_cluster(1, None) as client:
        assert run_on(client, [delayed_call(Wait.__call__, shared)] * 2, found.append) == [7, 7]
        found.clear()
        assert run_on(client, calls(*map(Wait, range(30))), found.append) == list(range(30))
    assert found == list(range(30))


def test_workers_that_are_lost_are_asked_again(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    lost, refused = OSError("stream is closed"), ValueError("no GPU")
    client = FakeClient({"a": 1, "b": lost}, {}, {"a": 1, "c": refused})
    assert ask_workers(client, os.getpid) == {"a": 1, "c": refused}
    with pytest.raises(WorkersError, match=r"were lost \(b: stream is closed\); give them more memory"):
        ask_workers(FakeClient(*[{"b": lost}, {}] * 5), os.getpid)


@pytest.mark.slow
def test_cluster_without_workers_is_said_and_goes_on_with_a_new_one(scheduler, monkeypatch, caplog):
    monkeypatch.setattr(cluster, "_LOOK", 0.2)
    address, workers = scheduler
    found, started = [], []

    def start_worker():
        while "all workers of the cluster are gone; waiting for new ones" not in caplog.text:
            time.sleep(0.1)
        words = ("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{words[0]}", *words[1:]]
        started.append(subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.DEVNULL))

    def kill_worker(number):
        found.append(number)
        if number == 0:
            workers[0].kill()
            threading.Thread(target=start_worker, daemon=True).start()

    try:
        with remote_cluster(address, ()) as client:
            assert run_on(client, calls(partial(int, 0), partial(time.sleep, 3)), kill_worker) == [0, None]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert found == [0, None]
    assert sum("are gone" in r.message for r in caplog.records) == 1


@pytest.mark.slow
def test_scheduler_that_is_lost_is_said_in_one_line(scheduler, capfd):
    address, _ = scheduler

    def kill_scheduler(number):
        for child in psutil.Process().children():
            if any("dask_scheduler" in word for word in child.cmdline()):
                child.terminate()

    with (
        remote_cluster(address, ()) as client,
        pytest.raises(WorkersError, match=r"the scheduler of the cluster was lost|workers of the cluster were lost"),
    ):
        run_on(client, calls(partial(int, 0), partial(time.sleep, 60)), kill_scheduler)
    assert capfd.readouterr().err == ""
