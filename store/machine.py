"""Cores, memory and limits of this machine; differences between operating systems are confined to this module."""

from __future__ import annotations

import contextlib
import os
import resource
import sys

from .text import format_foreign

_OPEN_FILES = 65_536
_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory")
_NOT_LOADED = ("failed to map segment", "load shared object")


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


def describe_lack(error: BaseException) -> str:
    """Return what this machine lacks, and the cure, if an error of Python, torch or the loader says so; else ""."""
    text = str(error)
    lower = text.lower()
    why = f" ({shown})" if (shown := format_foreign(text)) else ""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(s in lower for s in _NO_MEMORY)):
        return f"out of memory{why}; free memory, or raise its limit (ulimit -v, or that of the job)"
    if isinstance(error, RuntimeError) and "can't start new thread" in lower:
        return "no thread can be started; raise the limit on processes (ulimit -u), or on memory (ulimit -v)"
    if isinstance(error, BlockingIOError) and error.filename is None:  # fork, of which Python says EAGAIN alone
        return f"no process can be started{why}; raise the limit on processes (ulimit -u)"
    if isinstance(error, ImportError | OSError) and any(s in lower for s in _NOT_LOADED):
        return f"a library cannot be loaded{why}; free memory, or raise its limit (ulimit -v), or install it again"
    return ""


def raise_open_file_limit() -> None:
    """Raise the limit on open files of this process, and of those it starts, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has another limit, which it does not report
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
