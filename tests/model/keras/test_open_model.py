"""Folders of the original FactorNet are models wherever one is asked for, imported in memory."""

import hashlib
import json
import os
import shlex
import shutil

import numpy as np
import pytest
from support.keras_folder import Spec, predict, windows, write_folder
from support.tiny_model import train_tiny

from factornet.cli import predict as predict_command
from factornet.cli import train, visualize
from factornet.model import import_keras, load_network, read_card, write_imported
from factornet.model.keras.open_model import open_card, open_model, open_models, usable_weights
from factornet.store import InputError

SPEC = Spec(length=300, width=12, kernels=3, recurrent=2, dense=3, tasks=("CTCF",))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def keras(tmp_path):
    return write_folder(tmp_path / "CTCF" / "onePeak_Unique35_DGF", SPEC)


def run(command, store, words):
    return command.main(["--store", str(store), "--device", "cpu", *shlex.split(words)])


@pytest.mark.parametrize(("weights", "original"), [("best", "best"), ("last", "final")])
def test_original_folder_is_opened_with_the_digests_of_its_files(keras, weights, original):
    before = sorted(keras.iterdir())
    model = open_model(keras, weights=weights)
    inputs = windows(SPEC)
    np.testing.assert_array_equal(
        predict(model.network, *inputs), predict(import_keras(keras, weights=original), *inputs)
    )
    assert (model.name, model.weights) == ("onePeak_Unique35_DGF", weights)
    assert model.weights_sha256 == sha256(keras / f"{original}_model.hdf5")
    assert model.card.digest == sha256(keras / "model.json")
    assert model.card.trainings == ()
    assert open_card(keras).config == SPEC.config
    assert sorted(keras.iterdir()) == before


def test_model_folder_is_opened_as_before(tiny_store, tmp_path):
    train_tiny(tiny_store, tmp_path / "m", epochs=1)
    model, expected = open_model(tmp_path / "m"), load_network(tmp_path / "m")
    assert all(value.equal(expected.state_dict()[key]) for key, value in model.network.state_dict().items())
    assert open_card(tmp_path / "m").digest == read_card(tmp_path / "m").digest


def spoil(name, text):
    return lambda folder: (folder / name).write_bytes(text)


FAULTS = [
    (lambda f: (f / "best_model.hdf5").unlink(), "best", "no such weights; the folder has final_model.hdf5; use the last weights"),
    (lambda f: (f / "final_model.hdf5").unlink(), "last", "no such weights; the folder has best_model.hdf5; use the best weights"),
    (spoil("best_model.hdf5", b"cut"), "best", "best_model.hdf5: damaged, or not weights of Keras"),
    (spoil("best_model.hdf5", b"version https://git-lfs.github.com/spec/v1\n"), "best", "best_model.hdf5: damaged"),
    (spoil("model.json", b'{"class_name": "Sequential", "config": []}'), "best", "model.json: "),
    (lambda f: ((f / "best_model.hdf5").unlink(), os.mkfifo(f / "best_model.hdf5")), "best", "best_model.hdf5: is not a file"),
    (lambda f: ((f / "final_model.hdf5").unlink(), (f / "final_model.hdf5").symlink_to("/dev/zero")), "best", "final_model.hdf5: is not a file"),
    (lambda f: ((f / "model.json").unlink(), os.mkfifo(f / "model.json")), "best", "model.json: is not a file"),
    (spoil("model.json", b"{"), "best", "model.json:1: not JSON"),
    (spoil("bigwig.txt", b"DGF\n"), "best", "bigwig.txt: has 1 names, but model.json has 2 tracks"),
    (shutil.rmtree, "best", "no such folder"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "weights", "message"), FAULTS)
def test_damaged_original_folder_is_refused_in_one_line(demo_store, keras, tmp_path, capsys, damage, weights, message):  # noqa: PLR0917
    damage(keras)
    with pytest.raises(InputError):
        open_model(keras, weights=weights)
    words = f"-i K562 -m {keras} -f CTCF --weights {weights} --regions chr21:500000-501000 -o {tmp_path}/x.bed.gz"
    assert run(predict_command, demo_store, words) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    assert message in shown.err
    assert shown.out == ""
    assert not (tmp_path / "x.bed.gz").exists()


def test_file_in_place_of_its_folder_is_named(demo_store, keras, tmp_path, capsys):
    words = f"-i K562 -m {keras}/best_model.hdf5 -f CTCF --regions chr21:500000-501000 -o {tmp_path}/x.bed.gz"
    assert run(predict_command, demo_store, words) == 2
    assert "best_model.hdf5: is a file, not a folder; give the model folder that it is in" in capsys.readouterr().err


@pytest.mark.parametrize(("weights", "original"), [("best", "best"), ("last", "final")])
def test_predictions_are_those_of_the_imported_model(demo_store, keras, tmp_path, capsys, weights, original):  # noqa: PLR0917
    write_imported(keras, tmp_path / "imported")
    found = {}
    for name, folder in (("direct", keras), ("imported", tmp_path / "imported")):
        words = (
            f"-i K562 -m {folder} -f CTCF --weights {weights} --regions chr21:500000-520000 -o {tmp_path}/{name}.bed.gz"
        )
        assert run(predict_command, demo_store, words) == 0
        found[name] = (tmp_path / f"{name}.bed.gz").read_bytes()
        said = f"{keras}: a model of the original FactorNet, imported from Keras 1.2.2 in memory\n"
        assert (said in capsys.readouterr().out) == (name == "direct")
    assert found["direct"] == found["imported"]
    records = [json.loads((tmp_path / f"{name}.bed.gz.json").read_text())["model"] for name in found]
    assert records[0]["network"] == records[1]["network"]
    assert records[0] == {
        "network": records[1]["network"],
        "tasks": ["CTCF"],
        "name": "onePeak_Unique35_DGF",
        "model_json": sha256(keras / "model.json"),
        "weights": weights,
        "weights_sha256": sha256(keras / f"{original}_model.hdf5"),
        "software": "imported from Keras 1.2.2",
    }


def test_json_output_is_json_alone(demo_store, keras, demo_files, tmp_path, capsys):
    words = f"-i K562 -m {keras} -f CTCF --regions chr21:500000-501000 -o {tmp_path}/x.bed.gz --json"
    assert run(predict_command, demo_store, words) == 0
    assert json.loads(capsys.readouterr().out)["intervals"] == 17
    bed = demo_files / "cells/HepG2/ChIPseq.HepG2.CTCF.conservative.train.narrowPeak.gz"
    assert run(visualize, demo_store, f"-i K562 -m {keras} -b {bed} -o {tmp_path}/page --json") == 0
    assert json.loads(capsys.readouterr().out)["kernels"]


def test_training_starts_from_an_original_folder(demo_store, keras, tmp_path, capsys):
    words = f"-i K562 -f CTCF --init-from {keras} -t chr1 chr2 chr21 -e 1 -b 50 --threads 1 -lr 1e-9 -o {tmp_path}/m"
    assert run(train, demo_store, words) == 0
    said = f"{keras}: a model of the original FactorNet, imported from Keras 1.2.2 in memory\n"
    assert said in capsys.readouterr().out
    started, ended = import_keras(keras).state_dict(), load_network(tmp_path / "m").state_dict()
    assert all(np.allclose(started[key], ended[key], atol=1e-6) for key in started)
    card = read_card(tmp_path / "m")
    assert card.config == SPEC.config
    assert card.training["init_from"] == "onePeak_Unique35_DGF"
    assert card.provenance["init_from_sha256"]["best_model.hdf5"] == sha256(keras / "best_model.hdf5")
    assert run(train, demo_store, f"{words} --resume -e 2") == 0
    assert run(train, demo_store, f"{words}2 -k 8") == 2
    assert "its kernels is 3, requested is 8" in capsys.readouterr().err


@pytest.mark.realdata
def test_published_model_of_dgf_alone_predicts_in_a_cell_line_with_both_tracks(realdata, demo_store, tmp_path, capsys):
    folder = realdata / "models/FOXA1/onePeak_DGF"
    words = f"-i K562 -m {folder} --weights last -f FOXA1 --regions chr21:500000-501000 -o {tmp_path}/x.bed.gz"
    assert run(predict_command, demo_store, words) == 0
    assert "tracks: DGF (not used of K562: Unique35)" in capsys.readouterr().out
    record = json.loads((tmp_path / "x.bed.gz.json").read_text())["model"]
    assert record["weights_sha256"] == sha256(folder / "final_model.hdf5")


@pytest.mark.parametrize(
    ("absent", "expected"), [("best", "last"), ("final", "best"), ("both", "best"), ("none", "best")]
)
def test_usable_weights_are_the_last_where_there_are_no_best(tmp_path, absent, expected):
    folder = write_folder(tmp_path / "keras", SPEC)
    for name in ("best", "final"):
        if absent in (name, "both"):
            (folder / f"{name}_model.hdf5").unlink()
    assert usable_weights(folder) == expected


def test_models_without_best_weights_are_opened_with_the_last(tmp_path):
    folders = [write_folder(tmp_path / name, SPEC) for name in ("a", "b")]
    (folders[0] / "best_model.hdf5").unlink()
    assert [model.weights for model in open_models(folders, weights=None)] == ["last", "best"]
