"""Pause a training at SIGTERM, by which schedulers of clusters announce that they will take a machine away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SAME = 5.0  # seconds; schedulers signal a process and its group, and factornet-crossval hands the signal on


@contextmanager
def pause_on_termination() -> Iterator[Callable[[], bool]]:
    """Yield whether the training in the block is to pause: after SIGTERM.

    A second one, more than 5 seconds later, interrupts it.

    Raises:
        KeyboardInterrupt: with the number of the signal, and what was saved as its note.
    """
    received: list[int] = []
    first = 0.0

    def receive(number: int, _: object) -> None:
        nonlocal first
        if received:
            if time.monotonic() - first > _SAME:
                raise KeyboardInterrupt(number)
            return
        first = time.monotonic()
        received.append(number)
        os.write(2, b"factornet-train: pausing after this step\n")

    # Only the main thread receives signals; one that is ignored stays so.
    is_main = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGTERM)
    catches = is_main and previous is not signal.SIG_IGN
    if catches:
        signal.signal(signal.SIGTERM, receive)
    try:
        yield lambda: bool(received)
    except Exception as error:
        from ...model.training.pausing import TrainingPausedError

        if not isinstance(error, TrainingPausedError):
            raise
        interrupt = KeyboardInterrupt(received[0] if received else signal.SIGTERM)
        where = f"within epoch {error.epoch}, after step {error.step:,}"
        interrupt.add_note(f"the training is paused {where}; resume it there with -o {error.folder} --resume")
        raise interrupt from None
    finally:
        if catches:
            signal.signal(signal.SIGTERM, previous)
