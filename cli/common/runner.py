"""What all commands share: exit status, sizes, progress, and text for people."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from ...store.errors import FactorNetError

Handler = Callable[[argparse.Namespace], int]


def run_command(parser: argparse.ArgumentParser, handler: Handler | None, argv: Sequence[str] | None) -> int:
    """Parse and run; a mistake of the user ends in one line and status 2, an interrupt in status 130.

    Args:
        parser: of the command.
        handler: what to do, or None where a sub-command sets ``handler``.
        argv: arguments, or None for the process's own.
    """
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        with redirect_stdout(cast("TextIO", _DeferredSignals(sys.stdout or io.StringIO()))):
            status = (handler or options.handler)(options)
            sys.stdout.flush()
            return status
    except (Exception, KeyboardInterrupt) as e:
        interrupt, known = _interrupt_in(e), isinstance(e, FactorNetError | OSError)
        if interrupt is not None and not known:
            print("; ".join((f"{parser.prog}: interrupted", *getattr(interrupt, "__notes__", ()))), file=sys.stderr)
            return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
        if options.verbose or not known:
            raise
        print(f"{parser.prog}: error: {_said(e)}", file=sys.stderr)
        return 2


def _interrupt_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that is an error, or led to it: a module that is being imported may raise an error of its own."""
    while not (error is None or isinstance(error, KeyboardInterrupt)):
        error = error.__cause__ or error.__context__
    return error


def _said(error: BaseException) -> str:
    if isinstance(error, OSError):
        # Disk full, no permission: the system's own words are as clear as ours would be.
        return f"{error.filename or 'reading or writing'}: {error.strerror or error}"
    return str(error)


@contextmanager
def handle_termination() -> Iterator[None]:
    """The time in which SIGTERM and a terminal that is closed end this process as an interrupt does.

    They would end it at once, and processes that it has started would not always follow.
    """

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    caught = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]  # not under nohup
    for number in caught:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def report_interrupt(how: str) -> Iterator[None]:
    """The time in which an interrupt is told with a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt as e:
        e.add_note(how)
        raise


class _DeferredSignals:
    """Standard output that work goes on without: ``| head`` has enough of it, a build of many cell lines has not.

    What is printed from then on goes nowhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Print."""
        with self._or_nowhere():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send what was printed."""
        with self._or_nowhere():
            self._stream.flush()

    @contextmanager
    def _or_nowhere(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
