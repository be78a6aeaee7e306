"""``factornet-etl export``, ``import`` and ``merge``: stores, from one place to another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any

from ...etl.transfer.copy_groups import CopyReport, copy_groups
from ...etl.transfer.open_destination import open_destination
from ...store.errors import UsageError
from ...store.reader import open_store
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, add_common, positive
from ..common.progress import Throughput, progress_line
from ..common.runner import report_interrupt
from ..common.store_options import temporary_cache

_PLACES = "A place is a folder, a file that ends in .zip, or object storage (s3://bucket/name)"

_THERE = (
    "Cell lines that are there with equal digests are left as they are, those of other content are refused. What is "
    "there and lacks objects, or has them in other sizes, is replaced; with --force all objects are compared by "
    "digest. What an interrupted copy has put there is used."
)


def add_parser(commands: Any) -> None:
    """Add the sub-commands."""
    parser = _parser(
        commands,
        "export",
        "copy a store, or cell lines of it, to a folder, a zip file or object storage",
        f"Copy a store to a place where others can get it. {_PLACES}. Every object is compared with its manifest as it "
        f"is read and again as it lies there. {_THERE}",
        "examples:\n  factornet-etl export hg19.zarr hg19.zip --cells K562 HepG2\n"
        "  factornet-etl export hg19.zarr s3://bucket/hg19.zarr",
    )
    parser.add_argument("store", help="the store to copy")
    parser.add_argument("destination", metavar="DEST", help="folder, .zip file, or s3://bucket/name")
    parser.set_defaults(handler=lambda o: _run(o, [o.store], o.destination))

    parser = _parser(
        commands,
        "import",
        "copy a store, or cell lines of it, from a folder, a zip file or a server",
        f"Copy a store that others made into one of yours, which is made if it is not there. {_PLACES}, or a web "
        f"server (https://). Every object is compared with its manifest as it arrives. {_THERE}",
        "examples:\n  factornet-etl import hg19.zip hg19.zarr\n"
        "  factornet-etl import https://example.org/hg19.zarr hg19.zarr --cells K562\n"
        "  factornet-etl import hg19.zip hg19.zarr --force    # mend a store that `verify` finds damaged",
    )
    parser.add_argument("source", metavar="SRC", help="folder, .zip file, s3://, https://")
    parser.add_argument("store", help="the store to make, to add cell lines to, or to mend")
    parser.set_defaults(handler=lambda o: _run(o, [o.source], o.store))

    parser = _parser(
        commands,
        "merge",
        "add the cell lines of other stores to a store of the same genome",
        f"Add the cell lines of other stores to a store of the same genome. {_THERE}",
        "example:\n  factornet-etl merge hg19.zarr ours.zarr theirs.zip",
    )
    parser.add_argument("store", help="the store to add to")
    parser.add_argument("others", nargs="+", metavar="OTHER", help="stores to add")
    parser.set_defaults(handler=lambda o: _run(o, o.others, o.store, new=False))


def _parser(commands: Any, name: str, help_: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=description, epilog=epilog, formatter_class=HelpFormatter
    )
    parser.add_argument(
        "--cells", nargs="*", metavar="CELL", help="cell lines to take (default: all; without a name, only the genome)"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace cell lines of other content; and read what is there, to replace what is damaged in it",
    )
    parser.add_argument("-p", "--parallel", type=positive, default=8, metavar="N", help="objects at a time")
    add_common(parser)
    return parser


def _run(options: argparse.Namespace, others: Sequence[str], destination: str, *, new: bool = True) -> int:
    """Copy `others` to a destination, which must be there already unless it may be `new`."""
    begin = perf_counter()
    # What is copied from a server is read once: it does not belong into the cache.
    with temporary_cache() as cache, progress_line("copy", 0, unit="objects") as line:
        shown = Throughput(line)
        sources, target = [open_store(s, cache=cache) for s in others], open_destination(destination)
        if not new and target.there(sources[0].info) is None:
            raise UsageError(
                f"{destination}: no such store to add to; correct the name, or make one of the first: "
                f"factornet-etl import {others[0]} {destination}"
            )
        with report_interrupt("the same command given again goes on from here"):
            report = copy_groups(
                sources,
                target,
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
    kept = f"; {report.kept} were there already" if report.kept else ""
    print(
        f"{report.location}: {format_count(report.objects, 'object')}, {format_bytes(report.bytes)} in {seconds:.1f} s{kept}"
    )
    equal = f"there already, equal {'by sha256 of every object' if options.force else 'in manifest, names and sizes'}"
    mended = "replaced, because damaged"
    for what, groups in (("copied", report.copied), (mended, report.mended), (equal, report.skipped)):
        if groups:
            print(f"  {what}: {', '.join(g.removeprefix('cells/') for g in groups)}")
