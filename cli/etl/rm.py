"""``factornet-etl rm``: remove cell lines from a store."""

from __future__ import annotations

import argparse
from typing import Any

from ...etl.publish.remove import remove_cells
from ..common.arguments import HelpFormatter, add_common_options, cell_name
from ..common.output import print_json, print_line


def add_parser(commands: Any) -> None:
    """Add the sub-command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "rm",
        help="remove cell lines from a store",
        description="Remove cell lines from a store that is a folder. Processes that are reading one can finish.",
        epilog="example:\n  factornet-etl rm hg19.zarr HepG2",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("store", help="a store that is a folder")
    parser.add_argument("cells", type=cell_name, nargs="+", metavar="CELL", help="cell lines to remove; may be damaged")
    add_common_options(parser)
    parser.set_defaults(handler=_run)


def _run(options: argparse.Namespace) -> int:
    remove_cells(options.store, options.cells)
    if options.json:
        print_json({"store": options.store, "removed": options.cells})
    else:
        print_line(f"{options.store}: removed {', '.join(dict.fromkeys(options.cells))}")
    return 0
