"""Known assemblies, recognised by the lengths of their chromosomes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def known_assemblies() -> Mapping[str, Mapping[str, int]]:
    """Return the lengths of chromosomes, bases, of each known assembly: resources/*.chrom.sizes."""
    tables = [t for t in (files("factornet") / "resources").iterdir() if t.name.endswith(".chrom.sizes")]
    return {
        table.name.removesuffix(".chrom.sizes"): {
            name: int(length) for name, length in (line.split() for line in table.read_text().splitlines())
        }
        for table in sorted(tables, key=lambda t: t.name)
    }


def recognise_assembly(lengths: Mapping[str, int]) -> str | None:
    """Return the known assembly that chromosomes are of, with or without ``chr``; None if there is none.

    Chromosomes that the table of an assembly lacks say nothing, such as those that were not placed.

    Args:
        lengths: bases by name.
    """
    prefixed = {name if name.startswith("chr") else f"chr{name}": length for name, length in lengths.items()}
    for assembly, known in known_assemblies().items():
        common = [name for name in prefixed if name in known]
        if common and all(prefixed[name] == known[name] for name in common):
            return assembly
    return None
