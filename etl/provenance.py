"""Where a store comes from: the inputs' names, sizes and digests, the versions and options that made it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from .publish import file_digest

_LIBRARIES = ("zarr", "zarrs", "numcodecs", "numpy", "pyfaidx", "pyBigWig", "pybedtools", "dask")


def describe_inputs(inputs: Iterable[Path]) -> list[dict[str, Any]]:
    """Name, size in bytes and sha256 of each input file. Folders are left out: they differ from machine to machine."""
    return [{"name": p.name, "size": p.stat().st_size, "sha256": file_digest(p)} for p in inputs]


def describe_build(inputs: Iterable[Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance of a group. It holds no time of day, so that equal inputs give equal groups."""
    return {
        "factornet": __version__,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "inputs": describe_inputs(inputs),
        "options": dict(options),
    }
