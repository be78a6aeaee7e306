"""What a training writes in its model folder: only next to the model.json that it has begun with."""

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
