"""Models whose architecture was rewritten for Keras 2: the same predictions, from weights of either version."""

import json

import numpy as np
import pytest
from support.keras2_folder import write_keras2_folder
from support.keras_folder import SPECS, Spec, make_weights, oracle, predict, windows

from factornet.model import import_keras, load_network, read_card, write_imported
from factornet.store import InputError


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize(
    ("backend", "new_weights"), [("theano", False), ("tensorflow", False), ("theano", True), ("tensorflow", True)]
)
def test_predictions_equal_the_oracle(spec, tmp_path, backend, new_weights):
    """Weights of Keras 1 are of Theano, on whatever backend the architecture was rewritten."""
    folder = write_keras2_folder(tmp_path / "model", spec, backend=backend, new_weights=new_weights)
    inputs = windows(spec)
    for kind, seed in (("best", 1), ("final", 2)):
        network = import_keras(folder, weights=kind)
        assert network.config == spec.config
        expected = oracle(spec, make_weights(spec, seed=seed), *inputs)
        np.testing.assert_allclose(predict(network, *inputs), expected, atol=2e-6)


def test_imported_folder_names_the_version(tmp_path):
    folder = write_keras2_folder(tmp_path / "model", Spec())
    write_imported(folder, tmp_path / "out")
    assert read_card(tmp_path / "out").provenance["software"] == "imported from Keras 2.0.8"
    assert load_network(tmp_path / "out").config == Spec().config


@pytest.mark.parametrize(
    ("name", "value", "inner", "message"),
    [
        ("conv_1", {"dilation_rate": [2]}, False, r"layer 'conv_1' has dilation_rate \[2\]: not a FactorNet"),
        ("conv_1", {"kernel_size": [6, 1]}, False, r"layer 'conv_1' has kernel_size \[6, 1\]"),
        ("conv_1", {"padding": "same"}, False, r"layer 'conv_1' has border_mode 'same', expected 'valid'"),
        ("conv_1", {"use_bias": False}, False, "layer 'conv_1' has bias False, expected True"),
        ("bidirectional_1", {"use_bias": False}, True, "layer 'bidirectional_1' has use_bias False"),
        ("bidirectional_1", {"recurrent_activation": "sigmoid"}, True, "has inner_activation 'sigmoid'"),
        ("max_pooling1d_1", {"data_format": "channels_first"}, False, "has data_format 'channels_first'"),
    ],
)
def test_what_a_factornet_does_not_have_is_refused(tmp_path, name, value, inner, message):
    folder = write_keras2_folder(tmp_path / "model", Spec())
    content = json.loads((folder / "model.json").read_text())
    next(
        (layer["config"]["layer"]["config"] if inner else layer["config"]).update(value)
        for layer in content["config"]["layers"]
        if layer["name"] == name
    )
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        import_keras(folder)


@pytest.mark.parametrize("damage", ["no rate", "no config", "a text", "nodes"])
def test_other_forms_are_refused_in_one_line(tmp_path, damage):
    folder = write_keras2_folder(tmp_path / "model", Spec())
    content = json.loads((folder / "model.json").read_text())
    layer = next(layer for layer in content["config"]["layers"] if layer["name"] == "dropout_1")
    if damage == "no rate":
        del layer["config"]["rate"]
    elif damage == "no config":
        del layer["config"]
    elif damage == "nodes":
        layer["inbound_nodes"] = 7
    else:
        content["config"]["layers"][0] = "input_1"
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="not of the form Keras 2 writes"):
        import_keras(folder)


def test_weights_of_keras_2_on_an_unknown_backend_are_refused(tmp_path):
    folder = write_keras2_folder(tmp_path / "model", Spec(), backend="mxnet", new_weights=True)
    with pytest.raises(
        InputError, match="weights of Keras 2 on the backend 'mxnet'; known are theano, tensorflow, cntk"
    ):
        import_keras(folder)


def test_later_versions_are_refused(tmp_path):
    folder = write_keras2_folder(tmp_path / "model", Spec())
    text = (folder / "model.json").read_text().replace("2.0.8", "3.4.1")
    (folder / "model.json").write_text(text)
    with pytest.raises(InputError, match=r"is a Model of Keras 3\.4\.1, expected a Model of Keras 1 or 2"):
        import_keras(folder)
