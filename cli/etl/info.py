"""``factornet-etl info``: what is in a store."""

from __future__ import annotations

import argparse
import contextlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from ...etl.verify.remedies import LOST, lost_remedy
from ...store.errors import FactorNetError, RemoteError, StoreError, UsageError
from ...store.format.manifest import NOT_FACTORNET
from ...store.reader import Store, open_store
from ...store.schema import CellInfo
from ...store.text import format_count
from ..common.arguments import HelpFormatter, add_common
from ..common.store_options import STORE_HELP


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
    found = _look(store)
    if options.json:
        cells = None if found.cells is None else [asdict(c) for c in found.cells]
        content = {"genome": store.info.to_attributes(), "cells": cells}
        print(json.dumps({**content, "damaged": [*found.damaged], "missing": found.missing}))
    else:
        try:
            _print(options.store, store, found)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise StoreError(
                store.location, "a summary in its attributes is of another form", hint=NOT_FACTORNET
            ) from e
    if found.unlisted:
        raise found.unlisted
    faults = [str(e) for e in found.damaged.values()]
    if faults:
        faults.append(f"see `factornet-etl verify {options.store}` for what repairs it")
    faults += [f"{store.location}/cells/{c}: {LOST}; {lost_remedy(store.home, c)}" for c in found.missing]
    if faults:
        raise FactorNetError("; ".join(faults))
    return 0


@dataclass(frozen=True)
class _Found:
    """The cell lines of a store.

    Attributes:
        cells: whole ones; None where it cannot be known which there are.
        damaged: what is wrong with the others; those without attributes are among these.
        missing: those that only the list has.
        unlisted: why it cannot be known which there are.
    """

    cells: list[CellInfo] | None = field(default_factory=list)
    damaged: dict[str, FactorNetError] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unlisted: StoreError | None = None


def _look(store: Store) -> _Found:
    home = store.home
    try:
        names = {*store.cells, *(home.cell_folders() if home.local else ())}
    except RemoteError:
        raise  # of the server, not of the store
    except StoreError as e:
        return _Found(None, unlisted=e)
    with contextlib.suppress(StoreError, OSError):  # a damaged list of a local store hides nothing
        names |= {*(home.listed() or ())}
    cells: list[CellInfo] = []
    found = _Found(cells)
    for name in sorted(names):
        try:
            cells.append(store.cell(name))
        except RemoteError:
            raise
        except (StoreError, UsageError) as e:
            if home.is_gone(name):
                found.missing.append(name)
            else:
                found.damaged[name] = e
    return found


def _print(location: str, store: Store, found: _Found) -> None:
    bases = sum(c.length for c in store.info.chromosomes)
    names = store.coordinates.names
    chroms = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    print(f"{location}: {store.info.assembly}, {format_count(len(names), 'chromosome')} ({chroms}), {bases:,} bases")
    print(f"made by factornet {store.info.provenance.get('factornet')} from:")
    for item in store.info.provenance.get("inputs", []):
        print(f"  {item['name']}  {item['size']:,} bytes  sha256 {item['sha256'][:16]}...")
    if found.cells is None:
        print("cell lines: not known")
        return
    bad = f", and damaged: {', '.join(found.damaged)}" if found.damaged else ""
    gone = f", and missing: {', '.join(found.missing)}" if found.missing else ""
    add = "" if found.cells or bad or gone else " (add some with `factornet-etl build`)"
    print(f"{format_count(len(found.cells), 'cell line')}{bad}{gone}{add}")
    for cell in found.cells:
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
