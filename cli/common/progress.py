"""Show the progress of a command on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ...store.text import format_bytes, printable
from .output import print_line

_SECONDS_BETWEEN_LINES = 30


class ProgressLine:
    """A progress bar on a terminal; elsewhere a line every 30 seconds, so that logs stay short."""

    def __init__(self, progress: Progress | None, task: TaskID | None, title: str, total: int) -> None:
        self._progress, self._task, self._title, self.total = progress, task, title, total
        self._done, self._printed_at = 0, perf_counter()

    def advance(self, steps: int, text: str = "") -> None:
        """Count `steps` more as done, and show `text`."""
        self._done += steps
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done, total=self.total, text=printable(text))
        elif perf_counter() - self._printed_at > _SECONDS_BETWEEN_LINES:
            self._printed_at = perf_counter()
            print_line(f"{self._title}: {self._done}/{self.total} {text}", file=sys.stderr)


@contextmanager
def progress_line(title: str, total: int, *, unit: str = "") -> Iterator[ProgressLine]:
    """Show a progress line on standard error during the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressLine(None, None, title, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield ProgressLine(progress, progress.add_task(printable(title), total=total, text=""), title, total)


class DownloadedBytes:
    """Show the bytes of several downloads on a progress line of megabytes.

    Args:
        line: its total grows with the sizes of files that it does not have yet.
    """

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._done, self._shown = line, dict[str, int](), 0

    def __call__(self, name: str, size: int, total: int) -> None:
        """Show that a file has `size` bytes of `total`, which is 0 where it is unknown."""
        self._done[name] = size
        all_bytes = sum(self._done.values())
        self._line.total = max(self._line.total, (all_bytes - size + total) // 1_000_000)
        self._line.advance(all_bytes // 1_000_000 - self._shown, name)
        self._shown = all_bytes // 1_000_000


class Throughput:
    """Count items of known size on a progress line, and show bytes per second."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._begin, self._size = line, perf_counter(), 0

    def plan(self, total: int) -> None:
        """Set the number of items."""
        self._line.total = total

    def add(self, size: int) -> None:
        """Count one more item, of `size` bytes."""
        self._size += size
        self._line.advance(1, f"{format_bytes(self._size / max(perf_counter() - self._begin, 1e-9))}/s")
