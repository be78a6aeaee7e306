"""``factornet-etl``, one module a sub-command.

May import `cli.common` and what lies below it.
"""

from .parser import main, make_parser

__all__ = ["main", "make_parser"]
