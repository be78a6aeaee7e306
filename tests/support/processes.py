"""Processes that this one has started, on any operating system."""

import contextlib
import os

import psutil


def descendants(pid: int | None = None) -> list[psutil.Process]:
    """Return the processes that a process (default: this one) has started, and those that they have started."""
    with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
        return psutil.Process(pid).children(recursive=True)
    return []


def worker_processes() -> list[psutil.Process]:
    """Return the processes that run tasks of a build: forked by a fork server or spawned, and without children."""
    workers = {}
    for process in descendants():
        with contextlib.suppress(psutil.NoSuchProcess):
            command, parent = " ".join(process.cmdline()), process.ppid()
            if "resource_tracker" not in command and (parent != os.getpid() or "spawn_main" in command):
                workers[process] = parent
    return [process for process in workers if process.pid not in workers.values()]
