"""Shield child processes from signals that the parent handles."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any


@contextmanager
def shield_children_from_signals() -> Iterator[None]:
    """Child processes started in the block ignore SIGINT and SIGHUP; the parent shuts them down.

    A terminal sends both signals to all processes of a command. This process handles them, and SIGTERM, when the block
    ends. Processes started in the block, or by a thread that is started in it, have them blocked for good.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    received: list[tuple[int, Any]] = []
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    handlers = {number: handler for number, handler in previous.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda *args: received.append(args))  # a mask would not cover the other threads
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        # Starting it unblocks SIGINT in this thread, so it must not be started in the block.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for caught, frame in received[:1]:
            handlers[signal.Signals(caught)](caught, frame)
