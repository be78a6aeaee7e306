"""Cores and memory of this machine; differences between operating systems are confined to this module."""

from __future__ import annotations

import os
import resource
import sys


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
