"""Cores, memory and limits of this machine; differences between operating systems are confined to this module."""

from __future__ import annotations

import contextlib
import os
import resource
import sys

_OPEN_FILES = 65_536


def cpu_count() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes


def available_memory() -> int:
    """Return the bytes of memory available without swapping, including the page cache."""
    import psutil

    return int(psutil.virtual_memory().available)


def raise_open_file_limit() -> None:
    """Raise the limit on open files of this process, and of those it starts, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has another limit, which it does not report
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
