"""Save the weights of a network in its model folder, and load the network from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ...store.errors import InputError, UsageError
from ...store.files.digest import sha256_of
from ...store.files.limited_read import is_there
from ...store.files.outputs import read_output_lock
from ..network.block_ensemble import BlockEnsemble
from ..network.variants import AnyConfig, AnyNetwork, make_network
from .calibration import Calibration, read_calibration
from .card import DAMAGED_HINT, ModelCard, Selection, model_digest, read_card, write_model_file
from .history import BETTER_BY, Rows, best_epoch, read_history
from .mean_signal import read_mean_signal
from .tensor_file import MAX_HEADER, pack_tensors, parse_tensors, read_header, read_tensor_file

WeightsKind = Literal["best", "last"]


def save_weights(
    folder: str | Path, weights: Mapping[str, Tensor], which: WeightsKind, *, model: str = "", epoch: int = 0
) -> None:
    """Write a network's ``state_dict()`` as the best or the last weights of a model folder.

    Args:
        folder: the model folder.
        weights: the ``state_dict()``.
        which: "best" or "last".
        model: digest that model.json must have (`model_digest`).
        epoch: after which the weights were such; 0 if they are not of a training.

    Raises:
        InputError: the folder holds no model, or another one, or the file cannot be written.
    """
    model = model_digest(folder, model)
    data = pack_tensors(weights, model, epoch=epoch)
    write_model_file(Path(folder) / f"{which}.safetensors", data, model)


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedModel:
    """A network with the model folder that it was loaded from.

    Attributes:
        network: on the CPU, in evaluation mode.
        card: content of model.json.
        name: of the folder.
        weights: "best" or "last".
        weights_sha256: digest of the file of weights.
        calibrations: what its scores mean, by factor, as far as that was measured.
        is_calibrated: whether that was measured with these weights.
        folder: absolute path, from which other processes can load it; None for a model of no folder.
    """

    network: AnyNetwork
    card: ModelCard
    name: str
    weights: WeightsKind
    weights_sha256: str
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    is_calibrated: bool = False
    folder: Path | None = None


def load_network(folder: str | Path, *, weights: WeightsKind = "best") -> AnyNetwork:
    """Load the network of a model folder as `load_model` does."""
    return load_model(folder, weights=weights).network


def load_model(folder: str | Path, *, weights: WeightsKind = "best") -> LoadedModel:
    """Load the network of a model folder, on the CPU and in evaluation mode, with the folder's card.

    "last" weights are those of the newest training state where one exists, else last.safetensors.

    Raises:
        InputError: as for `read_card`; or the weights are missing, not written yet by the training that runs (the error
            names its process), damaged, or belong to another model, or to another epoch than training.json says.
    """
    folder = Path(folder)
    card = read_card(folder)
    epochs = recorded_epochs(folder, card)  # before the weights: a running training may only replace them by later ones
    records = training_records(folder) if weights == "last" else []
    path = records[0].with_suffix(".safetensors") if records else folder / f"{weights}.safetensors"
    if not is_there(path):
        if (lock := read_output_lock(folder)) is not None and lock.held:
            problem = f"not written yet: the model is being written by {lock.holder}"
            raise InputError(path, problem, hint="wait for the first epoch to end")
        existing = ", ".join(sorted(p.name for p in folder.glob("*.safetensors"))) or "none"
        raise InputError(path, f"no such weights; the folder has {existing}", hint=DAMAGED_HINT)
    # Nothing of the size that model.json states is allocated unless the file has that size.
    # Read once: a training may replace the file, and the digest is that of the weights which are used.
    data = read_tensor_file(path, weights_sizes(card.config))
    tensors = parse_tensors(path, data, card.digest)
    check_tensors(path, tensors, card.config)
    _check_epoch(path, int(read_header(data, path)[3] or 0), epochs, weights, card.select)
    network = make_network(card.config)
    network.load_state_dict(tensors)
    if isinstance(network, BlockEnsemble) and network.config.mean_tracks:
        network.mean_signal = read_mean_signal(folder, card)
    sha256 = sha256_of([data])
    calibrations = read_calibration(folder, model=card.digest, weights_sha256=sha256)
    return LoadedModel(
        network=network.eval(),
        card=card,
        name=folder.resolve().name,
        weights=weights,
        weights_sha256=sha256,
        calibrations=calibrations or {},
        is_calibrated=calibrations is not None,
        folder=folder.absolute(),
    )


def recorded_epochs(folder: Path, card: ModelCard) -> Rows:
    """Return the rows of training.json; none where there is none, or a damaged one, which `verify_model` reports."""
    try:
        return read_history(folder, card.digest).epochs
    except InputError:
        return ()


def check_best_weights(folder: Path, card: ModelCard, epochs: Rows) -> None:
    """Check that the best weights of a model folder are whole, the model's, and those of the best epoch, or later ones.

    A training that is resumed keeps them unless an epoch is better.

    Args:
        folder: the model folder.
        card: its card.
        epochs: history of the training, with at least one row.

    Raises:
        InputError: they are missing, damaged, or belong to another model or epoch.
    """
    path = folder / "best.safetensors"
    if not is_there(path):
        raise InputError(path, "missing, and the training has had its best epoch so far", hint=DAMAGED_HINT)
    data = read_tensor_file(path, weights_sizes(card.config))
    check_tensors(path, parse_tensors(path, data, card.digest), card.config)
    _check_epoch(path, int(read_header(data, path)[3] or 0), epochs, "best", card.select)


def _check_epoch(path: Path, epoch: int, epochs: Rows, which: WeightsKind, select: Selection) -> None:
    """Check that weights are those of the best or the last epoch; `epoch` is 0 where the file states none.

    Those of epochs that the history does not have yet are right: it is written last.
    """
    expected = best_epoch(epochs, select) if which == "best" else len(epochs)
    if 0 < epoch <= len(epochs) and epoch != expected:
        kind = f"with the best {BETTER_BY[select]}" if which == "best" else "that was the last"
        problem = f"has the weights after epoch {epoch}, but the epoch {kind} is {expected}, as training.json says"
        raise InputError(path, problem, hint=DAMAGED_HINT)


def weights_sizes(config: AnyConfig) -> tuple[int, int]:
    """Return the smallest and the largest number of bytes of a file of weights: float32, or float64 and a header."""
    return 4 * config.weights_size, 8 * config.weights_size + MAX_HEADER


def check_tensors(path: Path, tensors: Mapping[str, Tensor], config: AnyConfig) -> None:
    """Check names, types, shapes and values of weights read from a file.

    Raises:
        InputError: they are not those of a network of this configuration, or one cannot be computed with.
    """
    floats = [t for t in tensors.values() if t.is_floating_point()]
    double = all(t.dtype == torch.float64 for t in floats)  # of a training in float64
    dtype = torch.float64 if double else torch.float32
    network = make_network(config).to(dtype)
    expected = network.state_dict()
    found, wanted = ({name: _describe(t) for name, t in d.items()} for d in (tensors, expected))
    wrong = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
    if wrong:
        first = f"{wrong[0]} is {found.get(wrong[0], 'missing')}, not {wanted.get(wrong[0], 'in the network')}"
        problem = f"{len(wrong)} of its tensors do not match the network in model.json: {first}"
        raise InputError(path, problem, hint=DAMAGED_HINT)
    for name, tensor in tensors.items():
        # A tree that has not grown sends all to the left, by an infinite threshold.
        odd = int((tensor.isnan() if name == "trees.threshold" else ~tensor.isfinite()).sum())
        if odd:
            raise InputError(
                path, f"damaged: {odd:,} of the {tensor.numel():,} values of {name} are not finite", hint=DAMAGED_HINT
            )
    if isinstance(network, BlockEnsemble):
        network.load_state_dict(tensors)
        try:
            network.check()
        except UsageError as error:
            raise InputError(path, f"damaged: {error}", hint=DAMAGED_HINT) from error


def training_records(folder: Path) -> list[Path]:
    """List the .json files of training states, newest first."""
    return sorted(folder.glob(f"last-{'[0-9]' * 6}.json"), reverse=True)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
