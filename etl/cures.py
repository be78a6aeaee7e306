"""What `factornet-etl verify` says to do about a fault: commands that work as printed."""

from __future__ import annotations

from typing import Literal

from ..store.errors import StoreError
from ..store.homes import Home
from ..store.reader import read_attributes

Kind = Literal["missing", "damaged", "added", "link", "manifest", "attributes", "schema", "differs"]


def object_cure(home: Home, group: str, name: str, kind: Kind, *, raw: bool) -> str:
    """What to do about an object of a group: ``genome`` or ``cells/<cell>``."""
    cell, at = "" if group == "genome" else group.removeprefix("cells/"), f"{home.place}/{group}"
    copy = copy_cure(home, cell)
    if not home.local:
        return copy
    if kind == "added":
        return f"rm {at}/{name}"
    if kind == "link":
        return f"put the file itself in its place, or {copy}"
    if raw:
        return (
            f"{copy} (SOURCE being raw), or unpack again: rm -r {home.place}; factornet-etl unpack STORE {home.place}"
        )
    if not cell:
        return f"{copy}, or make the store anew: factornet-etl genome"
    # What it was built of, and what it must be again, is said by its attributes: are these as they were built?
    how = "--force" if name == "zarr.json" or kind == "schema" else "--repair"
    return f"factornet-etl build {home.place} PATH/TO/{cell} {how}, or {copy}"


def copy_cure(home: Home, cell: str) -> str:
    """The command that mends a copy from a sound one; of the genome where `cell` is empty."""
    what = f"--force --cells {cell}".rstrip()
    if home.place.startswith(("http://", "https://")):
        return f"put {cell or 'the genome'} there anew, from the store it was uploaded from"
    if not home.local:
        return f"put it there anew: factornet-etl export STORE {home.place} {what}"
    return f"factornet-etl import SOURCE {home.place} {what}"


def name_cure(home: Home, folder: str, name: str) -> str:
    """What to do about a folder of a local store that holds the cell line `name`, and is named otherwise."""
    at, right = f"{home.place}/{folder}", f"{home.place}/cells/{name}"
    if not home.has(name):
        return f"mv {at} {right}"
    try:
        there = read_attributes(home.folder(f"cells/{name}"))[1].get("name")
    except (StoreError, OSError):
        there = None
    return f"rm -r {at}" if there == name else f"mv {at} {right} once what lies there has its own name back"
