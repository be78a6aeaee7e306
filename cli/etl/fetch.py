"""``factornet-etl fetch``: get the public inputs of a store."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...etl.download.fetch import Fetched, fetch
from ...etl.download.registry import choose, default_registry, read_registry
from ...store.storage.retry import RetryPolicy
from ...store.text import format_bytes
from ..common.arguments import HelpFormatter, add_common
from ..common.progress import progress_line
from ..common.runner import report_interrupt


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fetch",
        help="get public inputs: genome sequence, annotation, CpG islands, blacklist, uniqueness",
        description="Get public inputs into a folder, from the first of several servers that gives them, compared with "
        "their published digests. A call that was cut short is gone on with by the next; what is there is compared and "
        "left.",
        epilog="examples:\n  factornet-etl fetch data/hg19\n  factornet-etl fetch data/hg38 --assembly hg38\n"
        "  factornet-etl fetch data --only hg19.fa.gz gencode.v19.annotation.gtf.gz",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where to put the files; made if it is not there")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="which (see --list); all of the assembly by default"
    )
    parser.add_argument("--assembly", default="hg19", help="whose inputs to get")
    parser.add_argument("--list", action="store_true", help="print what there is, with its addresses, and end")
    parser.add_argument(
        "--registry", type=Path, metavar="FILE", help="a list of one's own, in the form of resources/registry.json"
    )
    add_common(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    registry = read_registry(options.registry or default_registry())
    if options.list:
        for d in registry:
            print(f"{d.assembly}  {d.name}  {d.what}")
            for url in d.urls:
                print(f"      {url}")
        return 0
    downloads = choose(registry, options.only, options.assembly)
    again = report_interrupt("the same command given again goes on from here")
    with again, progress_line("fetch", 0, unit="MB") as line:
        done: dict[str, int] = {}
        shown = 0

        def on_bytes(name: str, here: int, total: int) -> None:
            nonlocal shown
            done[name] = here
            now = sum(done.values()) // 1_000_000
            line.total = max(line.total, (sum(done.values()) - here + total) // 1_000_000)
            line.advance(now - shown, name)
            shown = now

        found = fetch(downloads, options.folder, retry_policy=RetryPolicy.from_environment(), on_bytes=on_bytes)
    _print(found, options)
    return 0


def _print(found: Sequence[Fetched], options: argparse.Namespace) -> None:
    if options.json:
        rows = [
            {"name": f.download.name, "path": str(f.path), "new": f.new, "compared_with": f.compared_with}
            for f in found
        ]
        print(json.dumps(rows))
        return
    for f in found:
        state = "fetched" if f.new else "there already"
        print(f"{f.path}: {state}, {format_bytes(f.path.stat().st_size)}, compared with {f.compared_with}")
    takes = " ".join(
        f"{f.download.option}{f.path}" if f.download.option.endswith("=") else f"{f.download.option} {f.path}"
        for f in found
    )
    assembly = found[0].download.assembly
    print(f"next: factornet-etl genome {assembly}.zarr {takes}")
