"""``factornet-etl unpack``: decompress a store into a raw one."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

from ...etl.builders.unpack import unpack_store
from ...etl.shards.executor import Resources
from ...store.machine import cpu_count, peak_memory
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, add_common_options, cell_name, parse_size, positive_int
from ..common.output import print_json, print_line
from ..common.progress import Throughput, progress_line


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "unpack",
        help="decompress a store into a raw one, for memory maps on a local disk",
        description="Decompress a store into a raw one: one uncompressed file per array, which training reads through "
        "memory maps in exact random order. It takes 2 bytes per base for the genome, and per track 1 of at most 255 "
        "distinct values, 2 of at most 65,535, and 4 of more. It is worth it if the disk is local and the arrays in "
        "use fit in memory.",
        epilog="example:\n  factornet-etl unpack hg19.zarr scratch/hg19.raw.zarr --cells K562 HepG2",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", type=Path, help="a compressed store")
    parser.add_argument("destination", type=Path, metavar="DEST", help="the raw store to create; must not exist yet")
    parser.add_argument(
        "--cells", type=cell_name, nargs="+", metavar="CELL", help="cell lines to include (default: all)"
    )
    parser.add_argument(
        "-p", "--processes", type=positive_int, default=cpu_count(), metavar="N", help="worker processes"
    )
    parser.add_argument(
        "--max-memory", type=parse_size, metavar="SIZE", help="memory of all workers together, such as 4GB"
    )
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    begin = perf_counter()
    with progress_line("unpack", 0, unit="arrays") as line:
        shown = Throughput(line)
        report = unpack_store(
            options.store,
            options.destination,
            Resources(options.processes, options.max_memory),
            cells=options.cells,
            on_report=lambda report: shown.add(report.bytes),
            on_plan=lambda tasks: shown.plan(len(tasks)),
        )
    seconds, size = perf_counter() - begin, sum(r.bytes for r in report.reports)
    memory = {"worker": report.peak_rss, "main": peak_memory()}
    if options.json:
        content = {"built": report.what, "arrays": len(report.reports), "bytes": size, "seconds": seconds}
        print_json({**content, "store": str(options.destination), "peak_rss": memory})
        return 0
    print_line(
        f"{report.what}: {format_count(len(report.reports), 'array')}, {format_bytes(size)} in {seconds:.1f} s; "
        f"peak memory {format_bytes(memory['worker'])} per worker, {format_bytes(memory['main'])} the main process"
    )
    return 0
