"""Convert models of the original FactorNet to model folders, without Keras: of Keras 1, or rewritten for 2.

    model.json          the layer graph, as ``Model.to_json()`` wrote it
    best_model.hdf5     a whole saved model (weights in the group ``model_weights``), or weights only
    final_model.hdf5    weights only, or a whole saved model
    chip.txt bigwig.txt feature.txt meta.txt      names of outputs, tracks and features; some folders lack some

The original's weights differ from torch's in four ways: Theano flips the kernels of a convolution, gates are hard
sigmoids, an LSTM's gates are ordered i, c, f, o, and dense weights are (inputs, outputs). Nothing is unpickled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...store.annotation_rules import published_rules
from ...store.errors import InputError, UsageError
from ...store.files.digest import file_digest
from ...store.files.limited_read import is_there
from ...store.files.outputs import output_lock, staged_folder
from ...store.text import format_bytes, format_foreign
from ..model_dir.card import ModelCard, write_card
from ..model_dir.weights import LoadedModel, WeightsKind, save_weights
from ..network.config import NetworkConfig
from ..network.factornet import FactorNet
from .graph import KerasGraph, read_graph
from .hdf5_file import Hdf5File
from .keras2 import BACKENDS, arrays_as_keras_1, keras_2_shapes
from .original_folder import KERAS_KINDS, WEIGHT_FILES
from .text_files import read_lines

KerasWeights = Literal["best", "final"]
_PUBLISHED_TRACKS = {1: ["DGF"], 2: ["Unique35", "DGF"]}
_MAX_OVERHEAD = 64_000_000  # bytes of a file beside its arrays
_MAX_BYTES = 32  # of a file for each weight: float64, and an optimiser that holds three values for each
_DNASE = re.compile("dgf|dnase", re.IGNORECASE)
_CUTS, _SOURCE = {"assay": "DNase-seq", "units": "1x"}, "FactorNet's README"
"""The original's README calls its track DGF "1x coverage normalized DNase 5' cut signal"; it records no figures."""
_Array = NDArray[np.float32]
_Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _KerasModel:
    """A Keras folder without its weights; `layers` maps layers of `FactorNet` to their names in model.json."""

    config: NetworkConfig
    layers: Mapping[str, str]
    version: str
    backend: str


def import_keras(directory: str | Path, *, weights: KerasWeights = "best") -> FactorNet:
    """Load the network of a folder of the original FactorNet, on the CPU and in evaluation mode.

    Args:
        directory: holds model.json, the weights and lists of names. A missing list defaults to that of the published
            models where the number is unambiguous: tracks are DGF, or Unique35 and DGF; meta values GEPC1 to GEPC8
            (meta1, ... where they are not eight); the last six of 6 or 14 features are GENCODE's; and a single output
            is named after the parent folder, which in the published models is the factor.
        weights: weights of best_model.hdf5 or of final_model.hdf5.

    Raises:
        InputError: a file is missing or damaged, the network is not a FactorNet (the message names the layer), or
            model.json, names and weights do not match (the message has both numbers or shapes).
    """
    directory = Path(directory)
    return _load(directory, _read_model(directory), weights)


def load_keras(directory: str | Path, *, weights: WeightsKind = "best") -> LoadedModel:
    """Load a folder of the original FactorNet as `load_model` loads a model folder; nothing is written.

    Args:
        directory: as for `import_keras`.
        weights: "best" for those of best_model.hdf5, "last" for those of final_model.hdf5.

    Returns:
        The network with the card of `read_keras_card`; its digest, and that of the weights, are the files'.

    Raises:
        InputError: as for `import_keras`.
    """
    directory = Path(directory)
    card = read_keras_card(directory)
    network = _load(
        directory, _read_model(directory), KERAS_KINDS[weights], names={k: w for w, k in KERAS_KINDS.items()}
    )
    return LoadedModel(
        network=network,
        card=card,
        name=card.provenance["folder"],
        weights=weights,
        weights_sha256=card.provenance["sha256"][WEIGHT_FILES[KERAS_KINDS[weights]]],
        folder=directory.absolute(),
    )


def read_keras_card(directory: str | Path) -> ModelCard:
    """Return the card that the imported model would have, without reading the weights; its digest is model.json's.

    Raises:
        InputError: as for `import_keras`.
    """
    directory = Path(directory)
    model = _read_model(directory)
    names = [name for name in ("model.json", *WEIGHT_FILES.values()) if is_there(directory / name)]
    for name in names:
        _check_size(directory / name, model.config)
    digests = {name: file_digest(directory / name) for name in names}
    provenance: dict[str, Any] = {
        "software": f"imported from Keras {model.version}",
        "folder": directory.resolve().name,
    }
    signals = {track: {_SOURCE: dict(_CUTS)} for track in model.config.tracks if _DNASE.match(track)}
    provenance |= {"sha256": digests, "signals": signals}
    if model.config.gencode:
        provenance["annotation"] = {"rules": published_rules().to_json()}
    return ModelCard(config=model.config, provenance=provenance, digest=digests["model.json"])


def _check_size(path: Path, config: NetworkConfig) -> None:
    """Check the size of a file before all of it is read for its digest."""
    if not path.is_file():  # a pipe or device has no end
        raise InputError(path, "is not a file", hint="copy the file of weights there")
    size = path.stat().st_size
    if size > _MAX_OVERHEAD + _MAX_BYTES * config.weights_size:
        problem = f"has {format_bytes(size)}, too much for a network of {config.weights_size:,} weights"
        raise InputError(path, problem, hint="copy it again")


def write_imported(
    directory: str | Path,
    output: str | Path,
    *,
    weights: KerasWeights = "best",
    origin: Mapping[str, str] | None = None,
) -> ModelCard:
    """Convert a folder of the original FactorNet to a model folder that `load_network` reads.

    Its best weights are those requested; its last weights are those of final_model.hdf5, where that exists.

    Args:
        directory: as for `import_keras`.
        output: model folder to create.
        weights: what become the best weights.
        origin: where the folder is from, its licence and what to cite, to be recorded.

    Returns:
        The card of the new folder; its provenance holds the version of Keras and the digests of the files.

    Raises:
        InputError: as for `import_keras`; nothing is written then.
        InputError: another process writes `output`, or it cannot be written.
        UsageError: `output` already exists.
    """
    directory, output = Path(directory), Path(output)
    with output_lock(output, parents=True):
        if output.exists():
            raise UsageError(f"{output} already exists; choose another folder")
        sources = {"best": weights} | ({"last": "final"} if is_there(directory / WEIGHT_FILES["final"]) else {})
        networks = {which: import_keras(directory, weights=cast(Any, source)) for which, source in sources.items()}
        card = read_keras_card(directory)
        taken = {which: WEIGHT_FILES[source] for which, source in sources.items()}
        from_where = {"origin": dict(origin)} if origin else {}
        card = replace(card, provenance={**card.provenance, "weights": taken, **from_where})
        # Written next to its final path and renamed: the folder appears with its weights, or not at all.
        with staged_folder(output) as staged:
            write_card(staged, card)
            for which, network in networks.items():
                save_weights(staged, network.state_dict(), cast(Any, which))
    return card


def _read_model(directory: Path) -> _KerasModel:
    path = directory / "model.json"
    if not is_there(path):
        problem = "holds no model.json, so no model" if directory.is_dir() else "no such folder"
        raise InputError(directory, problem, hint="name a folder with model.json and best_model.hdf5")
    graph = read_graph(path)
    sizes = {
        key: getattr(graph, key)
        for key in ("window_length", "kernels", "kernel_width", "recurrent", "dense", "dropout")
    }
    try:
        config = NetworkConfig(**sizes, **_read_names(directory, graph), gates="hard_sigmoid")
    except UsageError as error:
        problem = f"does not describe a network with the lists of names next to it ({format_foreign(error)})"
        raise InputError(path, problem) from error
    return _KerasModel(config=config, layers=dict(graph.layers), version=graph.version, backend=graph.backend)


def _read_names(directory: Path, graph: KerasGraph) -> dict[str, Any]:
    """Read the names of tasks, tracks and meta values, and whether there are GENCODE features, as config fields."""
    listed, values = read_lines(directory / "feature.txt"), read_lines(directory / "meta.txt")
    if listed is not None and not set(listed) <= {"bigwig", "meta", "gencode"}:
        problem = f"names the features {format_foreign(', '.join(listed))}; known are bigwig, meta and gencode"
        raise InputError(directory / "feature.txt", problem)
    gencode = _has_gencode(directory, graph.features, values) if listed is None else "gencode" in listed
    meta = graph.features - 6 * gencode
    if meta < 0 or (listed is not None and ("meta" in listed) != (meta > 0)):
        problem = f"names {', '.join(listed or ())}, but model.json has {graph.features} features (6 are gencode's)"
        raise InputError(directory / "feature.txt", problem)
    if values is None:
        values = [f"{'GEPC' if meta == 8 else 'meta'}{i}" for i in range(1, meta + 1)]
    tasks, tracks = read_lines(directory / "chip.txt"), read_lines(directory / "bigwig.txt")
    if tasks is None and graph.tasks == 1:
        tasks = [directory.resolve().parent.name]
    if tracks is None:
        tracks = _PUBLISHED_TRACKS.get(graph.channels - 4)
    return {
        "tasks": _check_count(directory / "chip.txt", tasks, graph.tasks, "outputs"),
        "tracks": _check_count(directory / "bigwig.txt", tracks, graph.channels - 4, "tracks"),
        "meta": _check_count(directory / "meta.txt", values, meta, "meta values"),
        "gencode": gencode,
    }


def _has_gencode(directory: Path, features: int, values: Sequence[str] | None) -> bool:
    """Infer whether the last six features are GENCODE's, where there is no feature.txt."""
    if values is not None:
        return features == len(values) + 6
    # Published models have eight meta values, the six booleans, or both.
    if features < 6 or features in (6, 8, 14):
        return features in (6, 14)
    problem = f"is missing, and so is meta.txt: the last 6 of the {features} features may be gencode's or not"
    raise InputError(directory / "feature.txt", problem, hint="write one of the two, one name per line")


def _check_count(path: Path, names: Sequence[str] | None, n_expected: int, kind: str) -> tuple[str, ...]:
    if names is None and n_expected:
        raise InputError(
            path, f"is missing; model.json has {n_expected} {kind} to name", hint="write it, one name per line"
        )
    names = names or ()
    if len(names) != n_expected:
        raise InputError(path, f"has {len(names)} names, but model.json has {n_expected} {kind}")
    return tuple(names)


def _load(directory: Path, model: _KerasModel, weights: str, *, names: Mapping[str, str] | None = None) -> FactorNet:
    """Load the network with weights of best_model.hdf5 or final_model.hdf5; `names` are what messages call them."""
    if weights not in WEIGHT_FILES:
        raise UsageError(f"weights must be one of {', '.join(WEIGHT_FILES)}, got {weights!r}")
    path = directory / WEIGHT_FILES[weights]
    if is_there(path) and not path.is_file():
        raise InputError(path, "is not a file", hint="copy the file of weights there")
    if not path.exists():
        existing = sorted(p.name for p in directory.glob("*.hdf5"))
        other = next((w for w, name in WEIGHT_FILES.items() if name in existing), None)
        hint = f"use the {(names or {}).get(other, other)} weights" if other else "copy the weights into the folder"
        raise InputError(path, f"no such weights; the folder has {', '.join(existing) or 'none'}", hint=hint)
    try:
        with Hdf5File(path) as file:
            arrays = _read_weights(file, model)
    except (OSError, KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        problem = f"damaged, or not weights of Keras ({format_foreign(error)})"
        raise InputError(path, problem, hint="copy it again") from error
    network = FactorNet(model.config)
    network.load_state_dict(_to_torch(arrays))
    return network.eval()


def _read_weights(file: Hdf5File, model: _KerasModel) -> dict[str, list[_Array]]:
    """Read the arrays of each layer of `FactorNet`, in the order of Keras's lists (HDF5 keys are ordered otherwise)."""
    group = file.group(file.root, "model_weights") if file.has(file.root, "model_weights") else file.root
    stored = {layer: file.names(file.group(group, layer), "weight_names") for layer in file.names(group, "layer_names")}
    shapes: Mapping[str, Sequence[_Shape]] = _shapes(model.config)
    expected = {model.layers[role]: role for role in shapes}
    if (got := {layer for layer, names in stored.items() if names}) != set(expected):
        problem = f"has weights of {', '.join(sorted(got)) or 'no layer'}, but model.json has {', '.join(expected)}"
        raise InputError(file.path, format_foreign(problem, 1000), hint="use weights and model.json of one training")
    conv = model.layers["motifs"]
    is_keras_2 = len(stored[conv]) == 2 and file.axes(file.group(group, conv), stored[conv][0]) == 3
    backend = _backend(file, group, model) if is_keras_2 else ""
    shapes = keras_2_shapes(shapes) if is_keras_2 else shapes
    arrays = {}
    for layer, role in expected.items():
        names = stored[layer]
        if len(names) != len(shapes[role]):
            listed = format_foreign(", ".join(names))
            problem = f"layer {layer!r} has {len(names)} arrays ({listed}), but model.json has {len(shapes[role])}"
            raise InputError(file.path, problem)
        parent = file.group(group, layer)
        arrays[role] = [file.array(parent, name, shape) for name, shape in zip(names, shapes[role], strict=True)]
        if is_keras_2:
            arrays[role] = arrays_as_keras_1(role, arrays[role], backend=backend)
    return arrays


def _backend(file: Hdf5File, group: Any, model: _KerasModel) -> str:
    """Return the backend on which Keras 2 wrote weights: of it depends which way kernels read."""
    backend = file.text(group, "backend") or file.text(file.root, "backend") or model.backend
    if backend not in BACKENDS:
        problem = f"has weights of Keras 2 on the backend {backend or 'that is not named'!r}; known are "
        raise InputError(file.path, problem + ", ".join(BACKENDS), hint="name it in model.json, as backend")
    return backend


def _shapes(config: NetworkConfig) -> dict[str, list[_Shape]]:
    """Return the shapes of Keras's arrays by layer of `FactorNet`, in Keras's order."""
    kernels, cells = config.kernels, config.recurrent

    def dense(inputs: int, outputs: int) -> list[_Shape]:
        return [(inputs, outputs), (outputs,)]

    shapes = {"motifs": [(config.kernel_width, 1, config.channels, kernels), (kernels,)]}
    shapes["mixing"] = dense(kernels, kernels)
    if cells > 0:
        shapes["recurrent"] = [(kernels, cells), (cells, cells), (cells,)] * 8  # two directions of four gates
    shapes["dense"] = dense(config.flat, config.dense)
    if config.features:
        shapes["context"] = dense(config.dense + config.features, config.dense)
    shapes["output"] = dense(config.dense, len(config.tasks))
    return shapes


def _to_torch(arrays: Mapping[str, Sequence[_Array]]) -> dict[str, Tensor]:
    """Convert Keras's arrays to the ``state_dict()`` of `FactorNet`."""
    state: dict[str, _Array] = {}
    for layer, (weight, *rest) in arrays.items():
        if layer == "recurrent":
            state |= _lstm_to_torch([weight, *rest])
            continue
        # (width, 1, channels, kernels), flipped as Theano does, becomes (kernels, channels, width).
        state[f"{layer}.weight"] = weight[::-1, 0].T if layer == "motifs" else weight.T
        state[f"{layer}.bias"] = rest[0]
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in state.items()}


def _lstm_to_torch(arrays: Sequence[_Array]) -> dict[str, _Array]:
    """Convert W, U, b of the gates i, c, f, o, forward then backward, to torch's gate order i, f, c, o."""
    state = {}
    for suffix, direction in (("", arrays[:12]), ("_reverse", arrays[12:])):
        for k, name in enumerate(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")):
            i, c, f, o = direction[k::3]
            state[f"recurrent.lstm.{name}{suffix}"] = np.concatenate([i, f, c, o], axis=-1).T
        # torch has two biases, of which `BidirectionalLSTM` uses one.
        state[f"recurrent.lstm.bias_hh_l0{suffix}"] = np.zeros_like(state[f"recurrent.lstm.bias_ih_l0{suffix}"])
    return state
