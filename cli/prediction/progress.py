"""Count predicted windows, and show their rate."""

from __future__ import annotations

from time import perf_counter

from ..common.progress import ProgressLine


class Rate:
    """Counts predicted windows, and shows windows per second on a progress line."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._begin = line, perf_counter()
        self.windows = 0

    def add(self, windows: int) -> None:
        """Count windows that were predicted."""
        self.windows += windows
        self._line.advance(windows, f"{self.per_second:,.0f} windows/s")

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return perf_counter() - self._begin

    @property
    def per_second(self) -> float:
        """Windows per second since the beginning."""
        return self.windows / self.seconds
