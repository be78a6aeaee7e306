"""Start processes, or say what this machine lacks for them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UsageError
from ..machine import describe_lack
from ..text import format_foreign

_CURE = "or work in one process"


@contextmanager
def starting_processes() -> Iterator[None]:
    """Name what is lacking where the block cannot start processes.

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
        yield
    except (OSError, RuntimeError) as error:
        first: BaseException = error
        while (cause := first.__cause__ or first.__context__) is not None:
            first = cause
        why = describe_lack(first) or f"{format_foreign(first)}; raise the limit on processes (ulimit -u)"
        raise UsageError(f"worker processes cannot be started: {why}, {_CURE}") from error
