"""Start processes, or say what this machine lacks for them."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UsageError
from ..machine import describe_lack
from ..text import format_foreign

_CURE = "or work in one process"
_FOR_EACH, _MORE = 2, 4  # threads and processes that a pool of dask or Python starts, for each worker and beside them


@contextmanager
def starting_processes(workers: int) -> Iterator[None]:
    """Name what is lacking where the block cannot start processes.

    Args:
        workers: number of processes.

    Raises:
        UsageError: there is no shared memory, which processes need for their locks, or no process can be started.
    """
    try:
        multiprocessing.get_context("fork").Lock()  # a semaphore of the system, removed at once
    except OSError as error:
        reason = error.strerror or "not supported"
        raise UsageError(
            f"worker processes need shared memory, and none can be created in /dev/shm ({reason}); let the container "
            f"mount one that can be written to, {_CURE}"
        ) from error
    try:
        _try_threads(_FOR_EACH * workers + _MORE)
        yield
    except (OSError, RuntimeError, EOFError) as error:
        first: BaseException = error
        while (cause := first.__cause__ or first.__context__) is not None:
            first = cause
        if "bootstrapping phase" in str(
            first
        ):  # of a script without `if __name__ == "__main__"`: Python says what to do
            raise
        why = describe_lack(first) or f"{format_foreign(first)}; raise the limit on processes (ulimit -u)"
        raise UsageError(f"worker processes cannot be started: {why}, {_CURE}") from error


def _try_threads(count: int) -> None:
    """Start threads and end them: they count against the limit on processes, at which pools hang or print tracebacks.

    Raises:
        RuntimeError: they cannot be started.
    """
    release, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    finally:
        release.set()
        for thread in started:
            thread.join()
