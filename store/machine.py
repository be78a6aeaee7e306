"""What this machine has: cores, memory. The one place that knows how operating systems differ in it."""

from __future__ import annotations

import os
import resource
import sys


def cpu_count() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes


def available_memory() -> int:
    """Bytes of memory that can be given to processes without swapping; the page cache counts as available."""
    import psutil

    return int(psutil.virtual_memory().available)
