"""Remedies of faults: shell commands that work as printed."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ...store.errors import StoreError
from ...store.format.cell_index import CELL_INDEX
from ...store.location import StoreLocation
from ...store.text import shell_word
from .findings import FaultKind

LISTED_WITHOUT_FOLDER = "is in the list of cell lines, but has no folder"
"""Problem of a cell line that only the list of cell lines names."""


def problem_at(location: str, name: str, problem: str | Exception) -> str:
    """Return the problem of an error about object `name` of the group at `location`.

    Where the error is about another object, its path in the group comes first.
    """
    if not isinstance(problem, StoreError):
        return str(problem)
    if problem.location in (location, f"{location}/{name}"):
        return problem.problem
    return f"{problem.location.removeprefix(f'{location}/')}: {problem.problem}"


def object_remedy(store: StoreLocation, group: str, name: str, kind: FaultKind, *, raw: bool) -> str:
    """Return the remedy for an object of a group (``genome`` or ``cells/<cell>``)."""
    cell, path = "" if group == "genome" else group.removeprefix("cells/"), shell_word(store.location)
    copy = copy_remedy(store, cell)
    if not store.local:
        return copy
    if kind in ("added", "link"):
        entry = f"{store.location}/{group}/{name}".rstrip("/")
        remove = f"rm {'-r ' if Path(entry).is_dir() else ''}{shell_word(entry)}"
        return remove if kind == "added" else f"{remove} and put the file itself there, or {copy}"
    if raw:
        return f"{copy} (SOURCE must be raw), or unpack again: rm -r {path}; factornet-etl unpack STORE {path}"
    if not cell:
        return f"{copy}, or remove the store and rebuild it with its cell lines: factornet-etl genome, build"
    # Only intact attributes record the inputs and digests that --repair needs.
    if name == "zarr.json" or kind == "schema":
        remove = f"factornet-etl rm {path} {quote(cell)}"
        return f"factornet-etl build {path} {quote(f'PATH/TO/{cell}')} --force, or {copy}, or {remove}"
    return f"factornet-etl build {path} {quote(f'PATH/TO/{cell}')} --repair, or {copy}"


def copy_remedy(store: StoreLocation, cell: str) -> str:
    """Return the command that replaces a cell line, or the genome if `cell` is empty, by an intact copy."""
    options = f"--force --cells {quote(cell)}" if cell else "--force --cells"  # of a factornet-etl command
    if _is_web(store):
        return f"upload {cell or 'the genome'} again, from the store it was uploaded from"
    if not store.local:
        return f"export it again: factornet-etl export STORE {shell_word(store.location)} {options}"
    return f"factornet-etl import SOURCE {shell_word(store.location)} {options}"


def root_remedy(store: StoreLocation) -> str:
    """Return the remedy for damaged root attributes.

    An import recognises the genome by its manifest or by the cell lines; a local store without cell lines is removed.
    """
    if store.local and not store.cell_folders():
        return f"rm -r {shell_word(store.location)}; factornet-etl import SOURCE {shell_word(store.location)}"
    return copy_remedy(store, "")


def lost_cell_line_remedy(store: StoreLocation, cell: str) -> str:
    """Return the remedy for a cell line that only the list of cell lines names."""
    path, name = shell_word(store.location), quote(cell)
    if store.local:
        restore = f"factornet-etl build {path} {quote(f'PATH/TO/{cell}')}, or factornet-etl import SOURCE {path}"
        return f"{restore} --cells {name}; or remove it from the list: factornet-etl rm {path} {name}"
    unlist = f"; or remove it from the list: factornet-etl export STORE {path} --force --cells"
    return f"{copy_remedy(store, cell)}{'' if _is_web(store) else unlist}"


def cell_index_remedy(store: StoreLocation) -> str:
    """Return the remedy for a damaged or missing group of all cell lines, or list in it: each command writes it."""
    if store.local:
        path = shell_word(store.location)
        return f"factornet-etl build {path} --repair CELLDIR, or factornet-etl import SOURCE {path} --cells"
    if _is_web(store):
        return f"upload {CELL_INDEX} again, from the store it was uploaded from"
    return copy_remedy(store, "")


def _is_web(store: StoreLocation) -> bool:
    return store.location.startswith(("http://", "https://"))
