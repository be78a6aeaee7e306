"""Open a model of either kind: a model folder, or a folder of the original FactorNet, which is imported in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...store.files.limited_read import is_there
from ..model_dir.card import ModelCard, read_card
from ..model_dir.mean_signal import mean_signal_digest
from ..model_dir.weights import LoadedModel, WeightsKind, load_model
from ..network.block_ensemble import BlockEnsemble
from ..network.mean_signal import MeanSignal
from .import_model import load_keras, read_keras_card
from .original_folder import is_keras_folder, keras_weights


def open_model(folder: str | Path, *, weights: WeightsKind = "best") -> LoadedModel:
    """Load the network of a model folder or of a folder of the original FactorNet, with its card.

    Of an original folder, "best" weights are those of best_model.hdf5, "last" ones those of final_model.hdf5; nothing
    is written.

    Raises:
        InputError: as for `load_model`, or for `import_keras`.
    """
    return load_keras(folder, weights=weights) if is_keras_folder(folder) else load_model(folder, weights=weights)


def usable_weights(folder: str | Path) -> WeightsKind:
    """Return the best weights, or the last ones of a folder of the original FactorNet that has no best ones."""
    if not is_keras_folder(folder):
        return "best"
    kinds: tuple[WeightsKind, ...] = ("best", "last")
    return next((kind for kind in kinds if is_there(keras_weights(folder, kind))), "best")


def open_models(folders: Sequence[str | Path], *, weights: WeightsKind | None = "best") -> tuple[LoadedModel, ...]:
    """Load several models as `open_model` does; equal mean signals, of models trained on one store, are held once.

    Args:
        folders: of the models.
        weights: of all of them; None: `usable_weights` of each.

    Raises:
        InputError: as for `open_model`.
    """
    models, means = list[LoadedModel](), dict[str, MeanSignal]()
    for folder in folders:
        model = open_model(folder, weights=weights or usable_weights(folder))
        network = model.network
        if isinstance(network, BlockEnsemble) and network.mean_signal is not None:
            network.mean_signal = means.setdefault(mean_signal_digest(network.mean_signal), network.mean_signal)
        models.append(model)
    return tuple(models)


def open_card(folder: str | Path) -> ModelCard:
    """Return the card of a model folder, or the one that a folder of the original FactorNet has once imported.

    Raises:
        InputError: as for `read_card`, or for `read_keras_card`.
    """
    return read_keras_card(folder) if is_keras_folder(folder) else read_card(folder)
