from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from support.sealed import change_sealed
from support.tiny_model import FOLDER_CONFIG

from factornet.model import FactorNet, ModelCard, NetworkConfig, load_network, save_weights
from factornet.model.model_dir import weights
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.model_dir.training_state import TrainingState, load_training_state, save_training_state
from factornet.store.errors import InputError, UsageError
from factornet.store.files.digest import file_digest
from factornet.store.files.outputs import output_lock


def trained(steps: int = 3, *, seed: int = 0) -> tuple[FactorNet, torch.optim.Adam]:
    network = FactorNet(FOLDER_CONFIG, seed=seed)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(steps):
        take_step(network, optimizer)
    return network, optimizer


def take_step(network: FactorNet, optimizer: torch.optim.Adam) -> None:
    codes = torch.randint(0, 5, (6, 40), dtype=torch.uint8)
    optimizer.zero_grad()
    network(codes, torch.rand(6, 2, 40), torch.rand(6, 8)).log().mean().backward()
    optimizer.step()


def state_of(network: FactorNet, optimizer: torch.optim.Adam, step: int, **changes: Any) -> TrainingState:
    values: dict[str, Any] = {
        "step": step,
        "epoch": step // 10,
        "weights": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": {"cpu": torch.get_rng_state()},
        "best_loss": 1 / 3,
        "stale_epochs": 2,
        "history": [{"epoch": n, "loss": 0.1 + 0.2, "note": None} for n in range(1, step // 10 + 1)],
    }
    return TrainingState(**{**values, **changes})


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b)) and a.dtype == b.dtype
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(("last", ".")))


@pytest.mark.parametrize("which", ["best", "last"])
def test_weights_round_trip(folder, which):
    network, _ = trained()
    save_weights(folder, network.state_dict(), which)
    loaded = load_network(folder, weights=which)
    assert not loaded.training
    assert same(dict(loaded.state_dict()), dict(network.state_dict()))
    assert names(folder) == (["last.safetensors"] if which == "last" else [])


def test_last_weights_are_those_of_the_newest_training_state(folder):
    network, optimizer = trained()
    save_weights(folder, FactorNet(FOLDER_CONFIG).state_dict(), "last")
    save_training_state(folder, state_of(network, optimizer, 3))
    assert torch.equal(load_network(folder, weights="last").dense.weight, network.dense.weight)


def test_training_state_round_trip(folder):
    network, optimizer = trained()
    saved = state_of(network, optimizer, 30)
    save_training_state(folder, saved)
    loaded, warning = load_training_state(folder)
    assert warning == ""
    for field in ("step", "epoch", "best_loss", "stale_epochs", "history", "rng"):
        assert same(getattr(loaded, field), getattr(saved, field)), field
    assert same(dict(loaded.weights), dict(saved.weights))
    assert same(loaded.optimizer["state"], saved.optimizer["state"])
    restored = torch.optim.Adam([p for p in network.parameters() if p.requires_grad])
    restored.load_state_dict(dict(loaded.optimizer))
    assert same(restored.state_dict()["param_groups"][0]["lr"], 0.01)


def test_resumed_training_is_bit_identical(folder):
    torch.manual_seed(1)
    network, optimizer = trained()
    save_training_state(folder, state_of(network, optimizer, 3))
    for _ in range(3):
        take_step(network, optimizer)

    state, _ = load_training_state(folder)
    again, restored = trained(0, seed=9)
    again.load_state_dict(dict(state.weights))
    restored.load_state_dict(dict(state.optimizer))
    torch.set_rng_state(state.rng["cpu"])
    for _ in range(3):
        take_step(again, restored)
    assert same(dict(again.state_dict()), dict(network.state_dict()))


def test_state_before_the_first_loss_and_step_round_trips(folder):
    network, optimizer = trained(0)
    save_training_state(folder, state_of(network, optimizer, 0, best_loss=None, history=[], rng={}))
    state, warning = load_training_state(folder)
    assert (state.best_loss, state.history, state.rng, state.optimizer["state"], warning) == (None, [], {}, {}, "")
    with pytest.raises(UsageError, match=r"best_loss must be finite.*inf"):
        state_of(network, optimizer, 0, best_loss=float("inf"))


def test_two_newest_states_are_kept(folder):
    network, optimizer = trained(1)
    for step in (10, 20, 30):
        save_training_state(folder, state_of(network, optimizer, step))
    suffixes = ("json", "optimizer.safetensors", "safetensors")
    assert names(folder) == [f"last-00000{serial}.{suffix}" for serial in (2, 3) for suffix in suffixes]
    assert load_training_state(folder)[0].step == 30


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [("json", truncate), ("json", empty), ("json", flip)]  # without its .json a state was never complete
    + [
        (s, damage) for s in ("safetensors", "optimizer.safetensors") for damage in (truncate, Path.unlink, empty, flip)
    ],
)
def test_damaged_newest_state_falls_back_with_a_warning(folder, suffix, damage):
    network, optimizer = trained(1)
    for step in (10, 20):
        save_training_state(folder, state_of(network, optimizer, step))
    damage(folder / f"last-000002.{suffix}")
    state, warning = load_training_state(folder)
    assert state.step == 10
    assert f"last-000002.{suffix}" in warning
    assert warning.endswith("resuming from the one before, last-000001.json, at step 10")
    # The next save keeps the valid state to fall back to, not the damaged one.
    save_training_state(folder, state_of(network, optimizer, 21))
    assert {name.partition(".")[0] for name in names(folder)} == {"last-000001", "last-000003"}
    assert load_training_state(folder)[0].step == 21


@pytest.mark.parametrize("suffix", ["json", "safetensors", "optimizer.safetensors"])
def test_state_that_cannot_be_read_for_a_moment_is_kept(folder, monkeypatch, suffix):
    network, optimizer = trained(1)
    for step in (10, 20):
        save_training_state(folder, state_of(network, optimizer, step))
    opened = Path.open

    def open_or_fail(path, *arguments, **more):
        if path.name == f"last-000002.{suffix}":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", open_or_fail)
    save_training_state(folder, state_of(network, optimizer, 30))
    assert {name.partition(".")[0] for name in names(folder)} == {"last-000001", "last-000002", "last-000003"}
    monkeypatch.undo()
    save_training_state(folder, state_of(network, optimizer, 40))
    assert {name.partition(".")[0] for name in names(folder)} == {"last-000003", "last-000004"}


def test_no_valid_state_is_refused_naming_each_file(folder):
    network, optimizer = trained(1)
    with pytest.raises(InputError, match="holds no training state"):
        load_training_state(folder)
    for step in (10, 20):
        save_training_state(folder, state_of(network, optimizer, step))
    truncate(folder / "last-000001.safetensors")
    (folder / "last-000002.json").write_text("[]")
    with pytest.raises(InputError, match=r"last-000002.json: expected a JSON object.*last-000001.safetensors: damaged"):
        load_training_state(folder)


def test_state_of_a_newer_version_does_not_fall_back(folder):
    network, optimizer = trained(1)
    for step in (10, 20):
        save_training_state(folder, state_of(network, optimizer, step))
    change_sealed(folder / "last-000002.json", version=3)
    with pytest.raises(InputError, match="version 3 is newer than 2"):
        load_training_state(folder)


@pytest.mark.parametrize(
    ("owner", "name", "at"), [(Path, "replace", i) for i in range(3)] + [(os, "fsync", i) for i in range(6)]
)
def test_failed_write_leaves_the_previous_state(folder, monkeypatch, owner, name, at):
    """Let the `at`-th rename or fsync of a save fail: the error names the file, the next save works."""
    network, optimizer = trained(1)
    save_training_state(folder, state_of(network, optimizer, 10))
    original, calls = getattr(owner, name), iter(range(100))

    def failing(*args: Any) -> Any:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing)
        with pytest.raises(InputError, match=r"last-000002.*cannot be written \(No space left on device\)"):
            save_training_state(folder, state_of(network, optimizer, 20))
    assert not [left for left in names(folder) if left.startswith(".")]
    # Only the last fsync comes after the rename that completes the new state.
    assert load_training_state(folder)[0].step == (20 if (name, at) == ("fsync", 5) else 10)
    save_training_state(folder, state_of(network, optimizer, 21))
    assert load_training_state(folder)[0].step == 21


def test_missing_damaged_or_mismatched_weights_are_refused(folder):
    with pytest.raises(InputError, match=r"best.safetensors: no such weights; the folder has none"):
        load_network(folder)
    save_weights(folder, FactorNet(FOLDER_CONFIG).state_dict(), "last")
    with pytest.raises(InputError, match=r"the folder has last.safetensors"):
        load_network(folder)
    truncate(folder / "last.safetensors")
    with pytest.raises(InputError, match=r"last.safetensors: damaged"):
        load_network(folder, weights="last")
    other = FactorNet(NetworkConfig(**{**FOLDER_CONFIG.__dict__, "dense": 6}))
    save_weights(folder, other.state_dict(), "best")
    with pytest.raises(
        InputError, match=r"5 of its tensors do not match.*context.bias is float32 \(6,\), not float32 \(5,\)"
    ):
        load_network(folder)


def test_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot create the model folder"):
        create_model(tmp_path / "file/model", ModelCard(config=FOLDER_CONFIG))
    with pytest.raises(InputError, match=r"absent: no such folder"):
        save_weights(tmp_path / "absent", FactorNet(FOLDER_CONFIG).state_dict(), "best")


def test_weights_that_share_memory_are_saved(folder):
    """As an LSTM's do on a GPU, where they are views of one tensor."""
    network = FactorNet(FOLDER_CONFIG)
    shared = torch.arange(sum(v.numel() for v in network.state_dict().values()), dtype=torch.float32)
    parts = shared.split([v.numel() for v in network.state_dict().values()])
    views = {name: p.view_as(v) for (name, v), p in zip(network.state_dict().items(), parts, strict=True)}
    save_weights(folder, views, "best")
    assert same(dict(load_network(folder).state_dict()), views)


def test_digest_of_loaded_weights_is_theirs_though_a_training_replaces_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = trained(1)[0].state_dict(), trained(2)[0].state_dict()
    save_weights(folder, first, "best")
    digest, parse = file_digest(folder / "best.safetensors"), weights.parse_tensors

    def replace_and_parse(*args: Any) -> Any:
        save_weights(folder, second, "best")
        return parse(*args)

    monkeypatch.setattr(weights, "parse_tensors", replace_and_parse)
    loaded = weights.load_model(folder)
    assert loaded.weights_sha256 == digest
    assert all(same(value, first[name]) for name, value in loaded.network.state_dict().items())


def test_weights_that_a_running_training_has_not_written_are_not_called_missing(folder: Path) -> None:
    with output_lock(folder), pytest.raises(InputError, match=rf"best.safetensors: not written yet.*{os.getpid()} on "):
        load_network(folder)
    with pytest.raises(InputError, match="no such weights; the folder has none"):
        load_network(folder)
