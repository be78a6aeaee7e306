"""``factornet-etl export``, ``import`` and ``merge``: copy groups between stores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any

from ....etl.sharing.catalogue import read_catalogue
from ....etl.sharing.entry import Statements
from ....etl.sharing.fetch import check_listed, listed_cells, listed_store
from ....etl.sharing.keep import CatalogueUpdate
from ....etl.sharing.keeper import catalogue_keeper
from ....etl.transfer.choose_destination import open_destination
from ....etl.transfer.copier import CopyReport, copy_groups
from ....store.errors import UsageError
from ....store.reader import Store, open_store
from ....store.text import format_bytes, format_count, printable, shell_word
from ...common.arguments import HelpFormatter, add_common_options, cell_name, positive_int
from ...common.output import print_json, print_line, print_warning
from ...common.progress import Throughput, progress_line
from ...common.runner import report_interrupt
from ...common.store_options import temporary_cache
from .statements import add_statement_options, statements_from_args

_EXISTING = (
    "Cell lines that already exist with equal digests are skipped; cell lines of other content are an error. An "
    "existing genome or cell line that lacks objects, or has objects of other sizes, is replaced; with --force all "
    "objects are compared by digest. The same command resumes an interrupted copy."
)


def add_parser(commands: Any) -> None:
    """Add the sub-commands."""
    parser = _parser(
        commands,
        "export",
        "copy a store, or cell lines of it, to a folder, a zip file or object storage",
        "Copy a store, or some of its cell lines, to a folder, a zip file (a name that ends in .zip) or object "
        f"storage. Every object is compared with its manifest when it is read and when it is written. {_EXISTING} A "
        "card of the store, DEST.md, and its entry in the catalogue of the folder, catalogue.json, are written beside "
        "it.",
        "examples:\n  factornet-etl export hg19.zarr hg19.zip --cells K562 HepG2\n"
        '  factornet-etl export hg19.zarr /var/www/hg19.zarr --licence "CC BY 4.0" --contact ada@example.org\n'
        "  factornet-etl export hg19.zarr s3://bucket/hg19.zarr",
    )
    parser.add_argument("store", help="the store to copy")
    parser.add_argument("destination", metavar="DEST", help="folder, .zip file, or s3://bucket/name")
    parser.add_argument(
        "--no-catalogue",
        action="store_true",
        help="write neither the card of the store nor the catalogue of its folder",
    )
    add_statement_options(parser)
    parser.set_defaults(handler=_export)

    parser = _parser(
        commands,
        "import",
        "copy a store, or cell lines of it, from a folder, a zip file or a server",
        "Copy a store, or some of its cell lines, from a folder, a zip file, object storage or a web server into "
        "another store, which is created if it does not exist. Every object is compared with its manifest when it "
        f"arrives. {_EXISTING}",
        "examples:\n  factornet-etl import hg19.zip hg19.zarr\n"
        "  factornet-etl import https://example.org/hg19.zarr hg19.zarr --cells K562\n"
        "  factornet-etl import hg19 hg19.zarr --from https://example.org    # by its name in a catalogue\n"
        "  factornet-etl import hg19.zip hg19.zarr --force    # repair a store that `verify` finds damaged",
    )
    parser.add_argument("source", metavar="SRC", help="folder, .zip file, s3://, https://; or a name, with --from")
    parser.add_argument("store", help="the store to create, to add cell lines to, or to repair")
    parser.add_argument(
        "--from",
        dest="where",
        metavar="WHERE",
        help="folder or server whose catalogue lists SRC (see factornet-etl list)",
    )
    parser.set_defaults(handler=lambda o: _run(o, [o.source], o.store) if o.where is None else _import_listed(o))

    parser = _parser(
        commands,
        "merge",
        "add the cell lines of other stores to a store of the same genome",
        f"Add the cell lines of other stores to a store of the same genome. {_EXISTING}",
        "example:\n  factornet-etl merge hg19.zarr ours.zarr theirs.zip",
    )
    parser.add_argument("store", help="the store to add to")
    parser.add_argument("others", nargs="+", metavar="OTHER", help="stores to add")
    parser.set_defaults(handler=lambda o: _run(o, o.others, o.store, create=False))


def _parser(commands: Any, name: str, help_: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=description, epilog=epilog, formatter_class=HelpFormatter
    )
    parser.add_argument(
        "--cells",
        type=cell_name,
        nargs="*",
        metavar="CELL",
        help="cell lines to copy (default: all; without a name: only the genome)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace cell lines of other content, and compare existing objects by digest",
    )
    parser.add_argument("-p", "--parallel", type=positive_int, default=8, metavar="N", help="objects copied at a time")
    add_common_options(parser)
    return parser


def _export(options: argparse.Namespace) -> int:
    """Copy a store, then write its card and its entry in the catalogue."""
    statements = statements_from_args(options)
    keeper = None if options.no_catalogue else catalogue_keeper(options.destination)
    if keeper is None and statements != Statements():
        raise UsageError(
            "--no-catalogue: --licence, --citation and --contact are written to the card and the catalogue"
        )
    return _run(options, [options.store], options.destination, keep=keeper and partial(keeper, statements))


def _import_listed(options: argparse.Namespace) -> int:
    """Copy a store that a catalogue lists."""
    catalogue = read_catalogue(options.where)
    entry = catalogue.find(options.source)
    cells = listed_cells(entry, options.cells)
    with ExitStack() as stack:
        with (
            report_interrupt("run the same command again to resume"),
            progress_line("download", 0, unit="bytes") as line,
        ):
            line.total = entry.size
            path = stack.enter_context(listed_store(catalogue, entry, options.store, on_bytes=line.advance))
        status = _run(options, [path], options.store, cells=cells, check=lambda s: check_listed(s, entry, cells))
    stated = "; ".join(f"{name}: {printable(text)}" for name, text in vars(entry.statements).items() if text)
    if stated:
        note = "the store does not hold this: state it again where you export it"
        print_line(f"{printable(entry.name)}: {stated} ({note})", file=sys.stderr)
    return status


def _run(
    options: argparse.Namespace,
    others: Sequence[str],
    path: str,
    *,
    create: bool = True,
    cells: Sequence[str] | None = None,
    check: Callable[[Store], None] = lambda store: None,
    keep: Callable[[], CatalogueUpdate] | None = None,
) -> int:
    """Copy the stores `others` to `path`, where a store must exist unless `create` is set.

    Args:
        options: of the command.
        others: paths or URLs of the stores.
        path: of the destination.
        create: whether it may be created.
        cells: cell lines to be copied; None for those of the options.
        check: checks the first store before the copy.
        keep: writes card and catalogue after the copy.
    """
    begin = perf_counter()
    # What is copied from a server is read once, so it is not kept in the user's cache.
    with temporary_cache() as cache, progress_line("copy", 0, unit="objects") as line:
        shown = Throughput(line)
        sources, destination = [open_store(s, cache=cache) for s in others], open_destination(path)
        if not create and destination.find_existing(sources[0].info) is None:
            raise UsageError(
                f"{path}: no such store to add to; correct the name, or create it from the first store: "
                f"factornet-etl import {shell_word(others[0])} {shell_word(path)}"
            )
        check(sources[0])
        with report_interrupt("run the same command again to resume"):
            report = copy_groups(
                sources,
                destination,
                cells=options.cells if cells is None else cells,
                force=options.force,
                threads=options.parallel,
                on_plan=shown.plan,
                on_object=shown.add,
            )
            update = keep() if keep else None
    _print(options, report, perf_counter() - begin, update)
    return 0


def _print(options: argparse.Namespace, report: CopyReport, seconds: float, update: CatalogueUpdate | None) -> None:
    for note in update.all_notes if update else ():
        print_warning(note)
    if options.json:
        listed = {"catalogue": update.path, "card": update.entries[0].card} if update else {}
        print_json({**asdict(report), "seconds": seconds, **listed})
        return
    objects, size = format_count(report.objects, "object"), format_bytes(report.bytes)
    kept = f"; {report.kept} already existed" if report.kept else ""
    print_line(f"{report.location}: {objects}, {size} in {seconds:.1f} s{kept}")
    compared = "by sha256 of every object" if options.force else "by manifest, names and sizes"
    for action, groups in (
        ("copied", report.copied),
        ("replaced, because damaged", report.repaired),
        (f"already exists, equal {compared}", report.skipped),
    ):
        if groups:
            print_line(f"  {action}: {', '.join(g.removeprefix('cells/') for g in groups)}")
    if update:
        (entry,) = update.entries
        print_line(f"{update.path}: lists {entry.name}; its card is {entry.card or 'not written'}")
