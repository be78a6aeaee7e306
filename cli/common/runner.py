"""Run a command: exit status, errors on one line, signals, a closed standard output."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from ...store.errors import FactorNetError, InputError, UsageError
from ...store.machine import describe_lack, raise_open_file_limit
from ..run.config import with_config
from ..run.failure import describe_failure
from ..run.parser import CommandParser, command_parser
from ..run.record import Run, check_record_path, start_run, why_not_recorded
from ..run.thread_check import NO_THREADS, lacks_threads
from .output import LogFormatter, PrintableStream, print_json, print_line, print_traceback, print_warning, with_options

_AGAIN = 0.05  # seconds
Handler = Callable[[argparse.Namespace], int]


def run_command(parser: argparse.ArgumentParser, handler: Handler | None, argv: Sequence[str] | None) -> int:
    """Parse arguments, run a command, and return its exit status; write its record, if it was done.

    An error of the user (`FactorNetError`, `OSError`), or a lack of memory, is printed on one line, with ``--verbose``
    after its traceback, and gives status 2. An interrupt gives status 130, another signal that `handle_termination`
    catches 128 + its number: locks and unfinished files are removed as after an error. With ``--json`` both are printed
    on standard output, too, unless a result is there. All other errors are raised.

    Args:
        parser: of the command.
        handler: runs the command; None if a sub-command sets ``handler``.
        argv: arguments; None for those of the process.
    """
    options, name = _parse(parser, list(map(str, sys.argv[1:] if argv is None else argv)))
    _prepare_process(verbose=options.verbose)
    shown = _ClosableOutput(sys.stdout or io.StringIO())
    try:
        if getattr(options, "record", None) not in (None, NOT_WANTED):
            check_record_path(Path(options.record), options.run.command)
        with handle_termination(), redirect_stdout(cast("TextIO", shown)):
            status = (handler or options.handler)(options)
            sys.stdout.flush()
            if status == 0:
                _write_record(options)
            return status
    except (Exception, KeyboardInterrupt) as error:
        interrupt = _find_interrupt(error)
        users = isinstance(error, FactorNetError | OSError) or describe_lack(error) != ""
        if interrupt is not None and not users and not interrupt.args and lacks_threads():
            print_line(f"{name}: error: {NO_THREADS}", file=sys.stderr)
            return _print_failure(options, OSError(errno.EAGAIN, NO_THREADS), NO_THREADS, 2, shown)
        if interrupt is not None and not users:
            # Of a library that was about to start one: said when it is freed, below.
            warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
            message = "; ".join(("interrupted", *getattr(interrupt, "__notes__", ())))
            print_line(f"{name}: {message}", file=sys.stderr)
            status = 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
            return _print_failure(options, interrupt, message, status, shown)
        if not users:
            raise
        if options.verbose:
            print_traceback(type(error), error, error.__traceback__)
        print_line(f"{name}: error: {_message(error)}", file=sys.stderr)
        return _print_failure(options, error, _message(error), 2, shown)


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> tuple[argparse.Namespace, str]:
    """Parse a command line; return its options, with the run that begins, and the name of the command in messages."""
    own, begin = command_parser(parser, words)
    # The programs name themselves in messages, `factornet` its sub-commands.
    full = " ".join((parser.prog, *words[:begin]))
    name, command = full if full.startswith("factornet ") else parser.prog, full.replace("factornet ", "factornet-", 1)
    for each in (parser, own):
        if isinstance(each, CommandParser):
            each.is_json = "--json" in words
    with redirect_stderr(cast("TextIO", PrintableStream(sys.stderr, words))):
        try:
            options = parser.parse_args([*words[:begin], *with_config(own, command, words[begin:])])
        except FactorNetError as error:
            own.error(str(error))
    options.run = start_run(own, command, options, words)
    return options, name


def _print_failure(
    options: argparse.Namespace, error: BaseException, message: str, status: int, shown: _ClosableOutput
) -> int:
    """Print an error as JSON on standard output, with ``--json`` and if no result is there; return the exit status."""
    if getattr(options, "json", False) and not shown.is_used:
        found = describe_failure(error, command=options.run.command, message=message, status=status)
        with redirect_stdout(cast("TextIO", shown)), suppress(OSError):
            print_json(found)
            sys.stdout.flush()
    return status


NOT_WANTED = "none"
"""Value of ``--record`` that asks for no record."""


def _write_record(options: argparse.Namespace) -> None:
    """Write the record of a run that was done: to ``--record``, or where the command puts it."""
    run: Run = options.run
    asked = getattr(options, "record", None)
    if asked == NOT_WANTED or (path := Path(asked) if asked else run.path) is None:
        return
    if why := why_not_recorded(path, run.command):
        problem = f"{path}: {why}; this run is not recorded"
        if asked:  # checked before, so the run itself wrote it
            raise UsageError(f"--record {problem}, its output is complete; give another name")
        print_warning(problem)
        return
    try:
        run.write(path)
    except InputError as error:
        if asked:
            raise
        print_warning(f"{error}; the output is complete, this run is not recorded")


def _prepare_process(*, verbose: bool) -> None:
    """Set up what is printed beside the output of the command, and the limit on open files."""
    raise_open_file_limit()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    sys.excepthook, sys.unraisablehook = print_traceback, _LostInterrupts().receive
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # letters that the encoding of a terminal lacks


class _LostInterrupts:
    """Sends an interrupt again that arrived where Python ignores exceptions, as in callbacks of numba's compiler."""

    def __init__(self) -> None:
        self._receiving = False

    def receive(self, ignored: sys.UnraisableHookArgs) -> None:
        """Take an exception that is ignored, as `sys.unraisablehook`."""
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(ignored)
            return
        number = ignored.exc_value.args[0] if ignored.exc_value and ignored.exc_value.args else signal.SIGINT
        self._receiving = True
        threading.Thread(target=self._send, args=(number,), daemon=True).start()
        # Last, and followed by nothing that lets another thread run: an interrupt within this method would be lost.
        self._receiving = False

    def _send(self, number: int) -> None:
        time.sleep(_AGAIN)
        while self._receiving:
            time.sleep(_AGAIN)
        main = threading.main_thread().ident
        assert main is not None, "it runs"
        signal.pthread_kill(main, number)  # a real signal, which ends a sleep


def _find_interrupt(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the interrupt that `error` is or was caused by: an interrupted import may raise an error of its own."""
    while not (error is None or isinstance(error, KeyboardInterrupt)):
        error = error.__cause__ or error.__context__
    return error


def _message(error: BaseException) -> str:
    if lack := describe_lack(error):
        return lack
    if isinstance(error, OSError):
        # Disk full, no permission: the system's own message is clear enough.
        return f"{error.filename or 'reading or writing'}: {error.strerror or error}"
    return with_options(str(error))


@contextmanager
def handle_termination() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP (a closed terminal) into a KeyboardInterrupt with the signal's number.

    By default they end the process at once: processes that it started may survive it, and lock files and unfinished
    files stay.
    """

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    # Not those that are ignored, as under nohup.
    caught = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def report_interrupt(hint: str) -> Iterator[None]:
    """Add a hint on how to resume to an interrupt in the block; `run_command` prints it."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(hint)
        raise


class _ClosableOutput:
    """Standard output whose reader may close it: ``| head`` does not end a build of many cell lines.

    What is printed after that is discarded. Any other error, such as that of a full disk, names standard output.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_used = False
        """Whether something was written, or could not be."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the stream, if it is still open."""
        self.is_used = True
        with self._discarding_if_closed():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it is still open."""
        with self._discarding_if_closed():
            self._stream.flush()

    @contextmanager
    def _discarding_if_closed(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._discard()
        except OSError as error:
            self._discard()  # else the interpreter meets the error again, as it ends
            raise OSError(error.errno, error.strerror, "standard output") from error

    def _discard(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
