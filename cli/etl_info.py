"""``factornet-etl info``: what is in a store."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ..store.errors import StoreError
from ..store.manifest import FOREIGN
from ..store.patience import RemoteError
from ..store.reader import Store, open_store
from ..store.schema import CellInfo
from ..store.words import count
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
    store.objects("genome")  # that there is one
    cells, damaged = _cells(store)
    if options.json:
        content = {"genome": store.info.to_attributes(), "cells": [asdict(c) for c in cells], "damaged": [*damaged]}
        print(json.dumps(content))
    else:
        try:
            _print(options.store, store, cells, tuple(damaged))
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise StoreError(f"{store.place}: a summary in its attributes is of another form; {FOREIGN}") from e
    if damaged:
        cure = f"see `factornet-etl verify {options.store}` for what repairs it"
        raise StoreError(f"{'; '.join(map(str, damaged.values()))}; {cure}")
    return 0


def _cells(store: Store) -> tuple[list[CellInfo], dict[str, StoreError]]:
    """The cell lines, and what is wrong with the damaged ones; those without attributes are among these."""
    cells: list[CellInfo] = []
    damaged: dict[str, StoreError] = {}
    for name in sorted({*store.cells, *(store.home.cell_folders() if store.home.local else ())}):
        try:
            cells.append(store.cell(name))
        except RemoteError:
            raise  # of the server, not of the store
        except StoreError as e:
            damaged[name] = e
    return cells, damaged


def _print(place: str, store: Store, cells: Sequence[CellInfo], damaged: Sequence[str]) -> None:
    bases = sum(c.length for c in store.info.chromosomes)
    names = store.axis.names
    chroms = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    print(f"{place}: {store.info.assembly}, {count(len(names), 'chromosome')} ({chroms}), {bases:,} bases")
    print(f"made by factornet {store.info.provenance.get('factornet')} from:")
    for item in store.info.provenance.get("inputs", []):
        print(f"  {item['name']}  {item['size']:,} bytes  sha256 {item['sha256'][:16]}...")
    bad = f", and damaged: {', '.join(damaged)}" if damaged else ""
    add = "" if cells or damaged else " (add some with `factornet-etl build`)"
    print(f"{count(len(cells), 'cell line')}{bad}{add}")
    for cell in cells:
        print_cell(cell)


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
