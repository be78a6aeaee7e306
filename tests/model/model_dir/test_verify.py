"""A model folder verified: whole, wherever its training was killed, and with files damaged, lost or exchanged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.findings import kinds
from support.keras_folder import Spec, write_folder
from support.snapshots import Snapshots
from support.tiny_model import tiny_config, train_tiny

from factornet.model import FactorNet, ModelCard, load_network, read_card, save_weights, write_imported
from factornet.model.model_dir.findings import Checks
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.model_dir.tensor_file import read_epoch
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.model_dir.weights import weights_sizes
from factornet.model.training.history import EpochRecord
from factornet.model.training.plots import plot_history
from factornet.model.training.trainer import _Trainer
from factornet.store import InputError
from factornet.store.files.outputs import output_lock


def test_every_file_of_an_ended_training_is_covered(model):
    report = verify_model(model)
    written = {str(p.relative_to(model)) for p in model.rglob("*") if p.is_file()}
    assert {f.path for f in report.files} == written
    assert all(f.kind == "ok" and f.covered_by and f.size for f in report.files)
    assert (report.stage, report.epochs, report.faults) == ("ended", 3, ())
    assert report.note == "the training has ended, with 3 complete epochs: all 3 epochs done"


def test_a_kill_at_any_moment_is_no_damage(trained):
    """Wherever a training is killed, it is told to be interrupted, and a file that is not up to date unfinished."""
    seen = set()
    for folder in trained[1]:  # the folder appears with model.json and the lists of names
        report = verify_model(folder)
        assert report.faults == (), folder
        assert report.stage == "interrupted", folder
        assert "resume it" in report.note
        seen |= {(f.path, report.epochs) for f in report.files if f.kind == "unfinished"}
    names = ("best.safetensors", "history.csv", "history.json", "training.json")
    assert seen == {(name, epochs) for name in names for epochs in (1, 2, 3)}
    assert len(trained[1]) > 20


@pytest.mark.parametrize("damaged", [False, True])
def test_resumed_training_mends_what_a_kill_left(trained, tiny_store, tmp_path, monkeypatch, damaged):
    """Also where it is killed again while it mends, and where it resumes from the state before a damaged one."""
    whole = verify_model(trained[0])
    sources = [f for f in trained[1] if len(list(f.glob("last-*.json"))) == 2][::9] if damaged else trained[1][2::9]
    for number, source in enumerate(sources):
        folder = Path(shutil.copytree(source, tmp_path / f"{number}/m"))
        if damaged:
            newest = max(folder.glob("last-*.json"))
            newest.write_bytes(newest.read_bytes()[:-5])
        with monkeypatch.context() as patch:
            snapshots = Snapshots(folder, tmp_path / f"{number}/killed", patch)
            train_tiny(tiny_store, folder, resume=True)
        report = verify_model(folder)
        assert (report.stage, report.faults, report.note) == ("ended", (), whole.note)
        for killed in snapshots.taken:
            found = verify_model(killed)
            # Where the state of the last epoch is damaged, nothing sound tells that the tables have this epoch.
            allowed = {newest.name, "history.json", "history.csv"} if damaged else set()
            assert {f.path for f in found.faults} <= allowed, killed


def test_continued_training_leaves_no_damage_when_killed(model, tiny_store, tmp_path, monkeypatch):
    """More epochs after the end: the picture and the last weights are those of the first end until the second."""
    with monkeypatch.context() as patch:
        snapshots = Snapshots(model, tmp_path / "killed", patch)
        train_tiny(tiny_store, model, epochs=5, resume=True)
    reports = [verify_model(folder) for folder in snapshots.taken]
    assert [r.faults for r in reports] == [()] * len(reports)
    pictures = {f.problem for r in reports for f in r.files if f.path == "training.png"}
    assert pictures == {"", "draws 3 of 4 epochs", "draws 3 of 5 epochs"}
    assert (verify_model(model).stage, verify_model(model).epochs) == ("ended", 5)


LOST = [
    ("model.json", {"model.json": "missing"}),
    ("chip.txt", {"chip.txt": "missing"}),
    ("best.safetensors", {"best.safetensors": "missing"}),
    ("last.safetensors", {"last.safetensors": "missing"}),
    ("training.json", {"training.json": "missing"}),
    ("history.json", {"history.json": "missing"}),
    ("history.csv", {"history.csv": "missing"}),
    ("training.png", {"training.png": "missing"}),
    ("last-000003.json", {"last-*.json": "missing"}),
    ("last-000002.json", {"last-*.json": "missing"}),
    ("last-000003.safetensors", {"last-000003.safetensors": "missing"}),
    ("last-000002.optimizer.safetensors", {"last-000002.optimizer.safetensors": "missing"}),
]


@pytest.mark.parametrize(("name", "expected"), LOST)
def test_lost_file_is_found(model, name, expected):
    (model / name).unlink()
    faults = {f.path: f.kind for f in verify_model(model).faults}
    if name == "model.json":
        assert set(faults.values()) == {"missing", "unchecked"}
        faults = {"model.json": faults["model.json"]}
    assert faults == expected


def test_all_states_lost_are_found(model):
    for path in model.glob("last-*"):
        path.unlink()
    assert kinds(model) == {"last-*.json": "missing"}


@pytest.mark.parametrize("name", ["training.json", "history.json", "history.csv", "training.png", "last.safetensors"])
def test_valid_file_of_an_earlier_epoch_is_damage(model, trained, name):
    """Put back from a backup, say: its digests are right, but it is not the one that belongs here."""
    early = next(
        f
        for f in trained[1][1:]
        if (verify_model(f).epochs, kinds(f, of="training.json")) == (1, {"training.json": "ok"})
    )
    if name == "training.png":
        rows = json.loads((model / "history.json").read_text())[:1]
        plot_history([EpochRecord(**row) for row in rows], model / name, model=read_card(model).digest)
    else:
        shutil.copy(early / ("best.safetensors" if name == "last.safetensors" else name), model / name)
    assert [f.path for f in verify_model(model).faults] == [name]


@pytest.mark.parametrize("other", ["last.safetensors", "last-000002.safetensors"])
def test_weights_of_another_epoch_are_not_the_best(model, other):
    """Their digests are right, and model.json is theirs."""
    epochs = json.loads((model / "history.json").read_text())
    best = min(epochs, key=lambda row: row["val_loss"])["epoch"]
    if (model / other).read_bytes() == (model / "best.safetensors").read_bytes():
        other = "last-000002.safetensors" if best == 3 else "last.safetensors"
    shutil.copy(model / other, model / "best.safetensors")
    [fault] = verify_model(model).faults
    assert (fault.path, fault.kind) == ("best.safetensors", "damaged")
    assert f"but that with the best validation loss is {best}" in fault.problem
    with pytest.raises(
        InputError, match=rf"best\.safetensors: has the weights after epoch .*the best .* is {best}, as"
    ):
        load_network(model)
    assert load_network(model, weights="last")


def test_weights_of_an_earlier_epoch_are_not_the_last(model):
    for path in model.glob("last-*"):
        path.unlink()
    assert load_network(model, weights="last")
    weights = load_network(model, weights="last").state_dict()
    save_weights(model, weights, "last", epoch=2)
    with pytest.raises(InputError, match=r"has the weights after epoch 2, but the epoch that was the last is 3, as"):
        load_network(model, weights="last")


def test_weights_are_used_wherever_a_training_is_killed(trained):
    """training.json is written after them; a damaged one is no reason to refuse them."""
    for folder in trained[1]:
        for which in ("best", "last"):
            if any(folder.glob(f"{which}*.safetensors")) and (which == "best" or any(folder.glob("last-*.json"))):
                assert load_network(folder, weights=which)


def test_best_weights_survive_a_kill_where_the_epoch_trained_again_is_worse(trained, tiny_store, tmp_path, monkeypatch):
    """As it may be on a device that is not deterministic: they are those of the best epoch that the history has."""
    original, best_of = _Trainer.epoch, {}
    for folder in trained[1]:
        if (folder / "best.safetensors").exists():
            weights = (folder / "best.safetensors").read_bytes()
            best_of[read_epoch(folder / "best.safetensors", sizes=weights_sizes(tiny_config()))] = weights

    def worse(trainer, progress):
        record, steps = original(trainer, progress)
        return replace(record, val_loss=record.val_loss + 10), steps

    monkeypatch.setattr(_Trainer, "epoch", worse)
    known = {}
    for number, source in enumerate(trained[1]):
        if not any(source.glob("last-*.json")):
            continue
        folder = Path(shutil.copytree(source, tmp_path / f"{number}/m"))
        result = train_tiny(tiny_store, folder, resume=True)
        known[len([r for r in result.history if r.val_loss < 10])] = result.best.epoch
        assert verify_model(folder).faults == (), source
        assert load_network(folder)
        assert (folder / "best.safetensors").read_bytes() == best_of[result.best.epoch], source
    assert len(known) == 3


def test_damaged_history_is_no_reason_to_refuse_weights(model):
    (model / "training.json").write_text("{}")
    assert load_network(model)


def test_best_weights_of_the_epoch_after_the_training_state_are_no_damage(model):
    """A kill between the two files of an epoch."""
    weights = load_network(model).state_dict()
    for path in (*model.glob("last-000003*"), model / "training.json", model / "last.safetensors"):
        path.unlink()
    for path in (model / "history.json", model / "history.csv", model / "training.png"):
        path.unlink()
    save_weights(model, weights, "best", epoch=3)
    assert kinds(model, of="best")["best.safetensors"] == "ok"
    save_weights(model, weights, "best", epoch=4)
    assert kinds(model, of="best")["best.safetensors"] == "damaged"


def test_files_of_another_training_are_damage(model, tiny_store, tmp_path):
    other = tmp_path / "other"
    train_tiny(tiny_store, other, seed=7)
    for name in (
        "best.safetensors",
        "training.json",
        "history.json",
        "history.csv",
        "training.png",
        "last-000003.json",
    ):
        copy = Path(shutil.copytree(model, tmp_path / name))
        shutil.copy(other / name, copy / name)
        assert name in {f.path for f in verify_model(copy).faults}


def test_state_of_two_saves_is_damage(model):
    """Each of its files is sound, but one belongs to another state."""
    shutil.copy(model / "last-000002.safetensors", model / "last-000003.safetensors")
    assert kinds(model, of="last-000003")["last-000003.safetensors"] == "damaged"


def test_equal_pictures_have_equal_bytes(model, trained, tiny_store):
    before = (model / "training.png").read_bytes()
    train_tiny(tiny_store, model, resume=True)  # nothing to train: it is drawn again
    assert (model / "training.png").read_bytes() == before


def test_files_of_the_user_and_of_killed_runs_are_named(model):
    (model / "notes.md").write_text("mine")
    (model / "plots").mkdir()
    (model / "tensorboard/notes").touch()
    (model / ".best.0123abcd.part.safetensors").touch()
    (model / "last-000009.safetensors").touch()
    backup = model.with_name(".m.replaced")
    backup.mkdir()
    lock = {"process": 2**22 + 1, "started": 1.0, "host": os.uname().nodename, "since": "then", "exclusive": False}
    model.with_name(".m.lock").write_text(json.dumps(lock))
    assert kinds(model) == {
        "notes.md": "foreign", "plots/": "foreign", "tensorboard/notes": "foreign",
        ".best.0123abcd.part.safetensors": "temporary", "last-000009.safetensors": "temporary",
        "../.m.replaced/": "temporary", "../.m.lock": "temporary",
    }  # fmt: skip
    assert verify_model(model).stage == "ended"
    assert model.with_name(".m.lock").exists()


def test_folder_being_written_names_the_holder(model):
    with output_lock(model):
        report = verify_model(model)
        assert report.stage == "in training"
        assert f"it is being written by process {os.getpid()} on" in report.note
        assert report.faults == ()
    assert verify_model(model).stage == "ended"


def test_training_can_be_verified_while_it_runs(tiny_store, tmp_path):
    """The lock is read, not taken: the training goes on, and no file that it replaces is called damaged."""
    words = ["--store", str(tiny_store), *"-i A -f TF -v chrB -t none -n 1 -L 400 -k 3 -w 6 -r 2 -d 3 -b 4".split()]
    command = [sys.executable, "-m", "factornet.cli.train", *words, *"-e 1000 -ep 1000 --device cpu".split()]
    folder, reports = tmp_path / "m", []
    with subprocess.Popen([*command, "-o", str(folder)], stdout=subprocess.DEVNULL) as child:
        try:
            deadline = time.monotonic() + 120
            while not (folder / "history.json").exists():
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for _ in range(20):
                reports.append(verify_model(folder))
        finally:
            child.send_signal(signal.SIGKILL)
    assert [r.faults for r in reports] == [()] * 20
    assert {r.stage for r in reports} == {"in training"}
    assert f"process {child.pid} on" in reports[0].note
    assert (verify_model(folder).stage, verify_model(folder).faults) == ("interrupted", ())


def test_state_that_a_training_removes_while_it_is_measured_is_no_error(tmp_path, monkeypatch):
    path, is_file = tmp_path / "last-000001.json", Path.is_file
    path.write_text("{}")

    def remove_afterwards(asked):
        found = is_file(asked)
        asked.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "is_file", remove_afterwards)
    checks = Checks(tmp_path)
    checks.add(path.name, "ok")
    path.unlink(missing_ok=True)
    checks.add(path.name, "ok")
    assert checks.findings[path.name].size == 0


def test_folder_without_training(tmp_path):
    create_model(tmp_path / "new", ModelCard(config=tiny_config(), training={"seed": 1}))
    assert verify_model(tmp_path / "new").note == "the training was interrupted, with 0 complete epochs: resume it"
    create_model(tmp_path / "m", ModelCard(config=tiny_config()))
    save_weights(tmp_path / "m", FactorNet(tiny_config()).state_dict(), "best")
    report = verify_model(tmp_path / "m")
    assert (report.stage, report.faults) == ("weights only", ())


def test_imported_model_is_covered(tmp_path):
    write_imported(write_folder(tmp_path / "keras", Spec()), tmp_path / "m")
    assert (verify_model(tmp_path / "m").stage, kinds(tmp_path / "m")) == ("weights only", {})
    (tmp_path / "m/last.safetensors").unlink()
    assert kinds(tmp_path / "m") == {"last.safetensors": "missing"}
