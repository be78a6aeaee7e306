"""Training states of a model folder, from which a training resumes exactly.

    last-000007.json                     step, epoch, history and options of the optimiser; written last
    last-000007.safetensors              weights
    last-000007.optimizer.safetensors    tensors of the optimiser, random state
    paused-000001204.*                   the same three within an epoch, after step 1204, of a paused training

The ``.json`` holds the digests of the other two files: a state is valid only where all three match each other and the
model.json. The newest state and the one before it are kept, and a paused one until its epoch has ended. Nothing is
pickled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...store.errors import InputError, UsageError
from ...store.files.digest import sha256_of
from ...store.files.outputs import remove
from ...store.files.sealed_json import JsonFormat, NewerVersionError, read_sealed_json, seal_document
from ..network.variants import AnyConfig
from .card import NO_MODEL_HINT, ModelCard, model_digest, read_card, write_model_file
from .findings import is_read_error
from .tensor_file import pack_tensors, unpack_tensors
from .weights import check_tensors, training_records, weights_sizes

_STATE = JsonFormat("factornet-training-state", 2, NO_MODEL_HINT)
_PLAIN = ("step", "epoch", "best_loss", "stale_epochs", "history")  # fields of a training state that are JSON
_PAUSED = JsonFormat("factornet-paused-training", 1, NO_MODEL_HINT)
_HINT = "start the training again"
PAUSED_HINT = "remove the files paused-*: the training then resumes after its last complete epoch"
_MAX_COPIES = 3  # values that an optimiser holds for each weight; Adam has two
_TENSORS = (".safetensors", ".optimizer.safetensors")  # the other two files of a training state


@dataclass(frozen=True, kw_only=True)
class EpochPosition:
    """How far a paused training has come within an epoch.

    Attributes:
        steps: optimiser steps of this epoch.
        windows: windows that were learnt from, over all processes.
        loss: sum of their losses, as the trainer adds them up.
        seen: SHA-256 of the rows of the plan that the main process learnt from, in order.
    """

    steps: int
    windows: int
    loss: float
    seen: str

    def __post_init__(self) -> None:
        for name, kind in {"steps": int, "windows": int, "loss": float, "seen": str}.items():
            if type(getattr(self, name)) is not kind:
                raise UsageError(f"{name} of a position must be of type {kind.__name__}, got {getattr(self, name)!r}")
        if self.steps < 0 or self.windows < 0 or not math.isfinite(self.loss):
            raise UsageError(f"no position within an epoch: {self}")


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
        position: within the epoch that follows; None at its begin.

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
    position: EpochPosition | None = None

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
    _write_state(record, _STATE, state, model)
    before, damaged = _newest_valid(folder, earlier)
    keep = {record.stem} | ({before[0].stem} if before else set())
    keep |= {path.stem for path, error in damaged.items() if is_read_error(error)}
    _remove_states(folder, "last", keep, model)


def save_paused_state(folder: str | Path, state: TrainingState, *, model: str = "") -> None:
    """Write the state of a training that is paused within an epoch, and remove earlier ones.

    Args:
        folder: the model folder.
        state: the training state; ``step`` is that of the epoch's begin.
        model: digest that model.json must have (`model_digest`).

    Raises:
        InputError: as for `save_training_state`.
    """
    folder, position = Path(folder), state.position
    assert position is not None, "it is within an epoch"
    record = folder / f"paused-{state.step + position.steps:09d}.json"
    more = {"position": vars(position)}
    model = model_digest(folder, model)
    _write_state(record, _PAUSED, state, model, more)
    _remove_states(folder, "paused", {record.stem}, model)


def remove_paused_states(folder: str | Path, *, model: str = "") -> None:
    """Remove the states of pauses, once their epoch has ended.

    Args:
        folder: the model folder.
        model: digest that model.json must have (`model_digest`).

    Raises:
        InputError: a file cannot be removed, or the folder has another model.
    """
    _remove_states(Path(folder), "paused", set(), model)


def _remove_states(folder: Path, kind: str, keep: set[str], model: str) -> None:
    for path in sorted(folder.glob(f"{kind}-[0-9]*")):  # the .json first: without it the others are no state
        if path.name.partition(".")[0] not in keep:
            model_digest(folder, model)
            remove(path)


def _write_state(
    record: Path, kind: JsonFormat, state: TrainingState, model: str, more: Mapping[str, Any] | None = None
) -> None:
    """Write the three files of a state, its ``.json`` last."""
    tensors, optimizer = _flatten_optimizer(state.optimizer)
    tensors |= {f"rng/{name}": value for name, value in state.rng.items()}
    files = dict(
        zip(
            _TENSORS, (pack_tensors(state.weights, model, epoch=state.epoch), pack_tensors(tensors, model)), strict=True
        )
    )
    for suffix, data in files.items():
        write_model_file(record.with_suffix(suffix), data, model)
    digests = {suffix: sha256_of([data]) for suffix, data in files.items()}
    plain = {key: getattr(state, key) for key in _PLAIN}
    content = {**plain, **(more or {}), "model": model, "optimizer": optimizer, "sha256": digests}
    write_model_file(record, seal_document(kind, content), model)


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
    if found is None:
        damage = [f"{Path(error.path).name}: {error.problem}" for error in damaged.values()]
        raise InputError(folder, f"no training state is valid: {'; '.join(damage)}", hint=_HINT)
    damage = [str(error) for error in damaged.values()]
    used = f"resuming from the one before, {found[0].name}, at step {found[1].step}"
    return found[1], "; ".join([*damage, used]) if damage else ""


def load_paused_state(folder: str | Path) -> tuple[TrainingState | None, str]:
    """Load the newest valid state within an epoch, None if there is none, and a warning of those that are damaged.

    Raises:
        NewerVersionError: one has a newer format version.
    """
    folder = Path(folder)
    found, damaged = _newest_valid(folder, paused_records(folder))
    return (None if found is None else found[1]), "; ".join(str(error) for error in damaged.values())


def paused_records(folder: Path) -> list[Path]:
    """Return the ``.json`` of the states within an epoch, the newest first."""
    return sorted(folder.glob("paused-[0-9]*.json"), reverse=True)


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
        InputError: one of its files is missing, damaged, or belongs to another model or state, or its history is not of
            its epochs.
    """
    content = _read_record(record, card)
    try:
        digests = content["sha256"]
        weights, tensors = (
            unpack_tensors(path, card.digest, sizes=sizes, sha256=digests[suffix])
            for suffix, (path, sizes) in zip(_TENSORS, tensor_files(record, card.config).items(), strict=True)
        )
        check_tensors(record.with_suffix(".safetensors"), weights, card.config)
        state = TrainingState(
            **{key: content[key] for key in _PLAIN},
            position=EpochPosition(**content["position"]) if is_paused(record) else None,
            weights=weights,
            optimizer=_restore_optimizer(tensors, content["optimizer"]),
            rng={name.removeprefix("rng/"): t for name, t in tensors.items() if name.startswith("rng/")},
        )
        epochs = [row.get("epoch") for row in state.history]
    except (KeyError, TypeError, AttributeError, ValueError, UsageError) as error:
        raise InputError(record, f"incomplete ({error})", hint=_HINT) from error
    if len(epochs) != state.epoch or epochs != list(range(1, len(epochs) + 1)):
        problem = f"is of the end of epoch {state.epoch}, its history of {len(epochs)} epochs"
        raise InputError(record, problem, hint=PAUSED_HINT if is_paused(record) else _HINT)
    return state


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


def is_paused(record: Path) -> bool:
    """Return whether a state, by its ``.json``, is within an epoch."""
    return record.name.startswith("paused-")


def _read_record(record: Path, card: ModelCard) -> dict[str, Any]:
    kind, hint = (_PAUSED, PAUSED_HINT) if is_paused(record) else (_STATE, _HINT)
    content = read_sealed_json(record, kind, hint=hint)
    if content.get("model") != card.digest:
        raise InputError(record, "belongs to another model.json", hint=hint)
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
