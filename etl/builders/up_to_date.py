"""Compare the recorded inputs and options of a cell line with those of its folder now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.cell_info import CellInfo
from ...store.errors import StoreError, UsageError
from ...store.format.manifest import check_may_be_damaged
from ...store.reader import Store
from ...store.storage.atomic_swap import cell_line_staging_name, final_path
from ..inputs.cell_line_folder import CellFolder
from ..inputs.provenance import describe_build, describe_changes, fingerprint_inputs
from ..inputs.sheets.tracks import describe_track
from ..publish.transaction import explaining_replacement, version_at
from ..verify.objects import verify_store

_HINT = "use the force option to replace it"


def is_built(store: Store, inputs: CellFolder, options: Mapping[str, Any]) -> bool:
    """Return whether the cell line of a folder already exists in a store, built from the same inputs and options.

    Args:
        store: local or on a server.
        inputs: the cell-line folder.
        options: as recorded in the provenance.

    Raises:
        UnreadableError: the server of the store, or the machine, fails.
        StoreError: it was built from other inputs or options (the message names them), is damaged, or was replaced or
            removed by another process meanwhile.
        InputError: an input cannot be read.
    """
    final = final_path(Path(store.path), cell_line_staging_name(inputs.name))
    with explaining_replacement(final, version_at(final)) if store.storage.local else nullcontext():
        return store.storage.has(inputs.name) and _is_built(store, inputs, options)


def _is_built(store: Store, inputs: CellFolder, options: Mapping[str, Any]) -> bool:
    name = inputs.name
    try:
        info, meta = store.cell(name), store.meta(name)
    except StoreError as e:
        check_may_be_damaged(e, e.location)
        problem = f"{e.problem}; cell line {name} already exists, and is damaged"
        raise StoreError(e.location, problem, hint=_HINT) from e
    provenance = describe_build(fingerprint_inputs(inputs.files), options, sources=inputs.sources)
    changed = changes(info, meta, inputs, provenance)
    if changed:
        raise StoreError(
            store.location,
            f"cell line {name} already exists, built from other inputs or options; changed since then: {changed}",
            hint=_HINT,
        )
    for finding in verify_store(store.path, cells=[name], quick=True).findings:
        raise StoreError(
            f"{store.location}/{finding.path}",
            f"{finding.problem}; cell line {name} already exists, built from the same inputs and options",
            hint=finding.remedy,
        )
    return True


def recorded_cell_line(store: Store, inputs: CellFolder, provenance: Mapping[str, Any]) -> CellInfo:
    """Return the attributes of a cell line that is to be repaired from a folder.

    Args:
        store: local.
        inputs: the cell-line folder.
        provenance: of a build now.

    Raises:
        StoreError: the attributes are damaged, or the cell line was built from other inputs or options (the message
            names them).
        UsageError: no such cell line.
    """
    name = inputs.name
    if not store.storage.has(name):
        has = ", ".join(store.cells) or "none"
        raise UsageError(
            f"{store.location}: no cell line {name!r} to repair, the store has {has}; build without the repair option"
        )
    try:
        info = store.cell(name)
    except StoreError as e:
        check_may_be_damaged(e, e.location)
        raise StoreError(e.location, f"{e.problem}; what it was built from is unknown", hint=_HINT) from e
    try:
        meta = store.meta(name)
    except (StoreError, UsageError) as e:
        check_may_be_damaged(e, store.location)
        meta = None  # damaged, and to be repaired
    changed = changes(info, meta, inputs, provenance)
    if changed:
        raise StoreError(
            f"{store.location}/cells/{name}",
            f"cannot be repaired from this folder; changed since it was built: {changed}",
            hint=f"restore the files it was built from, or {_HINT}",
        )
    return info


def changes(info: CellInfo, meta: NDArray[np.float32] | None, inputs: CellFolder, provenance: Mapping[str, Any]) -> str:
    """Name the inputs, options and rows of its sheets in which a cell line differs from one built now.

    Args:
        info: attributes of the cell line in the store.
        meta: its meta values, shape (features,); None if they cannot be read, and then they are not compared.
        inputs: the cell-line folder.
        provenance: of a build now. Versions are not compared.

    Returns:
        A description for messages; empty if nothing differs.
    """
    before = {
        **{key: info.provenance.get(key) for key in ("inputs", "options")},
        "sources": info.provenance.get("sources", {}),
        "bigwig.txt": _rows(map(describe_track, info.tracks)),
        "chip.txt": _rows(_factor(f.name, relaxed=f.relaxed) for f in info.factors),
    }
    now = {
        **{key: provenance[key] for key in ("inputs", "options")},
        "sources": provenance.get("sources", {}),
        "bigwig.txt": _rows(map(describe_track, inputs.tracks)),
        "chip.txt": _rows(_factor(c.factor, relaxed=c.relaxed is not None) for c in inputs.chip),
    }
    if meta is not None:
        before["meta.txt"] = _rows(f"{value!s} {name}" for value, name in zip(meta, info.meta, strict=True))
        now["meta.txt"] = _rows(f"{np.float32(value)!s} {name}" for name, value in inputs.meta)
    return describe_changes(before, now)


def _factor(name: str, *, relaxed: bool) -> str:
    return f"{name} with relaxed peaks" if relaxed else name


def _rows(rows: Iterable[str]) -> dict[str, str]:
    return {f"row {i}": row for i, row in enumerate(rows, 1)}
