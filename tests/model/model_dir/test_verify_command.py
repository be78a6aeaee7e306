"""``factornet-model verify``: findings, folders it cannot verify, files it cannot read."""

import errno
import json
import os
from pathlib import Path

import pytest
from support.keras_folder import Spec, write_folder

from factornet.cli.model import main
from factornet.model.model_dir.verification.verify import verify_model
from factornet.store import InputError


def test_command_lists_files_and_faults(model, capsys):
    assert main(["verify", str(model)]) == 0
    shown = capsys.readouterr().out
    assert all(path.name in shown for path in model.iterdir())
    assert ": no faults\n" in shown
    assert f"{model}: the training has ended, with 3 complete epochs: all 3 epochs done\n" in shown
    (model / "history.csv").write_text("epoch\n1\n")
    assert main(["verify", str(model)]) == 1
    shown = capsys.readouterr().out
    assert "\ndamaged: history.csv: damaged or changed: its 8 bytes are not the history of the training\n" in shown
    assert "    repair: resume the training: it writes its history again" in shown
    assert main(["verify", str(model), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["models"][0]["stage"]) == (False, "ended")
    assert [f["path"] for f in found["models"][0]["files"] if f["kind"] == "damaged"] == ["history.csv"]


def test_command_verifies_all_folders_and_names_those_it_cannot(model, tmp_path, capsys):
    keras = write_folder(tmp_path / "keras", Spec())
    assert main(["verify", str(keras)]) == 2
    assert "is the original FactorNet's (Keras), whose files have no digests" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "absent"), str(keras), str(model)]) == 2
    shown = capsys.readouterr()
    assert "absent: no such folder" in shown.err
    assert f"{model}: the training has ended" in shown.out
    assert main(["verify", str(keras), "--json"]) == 2
    assert "no digests" in json.loads(capsys.readouterr().out)["models"][0]["error"]


def test_info_of_a_damaged_model_names_verify(model, capsys):
    (model / "model.json").write_text((model / "model.json").read_text().replace("400", "401"))
    assert main(["info", str(model)]) == 2
    assert f"; factornet-model verify {model} checks all files" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_unchecked(model, monkeypatch):
    """Nothing is known of them, so nothing is to be trained again; nor is what they would be compared with damaged."""
    closed, opened = {"training.json", "chip.txt", "best.safetensors", "last-000003.json"}, Path.open

    def open_or_fail(path, *args, **options):
        if path.name in closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", open_or_fail)
    faults = verify_model(model).faults
    assert {f.path for f in faults} == closed | {"history.json", "history.csv", "training.png"}
    assert {f.kind for f in faults} == {"unchecked"}
    assert {f.remedy for f in faults if f.path in closed} == {"check permissions and the disk"}


@pytest.mark.parametrize("name", ["", "tensorboard"])
def test_folder_that_cannot_be_listed_is_named(model, monkeypatch, capsys, name):
    listed = os.listdir

    def list_or_fail(path):
        if Path(path) == model / name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(os, "listdir", list_or_fail)
    status = main(["verify", str(model), str(model), "--json"])
    found = json.loads(capsys.readouterr().out)["models"]
    if name:
        assert (status, {f["path"]: f["kind"] for f in found[1]["files"]}["tensorboard/"]) == (1, "unchecked")
    else:
        assert status == 2
        assert [m["error"] for m in found] == [f"{model}: cannot be read (Permission denied); check permissions"] * 2


def test_file_in_place_of_a_folder_is_named(model):
    with pytest.raises(InputError, match=r"model\.json: is not a folder"):
        verify_model(model / "model.json")
