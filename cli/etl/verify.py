"""``factornet-etl verify``: is all of a store as it was built?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
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
from ..common.arguments import HelpFormatter, add_common, positive
from ..common.progress import Throughput, progress_line
from ..common.store_options import STORE_HELP, temporary_cache


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="compare every object of a store with its manifests, or its values with the source files",
        description="Compare every object of a store, compressed or raw, with the digests that were taken when it was "
        "built, and name each that is missing, damaged or added, with what repairs it. The exit status is 0 when all "
        "is well, and 1 when something was found.",
        epilog="examples:\n  factornet-etl verify hg19.zarr\n"
        "  factornet-etl verify hg19.zarr --cells K562 --against-sources data/K562 hg19.fa.gz",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help=STORE_HELP)
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="look at these cell lines (and the genome) only")
    parser.add_argument("--quick", action="store_true", help="compare sizes instead of digests")
    parser.add_argument(
        "--against-sources",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="also read these again and compare all values: cell-line folders, FASTA, bigWigs of shared tracks",
    )
    parser.add_argument("-p", "--processes", type=positive, default=cpu_count(), metavar="N", help="readers")
    add_common(parser)
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

            def on_block(positions: int) -> None:
                nonlocal compared
                compared += positions
                line.total += 1
                line.advance(1, f"{compared / 1e6:.0f} million positions")

            findings += compare_with_sources(open_store(options.store), options.against_sources, on_block=on_block)
    _print(options, report, findings, compared, perf_counter() - begin)
    return 1 if findings else 0


def print_findings(findings: Sequence[Finding]) -> None:
    """Each fault, and after those that one command repairs that command."""
    by_cure: dict[str, list[Finding]] = {}
    for finding in findings:
        by_cure.setdefault(finding.hint, []).append(finding)
    for hint, together in by_cure.items():
        for finding in together:
            print(f"{finding.kind}: {finding.path}: {finding.problem}")
        print(f"    repair: {hint}")


def _print(
    options: argparse.Namespace, report: VerifyReport, findings: list[Finding], compared: int, seconds: float
) -> None:
    if options.json:
        counts = {"groups": report.groups, "objects": report.objects, "bytes": report.bytes}
        content = {"ok": not findings, **counts, "positions_compared": compared, "seconds": seconds}
        print(json.dumps({**content, "findings": [asdict(f) for f in findings]}))
        return
    print_findings(findings)
    how = "by size" if options.quick else "by sha256"
    groups = format_count(len(report.groups), "group")
    print(
        f"{options.store}: {format_count(report.objects, 'object')} in {groups}, {format_bytes(report.bytes)}, compared {how} in "
        f"{seconds:.1f} s: " + (format_count(len(findings), "fault") if findings else "all is well")
    )
    if compared:
        print(f"{format_count(compared, 'position')} compared with the sources")
