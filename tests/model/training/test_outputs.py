"""What a training writes in its model folder: only next to the model.json that it has begun with."""

import itertools
import os
import shutil
from dataclasses import replace

import pytest
import torch
from support.tiny_model import tiny_setup, train_tiny

from factornet.model import TrainingOptions, prepare_training, train
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.training.history import Callbacks
from factornet.model.training.outputs import restore_outputs
from factornet.store import InputError


@pytest.mark.parametrize("how", ["model.json is replaced", "folder is replaced"])
def test_training_whose_model_json_is_replaced_stops(tiny_store, tmp_path, how):
    """Its weights must not be bound to the configuration of another training (somebody has removed the lock, say)."""
    train_tiny(tiny_store, tmp_path / "other", epochs=1, seed=7)
    folder = tmp_path / "m"
    setup = tiny_setup(tiny_store)
    network = prepare_training(setup, folder, resume=False, overwrite=False)

    def replace_model(record):
        if record.epoch == 1 and how == "model.json is replaced":
            shutil.copy(tmp_path / "other/model.json", folder / "model.json")
        elif record.epoch == 1:
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "other", folder)

    callbacks, options = Callbacks(epoch=replace_model), TrainingOptions(batch_size=4, epochs=3)
    with pytest.raises(InputError, match=r"model\.json: was replaced while the training ran"):
        train(network, setup.sampler, folder, options, device=torch.device("cpu"), callbacks=callbacks)
    if how == "folder is replaced":
        assert verify_model(folder).faults == ()
        assert (folder / "best.safetensors").read_bytes() == (tmp_path / "other/best.safetensors").read_bytes()


def test_model_that_is_moved_to_the_name_of_a_training_keeps_its_files(tiny_store, tmp_path, monkeypatch):
    """At each flush of a file or folder: the history of the running training was written over that of the newcomer."""
    train_tiny(tiny_store, tmp_path / "other", epochs=3, seed=7)
    before = {p.name: p.read_bytes() for p in (tmp_path / "other").iterdir()}
    flush, messages = os.fsync, set[str]()
    for moment in itertools.count():
        place = tmp_path / str(moment)
        shutil.copytree(tmp_path / "other", place / "other")
        setup, options = tiny_setup(tiny_store), TrainingOptions(batch_size=4, epochs=2)
        network = prepare_training(setup, place / "m", resume=False, overwrite=False)
        left = itertools.count(moment, -1)

        def swap(handle, place=place, left=left):
            flush(handle)
            if next(left) == 0:
                (place / "m").rename(place / "old")
                (place / "other").rename(place / "m")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", swap)
            try:
                train(network, setup.sampler, place / "m", options, device=torch.device("cpu"))
            except InputError as error:
                messages.add(error.problem.partition(":")[0])
        if (place / "other").exists():
            break  # the training has ended before
        assert {p.name: p.read_bytes() for p in (place / "m").iterdir()} == before, moment
    assert moment > 30
    assert messages == {"was replaced while the training ran", "cannot be written (No such file or directory)"}


@pytest.mark.parametrize("moment", ["before the first step", "within an epoch", "at its end"])
def test_folder_that_is_moved_or_removed_is_named(tiny_store, tmp_path, monkeypatch, moment):
    setup, folder = tiny_setup(tiny_store), tmp_path / "m"
    network = prepare_training(setup, folder, resume=False, overwrite=False)
    move = lambda _: folder.rename(tmp_path / "new") if folder.exists() else None  # noqa: E731
    callbacks = Callbacks(step=move) if moment == "within an epoch" else Callbacks(epoch=move)
    options = TrainingOptions(batch_size=4, epochs=2)
    if moment == "before the first step":
        move(None)
    with pytest.raises(InputError, match="was moved or removed while the training ran") as raised:
        train(network, setup.sampler, folder, options, device=torch.device("cpu"), callbacks=callbacks)
    assert "resume the training where the folder is now" in raised.value.hint
    assert not folder.exists()


@pytest.mark.parametrize("how", ["damaged", "of another model", "of another epoch", "missing"])
def test_resuming_without_the_best_weights_so_far_is_refused(tiny_store, tmp_path, how):
    """They are the result unless a later epoch is better: a training that kept damaged ones would end well."""
    folder = tmp_path / "m"
    (first,) = train_tiny(tiny_store, folder, epochs=1).history
    history = [first, replace(first, epoch=2, val_loss=first.val_loss + 1)]
    restore_outputs(folder, history)
    best = folder / "best.safetensors"
    if how == "damaged":
        data = bytearray(best.read_bytes())
        data[-1] ^= 1
        best.write_bytes(data)
    elif how == "of another model":
        train_tiny(tiny_store, tmp_path / "other", epochs=1, seed=7)
        shutil.copy(tmp_path / "other/best.safetensors", best)
    elif how == "of another epoch":
        history[1] = replace(first, epoch=2, val_loss=first.val_loss - 1)
    else:
        best.unlink()
    with pytest.raises(InputError, match=r"best\.safetensors: .*(damaged|another model|epoch)"):
        restore_outputs(folder, history)
