"""The faults that `verify` reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["missing", "damaged", "added", "link", "manifest", "attributes", "schema", "differs"]


@dataclass(frozen=True)
class Finding:
    """A fault of one object or group of a store.

    Attributes:
        path: of the object or group, relative to the root of the store.
        kind: class of the fault.
        problem: what is wrong, with the offending value.
        remedy: the shell command, or the instruction, that repairs it.
    """

    path: str
    kind: FaultKind
    problem: str
    remedy: str
