"""``factornet-etl unpack``: a raw store from a compressed one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

from ...etl.builders.unpack import unpack_store
from ...etl.shards.executor import Resources
from ...store.machine import cpu_count, peak_memory
from ...store.text import format_bytes, format_count
from ..common.arguments import HelpFormatter, add_common, parse_size, positive
from ..common.progress import Throughput, progress_line


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "unpack",
        help="make a raw store of a compressed one, to be memory-mapped from local disk",
        description="Make a raw store of a compressed one: the same arrays uncompressed, one file each, which training "
        "reads through memory maps in exact random order. It takes 2 bytes a base for the genome and 4 more a track, "
        "and is worth it where the disk is local and what is used of it fits in memory.",
        epilog="example:\n  factornet-etl unpack hg19.zarr scratch/hg19.raw.zarr --cells K562 HepG2",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", type=Path, help="a compressed store")
    parser.add_argument("destination", type=Path, metavar="DEST", help="the raw store to make; must not be there yet")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="cell lines to take (default: all)")
    parser.add_argument("-p", "--processes", type=positive, default=cpu_count(), metavar="N", help="workers")
    parser.add_argument("--max-memory", type=parse_size, metavar="SIZE", help="memory of all workers together, as 4GB")
    add_common(parser)
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
    seconds, size = perf_counter() - begin, sum(one.bytes for one in report.reports)
    memory = {"worker": report.peak_rss, "main": peak_memory()}
    if options.json:
        content = {"built": report.what, "arrays": len(report.reports), "bytes": size, "seconds": seconds}
        print(json.dumps({**content, "store": str(options.destination), "peak_rss": memory}))
        return 0
    print(
        f"{report.what}: {format_count(len(report.reports), 'array')}, {format_bytes(size)} in {seconds:.1f} s; "
        f"peak memory {format_bytes(memory['worker'])} a worker, {format_bytes(memory['main'])} the main process"
    )
    return 0
