"""Read models that Keras 2 wrote, in the terms of Keras 1: layers of model.json, and arrays of weights.

Keras 2 renamed layers and settings and moved some; those that Keras 1 does not have must have the value that leaves the
layer as it was. A folder may have a model.json of Keras 2 and weights of either version, whose arrays differ:

    layer            Keras 1                                   Keras 2
    convolution      (width, 1, channels, kernels)             (width, channels, kernels)
    each direction   W, U, b of the gates i, c, f, o           W, U, b, with the gates i, f, c, o side by side
    of the LSTM

Theano flips kernels, TensorFlow and CNTK do not: the file of weights, or else model.json, names the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError
from ...store.text import format_foreign

Array = NDArray[np.float32]
_UNFLIPPED = ("tensorflow", "cntk")
BACKENDS = ("theano", *_UNFLIPPED)


def layers_as_keras_1(path: Path, layers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return layers of a model.json of Keras 2 as those that Keras 1 would have written.

    Args:
        path: of model.json, for messages.
        layers: ``config["layers"]``.

    Raises:
        InputError: a layer has a setting that Keras 1 does not have; the message names both.
        KeyError, TypeError, ValueError: the layers are not of the form that Keras 2 writes.
    """
    return [_Layer(path, layer).as_keras_1() for layer in layers]


class _Layer:
    """A layer of Keras 2 that is being translated."""

    def __init__(self, path: Path, layer: Mapping[str, Any]) -> None:
        self._path, self._layer = path, layer
        self._name = str(layer["name"])

    def as_keras_1(self) -> dict[str, Any]:
        kind, config = self._layer["class_name"], dict(self._layer["config"])
        # A node lists layer, node and tensor of each input, in Keras 2 with arguments, of which FactorNet has none.
        nodes = [[self._connection(source) for source in node] for node in self._layer["inbound_nodes"]]
        kind, config = self._translate(kind, config)
        return {"class_name": kind, "name": self._layer["name"], "config": config, "inbound_nodes": nodes}

    def _connection(self, source: Sequence[Any]) -> list[Any]:
        if len(source) == 4 and source[3]:
            self._refuse("calls its input with arguments", source[3])
        return list(source[:3])

    def _translate(self, kind: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        translations: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]] = {
            "Conv1D": self._convolution,
            "Dense": lambda c: ("Dense", self._dense(c)),
            "Dropout": lambda c: ("Dropout", {"p": c["rate"]}),
            "MaxPooling1D": self._pooling,
            "Bidirectional": self._bidirectional,
            "TimeDistributed": self._distributed,
            "Average": lambda _: ("Merge", {"mode": "ave"}),
            "Concatenate": lambda c: ("Merge", {"mode": "concat", "concat_axis": c["axis"]}),
        }
        return translations[kind](config) if kind in translations else (kind, config)

    def _convolution(self, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self._require(config, {"dilation_rate": 1, "data_format": "channels_last"})
        return "Convolution1D", {
            "nb_filter": config["filters"],
            "filter_length": self._single(config, "kernel_size"),
            "subsample_length": self._single(config, "strides"),
            "border_mode": config["padding"],
            "activation": config["activation"],
            "bias": config["use_bias"],
        }

    def _dense(self, config: dict[str, Any]) -> dict[str, Any]:
        return {"output_dim": config["units"], "activation": config["activation"], "bias": config["use_bias"]}

    def _pooling(self, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self._require(config, {"data_format": "channels_last"})
        sizes = {"pool_length": self._single(config, "pool_size"), "stride": self._single(config, "strides")}
        return "MaxPooling1D", {**sizes, "border_mode": config["padding"]}

    def _bidirectional(self, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        kind, inner = config["layer"]["class_name"], config["layer"]["config"]
        self._require(inner, {"use_bias": True, "unroll": False, "return_state": False})
        lstm = {key: inner[key] for key in ("activation", "return_sequences", "go_backwards", "stateful")}
        lstm |= {"output_dim": inner["units"], "inner_activation": inner["recurrent_activation"]}
        lstm |= {"dropout_W": inner["dropout"], "dropout_U": inner["recurrent_dropout"]}
        return "Bidirectional", {"merge_mode": config["merge_mode"], "layer": {"class_name": kind, "config": lstm}}

    def _distributed(self, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        inner = config["layer"]
        translated = self._dense(inner["config"]) if inner["class_name"] == "Dense" else inner["config"]
        return "TimeDistributed", {"layer": {"class_name": inner["class_name"], "config": translated}}

    def _single(self, config: Mapping[str, Any], key: str) -> Any:
        """Return a size along one axis, which Keras 2 writes as a number or as a list of one."""
        value = config[key]
        if isinstance(value, list):
            if len(value) != 1:
                self._refuse(f"has {key}", value)
            return value[0]
        return value

    def _require(self, config: Mapping[str, Any], settings: Mapping[str, object]) -> None:
        """Check settings that Keras 1 does not have, as far as they are there."""
        for key, expected in settings.items():
            if key in config and config[key] not in (expected, [expected]):
                self._refuse(f"has {key}", config[key])

    def _refuse(self, what: str, value: object) -> NoReturn:
        problem = f"layer {format_foreign(self._name, 100)!r} {what} {format_foreign(repr(value))}: not a FactorNet"
        raise InputError(self._path, problem)


def arrays_as_keras_1(role: str, arrays: Sequence[Array], *, backend: str) -> list[Array]:
    """Return the arrays of a layer that Keras 2 wrote as those that Keras 1 on Theano would have written.

    Args:
        role: layer of `FactorNet`.
        arrays: as listed in the file.
        backend: one of `BACKENDS`.
    """
    if role == "motifs":
        weight, bias = arrays
        return [(weight[::-1] if backend in _UNFLIPPED else weight)[:, None], bias]
    if role != "recurrent":
        return list(arrays)
    found = []
    for direction in (arrays[:3], arrays[3:]):
        gates = [np.split(array, 4, axis=-1) for array in direction]  # of W, U and b: i, f, c, o
        found += [part[gate] for gate in (0, 2, 1, 3) for part in gates]
    return found


def keras_2_shapes(shapes: Mapping[str, Sequence[tuple[int, ...]]]) -> dict[str, list[tuple[int, ...]]]:
    """Return the shapes of Keras 2's arrays by layer of `FactorNet`, from those of Keras 1."""
    found = {role: list(of_layer) for role, of_layer in shapes.items()}
    width, _, channels, kernels = shapes["motifs"][0]
    found["motifs"][0] = (width, channels, kernels)
    if "recurrent" in shapes:
        found["recurrent"] = [(*shape[:-1], 4 * shape[-1]) for shape in shapes["recurrent"][:3]] * 2
    return found
