"""A dask scheduler and its workers, in processes of their own."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_scheduler(log: Path, *, workers: int, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """Yield the address of a scheduler and its worker processes, started as users start them.

    Args:
        log: file for what they print.
        workers: number of workers, without nannies: one that is killed is not replaced.
        folder: working directory of all.
    """
    started: list[subprocess.Popen] = []

    def start(*command):
        with log.open("a") as file:
            words = [sys.executable, "-W", "ignore", "-m", "distributed.cli." + command[0], *command[1:]]
            started.append(subprocess.Popen(words, stdout=file, stderr=file, cwd=folder))
        return started[-1]

    try:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        yield found[1], [start("dask_worker", found[1], *options) for _ in range(workers)]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
