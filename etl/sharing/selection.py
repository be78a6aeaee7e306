"""Select entries of a catalogue by genome, cell line and factor."""

from __future__ import annotations

from ...store.errors import UsageError
from .catalogue import Catalogue
from .entry import CatalogueEntry


def select_entries(
    catalogue: Catalogue, *, factor: str | None = None, cell: str | None = None, genome: str | None = None
) -> tuple[CatalogueEntry, ...]:
    """Return the entries that have what is asked for; a factor and a cell line must belong together.

    Args:
        catalogue: to select from.
        factor: name of a factor; None for any, and so for the others.
        cell: name of a cell line.
        genome: name of a genome assembly.

    Raises:
        UsageError: there is no such store; the message lists what there is.
    """
    found = tuple(e for e in catalogue.entries if genome in (None, e.assembly) and _has(e, factor, cell))
    if found or (factor, cell, genome) == (None, None, None):
        return found
    wanted = [
        f"{what} {name!r}" for what, name in (("genome", genome), ("cell line", cell), ("factor", factor)) if name
    ]
    there = {
        "genomes": {e.assembly for e in catalogue.entries},
        "cell lines": {c.name for e in catalogue.entries for c in e.cells},
        "factors": {f for e in catalogue.entries for f in e.factors},
    }
    listed = "; ".join(f"{what} {', '.join(sorted(names)) or 'none'}" for what, names in there.items())
    raise UsageError(f"{catalogue.location}: no store with {' and '.join(wanted)}; there are {listed}")


def _has(entry: CatalogueEntry, factor: str | None, cell: str | None) -> bool:
    cells = [c for c in entry.cells if cell in (None, c.name)]
    if factor is not None:
        return any(factor in c.factors for c in cells)
    return cell is None or bool(cells)
