"""``factornet-etl``: one module per sub-command (`transfer` has export, import and merge).

May import `cli.common` and what lies below it.
"""

from .parser import main, make_parser

__all__ = ["main", "make_parser"]
