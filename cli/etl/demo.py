"""``factornet-etl demo``: write a small experiment to try everything on."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...etl.demo.write_files import write_demo
from ..common.arguments import HelpFormatter, add_common


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="write a small made-up experiment as ordinary files",
        description="Write a small made-up experiment as ordinary files: genome, annotation, three cell lines. "
        "Planted motifs are bound only where chromatin is open, differently in each cell line.",
        epilog="example:\n  factornet-etl demo demo/files",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="folder to make; must not hold anything yet")
    parser.add_argument("-s", "--seed", type=int, default=420, help="another seed, another experiment")
    add_common(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    summary = write_demo(options.directory, seed=options.seed)
    if options.json:
        print(json.dumps({**asdict(summary), "directory": str(summary.directory)}))
        return 0
    print(f"{summary.directory}: {sum(summary.chromosomes.values()):,} bases on {', '.join(summary.chromosomes)}")
    for cell, factors in summary.peaks.items():
        print(f"  {cell}: " + ", ".join(f"{name} {count} peaks" for name, count in factors.items()))
    return 0
