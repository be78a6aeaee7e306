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
    """The time in which processes are started that shall not hear of an interrupt, or of a terminal that is closed.

    A terminal sends both to all processes of a command. This one acts on them, when the block is over, and on SIGTERM;
    one that is started in the block, or by a thread that is, never gets them and ends with this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    held: list[tuple[int, Any]] = []
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda *caught: held.append(caught))  # other threads may not mask it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()  # or it would be started in the block, and let interrupts through at its end
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for caught, frame in held[:1]:
            handlers[signal.Signals(caught)](caught, frame)
