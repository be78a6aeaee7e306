"""A finding: what is wrong with an object of a store, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["missing", "damaged", "added", "link", "manifest", "attributes", "schema", "differs"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with one object: its path in the store, what kind of fault, in words, and what repairs it."""

    path: str
    kind: Kind
    problem: str
    hint: str
