"""Say where a factor has no peak, before its labels are learned from or compared with."""

from __future__ import annotations

from collections.abc import Iterable

from ..genome.peak_coverage import chromosomes_without_peaks
from ..reader import Store
from ..text import format_names

_HINT = "every bin there counts as unbound; use other regions, or build again from complete peaks"


def peak_warnings(store: Store, cells: Iterable[str], factors: Iterable[str], chroms: Iterable[str]) -> list[str]:
    """Return which factors have no peak on which of the chromosomes, though these are long enough for many, as text.

    Args:
        store: an open store.
        cells: cell lines; one that lacks a factor is not asked for it.
        factors: whose conservative peaks to look at.
        chroms: names of the chromosomes whose labels are used.

    Raises:
        StoreError: a table of peaks is damaged.
    """
    used, asked = set(chroms), tuple(dict.fromkeys(factors))
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for cell in dict.fromkeys(cells):
        for factor in [f for f in asked if f in store.cell(cell).factor_names]:
            peaks = store.peaks(cell, factor, "conservative").chrom
            if empty := tuple(c for c in chromosomes_without_peaks(peaks, store.coordinates) if c in used):
                found.setdefault((cell, empty), []).append(factor)
    return [
        f"no peak of {_listed(names, 'factor')} in {cell} on {_listed(empty, 'chromosome')}: {_HINT}"
        for (cell, empty), names in found.items()
    ]


def _listed(names: Iterable[str], noun: str) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else format_names(found, noun)
