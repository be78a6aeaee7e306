"""Print the faults that a verification found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .output import print_line


class Fault(Protocol):
    """A fault of one file or object."""

    @property
    def path(self) -> str:
        """Path, relative to what was verified."""

    @property
    def kind(self) -> str:
        """Class of the fault."""

    @property
    def problem(self) -> str:
        """What is wrong."""

    @property
    def remedy(self) -> str:
        """What repairs it."""


def print_findings(findings: Iterable[Fault]) -> None:
    """Print all faults, grouped by remedy."""
    by_remedy: dict[str, list[Fault]] = {}
    for finding in findings:
        by_remedy.setdefault(finding.remedy, []).append(finding)
    for remedy, faults in by_remedy.items():
        for fault in faults:
            print_line(f"{fault.kind}: {fault.path}: {fault.problem}")
        print_line(f"    repair: {remedy}")
