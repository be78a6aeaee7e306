"""``factornet-etl export``, ``import`` and ``merge``: stores, from one place to another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any

from ..etl.copy import CopyReport, copy_groups
from ..etl.targets import open_target
from ..store.reader import open_store
from ..store.words import counted, megabytes
from .common import HelpFormatter, Throughput, add_common, positive, progress_line
from .places import passing_cache

_PLACES = "A place is a folder, a file that ends in .zip, or object storage (s3://bucket/name)"


def add_parser(commands: Any) -> None:
    """Add the sub-commands."""
    parser = _parser(
        commands,
        "export",
        "copy a store, or cell lines of it, to a folder, a zip file or object storage",
        f"Copy a store to a place where others can get it. {_PLACES}. Every object is compared with its manifest as it "
        "is read and again as it lies there. Cell lines that are there with equal digests are left as they are; what "
        "an interrupted export has put there is used.",
        "examples:\n  factornet-etl export hg19.zarr hg19.zip --cells K562 HepG2\n"
        "  factornet-etl export hg19.zarr s3://bucket/hg19.zarr",
    )
    parser.add_argument("store", help="the store to copy")
    parser.add_argument("destination", metavar="DEST", help="folder, .zip file, or s3://bucket/name")
    _add_cells(parser)
    parser.set_defaults(handler=lambda o: _run(o, [o.store], o.destination))

    parser = _parser(
        commands,
        "import",
        "copy a store, or cell lines of it, from a folder, a zip file or a server",
        f"Copy a store that others made into one of yours, which is made if it is not there. {_PLACES}, or a web "
        "server (https://). It works like export.",
        "examples:\n  factornet-etl import hg19.zip hg19.zarr\n"
        "  factornet-etl import https://example.org/hg19.zarr hg19.zarr --cells K562",
    )
    parser.add_argument("source", metavar="SRC", help="folder, .zip file, s3://, https://")
    parser.add_argument("store", help="the store to make, or to add cell lines to")
    _add_cells(parser)
    parser.set_defaults(handler=lambda o: _run(o, [o.source], o.store))

    parser = _parser(
        commands,
        "merge",
        "add the cell lines of other stores to a store of the same genome",
        "Add the cell lines of other stores to a store of the same genome. Those that are there with equal digests are "
        "left as they are, those of other content are refused.",
        "example:\n  factornet-etl merge hg19.zarr ours.zarr theirs.zip",
    )
    parser.add_argument("store", help="the store to add to")
    parser.add_argument("others", nargs="+", metavar="OTHER", help="stores to add")
    parser.set_defaults(handler=_merge, cells=None)


def _parser(commands: Any, name: str, help_: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=description, epilog=epilog, formatter_class=HelpFormatter
    )
    parser.add_argument("--force", action="store_true", help="replace cell lines of other content")
    parser.add_argument("-p", "--parallel", type=positive, default=8, metavar="N", help="objects at a time")
    add_common(parser)
    return parser


def _add_cells(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="cell lines to take (default: all)")


def _merge(options: argparse.Namespace) -> int:
    open_store(options.store)  # a name with a mistake in it should not make a store
    return _run(options, options.others, options.store)


def _run(options: argparse.Namespace, sources: Sequence[str], destination: str) -> int:
    begin = perf_counter()
    # What is copied from a server is read once: it does not belong into the cache.
    with passing_cache() as cache, progress_line("copy", 0, unit="objects") as line:
        shown = Throughput(line)
        report = copy_groups(
            [open_store(s, cache=cache) for s in sources],
            open_target(destination),
            cells=options.cells,
            force=options.force,
            threads=options.parallel,
            on_plan=shown.plan,
            on_object=shown.add,
        )
    _print(options, report, perf_counter() - begin)
    return 0


def _print(options: argparse.Namespace, report: CopyReport, seconds: float) -> None:
    if options.json:
        print(json.dumps({**asdict(report), "seconds": seconds}))
        return
    kept = f", {report.kept} were there from an interrupted copy" if report.kept else ""
    print(f"{report.place}: {counted(report.objects, 'object')}, {megabytes(report.bytes)} in {seconds:.1f} s{kept}")
    for what, groups in (("copied", report.copied), ("there already, with equal digests", report.skipped)):
        if groups:
            print(f"  {what}: {', '.join(g.removeprefix('cells/') for g in groups)}")
