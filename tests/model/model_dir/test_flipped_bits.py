"""Every file of a model folder that is read is covered: flipped bits and cuts are found on use."""

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from stress.damage_models import damage_all
from support.sealed import change_sealed

from factornet.model import FactorNet, ModelCard, NetworkConfig, load_network, save_weights
from factornet.model.model_dir.card import read_card
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.model_dir.training_state import TrainingState, load_training_state, save_training_state
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.network.block_config import BlockConfig
from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.training.history import EpochRecord, Progress
from factornet.store.errors import InputError

CONFIG = NetworkConfig(
    tasks=("CTCF",), tracks=("DGF",), meta=("age",), window_length=40, kernels=3, kernel_width=6, recurrent=2, dense=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "m"
    create_model(folder, ModelCard(config=CONFIG, training={"lr": 0.001}))
    network = FactorNet(CONFIG)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad])
    network(torch.zeros(2, 40, dtype=torch.uint8), torch.rand(2, 1, 40), torch.rand(2, 1)).sum().backward()
    optimizer.step()
    for which in ("best", "last"):
        save_weights(folder, network.state_dict(), which)
    for step in (1, 2):
        state = TrainingState(
            step=step, epoch=step, weights=network.state_dict(), optimizer=optimizer.state_dict(),
            rng={"cpu": torch.get_rng_state()}, best_loss=0.5, stale_epochs=0,
            history=[{"epoch": n} for n in range(1, step + 1)],
        )  # fmt: skip
        save_training_state(folder, state)
    return folder


def use(folder, name):
    """Read a file of a model folder as commands do; return the warnings."""
    if name.startswith("last-"):
        return load_training_state(folder)[1]
    if name == "last.safetensors":
        for path in folder.glob("last-*"):
            path.unlink()
    load_network(folder, weights="last" if name.startswith("last") else "best")
    read_card(folder)
    return ""


NAMES = [
    "model.json", "best.safetensors", "last.safetensors", "last-000002.json", "last-000002.safetensors",
    "last-000002.optimizer.safetensors", "chip.txt", "bigwig.txt", "feature.txt", "meta.txt",
]  # fmt: skip


def test_damage_is_found_on_use(tiny_store, tmp_path):
    """A short run of damage_models.py: every file of a trained model, and of interrupted predictions."""
    rows = damage_all(tmp_path, tiny_store, flips=126, cuts=84, seed=3)
    assert [missed for row in rows for missed in row.missed] == []
    assert {row.target.path for row in rows} >= set(NAMES)
    assert (sum(row.flips for row in rows), sum(row.cuts for row in rows)) == (126, 84)
    assert {row.target.path for row in rows if row.harmless} <= {"x.bed.gz"}
    assert min(min(row.flips, row.cuts) for row in rows) >= 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["pipe", "zeros", "folder"])
def test_what_is_no_file_is_refused_at_once(folder, tmp_path, name, kind):
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    {"pipe": os.mkfifo, "zeros": lambda p: p.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](copy / name)
    try:
        assert name in use(copy, name)
    except InputError as error:
        assert name in str(error) or name == "model.json"  # noqa: PT017, a folder without a model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": "a"}, "step must be a whole number of at least 0, got 'a'"),
        ({"epoch": [1]}, "epoch must be a whole number"),
        ({"best_loss": True}, "best_loss must be a number"),
        ({"history": [1]}, "history must be a list of JSON objects"),
        ({"sha256": 5}, "incomplete"),
    ],
)
def test_state_with_values_of_other_types_is_refused(folder, tmp_path, change, message):
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    for record in copy.glob("last-*.json"):
        change_sealed(record, **change)
    with pytest.raises(InputError, match=message):
        load_training_state(copy)


def test_history_of_another_form_is_refused(folder, tmp_path):
    network = FactorNet(CONFIG)
    with pytest.raises(
        InputError, match=r"the history of its training state has \{'epoch': 1\}, not a number for each"
    ):
        Progress.restored(network, torch.optim.Adam(p for p in network.parameters() if p.requires_grad), folder)


ROW = {field.name: 1.0 for field in fields(EpochRecord)}


@pytest.mark.parametrize(
    ("epoch", "numbers", "problem"),
    [
        (2, [], "is of the end of epoch 2, its history of 0 epochs"),
        (10**8, [1], "is of the end of epoch 100000000, its history of 1 epochs"),
        (2, [1, 1], "is of the end of epoch 2, its history of 2 epochs"),
        (3, [1, 2, 3], ""),
    ],
)
def test_state_whose_history_is_not_of_its_epochs_gives_way_to_the_one_before(
    folder, tmp_path, epoch, numbers, problem
):
    """A traceback of `max` of no rows; the message named the folder, and a sound state before it was not used."""
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    history = [{"epoch": number} for number in numbers]
    save_training_state(copy, replace(load_training_state(copy)[0], epoch=epoch, history=history))
    state, warning = load_training_state(copy)
    if problem:
        assert f"last-000003.json: {problem}" in warning
        assert (state.epoch, list(state.history)) == (2, [{"epoch": 1}, {"epoch": 2}])
    else:
        assert (state.epoch, warning) == (epoch, "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rng": {}}, "another network or optimiser"),
        ({"rng": {"cpu": torch.zeros(7, dtype=torch.uint8)}}, "another network or optimiser"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "another network or optimiser"),
    ],
)
def test_state_of_another_network_or_optimiser_is_refused(folder, change, message):
    network = FactorNet(CONFIG)
    optimizer = torch.optim.Adam(p for p in network.parameters() if p.requires_grad)
    state = replace(load_training_state(folder)[0], epoch=1, history=[ROW], **change)
    with pytest.raises(InputError, match=message):
        Progress.of(state, network, optimizer, folder)


def test_weights_of_another_model_are_refused(folder, tmp_path):
    other = tmp_path / "m"
    create_model(other, ModelCard(config=CONFIG, training={"lr": 0.002}))
    shutil.copy(folder / "best.safetensors", other)
    with pytest.raises(InputError, match=r"best.safetensors: belongs to another model: to the model.json with digest"):
        load_network(other)


def test_weights_of_integers_are_refused(folder, tmp_path):
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    whole = {name: t.to(torch.int32) for name, t in load_network(folder).state_dict().items()}
    save_weights(copy, whole, "best")
    with pytest.raises(InputError, match=r"do not match the network in model.json: .* is int32"):
        load_network(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, tmp_path, value):
    copy = tmp_path / "m"
    shutil.copytree(folder, copy)
    weights = load_network(folder).state_dict()
    weights["mixing.bias"][:2] = value
    save_weights(copy, weights, "best")
    message = r"best.safetensors: damaged: 2 of the \d+ values of mixing.bias are not finite; copy"
    with pytest.raises(InputError, match=message):
        load_network(copy)
    (found,) = (f for f in verify_model(copy).files if f.path == "best.safetensors")
    assert (found.kind, found.problem[:13]) == ("damaged", "damaged: 2 of")


def test_trees_that_lead_in_a_circle_are_refused_by_verify_too(tmp_path):
    config = BlockConfig(tasks=("A",), tracks=("D",), trees=1)
    create_model(tmp_path / "m", ModelCard(config=config))
    weights = BlockEnsemble(config, seed=0).state_dict()
    save_weights(tmp_path / "m", weights, "best")
    load_network(tmp_path / "m")
    weights["trees.left"][0, 0, 0] = 1
    weights["trees.right"][0, 0, 1] = 0
    save_weights(tmp_path / "m", weights, "best")
    with pytest.raises(InputError, match="damaged: trees: a path has no leaf"):
        load_network(tmp_path / "m")
    assert [f.kind for f in verify_model(tmp_path / "m").files if f.path == "best.safetensors"] == ["damaged"]


def test_size_of_the_weights_is_that_of_the_network():
    for changes in ({}, {"recurrent": 0}, {"recurrent": -1}, {"meta": (), "gencode": True}, {"tracks": ()}):
        config = NetworkConfig(**{**CONFIG.__dict__, **changes})
        assert config.weights_size == sum(t.numel() for t in FactorNet(config).state_dict().values())
