"""``factornet-etl demo``: write a small simulated experiment."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ....etl.demo.write_files import write_demo
from ...common.arguments import HelpFormatter, add_common_options, seed_number
from ...common.output import print_json, print_line


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="write a small simulated experiment as source files",
        description="Write a small simulated experiment as source files: genome, annotation, three cell lines. "
        "Implanted motifs are bound only in open chromatin, which differs between the cell lines.",
        epilog="example:\n  factornet-etl demo demo/files",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="folder to create; must be new or empty")
    parser.add_argument("-s", "--seed", type=seed_number, default=420, help="random seed of the simulation")
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    summary = write_demo(options.directory, seed=options.seed)
    if options.json:
        print_json({**asdict(summary), "directory": str(summary.directory)})
        return 0
    print_line(f"{summary.directory}: {sum(summary.chromosomes.values()):,} bases on {', '.join(summary.chromosomes)}")
    for cell, factors in summary.peaks.items():
        print_line(f"  {cell}: " + ", ".join(f"{name} {count} peaks" for name, count in factors.items()))
    return 0
