"""``factornet-etl info``: show the contents of a store."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ...etl.inputs.chip_peaks import notes_on_factors
from ...etl.inputs.chrom_aliases import abbreviate
from ...etl.reads.signal import signal_notes
from ...etl.verify.remedies import LISTED_WITHOUT_FOLDER, lost_cell_line_remedy
from ...store.annotation_rules import rules_of_store
from ...store.cell_info import CellInfo
from ...store.errors import FactorNetError, RemoteError, StoreError, UsageError
from ...store.format.manifest import NOT_FACTORNET
from ...store.reader import Store, open_store
from ...store.schema import FEATURES
from ...store.stored_signal import StoredSignal, stored_signal
from ...store.text import format_bytes, format_count, shell_word
from ..common.arguments import HelpFormatter, add_common_options
from ..common.output import FIGURES, format_figures, print_json, print_line, print_table, with_options
from ..common.store_options import STORE_HELP


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show the contents of a store",
        description="Show the contents of a store: genome and its source files, cell lines, tracks, factors.",
        epilog="example:\n  factornet-etl info hg19.zarr",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help=STORE_HELP)
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    store = open_store(options.store)
    store.objects("genome")  # raises if the genome has no intact manifest
    contents = _read_cell_lines(store)
    if options.json:
        cells = None if contents.cells is None else [asdict(c) for c in contents.cells]
        output = {"genome": store.info.to_attributes(), "cells": cells}
        signal = {group: [asdict(s) for s in stored] for group, stored in _stored(store, contents).items()}
        print_json({**output, "signal": signal, "damaged": [*contents.damaged], "missing": contents.missing})
    else:
        try:
            _print(options.store, store, contents)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise StoreError(store.location, "a summary in its attributes has another form", hint=NOT_FACTORNET) from e
    if contents.unlisted:
        raise contents.unlisted
    faults = [str(e) for e in contents.damaged.values()]
    if faults:
        faults.append(f"`factornet-etl verify {shell_word(options.store)}` prints the remedy")
    faults += [
        f"{store.location}/cells/{cell}: {LISTED_WITHOUT_FOLDER}; {lost_cell_line_remedy(store.storage, cell)}"
        for cell in contents.missing
    ]
    if faults:
        raise FactorNetError("; ".join(faults))
    return 0


@dataclass(frozen=True)
class _CellLines:
    """The cell lines of a store.

    Attributes:
        cells: the intact ones; None where the server lists none.
        damaged: name -> error of the damaged ones.
        missing: those that only the list of cell lines names.
        unlisted: why the cell lines are not known, where `cells` is None.
    """

    cells: list[CellInfo] | None = field(default_factory=list)
    damaged: dict[str, FactorNetError] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unlisted: StoreError | None = None


def _read_cell_lines(store: Store) -> _CellLines:
    """Read the attributes of all cell lines.

    Raises:
        RemoteError: the server failed.
    """
    storage = store.storage
    try:
        names = {*store.cells, *(storage.cell_folders() if storage.local else ())}
    except RemoteError:
        raise  # the server failed, the store may be intact
    except StoreError as e:
        return _CellLines(None, unlisted=e)
    with contextlib.suppress(StoreError, OSError):  # a local store is shown in full without an intact list
        names |= {*(storage.listed() or ())}
    cells: list[CellInfo] = []
    found = _CellLines(cells)
    for name in sorted(names):
        try:
            cells.append(store.cell(name))
        except RemoteError:
            raise
        except (StoreError, UsageError) as e:
            if storage.is_gone(name):
                found.missing.append(name)
            else:
                found.damaged[name] = e
    return found


def _print(path: str, store: Store, contents: _CellLines) -> None:
    bases = sum(c.length for c in store.info.chromosomes)
    names = store.coordinates.names
    chroms = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    print_line(f"{path}: {store.info.assembly}, {format_count(len(names), 'chromosome')} ({chroms}), {bases:,} bases")
    print_line(f"built by factornet {store.info.provenance.get('factornet')} from:")
    for item in store.info.provenance.get("inputs", []):
        print_line(f"  {item['name']}  {item['size']:,} bytes  sha256 {item['sha256'][:16]}...")
    _print_annotation(store, bases)
    _print_gaps(store.info.summary)
    _print_all_bases("shared", store.info.summary)
    if contents.cells is None:
        print_line("cell lines: not known")
        return
    damaged = f", and damaged: {', '.join(contents.damaged)}" if contents.damaged else ""
    missing = f", and missing: {', '.join(contents.missing)}" if contents.missing else ""
    hint = "" if contents.cells or damaged or missing else " (add some with `factornet-etl build`)"
    print_line(f"{format_count(len(contents.cells), 'cell line')}{damaged}{missing}{hint}")
    for cell in contents.cells:
        print_cell(cell)
    rows = [
        (group.removeprefix("cells/"), signal.track, signal.describe(), format_bytes(signal.bytes))
        for group, stored in _stored(store, contents).items()
        for signal in stored
    ]
    if rows:
        title = f"signal as it is kept, {'raw' if store.is_raw else 'compressed'}"
        print_table(title, ("cell line or genome", "track", "form (chromosomes)", "size"), rows)


def _stored(store: Store, contents: _CellLines) -> dict[str, tuple[StoredSignal, ...]]:
    """Return how the tracks of the genome and of each intact cell line are kept; none of a group without manifest.

    Raises:
        RemoteError: the server failed.
    """
    found = {}
    for group in ("genome", *(f"cells/{cell.name}" for cell in contents.cells or ())):
        try:
            found[group] = stored_signal(store, group)
        except RemoteError:
            raise
        except StoreError:  # `verify` reports the damage
            continue
    return found


def _print_annotation(store: Store, size: int) -> None:
    """Print rules, bases and notes of the annotation, as far as the store records them."""
    record = store.info.summary.get("annotation")
    if not store.has_annotation:
        return
    print_line(f"annotation rules: {rules_of_store(store.info) or 'not known'}")
    if record is None:
        print_line("annotation: built by an earlier version, which recorded no figures")
        return
    rows = [(name, f"{record['bases'][name]:,}", f"{record['bases'][name] / size:.3%}") for name in FEATURES]
    print_table("annotation", ("feature", "bases", "share of the genome"), rows)
    for note in record["notes"]:
        print_line(f"annotation: {note}")


def _print_gaps(summary: Mapping[str, Any]) -> None:
    """Print what is known of the gaps of the assembly."""
    gaps = summary.get("assembly_gaps")
    if gaps is None:
        print_line("runs of N: not recorded; windows of training are drawn from those outside the blacklist, too")
        return
    found = f"runs of N: {gaps['runs']:,} of at least {gaps['min_bases']} bases, {gaps['bases']:,} bases"
    print_line(f"{found}; {'no window of training touches them' if gaps['excluded'] else 'not excluded, too many'}")


def _covered(values: Mapping[str, Any]) -> tuple[str, ...]:
    figures = ("-" if values[k] is None else f"{values[k]:.4g}" for k in ("min", "mean", "max"))
    return (f"{values['covered']:,}", f"{values['gaps']:,}", *figures)


def _print_all_bases(name: str, summary: Mapping[str, Any]) -> None:
    """Print figures of each track over all bases; nothing where there are none."""
    tracks = summary.get("tracks", {}).items()
    rows = [(track, *format_figures(values["all_bases"])) for track, values in tracks if "all_bases" in values]
    if rows:
        print_table(f"{name}: tracks over all bases, gaps as 0", ("track", *FIGURES), rows)


def print_cell(cell: CellInfo, *, notes: bool = True) -> None:
    """Print tables of a cell line: tracks with figures of their values, factors with counts of peaks and bins.

    Args:
        cell: the cell line.
        notes: print what was dropped, clipped or is unusual in its peaks, too.
    """
    tracks: list[Sequence[str]] = []
    for track in cell.tracks:
        values = cell.summary["tracks"].get(track.name)
        covered: Sequence[str] = _covered(values) if values else ("shared, part of the genome", "", "", "", "")
        tracks.append((track.name, track.assay or "-", track.units or "-", *covered))
    titles = ("track", "assay", "units", "covered bases", "gaps", "min", "mean", "max")
    print_table(f"{cell.name}: tracks", titles, tracks)
    _print_all_bases(cell.name, cell.summary)
    for name, figures in cell.summary.get("reads", {}).items() if notes else ():
        for note in signal_notes(figures):
            print_line(f"{cell.name}: track {name}: {note}")
    if cell.factors:
        factors: list[Sequence[str]] = []
        for name, row in cell.summary["factors"].items():
            relaxed = "-" if row["relaxed"] is None else f"{row['relaxed']:,}"
            bins = row["bins"]
            files = row.get("files", {"conservative": row}).values()  # stores built before have no "files"
            dropped = f"{sum(sum(file.get('dropped', {}).values()) for file in files):,}"
            counts = (f"{row['conservative']:,}", relaxed, dropped, f"{bins['bound']:,}", f"{bins['ambiguous']:,}")
            factors.append((name, *counts))
        columns = ("factor", "conservative", "relaxed", "dropped", "bound bins", "ambiguous bins")
        print_table(f"{cell.name}: factors", columns, factors)
        for note in notes_on_factors(cell.summary["factors"]) if notes else ():
            print_line(with_options(f"{cell.name}: {note}"))
    if sources := cell.provenance.get("sources"):
        known = (source.get("experiment") or ", ".join(source.values()) for source in sources.values())
        n, of = len(sources), format_count(len(cell.provenance.get("inputs", [])), "input file")
        print_line(f"{cell.name}: {n} of {of} from {abbreviate(sorted({*known}))}")
    if cell.meta:
        print_line(f"{cell.name}: meta values {', '.join(cell.meta)}")
