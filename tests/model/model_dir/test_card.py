from __future__ import annotations

import json
import shutil

import pytest
from support.sealed import change_sealed
from support.tiny_model import FOLDER_CONFIG

from factornet import __version__
from factornet.model import ModelCard, NetworkConfig, load_network, read_card
from factornet.model.model_dir.lifecycle import create_model
from factornet.store.errors import InputError


def test_model_card_round_trip(folder):
    card = read_card(folder)
    assert card.config == FOLDER_CONFIG
    assert card.training == {"lr": 0.001}
    assert card.provenance == {"store": "x"}
    assert card.library_version == __version__
    content = json.loads((folder / "model.json").read_text())
    assert (content["format"], content["version"]) == ("factornet-model", 2)


def test_lists_of_names_are_written_as_in_factornet(folder, tmp_path):
    assert (folder / "chip.txt").read_text() == "CTCF\nMAX\n"
    assert (folder / "bigwig.txt").read_text() == "Unique35\nDGF\n"
    assert (folder / "feature.txt").read_text() == "bigwig\nmeta\ngencode\n"
    assert (folder / "meta.txt").read_text() == "GEPC1\nGEPC2\n"
    plain = NetworkConfig(tasks=("CTCF",), tracks=())
    create_model(tmp_path / "plain", ModelCard(config=plain))
    assert (tmp_path / "plain/feature.txt").read_text() == "bigwig\n"
    assert (tmp_path / "plain/bigwig.txt").read_text() == ""
    assert not (tmp_path / "plain/meta.txt").exists()


@pytest.mark.parametrize(
    "text",
    ["MAX\nCTCF\n", "CTCF\r\nMAX\r\n", "\ufeffCTCF\nMAX\n", "CTCF\nMAX \n", "CTCF\nMAX\nREST\n", "", "x" * 2_000_000],
)
def test_list_of_names_that_was_changed_is_refused_with_the_cure(folder, tmp_path, text):
    """Of one that had become longer, the message said that it was too large, and no cure."""
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    (copy / "chip.txt").write_text(text, newline="")
    with pytest.raises(InputError, match=r"chip\.txt: .*remove it .a resumed training writes it again., or copy"):
        read_card(copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"version": 3}, "format version 3 is newer than 2, the newest that factornet .* reads; update factornet"),
        (
            {"version": 1},
            "format version 1 is older than 2, the first with digests; factornet-train makes model folders",
        ),
        ({"format": "other"}, "not a factornet-model file: its format is 'other', version 2"),
        ({"version": "1"}, "version '1'"),
        ({"keras_version": "1.2.2"}, "original FactorNet's .*factornet-model import"),
        ({"config": {}}, "its configuration does not describe a network .*missing"),
        ({"config": None}, "its configuration does not describe a network"),
        ({"config": {**FOLDER_CONFIG.to_json(), "kernels": -1}}, "kernels must be an integer >= 1, got -1"),
        ({"config": {**FOLDER_CONFIG.to_json(), "tasks": 3}}, "tasks"),
        ({"config": {**FOLDER_CONFIG.to_json(), "kernels": 10**12}}, r"would have 1e\+24 weights; at most 268,435,456"),
        ({"config": {**FOLDER_CONFIG.to_json(), "length": 10**12}}, "window_length must be at most 16,777,216"),
        ({"training": 5}, "training must be a JSON object, got int"),
        ({"provenance": [1, 2]}, "provenance must be a JSON object, got list"),
        ({"config": {**FOLDER_CONFIG.to_json(), "kernels": 10**400}}, "it has a number of 401 digits"),
        ({"training": {"cells": "K562"}}, "its training data have another form .cells must be a list of names"),
        ({"training": {"cells": 5}}, "cells must be a list of names"),
        ({"training": {"cells": ["A"], "valid": ["chr11"]}}, "'chr11' is not a region"),
        ({"training": {"cells": ["A"]}, "provenance": {"chromosomes": 5}}, "its training data have another form"),
        ({"training": {"cells": ["A"]}, "provenance": {"manifests": ["a"]}}, "must be JSON objects"),
        ({"training": {"cells": ["A"]}, "provenance": {"manifests": {"a": 5}}}, "manifests must be digests"),
        ({"training": {"cells": ["A"]}, "provenance": {"earlier_trainings": 5}}, "have another form"),
        ({"training": {"cells": ["A"]}, "provenance": {"earlier_trainings": [{}]}}, "have another form"),
    ],
)
def test_invalid_model_json_is_refused(folder, values, message):
    change_sealed(folder / "model.json", **values)
    with pytest.raises(InputError, match=message) as caught:
        load_network(folder)
    assert str(folder / "model.json") in str(caught.value)


def test_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent: no such folder"):
        load_network(tmp_path / "absent")
    with pytest.raises(InputError, match=r"holds no model.json"):
        read_card(tmp_path)
    (tmp_path / "model.json").write_text('{\n"format": \n')
    with pytest.raises(InputError, match=r"model.json:3: not JSON"):
        read_card(tmp_path)
    (tmp_path / "model.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=r"model.json: not JSON"):
        read_card(tmp_path)
