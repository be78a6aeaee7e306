"""The report of a build: shards written, and notes for the user."""

from __future__ import annotations

from dataclasses import dataclass

from ..shards.tasks import ShardReport
from ..verify.findings import Finding


@dataclass(frozen=True)
class BuildReport:
    """Result of a build.

    Attributes:
        what: what was built, and in which store.
        reports: one per task.
        notes: what the user should know about it.
        unchanged: whether it already existed and nothing was done.
        left: faults found in other parts of the store.
    """

    what: str
    reports: tuple[ShardReport, ...]
    notes: tuple[str, ...]
    unchanged: bool = False
    left: tuple[Finding, ...] = ()

    @property
    def peak_rss(self) -> int:
        """Return the largest resident memory of any worker, in bytes."""
        return max((r.peak_rss for r in self.reports), default=0)
