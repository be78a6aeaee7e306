"""Files of a model folder: configuration and weights of a network, and the state of its training.

    model.json            format, version, network configuration, training options, provenance
    best.safetensors      weights with the best validation loss
    last.safetensors      weights at the end of training
    last-000007.*         training state 7 and the one before it, to resume from: ``.safetensors`` (weights),
                          ``.optimizer.safetensors`` (optimiser and random state), ``.json`` (all else, and digests)
    chip.txt bigwig.txt feature.txt meta.txt      names, one per line, as FactorNet writes them

Each file is replaced atomically. The ``.json`` of a training state is written last and holds the digests of the other
two files: a state is valid only where all three match. Nothing is pickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.storage.files import sha256_of, write_atomic
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet

WeightsKind = Literal["best", "last"]
_MODEL, _STATE = ("factornet-model", 1), ("factornet-training-state", 1)
_PLAIN = ("step", "epoch", "best_loss", "stale_epochs", "history")  # fields of a training state that are JSON
_HINT = "copy or train it again, or use other weights"
_NO_MODEL_HINT = "factornet-train makes model folders, factornet-model import converts the original's"
_TENSORS = (".safetensors", ".optimizer.safetensors")  # the other two files of a training state


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelCard:
    """Content of model.json.

    Args:
        config: configuration of the network.
        training: options of the training, as JSON values.
        provenance: where data and weights come from, as JSON values.
        library_version: version of factornet that made the folder.
    """

    config: NetworkConfig
    training: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    library_version: str = __version__


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
        UsageError: a loss that is not finite.
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
        if self.best_loss is not None and not math.isfinite(self.best_loss):
            raise UsageError(f"best_loss must be finite, or None before the first, got {self.best_loss}")


class _NewerError(InputError):
    """A file has a newer version; falling back to an older file would be wrong."""


def has_model(folder: str | Path) -> bool:
    """Return whether a folder holds a model that factornet wrote.

    Raises:
        InputError: its model.json is of another kind, or of a newer version.
    """
    path = Path(folder) / "model.json"
    if not path.exists():
        return False
    _check_format(path, _read_json(path), _MODEL)
    return True


def write_card(folder: str | Path, card: ModelCard) -> None:
    """Write model.json and FactorNet's lists of names: chip.txt, bigwig.txt, feature.txt, meta.txt.

    Raises:
        InputError: a file cannot be written.
    """
    folder, config = Path(folder), card.config
    features = ["bigwig"] + ["meta"] * bool(config.meta) + ["gencode"] * config.gencode
    lists = {"chip.txt": config.tasks, "bigwig.txt": config.tracks, "feature.txt": features, "meta.txt": config.meta}
    content = {"library_version": card.library_version, "config": config.to_json()}
    content |= {"training": dict(card.training), "provenance": dict(card.provenance)}
    _write_json(folder / "model.json", _MODEL, content)
    for name, lines in lists.items():
        if lines or name != "meta.txt":
            write_atomic(folder / name, "".join(f"{line}\n" for line in lines).encode())


def read_card(folder: str | Path) -> ModelCard:
    """Read model.json of a model folder.

    Raises:
        InputError: no such folder, no model in it, a model of other software, or of a newer version.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        problem = "no such folder" if not path.parent.is_dir() else "holds no model.json, so no model"
        raise InputError(folder, problem, hint=_NO_MODEL_HINT)
    content = _read_json(path)
    if "keras_version" in content or content.get("class_name") == "Model":
        raise InputError(path, "is the original FactorNet's (Keras)", hint="convert it with factornet-model import")
    _check_format(path, content, _MODEL)
    try:
        config = NetworkConfig.from_json(content["config"])
        named = {key: content[key] for key in ("training", "provenance", "library_version")}
    except (KeyError, TypeError, UsageError) as error:
        raise InputError(path, f"its configuration does not describe a network ({error})") from error
    return ModelCard(config=config, **named)


def save_weights(folder: str | Path, weights: Mapping[str, Tensor], which: WeightsKind) -> None:
    """Write a network's ``state_dict()`` as the best or the last weights of a model folder.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomic(Path(folder) / f"{which}.safetensors", _pack(weights))


def load_network(folder: str | Path, *, weights: WeightsKind = "best") -> FactorNet:
    """Load the network of a model folder, on the CPU and in evaluation mode.

    "last" weights are those of the newest training state where one exists, else last.safetensors.

    Raises:
        InputError: as for `read_card`; or the weights are missing, damaged, or belong to another network.
    """
    folder = Path(folder)
    network = FactorNet(read_card(folder).config)
    records = _records(folder) if weights == "last" else []
    path = records[0].with_suffix(".safetensors") if records else folder / f"{weights}.safetensors"
    if not path.is_file():
        existing = ", ".join(sorted(p.name for p in folder.glob("*.safetensors"))) or "none"
        raise InputError(path, f"no such weights; the folder has {existing}", hint=_HINT)
    try:
        tensors = safetensors.load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"damaged ({error})", hint=_HINT) from error
    found, expected = ({name: tuple(t.shape) for name, t in d.items()} for d in (tensors, network.state_dict()))
    wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
    if wrong:
        shapes = f"{wrong[0]} has shape {found.get(wrong[0])}, not {expected.get(wrong[0])}"
        raise InputError(
            path, f"{len(wrong)} of its tensors do not match the network in model.json: {shapes}", hint=_HINT
        )
    network.load_state_dict(tensors)
    return network.eval()


def save_training_state(folder: str | Path, state: TrainingState) -> None:
    """Write a training state into a model folder; keep the newest valid one before it, remove older ones.

    Raises:
        InputError: a file cannot be written; earlier states are unchanged.
    """
    earlier = _records(folder := Path(folder))
    serial = int(earlier[0].stem.removeprefix("last-")) + 1 if earlier else 1
    record = folder / f"last-{serial:06d}.json"
    tensors, optimizer = _flatten_optimizer(state.optimizer)
    tensors |= {f"rng/{name}": value for name, value in state.rng.items()}
    files = dict(zip(_TENSORS, (_pack(state.weights), _pack(tensors)), strict=True))
    for suffix, data in files.items():
        write_atomic(record.with_suffix(suffix), data)
    digests = {suffix: sha256_of([data]) for suffix, data in files.items()}
    plain = {key: getattr(state, key) for key in _PLAIN}
    _write_json(record, _STATE, {**plain, "optimizer": optimizer, "sha256": digests})
    before, _ = _newest_valid(earlier)
    keep = {record.stem} | ({before[0].stem} if before else set())
    for path in folder.glob("last-[0-9]*"):
        if path.name.partition(".")[0] not in keep:
            path.unlink(missing_ok=True)


def load_training_state(folder: str | Path) -> tuple[TrainingState, str]:
    """Load the newest valid training state of a model folder, and a warning.

    The warning is empty, or says what is wrong with the newest state and which one is used instead.

    Raises:
        InputError: there is no training state, none is valid, or the newest has a newer format version.
    """
    folder = Path(folder)
    records = _records(folder)
    if not records:
        raise InputError(folder, "holds no training state to resume from", hint="start the training again")
    found, damage = _newest_valid(records)
    if found is None:
        raise InputError(folder, f"no training state is valid: {'; '.join(damage)}", hint="start the training again")
    used = f"resuming from the one before, {found[0].name}, at step {found[1].step}"
    return found[1], "; ".join([*damage, used]) if damage else ""


def _records(folder: Path) -> list[Path]:
    """List the .json files of training states, newest first."""
    return sorted(folder.glob(f"last-{'[0-9]' * 6}.json"), reverse=True)


def _newest_valid(records: Sequence[Path]) -> tuple[tuple[Path, TrainingState] | None, list[str]]:
    """Return the first valid record with its state, if any, and the problems of those before it."""
    damage: list[str] = []
    for record in records:
        try:
            return (record, _read_state(record)), damage
        except _NewerError:
            raise
        except InputError as error:
            damage.append(str(error))
    return None, damage


def _read_state(record: Path) -> TrainingState:
    content = _read_json(record)
    _check_format(record, content, _STATE)
    try:
        weights, tensors = (safetensors.load(_read_checked(record, suffix, content["sha256"])) for suffix in _TENSORS)
        return TrainingState(
            **{key: content[key] for key in _PLAIN},
            weights=weights,
            optimizer=_restore_optimizer(tensors, content["optimizer"]),
            rng={name.removeprefix("rng/"): t for name, t in tensors.items() if name.startswith("rng/")},
        )
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise InputError(record, f"incomplete ({error})") from error


def _read_checked(record: Path, suffix: str, digests: Mapping[str, str]) -> bytes:
    """Read a tensor file of a training state and compare it with its recorded digest."""
    path = record.with_suffix(suffix)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    if sha256_of([data]) != digests[suffix]:
        raise InputError(path, f"damaged: its {len(data)} bytes do not match the recorded digest")
    return data


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


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    # Copies: safetensors refuses tensors that share memory, as an LSTM's weights do on a GPU.
    return safetensors.save({name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()})


def _write_json(path: Path, kind: tuple[str, int], content: Mapping[str, Any]) -> None:
    document = {"format": kind[0], "version": kind[1], **content}
    write_atomic(path, json.dumps(document, indent=1, allow_nan=False).encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error.msg})", hint=_HINT, line=error.lineno) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})") from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of more than 4300 digits
        raise InputError(path, f"not JSON that factornet writes ({error})", hint=_HINT) from error
    if not isinstance(content, dict):
        raise InputError(path, f"expected a JSON object, got {type(content).__name__}", hint=_HINT)
    return content


def _check_format(path: Path, content: Mapping[str, Any], kind: tuple[str, int]) -> None:
    name, version = kind
    found = content.get("version")
    if content.get("format") != name or not isinstance(found, int):
        raise InputError(
            path, f"not a {name} file: its format is {content.get('format')!r}, version {found!r}", hint=_NO_MODEL_HINT
        )
    if found > version:
        problem = f"format version {found} is newer than {version}, the newest that factornet {__version__} reads"
        raise _NewerError(path, problem, hint="update factornet")
