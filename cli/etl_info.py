"""``factornet-etl info``: what is in a store."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ..store.reader import open_store
from ..store.schema import CellInfo
from .common import HelpFormatter, add_common
from .places import STORE_HELP


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show what is in a store",
        description="Show what is in a store: genome, cell lines, tracks, factors, where it comes from.",
        epilog="example:\n  factornet-etl info hg19.zarr",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help=STORE_HELP)
    add_common(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    store = open_store(options.store)
    cells = [store.cell(name) for name in store.cells]
    if options.json:
        print(json.dumps({"genome": store.info.to_attributes(), "cells": [asdict(c) for c in cells]}))
        return 0
    bases = sum(c.length for c in store.info.chromosomes)
    chroms = ", ".join(store.axis.names[:8]) + (", ..." if len(store.axis.names) > 8 else "")
    print(f"{options.store}: {store.info.assembly}, {len(store.axis.names)} chromosomes ({chroms}), {bases:,} bases")
    print(f"made by factornet {store.info.provenance.get('factornet')} from:")
    for item in store.info.provenance.get("inputs", []):
        print(f"  {item['name']}  {item['size']:,} bytes  sha256 {item['sha256'][:16]}...")
    print(f"{len(cells)} cell lines" + ("" if cells else " (add some with `factornet-etl build`)"))
    for cell in cells:
        print_cell(cell)
    return 0


def print_cell(cell: CellInfo) -> None:
    """Tables of one cell line: tracks with their values, factors with their peaks and labels."""
    console = Console(soft_wrap=True)
    tracks = Table(
        "track", "covered bases", "gaps", "min", "mean", "max", title=f"{cell.name}: tracks", title_justify="left"
    )
    for track in cell.tracks:
        values = cell.summary["tracks"].get(track.name)
        if values is None:
            tracks.add_row(track.name, "shared, kept with the genome", "", "", "", "")
        else:
            figures = ["-" if values[k] is None else f"{values[k]:.4g}" for k in ("min", "mean", "max")]
            tracks.add_row(track.name, f"{values['covered']:,}", f"{values['gaps']:,}", *figures)
    console.print(tracks)
    if cell.factors:
        columns = ("factor", "conservative", "relaxed", "dropped", "bound bins", "ambiguous bins")
        factors = Table(*columns, title=f"{cell.name}: factors", title_justify="left")
        for name, row in cell.summary["factors"].items():
            relaxed = "-" if row["relaxed"] is None else f"{row['relaxed']:,}"
            bins = row["bins"]
            dropped = f"{sum(row['dropped'].values()):,}"
            factors.add_row(
                name, f"{row['conservative']:,}", relaxed, dropped, f"{bins['bound']:,}", f"{bins['ambiguous']:,}"
            )
        console.print(factors)
    if cell.meta:
        console.print(f"{cell.name}: meta values {', '.join(cell.meta)}")
