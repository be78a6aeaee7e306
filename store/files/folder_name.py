"""Name folders as they were given, links included."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def folder_name(path: str | Path) -> str:
    """Return the last component of a path to a folder; a link has its own name, not that of its target.

    ``data/HepG2`` and ``data/HepG2/`` are HepG2, whether the folder exists or not. ``.`` is the working directory under
    the name by which the shell entered it (``PWD``), and a path that ends in ``..`` has the name of the folder that it
    leads to.
    """
    name = Path(path).name
    if name == "..":
        return Path(path).resolve().name
    return _working_directory().name if str(path) and Path(path) == Path() else name


def _working_directory() -> Path:
    given = os.environ.get("PWD", "")
    with suppress(OSError):
        if Path(given).is_absolute() and Path(given).samefile("."):
            return Path(given)
    return Path.cwd()
