"""Write model folders as Keras 2 did: a model.json of its layers, beside weights of Keras 1, or of Keras 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .keras_folder import Spec, Weights, make_weights, write_folder


def make_layers(spec: Spec) -> list[dict[str, Any]]:
    """The layers, as Keras 2.0 lists them, initialisers and regularisers left out."""
    layers: list[dict[str, Any]] = []

    def add(kind: str, name: str, *calls: list[str], **config: Any) -> list[str]:
        nodes = [[[s.partition(":")[0], int(s.partition(":")[2] or 0), 0, {}] for s in call] for call in calls]
        layers.append({"name": name, "class_name": kind, "config": {"name": name, **config}, "inbound_nodes": nodes})
        return [f"{name}:{i}" for i in range(len(calls))]

    def shared(kind: str, name: str, strands: list[str], **config: Any) -> list[str]:
        return add(kind, name, *([s] for s in strands), trainable=True, **config)

    for i in (1, 2):
        shape = [None, spec.length, 4 + len(spec.tracks)]
        add("InputLayer", f"input_{i}", batch_input_shape=shape, dtype="float32", sparse=False)
    y = shared(
        "Conv1D", "conv_1", ["input_1", "input_2"], filters=spec.kernels, kernel_size=[spec.width], strides=[1],
        padding="valid", dilation_rate=[1], activation="relu", use_bias=True,
    )  # fmt: skip
    y = shared("Dropout", "dropout_1", y, rate=0.1)
    inner = {"class_name": "Dense", "config": {"units": spec.kernels, "activation": "relu", "use_bias": True}}
    y = shared("TimeDistributed", "timedistributed_1", y, layer=inner)
    if spec.recurrent < 0:
        y = shared("GlobalMaxPooling1D", "global_max_pooling1d_1", y)
    else:
        pool = {"pool_size": [spec.width // 2], "strides": [spec.width // 2], "padding": "valid"}
        y = shared("MaxPooling1D", "max_pooling1d_1", y, **pool)
    if spec.recurrent > 0:
        lstm = {"units": spec.recurrent, "activation": "tanh", "recurrent_activation": "hard_sigmoid", "unroll": False}
        lstm |= {"return_sequences": True, "go_backwards": False, "stateful": False, "implementation": 0}
        lstm |= {"dropout": 0.1, "recurrent_dropout": 0.1, "use_bias": True, "unit_forget_bias": True}
        y = shared(
            "Bidirectional", "bidirectional_1", y, merge_mode="concat", layer={"class_name": "LSTM", "config": lstm}
        )
    y = shared("Dropout", "dropout_2", y, rate=spec.dropout)
    if spec.recurrent >= 0:
        y = shared("Flatten", "flatten_1", y)
    relu = {"units": spec.dense, "activation": "relu", "use_bias": True}
    y = shared("Dense", "dense_2", y, **relu)
    if spec.features:
        add("InputLayer", "input_3", batch_input_shape=[None, spec.features], dtype="float32", sparse=False)
        y = [add("Concatenate", f"concatenate_{i}", [s, "input_3"], axis=-1)[0] for i, s in enumerate(y)]
        y = y if spec.published else shared("Dropout", "dropout_3", y, rate=0.1)
        y = shared("Dense", "dense_3", y, **relu)
    if not spec.published:
        y = shared("Dropout", "dropout_4", y, rate=spec.dropout)
    y = shared("Dense", "dense_4", y, units=len(spec.tasks), activation="sigmoid", use_bias=True)
    add("Average", "average_1", y)
    return layers


def write_keras2_folder(folder: Path, spec: Spec, *, backend: str = "theano", new_weights: bool = False) -> Path:
    """Write a folder as `write_folder` does, with a model.json of Keras 2; with `new_weights`, weights of it, too."""
    write_folder(folder, spec)
    layers = make_layers(spec)
    inputs = [[layer["name"], 0, 0] for layer in layers if layer["class_name"] == "InputLayer"]
    config = {"name": "model_1", "layers": layers, "input_layers": inputs, "output_layers": [["average_1", 0, 0]]}
    content = {"class_name": "Model", "config": config, "keras_version": "2.0.8", "backend": backend}
    (folder / "model.json").write_text(json.dumps(content))
    if new_weights:
        names = [layer["name"] for layer in layers]
        for seed, name in ((1, "best_model.hdf5"), (2, "final_model.hdf5")):
            write_weights(folder / name, names, as_keras_2(make_weights(spec, seed=seed), backend), backend)
    return folder


def as_keras_2(weights: Weights, backend: str) -> Weights:
    """The same network's arrays, as Keras 2 would save them on a backend."""
    found = dict(weights)
    kernel, bias = weights["conv_1"]
    found["conv_1"] = [kernel[:, 0] if backend == "theano" else kernel[::-1, 0], bias]
    if arrays := weights.get("bidirectional_1"):
        merged = []
        for direction in (arrays[:12], arrays[12:]):
            gates = {gate: direction[3 * i : 3 * i + 3] for i, gate in enumerate("icfo")}
            merged += [np.concatenate([gates[gate][k] for gate in "ifco"], axis=-1) for k in range(3)]
        found["bidirectional_1"] = merged
    return found


def write_weights(path: Path, layers: list[str], weights: Weights, backend: str) -> None:
    """Write an HDF5 file as ``save_weights`` of Keras 2 did."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([n.encode() for n in layers])
        file.attrs["backend"], file.attrs["keras_version"] = np.bytes_(backend), np.bytes_("2.0.8")
        for layer in layers:
            names = [f"{layer}/{i}:0" for i in range(len(weights.get(layer, [])))]
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([n.encode() for n in names])
            for name, array in zip(names, weights.get(layer, []), strict=True):
                group[name] = array
