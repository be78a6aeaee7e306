"""Existing folders are refused, or kept as a backup until the new model is complete."""

import errno
from pathlib import Path

import pytest

from factornet.model import FactorNet, ModelCard, NetworkConfig, load_network, read_card
from factornet.model.model_dir.lifecycle import backup_path, complete_model, create_model
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.model_dir.weights import save_weights
from factornet.store import InputError, UsageError

OLD = NetworkConfig(tasks=("CTCF",), tracks=("DGF",), window_length=40, kernels=4, kernel_width=6, recurrent=3, dense=5)
NEW = NetworkConfig(tasks=("A",), tracks=())


@pytest.fixture
def model(tmp_path) -> Path:
    """A complete model with a file of the user in its folder."""
    folder = tmp_path / "model"
    create_model(folder, ModelCard(config=OLD))
    save_weights(folder, FactorNet(OLD, seed=7).state_dict(), "best")
    complete_model(folder)
    (folder / "notes.md").write_text("user's")
    return folder


def test_existing_folder_without_overwrite_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match="already holds a model"):
        create_model(model, ModelCard(config=NEW))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="already exists"):
        create_model(tmp_path / "empty", ModelCard(config=NEW))
    create_model(tmp_path / "empty", ModelCard(config=NEW), overwrite=True)


def test_replaced_model_is_kept_until_the_new_one_is_complete(model):
    create_model(model, ModelCard(config=NEW), overwrite=True)
    assert read_card(model).config == NEW
    assert load_network(backup_path(model)).config == OLD
    complete_model(model)
    assert not backup_path(model).exists()
    listed = sorted(p.name for p in model.iterdir())
    assert listed == ["bigwig.txt", "chip.txt", "feature.txt", "model.json", "notes.md"]
    assert read_card(model).config == NEW


def test_second_attempt_keeps_the_backup(model):
    """After an interrupted replacement the backup stays and the unfinished model is removed."""
    create_model(model, ModelCard(config=NEW), overwrite=True)
    (model / "more.md").write_text("user's too")
    create_model(model, ModelCard(config=NEW), overwrite=True)
    assert load_network(backup_path(model)).config == OLD
    complete_model(model)
    assert (model / "notes.md").read_text() == "user's"
    assert (model / "more.md").read_text() == "user's too"


@pytest.mark.parametrize("overwrite", [False, True])
def test_cell_line_folder_is_refused(tmp_path, overwrite):
    (tmp_path / "chip.txt").write_text("peaks.bed.gz\tCTCF\n")
    with pytest.raises(UsageError, match=r"already exists|holds chip.txt, but no model"):
        create_model(tmp_path, ModelCard(config=OLD), overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["chip.txt"]


def test_model_of_other_software_is_not_replaced(tmp_path):
    (tmp_path / "model.json").write_text('{"class_name": "Model"}')
    with pytest.raises(InputError, match="not a factornet-model file"):
        create_model(tmp_path, ModelCard(config=OLD), overwrite=True)
    assert (tmp_path / "model.json").is_file()


def test_model_behind_a_link_is_replaced_where_it_is(model, tmp_path):
    (tmp_path / "link").symlink_to(model)
    (model / "notes.txt").write_text("mine")
    create_model(tmp_path / "link", ModelCard(config=NEW), overwrite=True)
    assert backup_path(tmp_path / "link") == backup_path(model)
    assert load_network(backup_path(model)).config == OLD
    complete_model(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read_card(model).config == NEW
    assert (model / "notes.txt").read_text() == "mine"
    assert not backup_path(model).exists()


def test_links_to_files_are_read_and_never_written_through(model, tmp_path):
    """As in a cache of models, which consists of links; a link to another file is as damage."""
    linked, content = tmp_path / "linked", (model / "best.safetensors").read_bytes()
    linked.mkdir()
    for name in ("model.json", "best.safetensors", "chip.txt", "bigwig.txt", "feature.txt"):
        (linked / name).symlink_to(f"../model/{name}")
    assert load_network(linked).config == OLD
    assert verify_model(linked).faults == ()
    save_weights(linked, FactorNet(OLD, seed=8).state_dict(), "best")
    assert (model / "best.safetensors").read_bytes() == content != (linked / "best.safetensors").read_bytes()
    for name in ("best.safetensors", "chip.txt"):
        (linked / name).unlink()
        (linked / name).symlink_to(model / "notes.md")
        with pytest.raises(InputError, match=rf"{name}: (damaged|has more than)"):
            load_network(linked)


@pytest.mark.parametrize("failing", ["model.json", "chip.txt", "bigwig.txt", "feature.txt"])
def test_model_folder_that_cannot_be_written_leaves_nothing_and_the_old_model(tmp_path, model, monkeypatch, failing):
    """A model.json without its lists of names would be resumed, and the lists would never be written."""
    replace = Path.replace

    def replace_or_fail(path, target):
        if Path(target).name == failing:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return replace(path, target)

    before = {p.name: p.read_bytes() for p in model.iterdir()}
    monkeypatch.setattr(Path, "replace", replace_or_fail)
    for folder, overwrite in ((tmp_path / "new", False), (model, True)):
        with pytest.raises(InputError, match=rf"{failing}: cannot be written \(No space left on device\)"):
            create_model(folder, ModelCard(config=NEW), overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert {p.name: p.read_bytes() for p in model.iterdir()} == before


def test_model_is_put_back_where_the_new_one_cannot_be_moved_there(tmp_path, model, monkeypatch):
    rename = Path.rename

    def rename_or_fail(path, target):
        if path.name.endswith(".part"):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_or_fail)
    with pytest.raises(InputError, match=r"model: cannot be written \(Input/output error\)"):
        create_model(model, ModelCard(config=NEW), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert load_network(model).config == OLD


def test_files_of_the_user_with_names_like_a_models_are_kept(model):
    """What verify calls the user's is the user's where the model is replaced, too."""
    names = (
        "history.md",
        "mine.safetensors",
        "last-notes.json",
        "last-000001.txt",
        ".gitignore",
        "tensorboard/notes.txt",
    )
    (model / "tensorboard").mkdir()
    for name in names:
        (model / name).write_text("mine")
    event = "tensorboard/events.out.tfevents.1.host"
    (model / event).touch()
    found = {f.path: f.kind for f in verify_model(model).files}
    assert {found[name] for name in names} == {"foreign"}
    create_model(model, ModelCard(config=NEW), overwrite=True)
    complete_model(model)
    assert {name: (model / name).read_text() for name in names} == dict.fromkeys(names, "mine")
    assert not (model / event).exists()
    assert not backup_path(model).exists()
