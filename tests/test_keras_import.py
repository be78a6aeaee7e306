"""The original's models: folders written here as Keras 1 wrote them, an oracle in plain numpy, and the real ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from factornet.cli.model import main
from factornet.model import FactorNet, KerasAdam, NetworkConfig, import_keras, load_network, read_card, write_imported
from factornet.model.training import cross_entropy
from factornet.store.errors import InputError, UsageError

GEPC = tuple(f"GEPC{i}" for i in range(1, 9))


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A model of the original; `published` ones have no dropout after the concatenation and the dense layers."""

    length: int = 30
    width: int = 6
    kernels: int = 5
    recurrent: int = 3
    dense: int = 4
    dropout: float = 0.4
    tasks: tuple[str, ...] = ("MAX",)
    tracks: tuple[str, ...] = ("Unique35", "DGF")
    meta: tuple[str, ...] = ()
    gencode: bool = False
    published: bool = False

    @property
    def features(self) -> int:
        return len(self.meta) + 6 * self.gencode

    @property
    def config(self) -> NetworkConfig:
        return NetworkConfig(
            length=self.length, kernel_width=self.width, kernels=self.kernels, recurrent=self.recurrent,
            dense=self.dense, dropout=self.dropout, tasks=self.tasks, tracks=self.tracks, meta=self.meta,
            gencode=self.gencode, gates="hard_sigmoid",
        )  # fmt: skip


SPECS = {
    "LSTM, one track": Spec(tracks=("DGF",), published=True),
    "LSTM, stranded tracks, several tasks": Spec(tracks=("U", "DNase_fwd", "DNase_rev"), tasks=("A", "B", "C")),
    "LSTM, sequence only, odd width": Spec(tracks=(), width=7),
    "no LSTM, several tasks": Spec(recurrent=0, tasks=("A", "B")),
    "global pooling, meta": Spec(recurrent=-1, meta=("age", "size"), dropout=0.5),
    "LSTM, meta": Spec(meta=GEPC, published=True),
    "LSTM, gencode": Spec(gencode=True, published=True),
    "LSTM, meta and gencode": Spec(meta=GEPC, gencode=True),
}

Weights = dict[str, list[np.ndarray]]


# ---- writing a folder as Keras 1.2 did ----


def make_layers(spec: Spec) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []

    def add(kind: str, name: str, *sources: list[str], **config: Any) -> list[str]:
        """One layer, called once for each entry of `sources`; the names `name:i` of its outputs."""
        nodes = [[[s.partition(":")[0], int(s.partition(":")[2] or 0), 0] for s in call] for call in sources]
        layers.append({"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes})
        return [f"{name}:{i}" for i in range(len(sources))]

    def shared(kind: str, name: str, strands: list[str], **config: Any) -> list[str]:
        return add(kind, name, *([s] for s in strands), **config)

    channels = 4 + len(spec.tracks)
    for i in (1, 2):
        add("InputLayer", f"input_{i}", batch_input_shape=[None, spec.length, channels])
    conv = {"nb_filter": spec.kernels, "filter_length": spec.width, "border_mode": "valid", "subsample_length": 1}
    y = shared("Convolution1D", "conv_1", ["input_1", "input_2"], activation="relu", bias=True, **conv)
    y = shared("Dropout", "dropout_1", y, p=0.1)
    inner = {"class_name": "Dense", "config": {"output_dim": spec.kernels, "activation": "relu", "bias": True}}
    y = shared("TimeDistributed", "timedistributed_1", y, layer=inner)
    if spec.recurrent < 0:
        y = shared("GlobalMaxPooling1D", "globalmaxpooling1d_1", y)
    else:
        pool = {"pool_length": spec.width // 2, "stride": spec.width // 2, "border_mode": "valid"}
        y = shared("MaxPooling1D", "maxpooling1d_1", y, **pool)
    if spec.recurrent > 0:
        lstm = {"output_dim": spec.recurrent, "activation": "tanh", "inner_activation": "hard_sigmoid"}
        lstm |= {"return_sequences": True, "go_backwards": False, "stateful": False, "consume_less": "cpu"}
        lstm |= {"dropout_W": 0.1, "dropout_U": 0.1}
        y = shared(
            "Bidirectional", "bidirectional_1", y, merge_mode="concat", layer={"class_name": "LSTM", "config": lstm}
        )
    y = shared("Dropout", "dropout_2", y, p=spec.dropout)
    if spec.recurrent >= 0:
        y = shared("Flatten", "flatten_1", y)
    relu = {"output_dim": spec.dense, "activation": "relu", "bias": True}
    y = shared("Dense", "dense_2", y, **relu)
    if spec.features:
        add("InputLayer", "input_3", batch_input_shape=[None, spec.features])
        merges = [add("Merge", f"merge_{i}", [s, "input_3"], mode="concat", concat_axis=-1)[0] for i, s in enumerate(y)]
        y = merges if spec.published else shared("Dropout", "dropout_3", merges, p=0.1)
        y = shared("Dense", "dense_3", y, **relu)
    if not spec.published:
        y = shared("Dropout", "dropout_4", y, p=spec.dropout)
    y = shared("Dense", "dense_4", y, output_dim=len(spec.tasks), activation="sigmoid", bias=True)
    add("Merge", "merge_9", y, mode="ave")
    return layers


def make_weights(spec: Spec, *, seed: int) -> Weights:
    """Random weights by layer, in Keras's order and shapes; large enough to reach the flat ends of the hard sigmoid."""
    rng = np.random.default_rng(seed)
    r, k, d = spec.recurrent, spec.kernels, spec.dense
    positions = spec.length - spec.width + 1
    flat = k if r < 0 else positions // (spec.width // 2) * (2 * r if r else k)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "conv_1": [(spec.width, 1, 4 + len(spec.tracks), k), (k,)],
        "timedistributed_1": [(k, k), (k,)],
        "bidirectional_1": [(k, r), (r, r), (r,)] * 8 if r > 0 else [],
        "dense_2": [(flat, d), (d,)],
        "dense_3": [(d + spec.features, d), (d,)] if spec.features else [],
        "dense_4": [(d, len(spec.tasks)), (len(spec.tasks),)],
    }
    scale = {"bidirectional_1": 1.5}
    return {
        layer: [rng.normal(0, scale.get(layer, 0.5), shape).astype(np.float32) for shape in arrays]
        for layer, arrays in shapes.items()
        if arrays
    }


def write_weights(path: Path, layers: list[str], weights: Weights, *, whole: bool, texts: type = bytes) -> None:
    """An hdf5 file as Keras 1 wrote: `whole` models have the weights in a group of their own."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["keras_version"] = b"1.2.2"
            file.create_group("optimizer_weights")
        group.attrs["layer_names"] = _attribute(layers, texts)
        for layer in layers:
            # A number first: by key the arrays would come in another order.
            names = [f"{9 - i % 10}_{layer}_{i}" for i in range(len(weights.get(layer, [])))]
            part = group.create_group(layer)
            part.attrs["weight_names"] = _attribute(names, texts)
            for name, array in zip(names, weights.get(layer, []), strict=True):
                part[name] = array


def _attribute(names: list[str], texts: type) -> Any:
    return (
        np.array([n.encode() for n in names], dtype="S30") if texts is bytes else np.array(names, h5py.string_dtype())
    )


def write_folder(folder: Path, spec: Spec) -> Path:
    """A model folder whose best weights have seed 1, and whose final weights have seed 2."""
    folder.mkdir(parents=True)
    layers = make_layers(spec)
    inputs = [[layer["name"], 0, 0] for layer in layers if layer["class_name"] == "InputLayer"]
    config = {"name": "model_1", "layers": layers, "input_layers": inputs, "output_layers": [["merge_9", 0, 0]]}
    (folder / "model.json").write_text(json.dumps({"class_name": "Model", "keras_version": "1.2.2", "config": config}))
    names = [layer["name"] for layer in layers]
    write_weights(folder / "best_model.hdf5", names, make_weights(spec, seed=1), whole=True)
    write_weights(folder / "final_model.hdf5", names, make_weights(spec, seed=2), whole=False, texts=str)
    features = ["bigwig"] + ["meta"] * bool(spec.meta) + ["gencode"] * spec.gencode
    lists = {"chip.txt": spec.tasks, "bigwig.txt": spec.tracks, "feature.txt": features, "meta.txt": spec.meta}
    for name, lines in lists.items():
        if lines or name != "meta.txt":
            (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


# ---- the oracle: the original's arithmetic, window by window, in float64 ----


def oracle(spec: Spec, weights: Weights, codes: np.ndarray, signal: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Probabilities, shape (windows, tasks); `signal` has shape (windows, tracks, length)."""
    swap = {"_fwd": "_rev", "_rev": "_fwd"}
    other = [spec.tracks.index(t[:-4] + swap[t[-4:]]) if t[-4:] in swap else i for i, t in enumerate(spec.tracks)]
    out = []
    for c, s, f in zip(codes, signal.astype(float), features.astype(float), strict=True):
        forward = np.concatenate([np.eye(5)[c][:, :4], s.T], axis=1)
        complement = np.array([3, 2, 1, 0, 4])[c[::-1]]
        reverse = np.concatenate([np.eye(5)[complement][:, :4], s[other, ::-1].T], axis=1)
        out.append((strand(spec, weights, forward, f) + strand(spec, weights, reverse, f)) / 2)
    return np.array(out)


def strand(spec: Spec, weights: Weights, x: np.ndarray, features: np.ndarray) -> np.ndarray:
    w = {layer: [a.astype(float) for a in arrays] for layer, arrays in weights.items()}
    kernel, bias = w["conv_1"]
    rows = []
    for p in range(spec.length - spec.width + 1):
        taps = [x[p + j] @ kernel[spec.width - 1 - j, 0] for j in range(spec.width)]  # a true convolution flips
        rows.append(np.maximum(sum(taps) + bias, 0))
    y = np.maximum(np.array(rows) @ w["timedistributed_1"][0] + w["timedistributed_1"][1], 0)
    if spec.recurrent < 0:
        y = y.max(axis=0)
    else:
        size = spec.width // 2
        y = np.array([y[i * size : (i + 1) * size].max(axis=0) for i in range(len(y) // size)])
    if spec.recurrent > 0:
        arrays = w["bidirectional_1"]
        y = np.concatenate([lstm(arrays[:12], y), lstm(arrays[12:], y[::-1])[::-1]], axis=1)
    y = np.maximum(y.reshape(-1) @ w["dense_2"][0] + w["dense_2"][1], 0)
    if spec.features:
        y = np.maximum(np.concatenate([y, features]) @ w["dense_3"][0] + w["dense_3"][1], 0)
    return 1 / (1 + np.exp(-(y @ w["dense_4"][0] + w["dense_4"][1])))


def lstm(arrays: list[np.ndarray], steps: np.ndarray) -> np.ndarray:
    w_i, u_i, b_i, w_c, u_c, b_c, w_f, u_f, b_f, w_o, u_o, b_o = arrays
    h = c = np.zeros(len(b_i))
    out = []
    for x in steps:
        i = np.clip(0.2 * (x @ w_i + h @ u_i + b_i) + 0.5, 0, 1)
        f = np.clip(0.2 * (x @ w_f + h @ u_f + b_f) + 0.5, 0, 1)
        o = np.clip(0.2 * (x @ w_o + h @ u_o + b_o) + 0.5, 0, 1)
        c = f * c + i * np.tanh(x @ w_c + h @ u_c + b_c)
        h = o * np.tanh(c)
        out.append(h)
    return np.array(out)


def windows(spec: Spec, n: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes (N included), signal and features of `n` windows."""
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 5, (n, spec.length), dtype=np.uint8)
    signal = rng.normal(0, 1, (n, len(spec.tracks), spec.length)).astype(np.float32)
    return codes, signal, rng.normal(0, 1, (n, spec.features)).astype(np.float32)


def predict(network: FactorNet, codes: np.ndarray, signal: np.ndarray, features: np.ndarray) -> np.ndarray:
    extra = torch.from_numpy(features) if features.shape[1] else None
    with torch.no_grad():
        result: np.ndarray = network(torch.from_numpy(codes), torch.from_numpy(signal), extra).numpy()
    return result


# ---- tests on written folders ----


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_equals_the_oracle(spec, tmp_path):
    folder = write_folder(tmp_path / "keras", spec)
    inputs = windows(spec)
    for which, seed in (("best", 1), ("final", 2)):
        network = import_keras(folder, weights=which)
        expected = oracle(spec, make_weights(spec, seed=seed), *inputs)
        assert network.config == spec.config
        assert not network.training
        assert expected.std() > 1e-3
        np.testing.assert_allclose(predict(network, *inputs), expected, rtol=0, atol=2e-6)
        np.testing.assert_allclose(predict(network.double(), *inputs), expected, rtol=0, atol=1e-12)


def test_weights_alone_and_whole_models_are_read_in_either_file(tmp_path):
    spec = SPECS["LSTM, meta"]
    folder = write_folder(tmp_path / "keras", spec)
    before = predict(import_keras(folder), *windows(spec))
    names = [layer["name"] for layer in make_layers(spec)]
    write_weights(folder / "best_model.hdf5", names, make_weights(spec, seed=1), whole=False, texts=str)
    write_weights(folder / "final_model.hdf5", names, make_weights(spec, seed=1), whole=True)
    np.testing.assert_array_equal(predict(import_keras(folder), *windows(spec)), before)
    np.testing.assert_array_equal(predict(import_keras(folder, weights="final"), *windows(spec)), before)


NAMES = [
    # (model, files removed, files written, expected meta and gencode, or the error)
    (Spec(meta=GEPC), ["meta.txt"], {}, (GEPC, False)),
    (Spec(meta=GEPC), ["meta.txt", "feature.txt"], {}, (GEPC, False)),
    (Spec(meta=GEPC, gencode=True), ["meta.txt", "feature.txt"], {}, (GEPC, True)),
    (Spec(gencode=True), ["feature.txt"], {}, ((), True)),
    (Spec(meta=("a", "b")), ["meta.txt", "feature.txt"], {}, (("meta1", "meta2"), False)),
    (Spec(meta=("a", "b")), ["feature.txt"], {}, (("a", "b"), False)),
    (Spec(meta=("a", "b"), gencode=True), ["feature.txt"], {}, (("a", "b"), True)),
    (Spec(meta=("a", "b"), gencode=True), ["meta.txt"], {}, (("meta1", "meta2"), True)),
    (Spec(tracks=()), ["bigwig.txt", "feature.txt"], {}, ((), False)),
    (Spec(), [], {"chip.txt": "MAX\r\n\r\n", "bigwig.txt": "Unique35\r\nDGF"}, ((), False)),
    (Spec(meta=("a", *GEPC)), ["meta.txt", "feature.txt"], {}, r"feature.txt: is missing.* 9 features.*write one"),
    (Spec(), ["bigwig.txt", "chip.txt"], {}, ((), False)),
    (Spec(tracks=("DGF",)), ["bigwig.txt"], {}, ((), False)),
    (Spec(tracks=("a", "b", "c")), ["bigwig.txt"], {}, r"bigwig.txt: is missing; model.json has 3 tracks to name"),
    (Spec(tasks=("MAX", "MYC")), ["chip.txt"], {}, r"chip.txt: is missing; model.json has 2 outputs to name"),
    (Spec(), [], {"bigwig.txt": "DGF\n"}, r"bigwig.txt: has 1 names, but model.json has 2 tracks"),
    (Spec(tracks=()), [], {"bigwig.txt": "DGF\n"}, r"bigwig.txt: has 1 names, but model.json has 0 tracks"),
    (Spec(), [], {"chip.txt": "A\nB\n"}, r"chip.txt: has 2 names, but model.json has 1 outputs"),
    (Spec(), [], {"chip.txt": ""}, r"chip.txt: has 0 names, but model.json has 1 outputs"),
    (Spec(meta=GEPC), [], {"meta.txt": "a\nb\n"}, r"meta.txt: has 2 names, but model.json has 8 meta values"),
    (Spec(), [], {"meta.txt": "a\n"}, r"meta.txt: has 1 names, but model.json has 0 meta values"),
    (Spec(meta=GEPC), [], {"feature.txt": "bigwig\n"}, r"feature.txt: names bigwig, but model.json has 8 features"),
    (Spec(), [], {"feature.txt": "bigwig\ngencode\n"}, r"feature.txt: names bigwig, gencode, but model.json has 0"),
    (Spec(), [], {"feature.txt": "bigwig\nage\n"}, r"feature.txt: names the features bigwig, age; there are"),
    (Spec(), [], {"bigwig.txt": "DGF\nDGF\n"}, r"model.json: .*'DGF' is there twice"),
    (Spec(), [], {"bigwig.txt": "U\nDNase_fwd\n"}, r"'DNase_fwd' needs its other strand 'DNase_rev'"),
    (Spec(), [], {"bigwig.txt": b"\xff\n"}, r"bigwig.txt: cannot be read as text"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "removed", "written", "expected"), NAMES)
def test_names(spec, removed, written, expected, tmp_path):
    (tmp_path / "MAX").mkdir()
    folder = write_folder(tmp_path / "MAX/keras", spec)
    for name in removed:
        (folder / name).unlink()
    for name, text in written.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            import_keras(folder)
        return
    config = import_keras(folder).config
    assert (config.meta, config.gencode) == expected
    assert (config.tasks, config.tracks) == (spec.tasks, spec.tracks)


Change = Callable[[Path], None]


def edit(name: str, /, **changes: Any) -> Change:
    """Change settings of a layer in model.json; `wrapped_` ones are of the layer in it."""

    def change(folder: Path) -> None:
        def one(content: dict[str, Any]) -> None:
            found = next(entry for entry in content["config"]["layers"] if entry["name"] == name)
            for key, value in changes.items():
                if key.startswith("wrapped_"):
                    found["config"]["layer"]["config"][key.removeprefix("wrapped_")] = value
                elif key in ("class_name", "inbound_nodes"):
                    found[key] = value
                else:
                    found["config"][key] = value

        edit_json(one)(folder)

    return change


def edit_json(change: Callable[[dict[str, Any]], None]) -> Change:
    def apply(folder: Path) -> None:
        content = json.loads((folder / "model.json").read_text())
        change(content)
        (folder / "model.json").write_text(json.dumps(content))

    return apply


def insert(name: str, kind: str, after: str, before: str, **config: Any) -> Change:
    """A further layer on both strands."""

    def one(content: dict[str, Any]) -> None:
        layers = content["config"]["layers"]
        nodes = [[[after, 0, 0]], [[after, 1, 0]]]
        layers.append({"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes})
        found = next(entry for entry in layers if entry["name"] == before)
        found["inbound_nodes"] = [[[name, 0, 0]], [[name, 1, 0]]]

    return edit_json(one)


def unshare(content: dict[str, Any]) -> None:
    """A dense layer for each strand."""
    layers = content["config"]["layers"]
    dense = next(entry for entry in layers if entry["name"] == "dense_2")
    layers.append({**dense, "name": "dense_9", "inbound_nodes": [[["flatten_1", 1, 0]]]})
    dense["inbound_nodes"] = [[["flatten_1", 0, 0]]]
    after = next(entry for entry in layers if entry["name"] == "dropout_4")
    after["inbound_nodes"] = [[["dense_2", 0, 0]], [["dense_9", 0, 0]]]


def spare(content: dict[str, Any]) -> None:
    layer = {"class_name": "Dense", "name": "dense_9", "config": {}, "inbound_nodes": [[["flatten_1", 0, 0]]]}
    content["config"]["layers"].append(layer)


def write(name: str, data: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(data) and None


def cut(folder: Path) -> None:
    path = folder / "best_model.hdf5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def weights_with(change: Callable[[Any], object]) -> Change:
    """Change the group of the best weights."""

    def apply(folder: Path) -> None:
        with h5py.File(folder / "best_model.hdf5", "r+") as file:
            change(file["model_weights"])

    return apply


def replaced(layer: str, index: int, array: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Put another array in the place of one of the best weights."""

    def one(group: Any) -> None:
        name = group[layer].attrs["weight_names"][index]
        new = array(group[layer][name][()])
        del group[layer][name]
        group[layer][name] = new

    return weights_with(one)


def nan(array: np.ndarray) -> np.ndarray:
    array.flat[0] = np.nan
    return array


ERRORS = {
    "no folder": (shutil.rmtree, r"keras: no such folder; name a folder with model.json"),
    "no json": (lambda f: (f / "model.json").unlink(), r"keras: holds no model.json"),
    "json cut": (write("model.json", b'{"class_name":\n'), r"model.json:2: not JSON"),
    "a list": (write("model.json", b"[]"), r"not of the form Keras 1 writes"),
    "nothing in it": (write("model.json", b"{}"), r"not of the form Keras 1 writes \(KeyError: 'class_name'\)"),
    "deep": (write("model.json", b"[" * 100_000), r"not of the form Keras 1 writes \(RecursionError"),
    "not text": (write("model.json", b"\xff\xfe{"), r"model.json: not"),
    "Sequential": (edit_json(lambda c: c.update(class_name="Sequential")), r"is a Sequential of Keras 1.2.2, expected"),
    "Keras 2": (edit_json(lambda c: c.update(keras_version="2.1")), r"is a Model of Keras 2.1, expected a Model of Ker"),
    "two outputs": (
        edit_json(lambda c: c["config"].update(output_layers=[["dense_4", 0, 0], ["merge_9", 0, 0]])),
        r"has outputs .*dense_4.*expected one",
    ),
    "same padding": (edit("conv_1", border_mode="same"), r"'conv_1' has border_mode 'same', expected 'valid': this is no"),
    "stride": (edit("conv_1", subsample_length=2), r"'conv_1' has subsample_length 2, expected 1"),
    "no bias": (edit("dense_2", bias=False), r"'dense_2' has bias False, expected True"),
    "tanh": (edit("conv_1", activation="tanh"), r"'conv_1' has activation 'tanh', expected 'relu'"),
    "softmax": (edit("dense_4", activation="softmax"), r"'dense_4' has activation 'softmax', expected 'sigmoid'"),
    "gates": (
        edit("bidirectional_1", wrapped_inner_activation="relu"),
        r"'bidirectional_1' has inner_activation 'relu', expected 'hard_sigmoid'",
    ),
    "last state": (edit("bidirectional_1", wrapped_return_sequences=False), r"has return_sequences False, expected True"),
    "sum of directions": (edit("bidirectional_1", merge_mode="sum"), r"has merge_mode 'sum', expected 'concat'"),
    "GRU": (
        edit("bidirectional_1", layer={"class_name": "GRU", "config": {}}),
        r"'bidirectional_1' wraps 'GRU', expected 'LSTM'",
    ),
    "LSTM dropout": (edit("bidirectional_1", wrapped_dropout_W=0.3), r"has dropout_W 0.3, expected 0.1"),
    "pool": (edit("maxpooling1d_1", pool_length=4, stride=4), r"'maxpooling1d_1' has pool_length 4, expected 3"),
    "pool stride": (edit("maxpooling1d_1", stride=1), r"'maxpooling1d_1' has stride 1, expected 3"),
    "average pool": (edit("maxpooling1d_1", class_name="AveragePooling1D"), r"is 'AveragePooling1D', expected 'MaxPooli"),
    "mixing": (edit("timedistributed_1", wrapped_output_dim=9), r"'timedistributed_1' has output_dim 9, expected 5"),
    "first dropout": (edit("dropout_1", p=0.3), r"'dropout_1' drops 0.3, expected 0.1"),
    "two dropouts": (edit("dropout_4", p=0.3), r"'dropout_4' drops 0.3, expected 0.4"),
    "all dropped": (edit_json(lambda c: [e["config"].update(p=1.0) for e in c["config"]["layers"] if e["name"] in ("dropout_2", "dropout_4")]), r"dropout must be at least 0 and less than 1, got 1.0"),
    "a further layer": (
        insert("batchnormalization_1", "BatchNormalization", "dense_2", "dropout_4"),
        r"'batchnormalization_1' is 'BatchNormalization', expected 'Dense'",
    ),
    "maximum of strands": (edit("merge_9", mode="max"), r"'merge_9' has mode 'max', expected 'ave'"),
    "one strand": (edit("merge_9", inbound_nodes=[[["dense_4", 0, 0]]]), r"'merge_9' averages .*, expected the outputs of"),
    "same strand twice": (
        edit("merge_9", inbound_nodes=[[["dense_4", 0, 0], ["dense_4", 0, 0]]]),
        r"'input_1' is the input of both strands, expected one for each",
    ),
    "strands apart": (edit_json(unshare), r"'dense_2' serves one strand, 'dense_9' the other, expected the same layer"),
    "other lengths": (edit("input_2", batch_input_shape=[None, 31, 6]), r"'input_1' serves one strand, 'input_2' the oth"),
    "spare layer": (edit_json(spare), r"'dense_9' \(Dense\) is on neither strand, expected no such layer"),
    "loop": (edit("conv_1", inbound_nodes=[[["dense_2", 0, 0]], [["dense_2", 1, 0]]]), r"depends on itself"),
    "unknown source": (edit("conv_1", inbound_nodes=[[["input_7", 0, 0]]]), r"not of the form .*KeyError: 'input_7'"),
    "input axes": (edit("input_1", batch_input_shape=[None, 30]), r"'input_1' has shape \[None, 30\], expected 3 axes"),
    "no channels": (edit("input_1", batch_input_shape=[None, 30, 3]), r"'input_1' has a size of 3, expected 4 to"),
    "any length": (edit("input_1", batch_input_shape=[None, None, 6]), r"'input_1' has a size of None, expected 1 to"),
    "short window": (
        edit_json(lambda c: [e["config"].update(batch_input_shape=[None, 7, 6]) for e in c["config"]["layers"][:2]]),
        r"length 7 is too short",
    ),
    "no kernels": (edit("conv_1", nb_filter=0), r"'conv_1' has a size of 0, expected 1 to"),
    "many kernels": (edit("conv_1", nb_filter=10**12), r"'conv_1' has a size of 1000000000000, expected 1 to"),
    "many cells": (edit("bidirectional_1", wrapped_output_dim=2**19), r"declares [\d,]{10,} parameters; at most"),
    "many outputs": (edit("dense_4", output_dim=2**19), r"'dense_4' has a size of 524288, expected 1 to 4096"),
    "text as size": (edit("dense_2", output_dim="4"), r"'dense_2' has a size of '4', expected 1 to"),
    "other weights": (edit("dense_2", output_dim=5), r"best_model.hdf5: layer 'dense_2': .* has shape \(48, 4\), but .* \(48, 5\)"),
    "weights cut": (cut, r"best_model.hdf5: damaged"),
    "weights empty": (write("best_model.hdf5", b""), r"best_model.hdf5: damaged"),
    "weights are text": (write("best_model.hdf5", b"version https://git-lfs"), r"best_model.hdf5: damaged"),
    "no weights": (lambda f: (f / "best_model.hdf5").unlink(), r"best_model.hdf5: no such weights; there are: final_model.hdf5; take the others with --weights final"),
    "no list of layers": (weights_with(lambda g: g.attrs.pop("layer_names")), r"damaged, or not weights of Keras 1"),
    "listed only": (weights_with(lambda g: g.pop("dense_2")), r"damaged, or not weights of Keras 1"),
    "layer without weights": (
        weights_with(lambda g: g["dense_2"].attrs.update(weight_names=np.array([], dtype="S1"))),
        r"has weights of bidirectional_1, .*, but model.json has conv_1, .*dense_2",
    ),
    "layer short of an array": (
        weights_with(lambda g: g["conv_1"].attrs.update(weight_names=[b"9_conv_1_0"])),
        r"layer 'conv_1' has 1 arrays \(9_conv_1_0\), but model.json has 2",
    ),
    "transposed": (replaced("dense_4", 0, lambda a: a.T), r"'dense_4': 9_dense_4_0 has shape \(1, 4\), but .* \(4, 1\)"),
    "NaN": (replaced("bidirectional_1", 4, nan), r"layer 'bidirectional_1': 1 of 9 values of 5_bidi\w+ are not finite"),
    "overflow": (replaced("dense_4", 1, lambda a: np.array([1e300])), r"'dense_4': 1 of 1 values of 8_\w+ are not finite"),
    "integers": (replaced("dense_4", 1, lambda a: np.array([1])), r"'dense_4': 8_dense_4_1 is of type int64, expected fl"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), ERRORS.values(), ids=ERRORS)
def test_refused(change, message, tmp_path):
    folder = write_folder(tmp_path / "keras", Spec())
    change(folder)
    with pytest.raises(InputError, match=message):
        import_keras(folder)


FEATURE_ERRORS = {
    "sum": (edit("merge_0", mode="sum"), r"'merge_0' has mode 'sum', expected 'concat'"),
    "other dropout": (edit("dropout_3", p=0.2), r"'dropout_3' drops 0.2, expected 0.1"),
    "features first": (edit("merge_0", inbound_nodes=[[["input_3", 0, 0], ["dense_2", 0, 0]]]), r"'input_3' has shape \[None, 8\], expected 3 axes"),
    "one strand only": (edit("merge_1", inbound_nodes=[[["dense_2", 1, 0], ["input_1", 0, 0]]]), r"'input_1' has shape"),
    "no features": (edit("input_3", batch_input_shape=[None, 0]), r"'input_3' has a size of 0, expected 1 to 4096"),
    "other width": (edit("dense_3", output_dim=7), r"'dense_3' has output_dim 7, expected 4"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), FEATURE_ERRORS.values(), ids=FEATURE_ERRORS)
def test_refused_features(change, message, tmp_path):
    folder = write_folder(tmp_path / "keras", Spec(meta=GEPC))
    change(folder)
    with pytest.raises(InputError, match=message):
        import_keras(folder)


def test_an_unknown_choice_of_weights(tmp_path):
    with pytest.raises(UsageError, match="weights must be one of best, final, got 'last'"):
        import_keras(write_folder(tmp_path / "keras", Spec()), weights="last")


# ---- the command ----


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_import_command_makes_a_model_folder(spec, tmp_path, capsys):
    folder, out = write_folder(tmp_path / "onePeak", spec), tmp_path / "models" / "MAX"
    assert main(["import", str(folder), "-o", str(out)]) == 0
    assert "imported from Keras 1.2.2" in capsys.readouterr().out
    inputs = windows(spec)
    for which, original in (("best", "best"), ("last", "final")):
        network = load_network(out, weights=which)
        assert network.config == spec.config
        np.testing.assert_array_equal(
            predict(network, *inputs), predict(import_keras(folder, weights=original), *inputs)
        )
    provenance = read_card(out).provenance
    assert provenance["folder"] == "onePeak"
    assert provenance["sha256"]["model.json"] == digest(folder / "model.json")
    assert provenance["sha256"]["best_model.hdf5"] == digest(folder / "best_model.hdf5")
    assert provenance["weights"] == {"best": "best_model.hdf5", "last": "final_model.hdf5"}
    assert [p.name for p in out.parent.iterdir()] == ["MAX"]


def test_import_command_with_final_weights_alone(tmp_path, capsys):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    (folder / "best_model.hdf5").unlink()
    assert main(["import", str(folder), "-o", str(out)]) == 2
    assert "take the others with --weights final" in capsys.readouterr().err
    assert not out.exists()
    assert main(["import", str(folder), "-o", str(out), "--weights", "final", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["weights"] == ["best.safetensors", "last.safetensors"]
    assert described["network"]["gates"] == "hard_sigmoid"
    expected = predict(import_keras(folder, weights="final"), *windows(Spec()))
    np.testing.assert_array_equal(predict(load_network(out), *windows(Spec())), expected)


def test_import_without_final_weights_has_no_last(tmp_path):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    (folder / "final_model.hdf5").unlink()
    assert write_imported(folder, out).provenance["weights"] == {"best": "best_model.hdf5"}
    assert [p.name for p in out.glob("*.safetensors")] == ["best.safetensors"]


def test_import_command_refuses_a_folder_that_is_there(tmp_path, capsys):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    out.mkdir()
    assert main(["import", str(folder), "-o", str(out)]) == 2
    assert f"{out} is there already; choose another folder" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_a_damaged_second_file_leaves_nothing(tmp_path, capsys):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    (folder / "final_model.hdf5").write_bytes(b"cut")
    assert main(["import", str(folder), "-o", str(out)]) == 2
    assert "final_model.hdf5: damaged" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["keras"]


def test_info_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no wrapped lines
    spec = SPECS["LSTM, meta and gencode"]
    folder, out = write_folder(tmp_path / "keras", spec), tmp_path / "out"
    write_imported(folder, out)
    arrays = [a for layer in make_weights(spec, seed=1).values() for a in layer]
    for model, weights in ((folder, "best_model.hdf5, final_model.hdf5"), (out, "best.safetensors, last.safetensors")):
        capsys.readouterr()
        assert main(["info", str(model)]) == 0
        said = capsys.readouterr().out
        parts = (
            "MAX",
            f"{sum(a.size for a in arrays):,} parameters",
            weights,
            "Unique35, DGF",
            "GEPC8",
            "hard_sigmoid",
        )
        assert all(part in said for part in (*parts, "imported from Keras 1.2.2", digest(folder / "model.json")))
        assert main(["info", str(model), "--json"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["network"]["features"] == 14
        assert described["provenance"]["software"] == "imported from Keras 1.2.2"


def test_info_command_says_what_is_no_model(tmp_path, capsys):
    assert main(["info", str(tmp_path)]) == 2
    assert "holds no model.json" in capsys.readouterr().err


# ---- Keras's Adam ----


def adam_steps(gradients: np.ndarray, *, lr: float) -> np.ndarray:
    """Where Keras 1 takes a weight that begins at 0, in float64."""
    p = m = v = np.zeros(gradients.shape[1])
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
    return p


def take_steps(optimizer: torch.optim.Optimizer, parameter: Tensor, gradients: np.ndarray) -> None:
    for g in gradients:
        parameter.grad = torch.from_numpy(g)
        optimizer.step()


@pytest.fixture
def gradients() -> np.ndarray:
    # From large ones down to those beside which epsilon is not small.
    return np.random.default_rng(3).normal(size=(20, 6)) * 10.0 ** np.arange(1, -11, -2)


def test_adam_is_that_of_keras(gradients):
    parameters = [torch.nn.Parameter(torch.zeros(6, dtype=torch.float64)) for _ in range(2)]
    take_steps(KerasAdam([parameters[0]], lr=0.01), parameters[0], gradients)
    take_steps(torch.optim.Adam([parameters[1]], lr=0.01), parameters[1], gradients)
    keras, plain = (p.detach().numpy() for p in parameters)
    np.testing.assert_allclose(keras, adam_steps(gradients, lr=0.01), rtol=1e-12)
    assert np.abs(plain - keras).max() > 0.01  # the difference that the class makes


def test_adam_goes_on_from_its_state(gradients):
    parameter = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    optimizer = KerasAdam([parameter], lr=0.01)
    take_steps(optimizer, parameter, gradients[:7])
    again = KerasAdam([parameter])
    again.load_state_dict(json_groups(optimizer.state_dict()))
    take_steps(again, parameter, gradients[7:])
    np.testing.assert_allclose(parameter.detach().numpy(), adam_steps(gradients, lr=0.01), rtol=1e-12)


def json_groups(state: dict[str, Any]) -> dict[str, Any]:
    """The state as it comes back from a training state on disk."""
    return {"state": state["state"], "param_groups": json.loads(json.dumps(state["param_groups"]))}


# ---- the published models ----

MODELS = [
    "models/EGR1/meta_RNAseq_Unique35_DGF",
    "models/FOXA1/onePeak_DGF",
    "models/GABPA/metaGENCODE_RNAseq_Unique35_DGF",
    "models/MAX/onePeak_Unique35_DGF",
    "models/NANOG/GENCODE_Unique35_DGF",
    "models_small/meta_blstm",
    "models_small/meta_gmp",
    "models_small/multi_blstm_stranded",
    "models_small/multi_norec",
    "models_small/single_seqonly_blstm",
]


def stored_windows(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return arrays["x_seq"], np.ascontiguousarray(arrays["x_signal"].transpose(0, 2, 1)), arrays["x_meta"]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.realdata
@pytest.mark.parametrize("model", MODELS)
def test_published_models_predict_what_the_original_did(model, realdata):
    folder = realdata / model
    arrays = read(folder / "oracle.npz")
    inputs = stored_windows(arrays)
    assert (inputs[0] == 4).any()
    best, final = ((folder / f"{w}_model.hdf5").exists() for w in ("best", "final"))
    if best:
        network = import_keras(folder)
        np.testing.assert_allclose(predict(network, *inputs), arrays["y"], rtol=0, atol=2e-6)
        if "conv1_fwd" in arrays:
            check_layers(network, inputs, arrays)
        if "y_float64" in arrays:
            np.testing.assert_allclose(predict(network.double(), *inputs), arrays["y_float64"], rtol=0, atol=1e-14)
    else:
        with pytest.raises(InputError, match=r"best_model.hdf5: no such weights; .*--weights final"):
            import_keras(folder)
    if final:
        network = import_keras(folder, weights="final")
        y = arrays.get("y_final_model", arrays["y"])
        np.testing.assert_allclose(predict(network, *inputs), y, rtol=0, atol=2e-6)


@torch.no_grad()
def check_layers(network: FactorNet, inputs: tuple[np.ndarray, ...], arrays: dict[str, np.ndarray]) -> None:
    """Activations on the forward strand of the first two windows, to 2e-6 of the layer's largest (at least 1)."""
    strands = network.both_strands(torch.from_numpy(inputs[0][:2]), torch.from_numpy(inputs[1][:2]))[:2]
    pooled = torch.nn.functional.max_pool1d(network.scan(strands).mT, network.config.pool).mT.relu()
    assert network.recurrent is not None
    layers = {"conv1_fwd": network.convolve(strands), "pool_fwd": pooled, "blstm_fwd": network.recurrent(pooled)}
    for name, got in layers.items():
        tolerance = 2e-6 * max(1, np.abs(arrays[name]).max())
        np.testing.assert_allclose(got.numpy(), arrays[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.realdata
@pytest.mark.parametrize("model", ["meta_blstm", "multi_norec"])
def test_training_steps_are_those_of_the_original(model, realdata, tmp_path):
    """Five Adam steps without dropout (eval mode draws no masks): losses and weights."""
    network = import_keras(realdata / "models_small" / model)
    arrays = read(realdata / "models_small" / model / "train_nodropout.npz")
    losses = five_steps(network, arrays)
    np.testing.assert_allclose(losses, arrays["loss"], rtol=0, atol=1e-6)
    after = import_after(realdata / "models_small" / model, tmp_path / model).state_dict()
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(value.numpy(), after[name].numpy(), rtol=0, atol=1e-6, err_msg=name)


def five_steps(network: FactorNet, arrays: dict[str, np.ndarray]) -> list[float]:
    """Losses of one pass over the windows of a train_nodropout.npz, in its order."""
    x, features = arrays["x_fwd"], torch.from_numpy(arrays["x_meta"])
    codes = torch.from_numpy(np.where(x[..., :4].any(-1), x[..., :4].argmax(-1), 4).astype(np.uint8))
    tracks = torch.from_numpy(x[..., 4:]).mT.contiguous()
    np.testing.assert_array_equal(network.both_strands(codes, tracks)[len(x) :].numpy(), arrays["x_rev"])
    optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=float(arrays["lr"]))
    losses = []
    for rows in torch.arange(len(x)).chunk(len(arrays["loss"])):
        optimizer.zero_grad()
        given = features[rows] if network.config.features else None
        loss = cross_entropy(network(codes[rows], tracks[rows], given), torch.from_numpy(arrays["y"])[rows].float())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def import_after(folder: Path, copy: Path) -> FactorNet:
    """The network with the weights that the original had after the five steps."""
    copy.mkdir()
    for path in [*folder.glob("*.txt"), folder / "model.json"]:
        shutil.copyfile(path, copy / path.name)
    shutil.copyfile(folder / "nodropout_after5steps.hdf5", copy / "final_model.hdf5")
    return import_keras(copy, weights="final")
