"""``factornet-etl fetch``: download the public inputs of a store."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...etl.download.fetch import DownloadedFile, download_files
from ...etl.download.registry import default_registry, read_registry, select_downloads
from ...store.storage.retry import RetryPolicy
from ...store.text import format_bytes
from ..common.arguments import HelpFormatter, add_common_options
from ..common.output import print_json, print_line
from ..common.progress import progress_line
from ..common.runner import report_interrupt


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fetch",
        help="download public inputs: genome sequence, annotation, CpG islands, blacklist, uniqueness",
        description="Download public inputs into a folder, each from the first of several servers that has it, and "
        "compare them with their published digests. The same command resumes an interrupted download; files that "
        "already exist are compared and kept.",
        epilog="examples:\n  factornet-etl fetch data/hg19\n  factornet-etl fetch data/hg38 --assembly hg38\n"
        "  factornet-etl fetch data --only hg19.fa.gz gencode.v19.annotation.gtf.gz",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder for the files; created if needed")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="files to download (see --list); default: all of the assembly",
    )
    parser.add_argument("--assembly", default="hg19", help="genome assembly")
    parser.add_argument("--list", action="store_true", help="list all files with their URLs, and exit")
    parser.add_argument(
        "--registry", type=Path, metavar="FILE", help="another list of files, in the format of resources/registry.json"
    )
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    registry = read_registry(options.registry or default_registry())
    if options.list:
        for d in registry:
            print_line(f"{d.assembly}  {d.name}  {d.what}")
            for url in d.urls:
                print_line(f"      {url}")
        return 0
    downloads = select_downloads(registry, options.only, options.assembly)
    on_interrupt = report_interrupt("run the same command again to resume")
    with on_interrupt, progress_line("fetch", 0, unit="MB") as line:
        done: dict[str, int] = {}
        shown = 0

        def on_bytes(name: str, size: int, total: int) -> None:
            nonlocal shown
            done[name] = size
            now = sum(done.values()) // 1_000_000
            line.total = max(line.total, (sum(done.values()) - size + total) // 1_000_000)
            line.advance(now - shown, name)
            shown = now

        found = download_files(
            downloads, options.folder, retry_policy=RetryPolicy.from_environment(), on_bytes=on_bytes
        )
    _print(found, options)
    return 0


def _print(found: Sequence[DownloadedFile], options: argparse.Namespace) -> None:
    if options.json:
        rows = [
            {"name": f.download.name, "path": str(f.path), "new": f.new, "compared_with": f.compared_with}
            for f in found
        ]
        print_json(rows)
        return
    for f in found:
        state = "downloaded" if f.new else "already exists"
        print_line(f"{f.path}: {state}, {format_bytes(f.path.stat().st_size)}, compared with {f.compared_with}")
    arguments = " ".join(
        f"{f.download.option}{f.path}" if f.download.option.endswith("=") else f"{f.download.option} {f.path}"
        for f in found
    )
    assembly = found[0].download.assembly
    print_line(f"next: factornet-etl genome {assembly}.zarr {arguments}")
