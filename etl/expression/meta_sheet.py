"""Write components into the meta.txt of cell-line folders; other rows of the sheet are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.files.atomic_write import write_atomic
from ...store.files.limited_read import is_there
from ...store.files.outputs import output_lock
from ...store.meta_names import is_component
from ..inputs.bed import text_lines

META = "meta.txt"


def write_components(
    folder: Path, names: Sequence[str], values: NDArray[np.floating], *, force: bool
) -> Literal["written", "replaced", "unchanged"]:
    """Write the components of a cell line behind the other rows of its meta.txt.

    Args:
        folder: of the cell line.
        names: of the components.
        values: of the cell line, (components,).
        force: replace components that are there, of other loadings or of the original FactorNet.

    Raises:
        UsageError: it has other components and `force` is false.
        InputError: the sheet cannot be read or written, or another process writes the folder.
    """
    rows = [f"{np.float32(value)!s}\t{name}" for name, value in zip(names, values, strict=True)]
    with output_lock(folder):
        lines = _lines(folder)
        own = [line for line in lines if _is_component_row(line)]
        if own == rows:
            return "unchanged"
        if not force:
            check_no_others(folder, names)
        kept = [line for line in lines if line not in own]
        write_atomic(folder / META, "".join(f"{line}\n" for line in (*kept, *rows)).encode())
    return "replaced" if own else "written"


def check_no_others(folder: Path, names: Sequence[str]) -> None:
    """Check that the meta.txt of a folder has no other components than these.

    Raises:
        UsageError: it has some.
        InputError: it cannot be read.
    """
    found = [line.split()[1].strip('"') for line in _lines(folder) if _is_component_row(line)]
    if others := [name for name in found if name not in names]:
        raise UsageError(f"{folder / META}: already has components ({others[0]}, ...)")


def _lines(folder: Path) -> list[str]:
    path = folder / META
    return [line for _, line in text_lines(path)] if is_there(path) else []


def _is_component_row(line: str) -> bool:
    fields = line.replace('"', "").split()
    return len(fields) == 2 and not line.lstrip().startswith("#") and is_component(fields[1])
