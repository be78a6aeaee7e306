"""``factornet-predict``: predict the probability of binding for intervals or regions, of one factor or many."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .common.runner import run_command
from .prediction.many_files import predict_many_files
from .prediction.one_file import predict_one_file
from .prediction.options import is_for_folder, make_parser

__all__ = ["main", "make_parser"]


def main(argv: Sequence[str] | None = None, *, prog: str = "factornet-predict") -> int:
    """Run the command and return its exit status."""
    return run_command(make_parser(prog), _run, argv)


def _run(options: argparse.Namespace) -> int:
    return predict_many_files(options) if is_for_folder(options) else predict_one_file(options)


if __name__ == "__main__":
    sys.exit(main())
