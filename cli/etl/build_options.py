"""Options, progress and summary of ``factornet-etl genome`` and ``build``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from ...etl.builders.report import BuildReport
from ...etl.shards.executor import OnPlan, OnReport, Resources
from ...etl.shards.tasks import ShardTask
from ...store.machine import cpu_count, peak_memory
from ...store.text import format_bytes, format_count
from ..common.arguments import add_common_options, parse_size, positive_int
from ..common.output import print_json, print_line, with_options
from ..common.progress import Throughput, progress_line
from ..common.worker_options import add_worker_options


def add_resource_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the processes and the memory that tasks run in."""
    parser.add_argument(
        "-p", "--processes", type=positive_int, default=cpu_count(), metavar="N", help="worker processes"
    )
    processes = "a local dask.distributed cluster; those that die are replaced"
    add_worker_options(parser, processes=processes, condition="instead of -p: ")
    parser.add_argument(
        "--max-memory", type=parse_size, metavar="SIZE", help="memory of all workers together, such as 4GB"
    )


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a build, and those of every command."""
    add_resource_options(parser)
    parser.add_argument(
        "--chrom-alias",
        nargs="+",
        default=[],
        metavar="OLD=NEW",
        help="a chromosome's name in the files and in the store, such as 20=chr20, or a table of names: two columns, "
        "UCSC's chromAlias.txt, NCBI's assembly report",
    )
    parser.add_argument(
        "--allow-missing-chroms", action="store_true", help="use 0 for chromosomes missing from a bigWig; reported"
    )
    parser.add_argument("--force", action="store_true", help="replace what already exists")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="for s3://: build in a new folder in DIR before uploading; default: next to the cache",
    )
    add_common_options(parser)


def resources_from_args(options: argparse.Namespace) -> Resources:
    """Return the workers and the memory that the options allow."""
    return Resources(
        options.workers or options.processes,
        options.max_memory,
        cluster=options.workers is not None,
        scheduler=options.scheduler,
    )


Result_co = TypeVar("Result_co", covariant=True)


class Build(Protocol[Result_co]):
    """A build whose only missing arguments are the callbacks for its progress."""

    def __call__(self, *, on_report: OnReport, on_plan: OnPlan) -> Result_co:
        """Run the build."""


def build_with_progress(title: str, build: Build[Result_co]) -> tuple[Result_co, float]:
    """Run `build` under a progress bar with throughput; return its report and the seconds it took."""
    begin = perf_counter()
    plan: list[ShardTask] = []
    with progress_line(title, 0, unit="shards") as line:
        throughput = Throughput(line)

        def on_plan(tasks: Sequence[ShardTask]) -> None:
            plan.extend(tasks)
            throughput.plan(len(plan))

        report = build(on_report=lambda report: throughput.add(report.bytes), on_plan=on_plan)
    return report, perf_counter() - begin


def print_report(report: BuildReport, seconds: float, options: argparse.Namespace, summary: dict[str, Any]) -> None:
    """Print the summary of a build, as text or JSON."""
    memory = {"worker": report.peak_rss, "main": peak_memory()}
    if options.json:
        notes = [with_options(note) for note in report.notes]
        content = {"built": report.what, "seconds": seconds, "peak_rss": memory, "notes": notes, **summary}
        print_json(content)
        return
    if report.unchanged:
        print_line(f"{report.what}: {', '.join(report.notes)}")
        return
    size = sum(r.bytes for r in report.reports)
    print_line(
        f"{report.what}: {format_count(len(report.reports), 'shard')}, {format_bytes(size)} in {seconds:.1f} s; "
        f"peak memory {format_bytes(memory['worker'])} per worker, {format_bytes(memory['main'])} in the main process"
    )
    for note in report.notes:
        print_line(with_options(f"  {note}"))
