"""Progress lines, throughput and peak memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ...store.text import format_bytes


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
        self._line.advance(1, f"{format_bytes(self._size / max(perf_counter() - self._begin, 1e-9))}/s")
