"""Damage files one at a time, and count what their readers find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from factornet.store import InputError

Outcome = Literal["found", "missed", "harmless"]
Reader = Callable[[Path], Outcome]
"""Reads a damaged file as a command does; "harmless" is damage that changes nothing of what is read."""


def outcome_of(found: bool) -> Outcome:
    """Return the outcome of a reader."""
    return "found" if found else "missed"


@dataclass(frozen=True)
class Target:
    """A file to be damaged.

    Attributes:
        path: of the file, in the folder that is copied.
        readers: its readers by the name of a command.
        covered_by: what covers it.
        silent_cuts: positions at which a cut leaves what a killed writer leaves, too; no cut is made there.
    """

    path: str
    readers: Mapping[str, Reader]
    covered_by: str
    silent_cuts: frozenset[int] = frozenset()


@dataclass
class Row:
    """Faults made in one file, how many of them were harmless, and descriptions of those that a reader missed."""

    target: Target
    flips: int = 0
    cuts: int = 0
    harmless: int = 0
    missed: list[str] = field(default_factory=list)

    def found(self, kind: str) -> int:
        """Return the number of faults of a kind that all readers found."""
        missed = {m.partition(":")[0] for m in self.missed if m.startswith(kind)}
        return int(getattr(self, f"{kind}s")) - len(missed)


def damage_repeatedly(folder: Path, targets: list[Target], *, flips: int, cuts: int, seed: int) -> list[Row]:
    """Apply faults one at a time, in turn to each file, each undone before the next; return the counts by file."""
    rng, rows = np.random.default_rng(seed), [Row(target) for target in targets]
    for number in range(flips + cuts):
        kind, turn = ("flip", number) if number < flips else ("cut", number - flips)
        row = rows[turn % len(rows)]
        path = folder / row.target.path
        content = path.read_bytes()
        at, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        while kind == "cut" and at in row.target.silent_cuts:
            at = int(rng.integers(len(content)))
        changed = bytearray(content) if kind == "flip" else content[:at]
        if kind == "flip":
            changed[at] ^= bit
        setattr(row, f"{kind}s", getattr(row, f"{kind}s") + 1)
        for name, reader in row.target.readers.items():
            path.write_bytes(changed)
            outcome = reader(folder)
            row.harmless += outcome == "harmless"
            if outcome == "missed":
                row.missed.append(f"{kind} {number} at byte {at:,} of {len(content):,}: {name}")
        path.write_bytes(content)
    return rows


def print_rows(rows: list[Row]) -> None:
    """Print the counts as a table, and each fault that was not found."""
    table = [("file", "who reads it", "what covers it", "flips found/made", "cuts found/made", "without effect")]
    for row in rows:
        counts = (f"{row.found('flip')}/{row.flips}", f"{row.found('cut')}/{row.cuts}")
        table.append(
            (row.target.path, ", ".join(row.target.readers), row.target.covered_by, *counts, str(row.harmless or ""))
        )
    total = [f"{sum(r.found(k) for r in rows)}/{sum(getattr(r, f'{k}s') for r in rows)}" for k in ("flip", "cut")]
    table.append(("all", "", "", *total, str(sum(row.harmless for row in rows))))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    for row in rows:
        for missed in row.missed:
            print(f"not found: {row.target.path}: {missed}")


def refused(read: Callable[[Path], object], name: str) -> Reader:
    """Return a reader that must refuse the file, naming it."""

    def found(folder: Path) -> Outcome:
        try:
            read(folder)
        except InputError as error:
            return outcome_of(name in str(error))
        return "missed"

    return found
