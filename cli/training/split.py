"""Choose the regions of ``factornet-train`` that validate and that are held out, and show the split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ...etl.inputs.chrom_aliases import abbreviate
from ...store.errors import UsageError
from ...store.genome.intervals import GenomeCoordinates, Intervals
from ...store.genome.regions import find_synonym, to_regions
from ...store.reader import Store
from ...store.sampling.splits import Split, split_genome
from ..common.arguments import NOTHING, chosen, parse_regions
from ..common.output import print_line, print_table

DEFAULTS = {"-v": ("chr11",), "-t": ("chr1", "chr8", "chr21")}
"""FactorNet's validation and test chromosomes, of hg19."""
_MOST_REGIONS = 6  # named in the table


def split_from_args(options: argparse.Namespace, store: Store) -> Split:
    """Return the split that ``-v`` and ``-t`` ask for.

    Raises:
        UsageError: a region is wrong, or the store has none of the default chromosomes, or has them under other names
            (the message has the options to give); nothing to validate on; or as for `split_genome`.
    """
    given = {"-v": options.valid, "-t": options.test}
    _check_defaults([option for option, items in given.items() if items is None], store)
    regions = {}
    for option, items in given.items():
        names = present_defaults(option, store.coordinates) if items is None else chosen(items)
        regions[option] = parse_regions(names, store, option=option)
    if not regions["-v"]:
        raise UsageError("-v: training ends by the loss on validation regions; give at least one")
    return split_genome(store.coordinates, valid=regions["-v"], test=regions["-t"])


def present_defaults(option: str, coordinates: GenomeCoordinates) -> list[str]:
    """Return the default chromosomes of an option that a store has."""
    return [name for name in DEFAULTS[option] if name in coordinates.names]


def _check_defaults(options: Sequence[str], store: Store) -> None:
    """Check that a store has a default chromosome of each option, and none of them under another name."""
    problems, cures = [], []
    for option in options:
        defaults = DEFAULTS[option]
        names = [name for name in (find_synonym(default, store.coordinates) for default in defaults) if name]
        if names and set(names) <= set(defaults):
            continue
        absent = ", ".join(name for name in defaults if name not in store.coordinates.names)
        known = f" (named {', '.join(names)} there)" if names else ""
        problems.append(f"no {absent}{known}, the default of {option}")
        cures.append(f"{option} {' '.join(names) if names else f'with some of {abbreviate(store.coordinates.names)}'}")
    if problems:
        other = f", or -t {NOTHING} to hold out nothing" if any(cure.startswith("-t") for cure in cures) else ""
        raise UsageError(f"{store.location}: has {' and '.join(problems)}; give {' '.join(cures)}{other}")


def print_split(
    split: Split, summary: Mapping[str, Any], options: argparse.Namespace, coordinates: GenomeCoordinates, file: TextIO
) -> None:
    """Print bases and positives of the parts of a split, and which default chromosomes the store lacks."""
    parts = {"train": "training", "valid": "validation", "test": "test"}
    regions = ["all others", *(_format_regions(getattr(split, part), coordinates) for part in ("valid", "test"))]
    rows = [["regions", *regions, ""]]
    rows.append(["bases", *(f"{summary[part]['bases']:,} ({summary[part]['share']:.1%})" for part in parts), ""])
    for cell in summary["test"]["positives"]:
        counts = [summary[part]["positives"].get(cell) for part in (*parts, "unused")]
        total = sum(n for n in counts if n is not None)
        shown = ["-" if n is None else f"{n:,} ({n / total if total else 0:.1%})" for n in counts]
        rows.append([f"{summary['positives_are']} of {cell}", *shown])
    print_table("", ("split", *parts.values(), "unused"), rows, file=file)
    if not summary["test"]["bases"]:
        print_line("no test regions: nothing is held out to test this model on", file=file)
    absent = [name for name in DEFAULTS["-t"] if name not in coordinates.names]
    if options.test is None and absent:
        print_line(f"held out by default: {regions[2]}; the store has no {', '.join(absent)}", file=file)


def _format_regions(regions: Intervals, coordinates: GenomeCoordinates) -> str:
    lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
    names = [r.chrom if r.stop - r.start == lengths[r.chrom] else str(r) for r in to_regions(regions, coordinates)]
    more = f" and {len(names) - _MOST_REGIONS} more" if len(names) > _MOST_REGIONS else ""
    return (", ".join(names[:_MOST_REGIONS]) or NOTHING) + more
