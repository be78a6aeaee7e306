"""The commands that import a model of the original FactorNet, and describe a model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from support.keras_folder import SPECS, Spec, make_weights, predict, windows, write_folder

from factornet.cli.model import main
from factornet.model import import_keras, load_network, read_card, write_imported


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_import_command_makes_a_model_folder(spec, tmp_path, capsys):
    folder, out = write_folder(tmp_path / "onePeak", spec), tmp_path / "models" / "MAX"
    assert main(["import", str(folder), "-o", str(out)]) == 0
    assert "imported from Keras 1.2.2" in capsys.readouterr().out
    inputs = windows(spec)
    for kind, original in (("best", "best"), ("last", "final")):
        network = load_network(out, weights=kind)
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
    assert "no such weights; the folder has final_model.hdf5; use the final weights" in capsys.readouterr().err
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


def test_import_command_refuses_an_existing_folder(tmp_path, capsys):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    out.mkdir()
    assert main(["import", str(folder), "-o", str(out)]) == 2
    assert f"{out} already exists; choose another folder" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_import_of_a_damaged_file_leaves_nothing(tmp_path, capsys):
    folder, out = write_folder(tmp_path / "keras", Spec()), tmp_path / "out"
    (folder / "final_model.hdf5").write_bytes(b"cut")
    assert main(["import", str(folder), "-o", str(out)]) == 2
    assert "final_model.hdf5: damaged" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["keras"]


def test_info_command_describes_both_kinds_of_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no wrapped lines
    spec = SPECS["LSTM, meta and gencode"]
    folder, out = write_folder(tmp_path / "keras", spec), tmp_path / "out"
    write_imported(folder, out)
    arrays = [a for layer in make_weights(spec, seed=1).values() for a in layer]
    for model, weights in ((folder, "best_model.hdf5, final_model.hdf5"), (out, "best.safetensors, last.safetensors")):
        capsys.readouterr()
        assert main(["info", str(model)]) == 0
        shown = capsys.readouterr().out
        expected = (
            "MAX",
            f"{sum(a.size for a in arrays):,} parameters",
            weights,
            "Unique35, DGF",
            "GEPC8",
            "hard_sigmoid",
        )
        assert all(text in shown for text in (*expected, "imported from Keras 1.2.2", digest(folder / "model.json")))
        assert main(["info", str(model), "--json"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["network"]["features"] == 14
        assert described["provenance"]["software"] == "imported from Keras 1.2.2"


def test_info_command_of_another_folder_is_refused(tmp_path, capsys):
    assert main(["info", str(tmp_path)]) == 2
    assert "holds no model.json" in capsys.readouterr().err
