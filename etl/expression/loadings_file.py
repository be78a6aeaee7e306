"""Write and read loadings, as one sealed JSON file: its digest is part of the names of the components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...store.errors import InputError
from ...store.files.sealed_json import SELF_DIGEST, JsonFormat, read_sealed_json, write_sealed_json
from .components import Float, Loadings

FORMAT = JsonFormat("factornet-expression-loadings", 1, "write one with `factornet-etl expression TABLE -o FILE`")
_HINT = "copy it again from where it was written"
_MAX_NUMBERS = 1_500_000  # the file is limited to 64 MB


def write_loadings(path: Path, loadings: Loadings) -> str:
    """Write loadings; return their digest.

    Raises:
        InputError: the file cannot be written, or would be too large.
    """
    if loadings.vectors.size > _MAX_NUMBERS:
        problem = f"{loadings.vectors.shape[0]:,} genes with {loadings.vectors.shape[1]} components are too many"
        raise InputError(path, problem, hint="compute fewer components, or leave out genes")
    content = {
        "factornet": __version__,
        "transform": "log2(TPM + 1), mean of replicates, centred by gene, component over its standard deviation",
        "cells": loadings.cells,
        "explained": loadings.explained.tolist(),
        "sds": loadings.sds.tolist(),
        "genes": loadings.genes,
        "names": loadings.names,
        "means": loadings.means.tolist(),
        "vectors": loadings.vectors.T.tolist(),
    }
    return write_sealed_json(path, FORMAT, content)


def read_loadings(path: Path) -> tuple[Loadings, str]:
    """Return the loadings in a file, and their digest.

    Raises:
        InputError: it cannot be read, is damaged, or of another kind.
    """
    content = read_sealed_json(path, FORMAT, hint=_HINT)
    try:
        genes, names, cells = (_texts(content[key]) for key in ("genes", "names", "cells"))
        means, sds, explained = (_numbers(content[key], 1) for key in ("means", "sds", "explained"))
        vectors = _numbers(content["vectors"], 2).T
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(path, f"invalid loadings ({e})", hint=_HINT) from e
    count = sds.size
    fits = means.shape == (len(genes),) == (len(names),) and vectors.shape == (len(genes), count)
    if not fits or explained.shape != (count,) or not count or not np.all(sds > 0) or len({*genes}) != len(genes):
        raise InputError(path, "invalid loadings (their sizes do not fit)", hint=_HINT)
    return Loadings(genes, names, means, vectors, sds, explained, cells), str(content[SELF_DIGEST])


def _texts(items: Any) -> tuple[str, ...]:
    if not isinstance(items, list) or not all(isinstance(i, str) and i.isprintable() for i in items):
        raise TypeError("expected a list of printable texts")
    return tuple(items)


def _numbers(items: Any, dimensions: int) -> Float:
    array = np.array(items, np.float64)
    if array.ndim != dimensions or not np.all(np.isfinite(array)):
        raise ValueError(f"expected numbers in {dimensions} dimensions")
    return array
