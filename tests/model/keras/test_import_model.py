"""Keras 1 folders are imported as an oracle in plain numpy predicts, and refused where they are not the original's."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.keras_folder import (
    GEPC,
    SPECS,
    Spec,
    make_layers,
    make_weights,
    oracle,
    predict,
    windows,
    write_folder,
    write_weights,
)

from factornet.model import import_keras
from factornet.store.errors import InputError, UsageError


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_imported_network_equals_the_oracle(spec, tmp_path):
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


def test_weights_only_and_whole_models_are_read_from_either_file(tmp_path):
    spec = SPECS["LSTM, meta"]
    folder = write_folder(tmp_path / "keras", spec)
    before = predict(import_keras(folder), *windows(spec))
    names = [layer["name"] for layer in make_layers(spec)]
    write_weights(folder / "best_model.hdf5", names, make_weights(spec, seed=1), whole=False, texts=str)
    write_weights(folder / "final_model.hdf5", names, make_weights(spec, seed=1), whole=True)
    np.testing.assert_array_equal(predict(import_keras(folder), *windows(spec)), before)
    np.testing.assert_array_equal(predict(import_keras(folder, weights="final"), *windows(spec)), before)


NAMES = [
    # (model, files removed, files written, expected meta and gencode, or the message)
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
    (Spec(), [], {"feature.txt": "bigwig\nage\n"}, r"feature.txt: names the features bigwig, age; known are"),
    (Spec(), [], {"bigwig.txt": "DGF\nDGF\n"}, r"model.json: .*'DGF' is repeated"),
    (Spec(), [], {"bigwig.txt": "U\nDNase_fwd\n"}, r"'DNase_fwd' needs its other strand 'DNase_rev'"),
    (Spec(), [], {"bigwig.txt": b"\xff\n"}, r"bigwig.txt: cannot be read as text"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "removed", "written", "expected"), NAMES)
def test_missing_and_inconsistent_lists_of_names(spec, removed, written, expected, tmp_path):
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
    """Change settings of a layer in model.json; `wrapped_` settings are those of the inner layer."""

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
    """Insert a layer on both strands."""

    def one(content: dict[str, Any]) -> None:
        layers = content["config"]["layers"]
        nodes = [[[after, 0, 0]], [[after, 1, 0]]]
        layers.append({"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes})
        found = next(entry for entry in layers if entry["name"] == before)
        found["inbound_nodes"] = [[[name, 0, 0]], [[name, 1, 0]]]

    return edit_json(one)


def unshare(content: dict[str, Any]) -> None:
    """Give each strand a dense layer of its own."""
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
    """Edit the HDF5 group of the best weights."""

    def apply(folder: Path) -> None:
        with h5py.File(folder / "best_model.hdf5", "r+") as file:
            change(file["model_weights"])

    return apply


def replaced(layer: str, index: int, array: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Replace one array of the best weights."""

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
    "deep": (write("model.json", b"[" * 100_000), r"model.json: not JSON \(nested too deeply\)"),
    "not text": (write("model.json", b"\xff\xfe{"), r"model.json: not"),
    "Sequential": (edit_json(lambda c: c.update(class_name="Sequential")), r"is a Sequential of Keras 1.2.2, expected"),
    "Keras 3": (edit_json(lambda c: c.update(keras_version="3.1")), r"is a Model of Keras 3.1, expected a Model of Ker"),
    "two outputs": (
        edit_json(lambda c: c["config"].update(output_layers=[["dense_4", 0, 0], ["merge_9", 0, 0]])),
        r"has outputs .*dense_4.*expected one",
    ),
    "same padding": (edit("conv_1", border_mode="same"), r"'conv_1' has border_mode 'same', expected 'valid': not a FactorNet"),
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
    "all dropped": (edit_json(lambda c: [e["config"].update(p=1.0) for e in c["config"]["layers"] if e["name"] in ("dropout_2", "dropout_4")]), r"'dropout_2' drops 1.0, expected a number of at least 0 and less than 1"),
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
        r"window_length 7 is too short",
    ),
    "no kernels": (edit("conv_1", nb_filter=0), r"'conv_1' has a size of 0, expected 1 to"),
    "many kernels": (edit("conv_1", nb_filter=10**12), r"'conv_1' has a size of 1000000000000, expected 1 to"),
    "many cells": (edit("bidirectional_1", wrapped_output_dim=2**19), r"would have .* weights; at most"),
    "many outputs": (edit("dense_4", output_dim=2**19), r"'dense_4' has a size of 524288, expected 1 to 4096"),
    "text as size": (edit("dense_2", output_dim="4"), r"'dense_2' has a size of '4', expected 1 to"),
    "other weights": (edit("dense_2", output_dim=5), r"best_model.hdf5: layer 'dense_2': .* has shape \(48, 4\), but .* \(48, 5\)"),
    "weights cut": (cut, r"best_model.hdf5: damaged"),
    "weights empty": (write("best_model.hdf5", b""), r"best_model.hdf5: damaged"),
    "weights are text": (write("best_model.hdf5", b"version https://git-lfs"), r"best_model.hdf5: damaged"),
    "no weights": (lambda f: (f / "best_model.hdf5").unlink(), r"best_model.hdf5: no such weights; the folder has final_model.hdf5; use the final weights"),
    "no list of layers": (weights_with(lambda g: g.attrs.pop("layer_names")), r"damaged, or not weights of Keras"),
    "layer twice": (
        weights_with(lambda g: g.attrs.update(layer_names=np.append(g.attrs["layer_names"], g.attrs["layer_names"][:1]))),
        r"attribute layer_names of /model_weights has \S+ twice",
    ),
    "array twice": (
        weights_with(lambda g: g["conv_1"].attrs.update(weight_names=[b"9_conv_1_0", b"9_conv_1_0"])),
        r"attribute weight_names of /model_weights/conv_1 has 9_conv_1_0 twice",
    ),
    "listed only": (weights_with(lambda g: g.pop("dense_2")), r"damaged, or not weights of Keras"),
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
    "integers": (replaced("dense_4", 1, lambda a: np.array([1])), r"'dense_4': 8_dense_4_1 has dtype int64, expected fl"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), ERRORS.values(), ids=ERRORS)
def test_invalid_folder_is_refused(change, message, tmp_path):
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
def test_invalid_features_are_refused(change, message, tmp_path):
    folder = write_folder(tmp_path / "keras", Spec(meta=GEPC))
    change(folder)
    with pytest.raises(InputError, match=message):
        import_keras(folder)


def test_unknown_weights_are_refused(tmp_path):
    with pytest.raises(UsageError, match="weights must be one of best, final, got 'last'"):
        import_keras(write_folder(tmp_path / "keras", Spec()), weights="last")


def test_file_that_cannot_be_locked_is_read(tmp_path):
    """On a file system without flock, HDF5 would fail to open it; here another handle has the lock."""
    folder = write_folder(tmp_path / "keras", Spec())
    with (folder / "best_model.hdf5").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        import_keras(folder)
