"""A training that is paused at any moment, and resumed, ends as if it had not been: bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import torch
from stress.preempt_training import command, same_outputs
from support.sealed import change_sealed
from support.snapshots import Snapshots
from support.tiny_model import tiny_setup

from factornet.etl.builders.unpack import unpack_store
from factornet.etl.shards.executor import Resources
from factornet.model.model_dir.training_state import EpochPosition, load_paused_state, paused_records
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.training.history import Callbacks
from factornet.model.training.pausing import TrainingPausedError
from factornet.model.training.setup import TrainingSetup, prepare_training
from factornet.model.training.trainer import TrainingOptions, train
from factornet.store import Sampler, UsageError, open_store, parse_region, split_genome


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Polls:
    """Answers whether to pause: at the given questions, counted from 1."""

    def __init__(self, *at):
        self.at, self.asked = set(at), 0

    def __call__(self):
        self.asked += 1
        return self.asked in self.at


def setup_of(store, select="loss"):
    opened = open_store(store)
    split = split_genome(
        opened.coordinates,
        valid=[parse_region("chr11:0-400000", opened.coordinates)],
        test=[parse_region(c, opened.coordinates) for c in ("chr1", "chr2", "chr21")],
    )
    sampler = Sampler(opened, cells=("GM12878",), factor="CTCF", split=split, window_length=600, negatives=1)
    network = {"tracks": ("Unique35", "DGF"), "kernels": 4, "recurrent": 2, "dense": 4, "window_length": 600}
    options = TrainingOptions(epochs=3, batch_size=40, learning_rate=0.003, select=select)
    return TrainingSetup(sampler=sampler, network=network, options=options)


def run(store, folder, pause=lambda: False, *, resume=False, warnings=None, select="loss"):
    setup = setup_of(store, select)
    network = prepare_training(setup, folder, resume=resume, overwrite=False)
    heard = [] if warnings is None else warnings
    callbacks = Callbacks(pause=pause, warning=heard.append)
    return train(
        network, setup.sampler, folder, setup.options, device=torch.device("cpu"), resume=resume, callbacks=callbacks
    )


def undisturbed(store, folder, select="loss"):
    """Train without a pause; return the folder and the number of times that it was asked."""
    polls = Polls()
    run(store, folder, polls, select=select)
    return folder, polls.asked


@pytest.fixture(scope="module")
def whole(demo_store, tmp_path_factory):
    return undisturbed(demo_store, tmp_path_factory.mktemp("whole") / "m")


def paused(store, folder, *at, resume=False, select="loss"):
    with pytest.raises(TrainingPausedError) as caught:
        run(store, folder, Polls(*at), resume=resume, select=select)
    return caught.value


@pytest.mark.parametrize("select", ["loss", "ap"])
def test_training_paused_at_any_moment_ends_with_the_same_weights(demo_store, tmp_path, select):
    """After steps, the last of an epoch among them, and in validation; the pauses are spread over all epochs."""
    folder, asked = undisturbed(demo_store, tmp_path / "whole", select)
    moments = [1, *sorted(random.Random(1).sample(range(1, asked + 1), 5)), asked]
    for moment in moments:
        parts = tmp_path / str(moment)
        error = paused(demo_store, parts, moment, select=select)
        report = verify_model(parts)
        assert (report.faults, report.stage) == ((), "interrupted")
        (record,) = paused_records(parts)
        assert record.name == f"paused-{error.step:09d}.json"
        heard = []
        result = run(demo_store, parts, resume=True, warnings=heard, select=select)
        assert heard == []
        assert [r.loss for r in result.history] == [r["loss"] for r in history(folder)], moment
        assert same_outputs(folder, parts) == [], moment
        assert not list(parts.glob("paused-*"))
        assert verify_model(parts).faults == ()


def history(folder):
    return json.loads((folder / "history.json").read_text())


def test_training_is_paused_again_and_again(demo_store, whole, tmp_path):
    folder, _ = whole
    parts, resume, n = tmp_path / "m", False, 0
    while True:
        try:
            run(demo_store, parts, Polls(3), resume=resume)
        except TrainingPausedError:
            n, resume = n + 1, True
            assert len(paused_records(parts)) == 1
            continue
        break
    assert n > 3
    assert same_outputs(folder, parts) == []


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        *product((".json", ".safetensors", ".optimizer.safetensors"), ("flip", "cut", "missing")),
        (".json", "position"),
    ],
)
def test_damaged_pause_is_said_and_the_epoch_trained_again(demo_store, whole, tmp_path, suffix, damage):
    folder, asked = whole
    parts = tmp_path / "m"
    paused(demo_store, parts, asked // 2)
    (record,) = paused_records(parts)
    path = record.with_suffix(suffix)
    data = path.read_bytes()
    if damage == "position":
        change_sealed(path, position={"steps": 1})
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
    if damage == "missing":
        path.unlink()
    heard = []
    faults = {f.path for f in verify_model(parts).faults}
    run(demo_store, parts, resume=True, warnings=heard)
    if (suffix, damage) == (".json", "missing"):  # without it the others are no state, as a kill leaves them
        assert (faults, heard) == (set(), [])
    else:
        assert path.name in faults
        assert path.name in heard[0]
        assert "the epoch is trained from its begin" in heard[0]
    assert same_outputs(folder, parts) == []
    assert not list(parts.glob("paused-*"))


def test_pause_within_the_first_epoch_whose_windows_come_in_another_order_starts_it_again(
    demo_store, tmp_path_factory, tmp_path
):
    raw = tmp_path / "raw.zarr"
    unpack_store(demo_store, raw, Resources(1), cells=["GM12878"])
    run(raw, tmp_path / "whole")
    parts, heard = tmp_path / "m", []
    paused(demo_store, parts, 3)
    run(raw, parts, resume=True, warnings=heard)
    assert len(heard) == 1
    assert "was paused within epoch 1, on windows in another order" in heard[0]
    assert same_outputs(tmp_path / "whole", parts) == []


def test_pause_of_an_epoch_that_has_ended_since_is_left_out(demo_store, whole, tmp_path):
    folder, asked = whole
    parts = tmp_path / "m"
    paused(demo_store, parts, 2)
    old = [(p.name, p.read_bytes()) for p in parts.glob("paused-*")]
    paused(demo_store, parts, asked - 2, resume=True)
    for p in parts.glob("paused-*"):
        p.unlink()
    for name, data in old:
        (parts / name).write_bytes(data)
    found = {f.path: f.kind for f in verify_model(parts).files}
    assert {found[name] for name, _ in old} == {"unfinished"}
    run(demo_store, parts, resume=True)
    assert same_outputs(folder, parts) == []


def test_pause_survives_the_loss_of_the_states_before_it(demo_store, whole, tmp_path):
    folder, asked = whole
    parts, heard = tmp_path / "m", []
    paused(demo_store, parts, asked - 2)
    for path in parts.glob("last-*.json"):
        path.write_text("{}")
    run(demo_store, parts, resume=True, warnings=heard)
    assert "no training state is valid" in heard[0]
    assert same_outputs(folder, parts) == []


def test_kill_while_a_pause_is_written_or_removed_is_no_damage(demo_store, whole, tmp_path, monkeypatch):
    """Whatever a kill leaves, it verifies, and resumes to the same bits."""
    folder, _ = whole
    parts = tmp_path / "parts" / "m"
    parts.parent.mkdir()
    paused(demo_store, parts, 3)
    with monkeypatch.context() as patch:
        snapshots = Snapshots(parts, tmp_path / "killed", patch)
        paused(demo_store, parts, 2, resume=True)
        n_paused = len(snapshots.taken)
        run(demo_store, parts, resume=True)
    assert n_paused >= 6, "three files are written, and three removed"
    for copy in snapshots.taken[: n_paused + 12]:
        assert verify_model(copy).faults == (), copy
    for copy in snapshots.taken[1 : n_paused + 12 : 4]:
        run(demo_store, copy, resume=True)
        assert same_outputs(folder, copy) == [], copy
        assert not list(copy.glob("paused-*.json"))


def test_error_of_a_callback_ends_the_training_at_once(tiny_store, tmp_path):
    def fail(report):
        raise RuntimeError("the tracker is down")

    setup = tiny_setup(tiny_store)
    network = prepare_training(setup, tmp_path / "m", resume=False, overwrite=False)
    with pytest.raises(RuntimeError, match="the tracker is down"):
        train(
            network, setup.sampler, tmp_path / "m", setup.options, device=torch.device("cpu"),
            callbacks=Callbacks(step=fail),
        )  # fmt: skip


@pytest.mark.parametrize("change", [{"steps": -1}, {"windows": 1.5}, {"loss": float("nan")}, {"seen": 5}])
def test_position_of_other_values_is_refused(change):
    with pytest.raises(UsageError, match=r"position|must be"):
        EpochPosition(**{"steps": 1, "windows": 1, "loss": 1.0, "seen": "a"} | change)


def test_sigterm_pauses_the_command_and_a_resumed_one_ends_with_the_same_weights(demo_store, tmp_path):
    """tests/stress/preempt_training.py does it at 20 random moments."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    subprocess.run(command(demo_store, whole), check=True, capture_output=True, timeout=120)
    started = subprocess.Popen(command(demo_store, parts), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    while not started.stdout.readline().startswith("epoch"):
        assert started.poll() is None
    time.sleep(0.3)
    os.kill(started.pid, signal.SIGTERM)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 143, errors
    said = errors.splitlines()
    assert said[0] == "factornet-train: pausing after this step"
    assert said[1].startswith("factornet-train: interrupted; the training is paused within epoch ")
    assert said[1].endswith(f"; resume it there with -o {parts} --resume")
    assert load_paused_state(parts)[0] is not None
    subprocess.run([*command(demo_store, parts), "--resume"], check=True, capture_output=True, timeout=120)
    assert same_outputs(whole, parts) == []


@pytest.mark.slow
def test_sigterm_at_random_moments(demo_store):
    script = Path(__file__).parents[2] / "stress/preempt_training.py"
    done = subprocess.run(
        [sys.executable, script, "--moments", "6", "--store", demo_store],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("moment", [2, 20])
def test_network_over_blocks_is_paused_too(demo_store, demo_files, tmp_path, moment):
    from factornet.cli import train as train_command

    words = "-i K562 -f CTCF -v chr11:200000-700000 -t chr21 chr7 chr2 --preset blocks -k 8 --members 2 --trees 8"
    words += f" -e 2 -b 16 -s 5 --device cpu --threads 1 --store {demo_store} --motifs {demo_files}/motifs.meme"
    assert train_command.main([*words.split(), "-o", str(tmp_path / "whole")]) == 0
    polls = Polls(moment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_command, "_callbacks", pausing_callbacks(polls))
        assert train_command.main([*words.split(), "-o", str(tmp_path / "parts")]) == 143
    assert train_command.main([*words.split(), "-o", str(tmp_path / "parts"), "--resume"]) == 0
    assert same_outputs(tmp_path / "whole", tmp_path / "parts") == []


def pausing_callbacks(polls):
    from contextlib import contextmanager

    @contextmanager
    def callbacks(*_, **__):
        yield Callbacks(pause=polls)

    return callbacks
