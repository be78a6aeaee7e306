"""What `factornet-etl verify` says to do about a fault: commands that work as printed."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ...store.errors import StoreError
from ...store.format.cell_index import CELL_INDEX
from ...store.location import StoreLocation
from .findings import Kind

LOST = "is in the list of cell lines, and there is no such folder"
"""What is wrong with a cell line that only the list has."""


def problem_at(location: str, name: str, problem: str | Exception) -> str:
    """The problem of an error about object `name` of the group at `location`; where it is about another, that is named."""
    if not isinstance(problem, StoreError):
        return str(problem)
    if problem.location in (location, f"{location}/{name}"):
        return problem.problem
    return f"{problem.location.removeprefix(f'{location}/')}: {problem.problem}"


def object_remedy(home: StoreLocation, group: str, name: str, kind: Kind, *, raw: bool) -> str:
    """What to do about an object of a group: ``genome`` or ``cells/<cell>``."""
    cell, store = "" if group == "genome" else group.removeprefix("cells/"), quote(home.location)
    copy = copy_remedy(home, cell)
    if not home.local:
        return copy
    if kind in ("added", "link"):
        lies = f"{home.location}/{group}/{name}".rstrip("/")
        remove = f"rm {'-r ' if Path(lies).is_dir() else ''}{quote(lies)}"
        return remove if kind == "added" else f"{remove} and put the file itself there, or {copy}"
    if raw:
        return f"{copy} (SOURCE being raw), or unpack again: rm -r {store}; factornet-etl unpack STORE {store}"
    if not cell:
        return f"{copy}, or remove the store, and make it and its cell lines anew: factornet-etl genome, build"
    # What it was built of, and what it must be again, is said by its attributes: are these as they were built?
    if name == "zarr.json" or kind == "schema":
        away = f"factornet-etl rm {store} {quote(cell)}"
        return f"factornet-etl build {store} {quote(f'PATH/TO/{cell}')} --force, or {copy}, or {away}"
    return f"factornet-etl build {store} {quote(f'PATH/TO/{cell}')} --repair, or {copy}"


def copy_remedy(home: StoreLocation, cell: str) -> str:
    """The command that mends a copy from a sound one; of the genome where `cell` is empty."""
    what = f"--force --cells {quote(cell) if cell else ''}".rstrip()
    if _is_web(home):
        return f"put {cell or 'the genome'} there anew, from the store it was uploaded from"
    if not home.local:
        return f"put it there anew: factornet-etl export STORE {quote(home.location)} {what}"
    return f"factornet-etl import SOURCE {quote(home.location)} {what}"


def root_remedy(home: StoreLocation) -> str:
    """What mends the attributes of a store, and its genome with them. Whole cell lines say which genome it was."""
    if home.local and not home.cell_folders():
        return f"rm -r {quote(home.location)}; factornet-etl import SOURCE {quote(home.location)}"
    return copy_remedy(home, "")


def lost_remedy(home: StoreLocation, cell: str) -> str:
    """What to do about a cell line that is in the list of cell lines, and gone."""
    store, name = quote(home.location), quote(cell)
    if home.local:
        bring = f"factornet-etl build {store} {quote(f'PATH/TO/{cell}')}, or factornet-etl import SOURCE {store}"
        return f"{bring} --cells {name}; or take it off the list: factornet-etl rm {store} {name}"
    off = "" if _is_web(home) else f"; or take it off the list: factornet-etl export STORE {store} --force --cells"
    return f"{copy_remedy(home, cell)}{off}"


def cell_index_remedy(home: StoreLocation) -> str:
    """What to do about the list of cell lines."""
    if home.local:
        return f"rm {quote(f'{home.location}/{CELL_INDEX}')} (the next export or import to this place makes it anew)"
    if _is_web(home):
        return f"put {CELL_INDEX} there anew, from the store it was uploaded from"
    return copy_remedy(home, "")


def _is_web(home: StoreLocation) -> bool:
    return home.location.startswith(("http://", "https://"))
