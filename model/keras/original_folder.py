"""Tell folders of the original FactorNet from others, and find their files of weights."""

from __future__ import annotations

from pathlib import Path

from ...store.errors import InputError
from ..model_dir.weights import WeightsKind
from .text_files import read_json

WEIGHT_FILES: dict[str, str] = {"best": "best_model.hdf5", "final": "final_model.hdf5"}
KERAS_KINDS: dict[WeightsKind, str] = {"best": "best", "last": "final"}
"""The original's weights by what they are called in a model folder."""


def is_keras_folder(directory: str | Path) -> bool:
    """Return whether the folder has a model.json written by Keras."""
    try:
        content = read_json(Path(directory) / "model.json")
    except InputError:
        return False
    return isinstance(content, dict) and "class_name" in content


def keras_weights(directory: str | Path, weights: WeightsKind) -> Path:
    """Return the path of the best or the last weights in a folder of the original FactorNet; need not exist."""
    return Path(directory) / WEIGHT_FILES[KERAS_KINDS[weights]]
