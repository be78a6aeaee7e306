"""Training on the demo learns, resumes bit for bit after SIGKILL, and stops at values that are not finite."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from factornet.cli.train import main
from factornet.etl import CellOptions, Resources, build_cell
from factornet.etl.builders.unpack import unpack_store
from factornet.model import FactorNet, NetworkConfig, TrainingError, TrainingOptions, load_network, train
from factornet.model.data.sources import StoreSource
from factornet.model.model_dir.card import ModelCard
from factornet.model.model_dir.history import write_history
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.training import outputs
from factornet.model.training.history import Callbacks
from factornet.model.training.setup import TrainingSetup, prepare_training
from factornet.store import Sampler, UsageError, open_store, parse_region, split_genome


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Use one thread: with such small networks synchronisation costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_sampler(path: Path) -> Sampler:
    store = open_store(path)
    split = split_genome(
        store.coordinates,
        valid=[parse_region("chr11", store.coordinates)],
        test=[parse_region(c, store.coordinates) for c in ("chr1", "chr2", "chr21")],
    )
    return Sampler(store, cells=("GM12878",), factor="CTCF", split=split, window_length=1000, negatives=1)


def make_network() -> FactorNet:
    config = NetworkConfig(tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=8, recurrent=4, dense=8)
    return FactorNet(config, seed=1)


def run(sampler, folder, *, epochs, resume=False, network=None, **more):
    network = network or make_network()
    if not resume:
        create_model(folder, ModelCard(config=network.config))
    options = TrainingOptions(epochs=epochs, batch_size=50, learning_rate=0.003)
    return train(network, sampler, folder, options, device=torch.device("cpu"), resume=resume, **more)


def test_training_learns_and_resumes_bit_for_bit(demo_store, tmp_path):
    sampler = make_sampler(demo_store)
    whole = run(sampler, tmp_path / "whole", epochs=4)
    assert min(r.val_loss for r in whole.history) < whole.history[0].val_loss
    run(sampler, tmp_path / "parts", epochs=2)
    resumed = run(sampler, tmp_path / "parts", epochs=4, resume=True)
    assert [r.loss for r in resumed.history] == [r.loss for r in whole.history]
    for which in ("best", "last"):
        a, b = (load_network(tmp_path / f, weights=which).state_dict() for f in ("whole", "parts"))
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_training_killed_before_its_last_epoch_is_in_the_history_is_resumed_to_the_whole(
    demo_store, tmp_path, monkeypatch
):
    sampler = make_sampler(demo_store)

    def killed(folder, model, epochs, *, ended=""):
        if len(epochs) == 2:
            raise KeyboardInterrupt
        write_history(folder, model, epochs, ended=ended)

    monkeypatch.setattr(outputs, "write_history", killed)
    with pytest.raises(KeyboardInterrupt):
        run(sampler, tmp_path / "m", epochs=2)
    assert len(json.loads((tmp_path / "m/history.json").read_text())) == 1
    monkeypatch.undo()
    run(sampler, tmp_path / "m", epochs=2, resume=True)
    assert len((tmp_path / "m/history.csv").read_text().splitlines()) == 3
    assert len(json.loads((tmp_path / "m/history.json").read_text())) == 2


def make_setup(path: Path) -> TrainingSetup:
    network = {"tracks": ("Unique35", "DGF"), "kernels": 8, "recurrent": 4, "dense": 8}
    return TrainingSetup(sampler=make_sampler(path), network=network, options=TrainingOptions())


def test_resuming_with_other_data_is_refused(store, demo_files, raw_store, exported, tmp_path):
    """Other values under the same names would change what is learnt without any other sign."""
    folder = tmp_path / "model"
    prepare_training(make_setup(store), folder, resume=False, overwrite=False)
    for same in (store, raw_store, exported):
        prepare_training(make_setup(same), folder, resume=True, overwrite=False)
    cells = shutil.copytree(demo_files, tmp_path / "files") / "cells"
    shutil.copy(cells / "K562/K562.DGF.bw", cells / "GM12878/GM12878.DGF.bw")
    before = open_store(store).cell("GM12878").manifest
    build_cell(store, cells / "GM12878", CellOptions(), Resources(1), force=True)
    raw = tmp_path / "other.raw.zarr"
    unpack_store(store, raw, Resources(1), cells=["GM12878"])
    now = open_store(store).cell("GM12878").manifest
    for other in (store, raw):
        with pytest.raises(UsageError) as caught:
            prepare_training(make_setup(other), folder, resume=True, overwrite=False)
        expected = (
            f"{folder}: the training started with cells/GM12878 of manifest {before[:16]}..., that in {other} is "
        )
        assert str(caught.value).startswith(f"{expected}{now[:16]}...; ")


def command(store: Path, folder: Path) -> list[str]:
    program = Path(sys.executable).parent / "factornet-train"
    options = "-i GM12878 -f CTCF -t chr1 chr2 chr21 -k 8 -r 4 -d 8 -e 3 -b 20 --threads 1".split()
    return [str(program), "--store", str(store), *options, "-o", str(folder)]


def states(folder: Path) -> int:
    """Return the number of epochs whose state has been written."""
    return max((int(p.stem.removeprefix("last-")) for p in folder.glob("last-*.json")), default=0)


@pytest.fixture(scope="module")
def undisturbed(demo_store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "model"
    subprocess.run(command(demo_store, folder), check=True, capture_output=True, timeout=120)
    return folder


def killed_while_training(store, folder, epochs, sent_signal):
    """Train, and send a signal at a random moment after `epochs` epochs; return whether it came before the end."""
    child = subprocess.Popen(command(store, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (folder / "model.json").is_file() or states(folder) < epochs:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(random.uniform(0.05, 0.3))
    os.kill(child.pid, sent_signal)
    child.wait()
    return not (folder / "last.safetensors").exists()


@pytest.mark.parametrize(
    ("epochs", "sent_signal"),
    [
        pytest.param(0, signal.SIGKILL, marks=pytest.mark.slow),
        (1, signal.SIGKILL),
        pytest.param(2, signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_training_ends_with_the_same_weights(demo_store, undisturbed, tmp_path, epochs, sent_signal):
    """The process is killed at a random moment after `epochs` epochs, also during the first."""
    # On a busy machine the signal may come after the training has ended: then it is trained again.
    tries = (tmp_path / f"killed{i}" for i in range(5))
    folder = next(f for f in tries if killed_while_training(demo_store, f, epochs, sent_signal))
    resumed = subprocess.run(
        [*command(demo_store, folder), "--resume"], check=False, capture_output=True, text=True, timeout=120
    )
    assert resumed.returncode == 0, resumed.stderr
    for which in ("best", "last"):
        a, b = (load_network(f, weights=which).state_dict() for f in (undisturbed, folder))
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_interrupted_training_prints_how_to_resume(demo_store, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("factornet.model.training.setup.train", interrupt)
    assert main(command(demo_store, tmp_path / "model")[1:]) == 130
    how = f"resume after the last complete epoch with -o {tmp_path}/model --resume"
    assert capsys.readouterr().err == f"factornet-train: interrupted; {how}\n"


def test_non_finite_loss_stops_at_its_step(demo_store, tmp_path):
    network = make_network()
    with torch.no_grad():
        network.dense.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"nan at step 1 \(epoch 1\)"):
        run(make_sampler(demo_store), tmp_path / "model", epochs=1, network=network)


def test_non_finite_gradient_stops_at_its_step(demo_store, tmp_path):
    network = make_network()
    network.dense.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match=r"the gradient of dense.weight is not finite at step 1 \(epoch 1\)"):
        run(make_sampler(demo_store), tmp_path / "model", epochs=1, network=network)
    assert not list((tmp_path / "model").glob("*.safetensors")), "its weights are not saved"


class CorruptSource(StoreSource):
    """Windows of a store; the third batch of every plan holds a value that is not finite."""

    value = float("nan")

    def open(self, *args, **options):
        stream = super().open(*args, **options)
        batches = stream.__iter__

        class Corrupt(type(stream)):
            def __iter__(self):
                for number, batch in enumerate(batches(), 1):
                    if number == 3:
                        batch.tracks[0, 0, 0] = CorruptSource.value
                    yield batch

        stream.__class__ = Corrupt
        return stream


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_input_stops_at_its_step(demo_store, tmp_path, monkeypatch, value):
    monkeypatch.setattr(CorruptSource, "value", value)
    source = CorruptSource(open_store(demo_store), torch.device("cpu"), "corrupt")
    with pytest.raises(TrainingError, match=r"at step 3 \(epoch 1\), whose tracks hold values that are not finite"):
        run(make_sampler(demo_store), tmp_path / "model", epochs=1, source=source)


def test_truncated_newest_state_falls_back_with_a_warning(demo_store, tmp_path):
    sampler, warnings = make_sampler(demo_store), []
    whole = run(sampler, tmp_path / "model", epochs=3)
    newest = max((tmp_path / "model").glob("last-*.optimizer.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-9])
    resumed = run(sampler, tmp_path / "model", epochs=3, resume=True, callbacks=Callbacks(warning=warnings.append))
    assert [r.loss for r in resumed.history] == [r.loss for r in whole.history]
    assert len(warnings) == 1
    assert newest.name in warnings[0]
