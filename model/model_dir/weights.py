"""Weights of a network as safetensors files that carry their own digest and that of the model.json they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import write_atomic
from ...store.files.digest import sha256_of
from ...store.files.outputs import read_output_lock
from ...store.files.sealed_json import BLANK_DIGEST
from ..network.block_ensemble import BlockEnsemble
from ..network.variants import AnyConfig, AnyNetwork, make_network
from .calibration import Calibration, read_calibration
from .card import DAMAGED_HINT, ModelCard, model_digest, read_card
from .history import BETTER_BY, Rows, Selection, best_epoch, read_history

WeightsKind = Literal["best", "last"]
_KEY = "factornet"  # one key only: safetensors writes several in any order
_DIGESTS = re.compile(r"model=([0-9a-f]{64}) file=([0-9a-f]{64})(?: epoch=([0-9]{1,9}))?")
_MAX_HEADER = 1024 * 1024  # bytes; the header of a FactorNet has 2 kB


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
    data = pack_tensors(weights, model_digest(folder, model), epoch=epoch)
    write_atomic(Path(folder) / f"{which}.safetensors", data)


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedModel:
    """A network with the model folder that it was loaded from.

    Attributes:
        network: on the CPU, in evaluation mode.
        card: content of model.json.
        name: of the folder.
        weights: "best" or "last".
        weights_sha256: digest of the file of weights.
        calibrations: what its scores mean, by factor, as far as that was measured with these weights.
    """

    network: AnyNetwork
    card: ModelCard
    name: str
    weights: WeightsKind
    weights_sha256: str
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)


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
    if not path.is_file():
        if (lock := read_output_lock(folder)) is not None and lock.held:
            problem = f"not written yet: the model is being written by {lock.holder}"
            raise InputError(path, problem, hint="wait for the first epoch to end")
        existing = ", ".join(sorted(p.name for p in folder.glob("*.safetensors"))) or "none"
        raise InputError(path, f"no such weights; the folder has {existing}", hint=DAMAGED_HINT)
    # Nothing of the size that model.json states is allocated unless the file has that size.
    # Read once: a training may replace the file, and the digest is that of the weights which are used.
    data = _read_tensor_file(path, weights_sizes(card.config))
    tensors = _parse_tensors(path, data, card.digest)
    check_tensors(path, tensors, card.config)
    _check_epoch(path, int(_read_header(data, path)[3] or 0), epochs, weights, card.select)
    network = make_network(card.config)
    network.load_state_dict(tensors)
    if isinstance(network, BlockEnsemble):
        try:
            network.check()
        except UsageError as error:
            raise InputError(path, f"damaged: {error}", hint=DAMAGED_HINT) from error
    sha256 = sha256_of([data])
    return LoadedModel(
        network=network.eval(),
        card=card,
        name=folder.resolve().name,
        weights=weights,
        weights_sha256=sha256,
        calibrations=read_calibration(folder, model=card.digest, weights_sha256=sha256),
    )


def recorded_epochs(folder: Path, card: ModelCard) -> Rows:
    """Return the rows of training.json; none where there is none, or a damaged one, which `verify_model` reports."""
    try:
        return read_history(folder, card.digest).epochs
    except InputError:
        return ()


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
    return 4 * config.weights_size, 8 * config.weights_size + _MAX_HEADER


def check_tensors(path: Path, tensors: Mapping[str, Tensor], config: AnyConfig) -> None:
    """Check names, types and shapes of weights read from a file.

    Raises:
        InputError: they are not those of a network of this configuration.
    """
    floats = [t for t in tensors.values() if t.is_floating_point()]
    double = all(t.dtype == torch.float64 for t in floats)  # of a training in float64
    dtype = torch.float64 if double else torch.float32
    expected = make_network(config).to(dtype).state_dict()
    found, wanted = ({name: _describe(t) for name, t in d.items()} for d in (tensors, expected))
    wrong = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
    if wrong:
        first = f"{wrong[0]} is {found.get(wrong[0], 'missing')}, not {wanted.get(wrong[0], 'in the network')}"
        problem = f"{len(wrong)} of its tensors do not match the network in model.json: {first}"
        raise InputError(path, problem, hint=DAMAGED_HINT)


def training_records(folder: Path) -> list[Path]:
    """List the .json files of training states, newest first."""
    return sorted(folder.glob(f"last-{'[0-9]' * 6}.json"), reverse=True)


def pack_tensors(tensors: Mapping[str, Tensor], model: str, *, epoch: int = 0) -> bytes:
    """Return tensors as a safetensors file with digests, its own and that of their model.json, and with its epoch."""
    # Copies: safetensors refuses tensors that share memory, as an LSTM's weights do on a GPU.
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    text = _digests(model, BLANK_DIGEST) + (f" epoch={epoch}" if epoch else "")
    blank = safetensors.save(plain, metadata={_KEY: text})
    return _with_digest(blank, model, BLANK_DIGEST, sha256_of([blank]))


def unpack_tensors(path: Path, model: str, *, sizes: tuple[int, int], sha256: str = "") -> dict[str, Tensor]:
    """Read a file that `pack_tensors` made.

    Args:
        path: of the file.
        model: self-digest of the model.json that the tensors must belong to.
        sizes: smallest and largest number of bytes that the file may have.
        sha256: digest that another file records for this one, if any.

    Raises:
        InputError: it is of another size, damaged, or belongs to another model.
    """
    return _parse_tensors(path, _read_tensor_file(path, sizes), model, sha256)


def read_epoch(path: Path, *, sizes: tuple[int, int]) -> int:
    """Return the epoch that a file of weights states; 0 where it states none, as those of earlier versions.

    Raises:
        InputError: as for `unpack_tensors`.
    """
    match = _read_header(_read_tensor_file(path, sizes), path)
    return int(match[3] or 0)


def _read_tensor_file(path: Path, sizes: tuple[int, int]) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(path, "is not a file", hint=DAMAGED_HINT)
        size = path.stat().st_size
        if not sizes[0] <= size <= sizes[1]:
            problem = f"damaged: has {size:,} bytes, its content needs {sizes[0]:,} to {sizes[1]:,}"
            raise InputError(path, problem, hint=DAMAGED_HINT)
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", hint=DAMAGED_HINT) from error


def _parse_tensors(path: Path, data: bytes, model: str, sha256: str = "") -> dict[str, Tensor]:
    owner, digest, _ = _read_header(data, path).groups()
    if sha256 and sha256_of([data]) != sha256:
        raise InputError(path, f"damaged: its {len(data):,} bytes do not match the recorded digest", hint=DAMAGED_HINT)
    if sha256_of([_with_digest(data, owner, digest, BLANK_DIGEST)]) != digest:
        raise InputError(path, f"damaged: its {len(data):,} bytes do not match the digest in it", hint=DAMAGED_HINT)
    if owner != model:
        problem = f"belongs to another model: to the model.json with digest {owner[:16]}, not {model[:16]}"
        raise InputError(path, problem, hint="restore the files that were made together, or train it again")
    try:
        return safetensors.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"damaged ({error})", hint=DAMAGED_HINT) from error


def _digests(model: str, digest: str) -> str:
    return f"model={model} file={digest}"


def _with_digest(data: bytes, model: str, old: str, new: str) -> bytes:
    """Replace the file's digest in its header, which comes first."""
    return data.replace(_digests(model, old).encode(), _digests(model, new).encode(), 1)


def _read_header(data: bytes, path: Path) -> re.Match[str]:
    """Return the groups in the header of a safetensors file: digests of its model.json and of itself, and the epoch."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(_MAX_HEADER, len(data) - 8):
        raise InputError(path, f"damaged: {len(data):,} bytes are no safetensors file", hint=DAMAGED_HINT)
    try:
        match = _DIGESTS.fullmatch(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(path, "damaged, or not written by factornet: it has no digests", hint=DAMAGED_HINT) from error
    if match is None:
        raise InputError(path, "damaged: it has no digests", hint=DAMAGED_HINT)
    return match


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
