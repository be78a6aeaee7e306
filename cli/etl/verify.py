"""``factornet-etl verify``: compare a store with its digests or its source files."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from ...etl.verify.findings import Finding
from ...etl.verify.objects import VerifyReport, verify_store
from ...etl.verify.sources import compare_with_sources
from ...store.machine import cpu_count
from ...store.reader import open_store
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, add_common_options, cell_name, positive_int
from ..common.findings import print_findings
from ..common.output import print_json, print_line
from ..common.progress import Throughput, progress_line
from ..common.store_options import STORE_HELP, temporary_cache


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="compare every object of a store with its digests, or its values with the source files",
        description="Compare every object of a store, compressed or raw, with the digests recorded when it was built. "
        "Each object that is missing, damaged or added is listed with a remedy. The exit status is 0 if the store is "
        "intact and 1 otherwise.",
        epilog="examples:\n  factornet-etl verify hg19.zarr\n"
        "  factornet-etl verify hg19.zarr --cells K562 --against-sources data/K562 hg19.fa.gz",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help=STORE_HELP)
    parser.add_argument(
        "--cells", type=cell_name, nargs="+", metavar="CELL", help="verify only these cell lines, and the genome"
    )
    parser.add_argument("--quick", action="store_true", help="compare sizes instead of digests")
    parser.add_argument(
        "--against-sources",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="also compare all values with these source files: cell-line folders, FASTA, bigWigs of shared tracks",
    )
    parser.add_argument(
        "-p", "--processes", type=positive_int, default=cpu_count(), metavar="N", help="reading threads"
    )
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    begin = perf_counter()
    with temporary_cache() as cache, progress_line("verify", 0, unit="objects") as line:
        shown = Throughput(line)
        report = verify_store(
            options.store,
            cells=options.cells,
            quick=options.quick,
            threads=options.processes,
            cache=cache,
            on_plan=shown.plan,
            on_object=shown.add,
        )
    findings = [*report.findings]
    compared = 0
    if options.against_sources and not any(f.path == "zarr.json" for f in findings):
        with progress_line("compare", 0, unit="blocks") as line:

            def on_block(rows: int) -> None:
                nonlocal compared
                compared += rows
                line.total += 1
                line.advance(1, f"{compared / 1e6:.0f} million positions")

            findings += compare_with_sources(open_store(options.store), options.against_sources, on_block=on_block)
    _print(options, report, findings, compared, perf_counter() - begin)
    return 1 if findings else 0


def _print(
    options: argparse.Namespace, report: VerifyReport, findings: list[Finding], compared: int, seconds: float
) -> None:
    if options.json:
        counts = {"groups": report.groups, "objects": report.objects, "bytes": report.bytes}
        content = {"ok": not findings, **counts, "positions_compared": compared, "seconds": seconds}
        print_json({**content, "findings": [asdict(f) for f in findings]})
        return
    print_findings(findings)
    objects, groups = format_count(report.objects, "object"), format_count(len(report.groups), "group")
    how = "size" if options.quick else "sha256"
    result = format_count(len(findings), "fault") if findings else "no faults"
    print_line(
        f"{options.store}: {objects} in {groups}, {format_bytes(report.bytes)}, compared by {how} in {seconds:.1f} s: "
        f"{result}"
    )
    if compared:
        print_line(f"{format_count(compared, 'position')} compared with the sources")
