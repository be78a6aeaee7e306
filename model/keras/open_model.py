"""Open a model of either kind: a model folder, or a folder of the original FactorNet, which is imported in memory."""

from __future__ import annotations

from pathlib import Path

from ..model_dir.card import ModelCard, read_card
from ..model_dir.weights import LoadedModel, WeightsKind, load_model
from .import_model import is_keras_folder, load_keras, read_keras_card


def open_model(folder: str | Path, *, weights: WeightsKind = "best") -> LoadedModel:
    """Load the network of a model folder or of a folder of the original FactorNet, with its card.

    Of an original folder, "best" weights are those of best_model.hdf5, "last" ones those of final_model.hdf5; nothing
    is written.

    Raises:
        InputError: as for `load_model`, or for `import_keras`.
    """
    return load_keras(folder, weights=weights) if is_keras_folder(folder) else load_model(folder, weights=weights)


def open_card(folder: str | Path) -> ModelCard:
    """Return the card of a model folder, or the one that a folder of the original FactorNet has once imported.

    Raises:
        InputError: as for `read_card`, or for `read_keras_card`.
    """
    return read_keras_card(folder) if is_keras_folder(folder) else read_card(folder)
