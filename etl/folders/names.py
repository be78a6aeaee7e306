"""Make names of cell lines, tracks and factors from the words of other people."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

READ_TRACKS = {"DNase-seq": "DGF", "ATAC-seq": "ATAC"}
"""Assay -> name of the track that its reads make, as where a cell line is built from reads without a folder: cuts of
DNase-seq are FactorNet's DGF, which a bigWig of another unit is not."""


def safe_name(text: str) -> str:
    """Return a text with each run of characters that no name in a store may have as one ``_``; empty if none is left.

    A name begins with a letter or a digit: others would be taken for an option, or hide a folder.
    ``endothelial cell of umbilical vein`` is ``endothelial_cell_of_umbilical_vein``.
    """
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-").rstrip("_")


def distinct_names(names: Mapping[Key, str]) -> dict[Key, str]:
    """Return names of folders that differ on every file system, also where upper and lower case are the same.

    Keys with a name of their own keep it; those that share one get ``_`` and six digits, which depend on the key alone.
    """
    counts = Counter(name.casefold() for name in names.values())

    def name(key: Key) -> str:
        if counts[names[key].casefold()] == 1:
            return names[key]
        return f"{names[key]}_{hashlib.sha256(repr(key).encode()).hexdigest()[:6]}"

    return {key: name(key) for key in names}
