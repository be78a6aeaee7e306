"""Read the layer graph of a model.json of Keras 1 or 2, if it is a FactorNet.

The graph is followed from its output back to the windows of both strands. Both paths must pass through the same layers,
each of the type and with the settings that FactorNet has there. Everything that changes an output is checked; what
`FactorNet` cannot represent is refused by the name of the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ...store.errors import InputError
from ...store.text import format_foreign
from .keras2 import layers_as_keras_1
from .text_files import read_json

_MAX_NAMES = 2**12  # outputs, tracks or features
_MAX_LAYERS = 256  # the largest published model has 22
_MAX_NAME_LENGTH = 100  # characters of a layer's name


@dataclass(frozen=True, kw_only=True)
class KerasGraph:
    """Sizes and layer names of the network in model.json.

    Attributes:
        window_length: bases in a window.
        channels: A, C, G, T and the tracks.
        kernels: number of kernels of the convolution.
        kernel_width: bases a kernel spans.
        recurrent: LSTM cells per direction; 0 without an LSTM, -1 with global pooling.
        dense: units of each dense layer.
        dropout: rate before and after the dense layers.
        features: number of values concatenated to the first dense layer's; 0 without.
        tasks: number of outputs.
        layers: pairs of a layer of `FactorNet` (or "features", their input) and its name in model.json.
        version: version of Keras.
        backend: on which it ran; empty where it is not stated.
    """

    window_length: int
    channels: int
    kernels: int
    kernel_width: int
    recurrent: int
    dense: int
    dropout: float
    features: int
    tasks: int
    layers: tuple[tuple[str, str], ...]
    version: str = ""
    backend: str = ""


def read_graph(path: Path) -> KerasGraph:
    """Read the sizes and layer names of a model.json.

    Raises:
        InputError: the file is missing, not a model of Keras 1 or 2, or not a FactorNet; the message names the layer
            and what was expected.
    """
    content = read_json(path)
    version = "1"
    try:
        kind, version = content["class_name"], format_foreign(content.get("keras_version", "1"), 20)
        if kind != "Model" or version.partition(".")[0] not in ("1", "2"):
            kind = format_foreign(kind)
            raise InputError(path, f"is a {kind} of Keras {version}, expected a Model of Keras 1 or 2")
        backend = format_foreign(content.get("backend", ""), 20)
        return replace(_read_strands(path, content["config"], version), version=version, backend=backend)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        keras = f"Keras {version.partition('.')[0]}"
        problem = f"not of the form {keras} writes ({type(error).__name__}: {format_foreign(error)})"
        raise InputError(path, problem) from error


def _read_strands(path: Path, config: Mapping[str, Any], version: str) -> KerasGraph:
    """Read the graph of both strands, which must be equal, and check that there are no other layers."""
    if not isinstance(config["layers"], list) or len(config["layers"]) > _MAX_LAYERS:
        raise InputError(path, f"has {len(config['layers'])} layers, expected a list of at most {_MAX_LAYERS}")
    listed = layers_as_keras_1(path, config["layers"]) if version.startswith("2") else config["layers"]
    layers = {layer["name"]: layer for layer in listed}
    if bad := [name for name in layers if not isinstance(name, str) or len(name) > _MAX_NAME_LENGTH]:
        raise InputError(path, f"has a layer with the name {format_foreign(repr(bad[0]))}, expected a short text")
    if len(config["output_layers"]) != 1 or len(layers) != len(config["layers"]):
        outputs = format_foreign(config["output_layers"])
        raise InputError(path, f"has outputs {outputs}, expected one, and layers of different names")
    output: str = config["output_layers"][0][0]
    average = _Walk(path, layers, [output])
    average.take("Merge", mode="ave")
    nodes = layers[output]["inbound_nodes"]
    if len(nodes) != 1 or len(nodes[0]) != 2:
        average.refuse(output, f"averages {nodes}", "the outputs of two strands")
    walks = [_Walk(path, layers, *_path_to(path, layers, source)) for source in nodes[0]]
    windows = [walk.names[0] for walk in walks]
    if windows[0] == windows[1]:
        average.refuse(windows[0], "is the input of both strands", "one for each")
    forward, reverse = (_read_strand(walk) for walk in walks)
    if forward != reverse:
        pairs = [(a, b) for (_, a), (_, b) in zip(forward.layers, reverse.layers, strict=False) if a != b]
        one, other = pairs[0] if pairs else windows
        average.refuse(one, f"serves one strand, {other!r} the other", "the same layer and sizes for both")
    used = {output, *(name for walk in walks for name in (*walk.names, *walk.merged))}
    for name in [name for name in layers if name not in used]:
        average.refuse(name, f"({layers[name]['class_name']}) is on neither strand", "no such layer")
    return forward


def _path_to(path: Path, layers: Mapping[str, Any], source: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return the names of the layers from a window to `source`, and of the inputs concatenated on the way."""
    names: list[str] = []
    merged: list[str] = []
    while True:
        name, node, _ = source
        names.insert(0, name)
        if len(names) > len(layers):
            raise InputError(path, f"layer {name!r} depends on itself")
        if not layers[name]["inbound_nodes"]:
            return names, merged
        source, *others = layers[name]["inbound_nodes"][node]  # the trunk is the first input of a concatenation
        merged += [other for other, *_ in others]


class _Walk:
    """The layers of a strand in order, each checked against the one that FactorNet has there."""

    def __init__(self, path: Path, layers: Mapping[str, Any], names: Sequence[str], merged: Sequence[str] = ()) -> None:
        self.names, self.merged = names, merged
        self._path, self._layers, self._left = path, layers, list(names)

    def take(self, kind: str, *, wrapped: str = "", **settings: object) -> tuple[str, dict[str, Any]]:
        """Check type and settings of the next layer; return its name and config (of a wrapper, the inner layer's)."""
        if not self._left:
            self.refuse(self.names[-1], "is the last", f"{kind} after it")
        name = self._left.pop(0)
        layer = self._layers[name]
        self._check(name, layer["class_name"], "is", kind)
        if wrapped:
            self._check(name, layer["config"].get("merge_mode", "concat"), "has merge_mode", "concat")
            layer = layer["config"]["layer"]
            self._check(name, layer["class_name"], "wraps", wrapped)
        for key, value in settings.items():
            self._check(name, layer["config"].get(key), f"has {key}", value)
        return name, layer["config"]

    def next_is(self, kind: str) -> bool:
        """Return whether the next layer has this type."""
        return bool(self._left) and self._layers[self._left[0]]["class_name"] == kind

    def dropout(self, *expected: float) -> tuple[float, ...]:
        """Return the rate of the next layer if it is a Dropout, checked against an expected rate."""
        if not self.next_is("Dropout"):
            return ()
        name, config = self.take("Dropout")
        rate = config["p"]
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            self.refuse(name, f"drops {rate!r}", "a number of at least 0 and less than 1")
        if expected:
            self._check(name, rate, "drops", expected[0])
        return (rate,)

    def concatenated(self) -> _Walk:
        """Return the walk over the concatenated input."""
        return _Walk(self._path, self._layers, self.merged)

    def size(self, name: str, value: object, *, minimum: int = 1, maximum: int = 2**20) -> int:
        """Check a size of layer `name`, before anything is allocated."""
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            self.refuse(name, f"has a size of {value!r}", f"{minimum} to {maximum}")
        return value

    def shape(self, name: str, shape: Sequence[object], *, axes: int) -> Sequence[object]:
        """Return the shape of an input layer without the batch axis."""
        if len(shape) != axes + 1:
            self.refuse(name, f"has shape {shape}", f"{axes + 1} axes")
        return shape[1:]

    def refuse(self, name: str, got: str, expected: str) -> NoReturn:
        """Raise an error that names the layer, its setting and the expected one."""
        problem = f"layer {name!r} {format_foreign(got)}, expected {format_foreign(expected)}: not a FactorNet"
        raise InputError(self._path, problem)

    def _check(self, name: str, got: object, verb: str, expected: object) -> None:
        if got != expected:
            self.refuse(name, f"{verb} {got!r}", repr(expected))


def _read_strand(walk: _Walk) -> KerasGraph:
    window, config = walk.take("InputLayer")
    length, channels = walk.shape(window, config["batch_input_shape"], axes=2)
    conv, config = walk.take("Convolution1D", activation="relu", border_mode="valid", subsample_length=1, bias=True)
    kernels, width = walk.size(conv, config["nb_filter"]), walk.size(conv, config["filter_length"], minimum=2)
    walk.dropout(0.1)
    mixing, _ = walk.take("TimeDistributed", wrapped="Dense", activation="relu", bias=True, output_dim=kernels)
    layers = {"motifs": conv, "mixing": mixing}
    recurrent = _read_pooling(walk, width, layers)
    dropout = walk.dropout()
    if recurrent >= 0:
        walk.take("Flatten")
    layers["dense"], config = walk.take("Dense", activation="relu", bias=True)
    dense = walk.size(layers["dense"], config["output_dim"])
    features = _read_context(walk, dense, layers) if walk.merged else 0
    # Published models lack this dropout, which does not affect predictions; where it exists, the rates must be equal.
    dropout += walk.dropout(*dropout)
    layers["output"], config = walk.take("Dense", activation="sigmoid", bias=True)
    return KerasGraph(
        window_length=walk.size(window, length),
        channels=walk.size(window, channels, minimum=4, maximum=4 + _MAX_NAMES),
        kernels=kernels,
        kernel_width=width,
        recurrent=recurrent,
        dense=dense,
        dropout=dropout[0] if dropout else 0.0,
        features=features,
        tasks=walk.size(layers["output"], config["output_dim"], maximum=_MAX_NAMES),
        layers=tuple(layers.items()),
    )


def _read_pooling(walk: _Walk, width: int, layers: dict[str, str]) -> int:
    """Read the pooling and the LSTM; return the LSTM's cells, 0 without one, -1 for global pooling."""
    if walk.next_is("GlobalMaxPooling1D"):
        walk.take("GlobalMaxPooling1D")
        return -1
    walk.take("MaxPooling1D", pool_length=width // 2, stride=width // 2, border_mode="valid")
    if not walk.next_is("Bidirectional"):
        return 0
    gates = {"activation": "tanh", "inner_activation": "hard_sigmoid", "dropout_W": 0.1, "dropout_U": 0.1}
    order = {"return_sequences": True, "go_backwards": False, "stateful": False}
    layers["recurrent"], config = walk.take("Bidirectional", wrapped="LSTM", **gates, **order)
    return walk.size(layers["recurrent"], config["output_dim"])


def _read_context(walk: _Walk, dense: int, layers: dict[str, str]) -> int:
    """Read the input of the features and the dense layer after it; return the number of features."""
    merge, _ = walk.take("Merge", mode="concat", concat_axis=-1)
    if len(walk.merged) != 1:
        walk.refuse(merge, f"takes {', '.join(walk.merged)} from outside the trunk", "one input of features")
    features, config = walk.concatenated().take("InputLayer")
    walk.dropout(0.1)
    layers["features"] = features
    layers["context"], _ = walk.take("Dense", activation="relu", bias=True, output_dim=dense)
    (size,) = walk.shape(features, config["batch_input_shape"], axes=1)
    return walk.size(features, size, maximum=_MAX_NAMES)
