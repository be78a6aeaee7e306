"""What the layer graph in a Keras 1 model.json says, if it is FactorNet's.

The graph is followed from the one output back to the windows of the two strands. Both ways must lead through the same
layers, each of the kind and with the settings that FactorNet has there. All that changes an output is checked, and what
the network here cannot represent is refused by the name of the layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ...store.errors import InputError

_MOST_NAMES = 2**12  # outputs, tracks or features


@dataclass(frozen=True, kw_only=True)
class KerasGraph:
    """Sizes of the network in model.json.

    Attributes:
        length: bases in a window.
        channels: A, C, G, T and the tracks.
        kernels: of the convolution.
        kernel_width: bases a kernel spans.
        recurrent: cells of the LSTM in each direction; 0 without it, -1 with global pooling.
        dense: units of each dense layer.
        dropout: share dropped before and after the dense layers.
        features: values that join the first dense layer's; 0 where there are none.
        tasks: outputs.
        layers: pairs of a layer of `FactorNet` (or "features", their input) and its name in model.json.
        version: of Keras.
    """

    length: int
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


def read_graph(path: Path) -> KerasGraph:
    """The sizes and layer names in a model.json.

    Raises:
        InputError: not there, not a model of Keras 1, or not a FactorNet; the message names the layer and what was
            expected of it.
    """
    try:
        content = json.loads(path.read_bytes())
        kind, version = content["class_name"], str(content.get("keras_version", "1"))
        if kind != "Model" or not version.startswith("1"):
            raise InputError(path, f"is a {kind} of Keras {version}, expected a Model of Keras 1")
        return replace(_read_strands(path, content["config"]), version=version)
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON ({error.msg})", line=error.lineno) from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(path, f"not of the form Keras 1 writes ({type(error).__name__}: {error})") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error


def _read_strands(path: Path, config: Mapping[str, Any]) -> KerasGraph:
    """The graph of either strand: they must be the same, and there be no other layers."""
    layers = {layer["name"]: layer for layer in config["layers"]}
    if len(config["output_layers"]) != 1 or len(layers) != len(config["layers"]):
        raise InputError(path, f"has outputs {config['output_layers']}, expected one, and layers of different names")
    output: str = config["output_layers"][0][0]
    average = _Walk(path, layers, [output])
    average.take("Merge", mode="ave")
    nodes = layers[output]["inbound_nodes"]
    if len(nodes) != 1 or len(nodes[0]) != 2:
        average.refuse(output, f"averages {nodes}", "the outputs of two strands")
    walks = [_Walk(path, layers, *_way(path, layers, source)) for source in nodes[0]]
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


def _way(path: Path, layers: Mapping[str, Any], source: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Names of the layers from a window to `source`, and of those merged in from the side."""
    names: list[str] = []
    merged: list[str] = []
    while True:
        name, node, _ = source
        names.insert(0, name)
        if len(names) > len(layers):
            raise InputError(path, f"layer {name!r} depends on itself")
        if not layers[name]["inbound_nodes"]:
            return names, merged
        source, *others = layers[name]["inbound_nodes"][node]  # of what FactorNet concatenates the trunk is the first
        merged += [other for other, *_ in others]


class _Walk:
    """The layers of a strand in order; each is taken only if it is the one that FactorNet has there."""

    def __init__(self, path: Path, layers: Mapping[str, Any], names: Sequence[str], merged: Sequence[str] = ()) -> None:
        self.names, self.merged = names, merged
        self._path, self._layers, self._left = path, layers, list(names)

    def take(self, kind: str, *, wrapped: str = "", **settings: object) -> tuple[str, dict[str, Any]]:
        """Name of the next layer and the settings to check and to read, for a wrapper those of the layer in it."""
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
        """Whether the next layer is of this kind."""
        return bool(self._left) and self._layers[self._left[0]]["class_name"] == kind

    def dropout(self, *expected: float) -> tuple[float, ...]:
        """Share of the Dropout layer that comes next, if one does; the one expected, if one is."""
        if not self.next_is("Dropout"):
            return ()
        name, config = self.take("Dropout")
        if expected:
            self._check(name, config["p"], "drops", expected[0])
        return (config["p"],)

    def aside(self) -> _Walk:
        """The way of what is merged in."""
        return _Walk(self._path, self._layers, self.merged)

    def size(self, name: str, value: object, *, least: int = 1, most: int = 2**20) -> int:
        """A size of layer `name`; all are checked before anything is allocated."""
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.refuse(name, f"has a size of {value!r}", f"{least} to {most}")
        return value

    def shape(self, name: str, shape: Sequence[object], *, axes: int) -> Sequence[object]:
        """Sizes of an input layer, without the batch's."""
        if len(shape) != axes + 1:
            self.refuse(name, f"has shape {shape}", f"{axes + 1} axes")
        return shape[1:]

    def refuse(self, name: str, got: str, expected: str) -> NoReturn:
        """Raise the error that names a layer, what it is and what it should be."""
        raise InputError(self._path, f"layer {name!r} {got}, expected {expected}: this is no FactorNet")

    def _check(self, name: str, got: object, verb: str, expected: object) -> None:
        if got != expected:
            self.refuse(name, f"{verb} {got!r}", repr(expected))


def _read_strand(walk: _Walk) -> KerasGraph:
    window, config = walk.take("InputLayer")
    length, channels = walk.shape(window, config["batch_input_shape"], axes=2)
    conv, config = walk.take("Convolution1D", activation="relu", border_mode="valid", subsample_length=1, bias=True)
    kernels, width = walk.size(conv, config["nb_filter"]), walk.size(conv, config["filter_length"], least=2)
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
    # Published models lack this dropout, which predictions do not feel; where it is, its share must be the other's.
    dropout += walk.dropout(*dropout)
    layers["output"], config = walk.take("Dense", activation="sigmoid", bias=True)
    return KerasGraph(
        length=walk.size(window, length),
        channels=walk.size(window, channels, least=4, most=4 + _MOST_NAMES),
        kernels=kernels,
        kernel_width=width,
        recurrent=recurrent,
        dense=dense,
        dropout=dropout[0] if dropout else 0.0,
        features=features,
        tasks=walk.size(layers["output"], config["output_dim"], most=_MOST_NAMES),
        layers=tuple(layers.items()),
    )


def _read_pooling(walk: _Walk, width: int, layers: dict[str, str]) -> int:
    """The pooling and what follows up to the dropout: cells of the LSTM, 0 without it, -1 for global pooling."""
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
    """The features' input and the dense layer after it: number of features."""
    merge, _ = walk.take("Merge", mode="concat", concat_axis=-1)
    if len(walk.merged) != 1:
        walk.refuse(merge, f"takes {', '.join(walk.merged)} from outside the trunk", "one input of features")
    features, config = walk.aside().take("InputLayer")
    walk.dropout(0.1)
    layers["features"] = features
    layers["context"], _ = walk.take("Dense", activation="relu", bias=True, output_dim=dense)
    (size,) = walk.shape(features, config["batch_input_shape"], axes=1)
    return walk.size(features, size, most=_MOST_NAMES)
