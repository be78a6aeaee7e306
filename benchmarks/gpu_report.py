"""Results of the GPU benchmark: run checks and timings, keep them as JSON, print tables, decide the exit status."""

from __future__ import annotations

import json
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

Row = dict[str, Any]
T = TypeVar("T")


class Skipped(Exception):  # noqa: N818 - nothing went wrong
    """A check or timing that has no meaning here; the message says why."""


@dataclass
class Report:
    """What was found so far; an exception in a check or timing is a failure, and the rest runs on.

    Attributes:
        budget: seconds after which what is left is skipped.
        only: run what has this text in its name.
        out: file for the results, written again after each; None for none.
        about: machine and versions.
        ceilings: operations and bytes per second that the machine reaches, by name.
    """

    budget: float
    only: str = ""
    out: Path | None = None
    about: Row = field(default_factory=dict)
    ceilings: dict[str, float] = field(default_factory=dict)
    checks: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)
    _begin: float = field(default_factory=perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the report was begun."""
        return perf_counter() - self._begin

    def check(self, name: str, work: Callable[[], float], *, tolerance: float, limit: float = 0) -> None:
        """Run a check; it passes if the error that it returns is at most the tolerance, which NaN is not.

        Args:
            name: of the check.
            work: returns the error.
            tolerance: largest error that passes.
            limit: seconds after which it is skipped, which must be left of the budget; 0 for none.
        """
        row = self._run({"name": name, "tolerance": tolerance}, lambda: {"error": float(work())}, limit, limit)
        if row is None:
            return
        if "error" in row and not row["error"] <= tolerance:
            row["failed"] = f"error {row['error']:.2g} > {tolerance:.2g}"
        self.checks.append(row)
        self._progress(row, "" if "error" not in row else f"{row['error']:.2g} <= {tolerance:.2g}")

    def timing(self, name: str, work: Callable[[], Row], *, limit: float = 0, reserve: float = 0) -> None:
        """Run a timing and keep what it returns; `reserve` seconds must be left of the budget, or the limit."""
        row = self._run({"name": name}, work, limit, max(limit, reserve))
        if row is None:
            return
        self.timings.append(row)
        self._progress(row, "" if "ms" not in row else f"{row['ms']:.3f} ms")

    def section(self, name: str, work: Callable[[], T]) -> T | None:
        """Run a group of checks or timings; return what it returns, or None where it is skipped or breaks off."""
        if self.elapsed > self.budget:
            self.checks.append({"name": name, "skipped": self._over_budget})
            return None
        try:
            return work()
        except Exception as error:
            self.checks.append({"name": name} | _described(error))
            self._progress(self.checks[-1], "")
            return None

    @property
    def _over_budget(self) -> str:
        return f"over the budget of {self.budget:.0f} s"

    def _run(self, row: Row, work: Callable[[], Row], limit: float, reserve: float) -> Row | None:
        if self.only not in row["name"]:
            return None
        begin = self.elapsed
        try:
            if begin + reserve > self.budget:
                raise Skipped(self._over_budget)
            with _interrupted_after(limit):
                row |= work()
        except Skipped as reason:
            row["skipped"] = str(reason)
        except Exception as error:
            if limit and self.elapsed - begin >= limit:  # what was interrupted may have wrapped the exception
                row["skipped"] = f"not done in {limit:.0f} s"
            else:
                row |= _described(error)
        row["seconds"] = self.elapsed - begin
        return row

    def _progress(self, row: Row, text: str) -> None:
        text = "skipped: " + row["skipped"] if "skipped" in row else text
        text = "FAILED " + row["failed"] if "failed" in row else text
        print(f"[{self.elapsed:6.1f} s] {row['name']}: {text[:300]}", flush=True)
        self.save()

    def save(self) -> None:
        """Write all figures."""
        if self.out is not None:
            content = {"about": self.about, "ceilings": self.ceilings, "checks": self.checks, "timings": self.timings}
            self.out.write_text(json.dumps({**content, "seconds": self.elapsed}, indent=1) + "\n", encoding="utf-8")

    @property
    def failed(self) -> list[Row]:
        """Checks and timings that failed."""
        return [row for row in self.checks + self.timings if "failed" in row]

    def table(self) -> str:
        """Return ceilings, checks and timings for people, the verdict last."""
        width = max((len(row["name"]) for row in self.timings), default=0)
        lines = [", ".join(f"{key} {value}" for key, value in self.about.items())]
        lines += [f"{row['name']}: {_check(row)}" for row in self.checks]
        if self.timings:
            lines += ["", "reached: " + ", ".join(f"{name} {value:.3g}" for name, value in self.ceilings.items())]
            lines.append(f"{'':{width}}" + "".join(f"{title:>{size}}" for title, size in _COLUMNS.values()))
        lines += [f"{row['name']:{width}}{_timing(row)}" for row in self.timings]
        passed = sum("error" in row and "failed" not in row for row in self.checks)
        skipped = sum("skipped" in row for row in self.checks + self.timings)
        lines.append(f"{passed} checks passed, {len(self.failed)} failed, {skipped} skipped, {self.elapsed:.0f} s")
        return "\n".join([*lines, *(f"FAILED {row['name']}: {row['failed'][:300]}" for row in self.failed)])


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what is done, after so many seconds; 0 for never."""

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _described(error: Exception) -> Row:
    """Return where and what went wrong, in one line and in full."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{Path(last.filename).name}:{last.lineno}: {type(error).__name__}: {' '.join(str(error).split())}"
    return {"failed": text, "traceback": "".join(traceback.format_exception(error))}


def _check(row: Row) -> str:
    if "failed" in row:
        return "FAILED"
    return f"skipped: {row['skipped']}" if "skipped" in row else f"{row['error']:.1e} <= {row['tolerance']:.0e}"


_COLUMNS = {
    "ms": ("ms", 8),
    "rate": ("a second", 11),
    "kernels_ms": ("kernels", 8),
    "copies_ms": ("copies", 8),
    "waited_ms": ("waiting", 8),
    "launched": ("launched", 9),
    "gflop": ("GFLOP", 8),
    "gb": ("GB", 8),
    "floor_ms": ("floor", 8),
}
"""Columns of the table of timings: key -> title and width."""


def _timing(row: Row) -> str:
    if "ms" not in row:
        return "  FAILED" if "failed" in row else f"  skipped: {row.get('skipped')}"
    cells = "".join(f"{_figure(row.get(key)):>{size}}" for key, (_, size) in _COLUMNS.items())
    share = f" {row['share']:.0%}" if "share" in row else ""
    return (cells.rstrip() + share) + (f"  {row['note']}" if "note" in row else "")


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
