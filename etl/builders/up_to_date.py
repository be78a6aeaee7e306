"""What a store records that a cell line was built of, compared with what its folder holds now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import StoreError, UsageError
from ...store.reader import Store
from ...store.schema import CellInfo
from ..inputs.cell_line_folder import CellFolder
from ..inputs.provenance import describe_build, fingerprint_inputs, what_changed
from ..verify.objects import verify_store

_FORCE = "give --force to replace it by a new build"


def is_built(store: Store, sheets: CellFolder, options: Mapping[str, Any]) -> bool:
    """Whether the cell line of a folder is in a store already, from the same inputs and options.

    Args:
        store: to look in, here or on a server.
        sheets: of the folder.
        options: how it would be read, as the provenance has them.

    Raises:
        StoreError: it is there from others (named), or is damaged.
        InputError: an input cannot be read.
    """
    name = sheets.name
    if not store.home.has(name):
        return False
    try:
        info, meta = store.cell(name), store.meta(name)
    except StoreError as e:
        raise StoreError(f"{e}; cell line {name} is there already, and damaged", _FORCE) from e
    changed = changes(info, meta, sheets, describe_build(fingerprint_inputs(sheets.files), options))
    if changed:
        raise StoreError(
            store.location,
            f"cell line {name} is there already, from other inputs or options; changed since it was built: {changed}",
            hint=_FORCE,
        )
    for finding in verify_store(store.path, cells=[name], quick=True).findings:
        raise StoreError(
            f"{store.location}/{finding.path}",
            finding.problem,
            hint=f"cell line {name} is there already, from the same inputs and options, but not all is "
            f"well: {finding.remedy}",
        )
    return True


def recorded_cell_line(store: Store, sheets: CellFolder, provenance: Mapping[str, Any]) -> CellInfo:
    """What the attributes say of a cell line that is to be repaired from a folder.

    Raises:
        StoreError: its attributes are damaged, or it was made of other inputs or with other options (named).
        UsageError: there is no such cell line.
    """
    name = sheets.name
    if not store.home.has(name):
        has = ", ".join(store.cells) or "none"
        raise UsageError(
            f"{store.location}: no cell line {name!r} to repair, there is {has}; build it without --repair"
        )
    try:
        info = store.cell(name)
    except StoreError as e:
        raise StoreError(f"{e}; so it cannot be known what it was built of", _FORCE) from e
    try:
        meta = store.meta(name)
    except (StoreError, UsageError):
        meta = None  # damaged: it is what is to be repaired
    changed = changes(info, meta, sheets, provenance)
    if changed:
        raise StoreError(
            f"{store.location}/cells/{name}",
            f"cannot be repaired from this folder; changed since it was built: {changed}",
            hint=f"put back what it was built of, or {_FORCE}",
        )
    return info


def changes(info: CellInfo, meta: NDArray[np.float32] | None, sheets: CellFolder, provenance: Mapping[str, Any]) -> str:
    """In which inputs, options and rows of its sheets a cell line differs from one built now; nothing where in none.

    Args:
        info: of the cell line in the store.
        meta: its values; None where they cannot be read, and are not compared then.
        sheets: of the folder.
        provenance: of a build now. Versions are not compared.
    """
    before = {
        **{key: info.provenance.get(key) for key in ("inputs", "options")},
        "bigwig.txt": _rows(info.track_names),
        "chip.txt": _rows(_factor(f.name, relaxed=f.relaxed) for f in info.factors),
    }
    now = {
        **{key: provenance[key] for key in ("inputs", "options")},
        "bigwig.txt": _rows(t.name for t in sheets.tracks),
        "chip.txt": _rows(_factor(c.factor, relaxed=c.relaxed is not None) for c in sheets.chip),
    }
    if meta is not None:
        before["meta.txt"] = _rows(f"{value!s} {name}" for value, name in zip(meta, info.meta, strict=True))
        now["meta.txt"] = _rows(f"{np.float32(value)!s} {name}" for name, value in sheets.meta)
    return what_changed(before, now)


def _factor(name: str, *, relaxed: bool) -> str:
    return f"{name} with relaxed peaks" if relaxed else name


def _rows(rows: Iterable[str]) -> dict[str, str]:
    return {f"row {i}": row for i, row in enumerate(rows, 1)}
