"""The report of a build: what was written, counted and noted."""

from __future__ import annotations

from dataclasses import dataclass

from ..shards.tasks import ShardReport
from ..verify.findings import Finding


@dataclass(frozen=True)
class BuildReport:
    """What was built, for the closing summary.

    Attributes:
        what: and where.
        reports: of each shard.
        notes: what a user should know of it.
        unchanged: whether it was there already, and nothing was done.
        left: faults that were found in other parts of the store.
    """

    what: str
    reports: tuple[ShardReport, ...]
    notes: tuple[str, ...]
    unchanged: bool = False
    left: tuple[Finding, ...] = ()

    @property
    def peak_rss(self) -> int:
        """Largest resident memory of any worker, bytes."""
        return max((r.peak_rss for r in self.reports), default=0)
