"""Tell an interrupt of the user from that of a library that cannot start its threads."""

from __future__ import annotations

import _thread
import os
import time

NO_THREADS = (
    "a library cannot start its threads; raise the limit on processes (ulimit -u), or set OPENBLAS_NUM_THREADS=1 and "
    "OMP_NUM_THREADS=1"
)
_HELD = 0.2  # seconds that each thread lives, so that they count at once


def lacks_threads() -> bool:
    """Return whether as many threads as this machine has cores cannot be started: OpenBLAS then sends SIGINT.

    It is called in a handler of signals, at import: it imports nothing.
    """
    try:
        for _ in range(os.cpu_count() or 1):
            _thread.start_new_thread(time.sleep, (_HELD,))
    except RuntimeError:
        return True
    return False
