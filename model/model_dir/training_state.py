"""Training states of a model folder, from which a training resumes exactly.

    last-000007.json                     step, epoch, history and options of the optimiser; written last
    last-000007.safetensors              weights
    last-000007.optimizer.safetensors    tensors of the optimiser, random state

The ``.json`` holds the digests of the other two files: a state is valid only where all three match each other and the
model.json. The newest state and the one before it are kept. Nothing is pickled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import write_atomic
from ...store.files.digest import sha256_of
from ...store.files.outputs import remove
from ...store.files.sealed_json import JsonFormat, NewerVersionError, read_sealed_json, write_sealed_json
from ..network.variants import AnyConfig
from .card import NO_MODEL_HINT, ModelCard, model_digest, read_card
from .findings import is_read_error
from .tensor_file import pack_tensors, unpack_tensors
from .weights import check_tensors, training_records, weights_sizes

_STATE = JsonFormat("factornet-training-state", 2, NO_MODEL_HINT)
_PLAIN = ("step", "epoch", "best_loss", "stale_epochs", "history")  # fields of a training state that are JSON
_HINT = "start the training again"
_MAX_COPIES = 3  # values that an optimiser holds for each weight; Adam has two
_TENSORS = (".safetensors", ".optimizer.safetensors")  # the other two files of a training state


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingState:
    """State from which a training resumes exactly.

    Args:
        step: number of optimiser steps done.
        epoch: number of epochs done.
        weights: the network's ``state_dict()``.
        optimizer: the optimiser's ``state_dict()``.
        rng: states of random generators by name, uint8 tensors such as ``torch.get_rng_state()``.
        best_loss: best validation loss so far, None before the first.
        stale_epochs: number of epochs since the best loss, for early stopping.
        history: one JSON object per epoch.

    Raises:
        UsageError: a loss that is not finite, or a value of another type.
    """

    step: int
    epoch: int
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    rng: Mapping[str, Tensor]
    best_loss: float | None
    stale_epochs: int
    history: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        for name in ("step", "epoch", "stale_epochs"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise UsageError(f"{name} must be a whole number of at least 0, got {value!r}")
        if not all(isinstance(row, Mapping) for row in self.history):
            raise UsageError("history must be a list of JSON objects, one per epoch")
        if self.best_loss is not None and type(self.best_loss) not in (int, float):
            raise UsageError(f"best_loss must be a number, or None before the first, got {self.best_loss!r}")
        if self.best_loss is not None and not math.isfinite(self.best_loss):
            raise UsageError(f"best_loss must be finite, or None before the first, got {self.best_loss}")


def save_training_state(folder: str | Path, state: TrainingState, *, model: str = "") -> None:
    """Write a training state into a model folder; keep the newest valid one before it, remove all others.

    A newer one that could not be read just now (a disk or network error) is kept, too: it may be sound.

    Args:
        folder: the model folder.
        state: the training state.
        model: digest that model.json must have (`model_digest`).

    Raises:
        InputError: the folder holds no model, or another one, or a file cannot be written; earlier states are
            unchanged.
    """
    folder = Path(folder)
    model, earlier = model_digest(folder, model), training_records(folder)
    serial = int(earlier[0].stem.removeprefix("last-")) + 1 if earlier else 1
    record = folder / f"last-{serial:06d}.json"
    tensors, optimizer = _flatten_optimizer(state.optimizer)
    tensors |= {f"rng/{name}": value for name, value in state.rng.items()}
    files = dict(
        zip(
            _TENSORS, (pack_tensors(state.weights, model, epoch=state.epoch), pack_tensors(tensors, model)), strict=True
        )
    )
    for suffix, data in files.items():
        write_atomic(record.with_suffix(suffix), data)
    digests = {suffix: sha256_of([data]) for suffix, data in files.items()}
    plain = {key: getattr(state, key) for key in _PLAIN}
    write_sealed_json(record, _STATE, {**plain, "model": model, "optimizer": optimizer, "sha256": digests})
    before, damaged = _newest_valid(folder, earlier)
    keep = {record.stem} | ({before[0].stem} if before else set())
    keep |= {path.stem for path, error in damaged.items() if is_read_error(error)}
    for path in sorted(folder.glob("last-[0-9]*")):  # the .json first: without it the others are no state
        if path.name.partition(".")[0] not in keep:
            remove(path)


def load_training_state(folder: str | Path) -> tuple[TrainingState, str]:
    """Load the newest valid training state of a model folder, and a warning.

    The warning is empty, or says what is wrong with the newest state and which one is used instead.

    Raises:
        InputError: there is no training state, none is valid, or the newest has a newer format version.
    """
    folder = Path(folder)
    records = training_records(folder)
    if not records:
        raise InputError(folder, "holds no training state to resume from", hint=_HINT)
    found, damaged = _newest_valid(folder, records)
    damage = [str(error) for error in damaged.values()]
    if found is None:
        raise InputError(folder, f"no training state is valid: {'; '.join(damage)}", hint=_HINT)
    used = f"resuming from the one before, {found[0].name}, at step {found[1].step}"
    return found[1], "; ".join([*damage, used]) if damage else ""


def _newest_valid(
    folder: Path, records: Sequence[Path]
) -> tuple[tuple[Path, TrainingState] | None, dict[Path, InputError]]:
    """Return the first valid record with its state, if any, and the errors of those before it."""
    damage: dict[Path, InputError] = {}
    card = read_card(folder)
    for record in records:
        try:
            return (record, read_training_state(record, card)), damage
        except NewerVersionError:
            raise
        except InputError as error:
            damage[record] = error
    return None, damage


def read_training_state(record: Path, card: ModelCard) -> TrainingState:
    """Read one training state.

    Args:
        record: its ``.json``.
        card: of the model folder.

    Raises:
        InputError: one of its files is missing, damaged, or belongs to another model or state.
    """
    content = _read_record(record, card)
    try:
        digests = content["sha256"]
        weights, tensors = (
            unpack_tensors(path, card.digest, sizes=sizes, sha256=digests[suffix])
            for suffix, (path, sizes) in zip(_TENSORS, tensor_files(record, card.config).items(), strict=True)
        )
        check_tensors(record.with_suffix(".safetensors"), weights, card.config)
        return TrainingState(
            **{key: content[key] for key in _PLAIN},
            weights=weights,
            optimizer=_restore_optimizer(tensors, content["optimizer"]),
            rng={name.removeprefix("rng/"): t for name, t in tensors.items() if name.startswith("rng/")},
        )
    except (KeyError, TypeError, AttributeError, ValueError, UsageError) as error:
        raise InputError(record, f"incomplete ({error})", hint=_HINT) from error


def tensor_files(record: Path, config: AnyConfig) -> dict[Path, tuple[int, int]]:
    """Map the two files of tensors of a training state, by its ``.json``, to their smallest and largest sizes."""
    smallest, largest = weights_sizes(config)
    sizes = ((smallest, largest), (0, _MAX_COPIES * largest))
    return {record.with_suffix(suffix): limits for suffix, limits in zip(_TENSORS, sizes, strict=True)}


def check_record(record: Path, card: ModelCard) -> None:
    """Check the ``.json`` of a training state alone.

    Raises:
        InputError: it is missing, damaged, or belongs to another model.
    """
    _read_record(record, card)


def _read_record(record: Path, card: ModelCard) -> dict[str, Any]:
    content = read_sealed_json(record, _STATE, hint=_HINT)
    if content.get("model") != card.digest:
        raise InputError(record, "belongs to another model.json", hint=_HINT)
    return content


def _flatten_optimizer(state_dict: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's ``state_dict()`` into tensors by name, ``state/<parameter>/<key>``, and JSON values."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for parameter, entries in state_dict["state"].items():
        values[str(parameter)] = {k: v for k, v in entries.items() if not isinstance(v, Tensor)}
        tensors |= {f"state/{parameter}/{k}": v for k, v in entries.items() if isinstance(v, Tensor)}
    return tensors, {"param_groups": state_dict["param_groups"], "values": values}


def _restore_optimizer(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(parameter): dict(v) for parameter, v in rest["values"].items()}
    for name, tensor in tensors.items():
        if name.startswith("state/"):
            _, parameter, key = name.split("/", 2)
            state[int(parameter)][key] = tensor
    return {"state": state, "param_groups": rest["param_groups"]}
