"""What all commands share: exit status, sizes, progress, and text for people."""

from __future__ import annotations

import argparse
import io
import logging
import os
import re
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from time import perf_counter
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..store.errors import FactorNetError, UsageError
from ..store.words import megabytes

Handler = Callable[[argparse.Namespace], int]


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, (), []):
            return action.help
        return super()._get_help_string(action)


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
        with redirect_stdout(cast("TextIO", _Unheard(sys.stdout or io.StringIO()))):
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
def ended_tidily() -> Iterator[None]:
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
def if_interrupted(how: str) -> Iterator[None]:
    """The time in which an interrupt is told with a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt as e:
        e.add_note(how)
        raise


class _Unheard:
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


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every command."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more; show where in the code an error arose")


def parse_size(text: str) -> int:
    """Bytes of ``2GB``, ``1.5 GiB``, ``800M``."""
    match = re.fullmatch(r"([\d.]+)\s*([kMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it as 2GB or 800MB")
    power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def pairs(items: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` items as a dictionary.

    Raises:
        UsageError: an item is no pair, or a name comes twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value) or name in found:
            raise UsageError(f"{option} {item!r}: write NAME=FILE, each name once")
        found[name] = value
    return found


def peak_memory() -> int:
    """Largest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class ProgressLine:
    """A bar with a text of its own on a terminal; elsewhere a line now and then, so that logs stay short."""

    def __init__(self, progress: Progress | None, task: TaskID | None, title: str, total: int) -> None:
        self._progress, self._task, self._title, self.total = progress, task, title, total
        self._done, self._said = 0, perf_counter()

    def advance(self, steps: int, text: str = "") -> None:
        """Count `steps` of the total as done, and show `text`."""
        self._done += steps
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done, total=self.total, text=text)
        elif perf_counter() - self._said > 30:
            self._said = perf_counter()
            print(f"{self._title}: {self._done}/{self.total} {text}", file=sys.stderr)


@contextmanager
def progress_line(title: str, total: int, *, unit: str = "") -> Iterator[ProgressLine]:
    """A progress line on standard error for the time of the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressLine(None, None, title, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield ProgressLine(progress, progress.add_task(title, total=total, text=""), title, total)


class Throughput:
    """A progress line that counts things, and shows the bytes a second that they come to."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._begin, self._size = line, perf_counter(), 0

    def plan(self, total: int) -> None:
        """There are so many things."""
        self._line.total = total

    def add(self, size: int) -> None:
        """One more is done, of so many bytes."""
        self._size += size
        self._line.advance(1, f"{megabytes(self._size / max(perf_counter() - self._begin, 1e-9))}/s")
