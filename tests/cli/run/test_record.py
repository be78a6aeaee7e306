"""The record of a run: written when the run was done, sealed, and enough to repeat it."""

import io
import itertools
import json
import shutil
from contextlib import redirect_stderr

import pytest
import torch

from factornet.cli import crossval, evaluate, predict, train, visualize
from factornet.cli.etl import main as etl
from factornet.cli.run.record import Run
from factornet.model import load_network
from factornet.model.model_dir.packed import pack_model
from factornet.model.model_dir.verification.verify import verify_model
from factornet.store import InputError
from factornet.store.files.digest import file_digest
from factornet.store.files.outputs import output_lock
from factornet.store.files.sealed_toml import RUN_FORMAT, check_sealed_toml

SMALL = "-f CTCF -i GM12878 -t chr1 chr2 chr21 -k 4 -r 2 -d 4 -e 1 -b 50 --threads 1".split()


@pytest.fixture(scope="module")
def model(demo_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("record") / "model"
    assert train.main(["--store", str(demo_store), *SMALL, "-o", str(folder)]) == 0
    return folder


def test_training_is_repeated_from_its_record(model, tmp_path):
    found = check_sealed_toml(model / "run.toml", RUN_FORMAT)
    assert (found["command"], found["options"]["epochs"]) == ("factornet-train", 1)
    assert found["run"]["host"]
    assert found["run"]["resumed"] is False
    assert {"factornet", "python", "torch", "zarr"} <= set(found["versions"])
    assert found["sha256"]["best.safetensors"] == file_digest(model / "best.safetensors")
    assert found["scores"]["val_loss"] > 0
    assert train.main(["--config", str(model / "run.toml"), "-o", str(tmp_path / "again")]) == 0
    a, b = (load_network(folder).state_dict() for folder in (model, tmp_path / "again"))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert check_sealed_toml(tmp_path / "again/run.toml", RUN_FORMAT)["sha256"] == {
        **found["sha256"],
        "training.json": file_digest(tmp_path / "again/training.json"),  # it has times
    }


def test_record_is_covered_by_verification_and_not_packed(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    by_path = {f.path: f for f in verify_model(folder).files}
    assert (by_path["run.toml"].kind, by_path["run.toml"].covered_by) == ("ok", "SHA-256 of its text")
    assert "run.toml" not in pack_model(folder, tmp_path / "m.factornet").files
    text = (folder / "run.toml").read_text()
    (folder / "run.toml").write_text(text.replace("epochs = 1", "epochs = 2"))
    with pytest.raises(InputError, match="damaged or edited"):
        check_sealed_toml(folder / "run.toml", RUN_FORMAT)
    (fault,) = verify_model(folder).faults
    assert (fault.path, fault.kind) == ("run.toml", "damaged")


def test_prediction_and_evaluation_leave_records(model, demo_store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACTORNET_STORE", str(demo_store))
    output = tmp_path / "x.bw"
    assert predict.main(["-i", "K562", "-m", str(model), "--regions", "chr2:0-20000", "-o", str(output)]) == 0
    found = check_sealed_toml(tmp_path / "x.bw.run.toml", RUN_FORMAT)
    assert found["options"]["store"] == str(demo_store)
    assert found["sha256"] == {"x.bw.json": file_digest(tmp_path / "x.bw.json")}
    again = tmp_path / "again.bw"
    assert predict.main(["--config", str(tmp_path / "x.bw.run.toml"), "-o", str(again)]) == 0
    assert again.read_bytes() == output.read_bytes()
    folder = ["--config", str(tmp_path / "x.bw.run.toml"), "-o", f"{tmp_path}/all/"]
    assert predict.main(folder) == 0
    assert list(check_sealed_toml(tmp_path / "all/run.toml", RUN_FORMAT)["sha256"]) == ["predictions.json"]
    capsys.readouterr()
    record = tmp_path / "scores.toml"
    assert evaluate.main([str(output), "--replicates", "5", "--json", "--record", str(record)]) == 0
    scores = check_sealed_toml(record, RUN_FORMAT)["scores"]["CTCF in K562"]
    assert scores == json.loads(capsys.readouterr().out)["scores"]


@pytest.mark.parametrize("record", ["none", "there.toml"])
def test_record_is_left_out_or_refused(demo_store, tmp_path, record, capsys):
    (tmp_path / "there.toml").write_text("mine = 1\n")
    path = record if record == "none" else str(tmp_path / record)
    status = etl(["info", str(demo_store), "--record", path])
    assert status == (0 if record == "none" else 2)
    assert ("exists and is no record of a run" in capsys.readouterr().err) == (record != "none")
    assert (tmp_path / "there.toml").read_text() == "mine = 1\n"


def test_record_in_place_of_an_output_is_an_error(model, demo_store, tmp_path, capsys):
    words = ["--store", demo_store, "-i", "K562", "-m", model, "--regions", "chr21:0-4000", "-o", tmp_path / "x.bw"]
    assert predict.main([*map(str, words), "--record", str(tmp_path / "x.bw")]) == 2
    assert "x.bw: exists and is no record of a run" in capsys.readouterr().err
    assert (tmp_path / "x.bw").read_bytes()[:4] != b"form"


def test_record_that_another_process_writes_is_refused_before_the_run(tmp_path, capsys):
    with output_lock(tmp_path / "r.toml"):
        assert etl(["demo", str(tmp_path / "new"), "--record", str(tmp_path / "r.toml")]) == 2
    assert "r.toml: is being written by" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_record_of_any_command_is_written_where_asked(demo_store, tmp_path, capsys):
    for _ in range(2):  # a record is replaced
        assert etl(["info", str(demo_store), "--record", str(tmp_path / "r.toml")]) == 0
    found = check_sealed_toml(tmp_path / "r.toml", RUN_FORMAT)
    assert (found["command"], found["options"]) == ("factornet-etl info", {"store": str(demo_store)})
    assert etl(["info", str(tmp_path / "no"), "--record", str(tmp_path / "failed.toml")]) == 2
    assert not (tmp_path / "failed.toml").exists()


def test_record_of_another_command_is_not_replaced(demo_store, tmp_path, capsys):
    """``evaluate --record MODEL/run.toml`` took the place of the record of the training."""
    record = tmp_path / "r.toml"
    assert etl(["info", str(demo_store), "--record", str(record)]) == 0
    before = record.read_bytes()
    assert etl(["verify", str(demo_store), "--record", str(record)]) == 2
    assert "exists and is the record of a run of factornet-etl info; give another name" in capsys.readouterr().err
    assert record.read_bytes() == before


def _tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("command", "kind"),
    list(itertools.product(["predict", "visualize", "crossval"], ["model folder", "store", "results"])),
)
def test_results_are_not_written_into_other_folders(model, demo_store, tmp_path, command, kind):
    """They stood among the files of a model, and their record took the place of that of its training."""
    folder = tmp_path / "x"
    if kind == "results":
        folder.mkdir()
        Run("factornet-model card", (), {}).write(folder / "run.toml")
    else:
        shutil.copytree(model if kind == "model folder" else demo_store, folder)
    before = _tree(folder)
    (tmp_path / "x.bed").write_text("chr21\t1000\t2000\n")
    words = {
        "predict": ["-i", "K562", "-m", model, "--regions", "chr21:0-4000", "--force", "-o", f"{folder}/"],
        "visualize": ["-i", "K562", "-m", model, "-b", tmp_path / "x.bed", "-c", "chr21", "-oc", folder],
        "crossval": ["-f", "CTCF", "-o", folder, "--", "-t", "chr1", "-v", "chr2", "-k", "4", "-r", "2", "-d", "4"],
    }
    main = {"predict": predict.main, "visualize": visualize.main, "crossval": crossval.main}[command]
    error = io.StringIO()
    with redirect_stderr(error):
        assert main(["--store", str(demo_store), *map(str, words[command])]) == 2
    is_what = "holds the results of factornet-model card" if kind == "results" else f"is a {kind}"
    assert f"{folder}: {is_what}" in error.getvalue()
    assert "give another folder for the results" in error.getvalue()
    assert _tree(folder) == before


def test_results_of_the_same_command_are_replaced(model, demo_store, tmp_path):
    words = ["--store", demo_store, "-i", "K562", "-m", model, "--regions", "chr21:0-4000", "-o", f"{tmp_path}/x/"]
    assert predict.main(list(map(str, words))) == 0
    assert predict.main([*map(str, words), "--force"]) == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_verbose_adds_the_traceback(tmp_path, as_json, capsys):
    """The exit status was 1, that of an error of the program, and --json printed nothing."""
    assert etl(["info", str(tmp_path / "no"), "-v", *(["--json"] if as_json else [])]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("Traceback (most recent call last):\n")
    (line,) = (line for line in shown.err.splitlines() if line.startswith("factornet-etl: error: "))
    assert str(tmp_path / "no") in line
    assert not as_json or json.loads(shown.out)["error"]["status"] == 2


def test_what_a_killed_run_has_left_of_its_record_is_removed(tmp_path):
    (tmp_path / ".run.0a1b2c3d.part.toml").write_text("half")
    Run("factornet-predict", (), {}).write(tmp_path / "run.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
