"""The five kinds of model: each model uses its features; training starts from another; its options."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch

from factornet.cli import train
from factornet.model import load_network, read_card
from factornet.model.data.batches import TensorStream, stream_settings
from factornet.store import Sampler, WindowStream, open_store, parse_region, split_genome

TYPES = {"multiTask": "", "onePeak": "-f CTCF", "meta": "-f CTCF -m", "GENCODE": "-f CTCF -g", "both": "-f CTCF -m -g"}


@pytest.fixture(scope="module")
def trained(demo_store, tmp_path_factory):
    """A small model of each kind; those of one factor are trained on two cell lines."""
    folder, models = tmp_path_factory.mktemp("trained"), {}
    for name, flags in TYPES.items():
        cells = "HepG2" if name == "multiTask" else "GM12878 HepG2"
        rest = "-t chr2 chr7 chr21 -k 16 -r 8 -d 16 -n 2 -e 4 -lr 0.003 -b 50 --threads 1"
        words = f"--store {demo_store} -i {cells} {flags} {rest} -o {folder / name} --device cpu"
        assert train.main(shlex.split(words)) == 0
        models[name] = folder / name
    return models


@pytest.mark.parametrize("name", TYPES)
def test_loss_of_each_kind_falls(trained, name):
    history = json.loads((trained[name] / "history.json").read_text())
    losses = [row["val_loss"] for row in history]
    assert min(losses) < losses[0]
    assert min(losses) < np.log(2)


def validation_batches(store, config):
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    sampler = Sampler(store, cells=("GM12878", "HepG2"), factor="CTCF", split=split, window_length=config.window_length)
    stream = WindowStream(store, sampler.validation(1), stream_settings(config, batch_size=200), seed=(1,))
    return list(TensorStream(stream, torch.device("cpu")))


@pytest.mark.parametrize(("name", "columns"), [("meta", 8), ("GENCODE", 6), ("both", 14)])
def test_shuffled_features_change_probabilities(trained, demo_store, name, columns):
    """Shuffled among the windows, they change the probabilities."""
    network = load_network(trained[name])
    for batch in validation_batches(open_store(demo_store), network.config):
        assert batch.features.shape[1] == columns
        shuffled = batch.features[torch.randperm(len(batch.features), generator=torch.Generator().manual_seed(1))]
        with torch.no_grad():
            scores = [network(batch.codes, batch.tracks, f) for f in (batch.features, shuffled)]
        assert (scores[0] - scores[1]).abs().max() > 1e-3
        again = network(batch.codes, batch.tracks, batch.features)
        assert torch.equal(scores[0], again.detach())


def test_training_starts_from_another_model(trained, demo_store, tmp_path, capsys):
    start = f"--store {demo_store} -i K562 -t chr1 chr21 -e 1 --device cpu"
    words = f"{start} -f CTCF --init-from {trained['onePeak']} -o {tmp_path / 'same'} -lr 1e-9"
    assert train.main(shlex.split(words)) == 0
    a, b = (load_network(f, weights="last").state_dict() for f in (trained["onePeak"], tmp_path / "same"))
    best = load_network(trained["onePeak"]).state_dict()
    assert all(torch.allclose(best[k], b[k], atol=1e-6) for k in a)
    assert read_card(tmp_path / "same").training["init_from"] == "onePeak"
    words = f"{start} -f REST --init-from {trained['multiTask']} -o {tmp_path / 'other'} -lr 1e-9"
    assert train.main(shlex.split(words)) == 0
    other, multi = load_network(tmp_path / "other"), load_network(trained["multiTask"])
    assert other.output.weight.shape[0] == 1
    torch.testing.assert_close(other.dense.weight, multi.dense.weight, rtol=0, atol=1e-6)
    for flags, message in (("-k 32", "its kernels is 16, requested is 32"), ("-m", "its meta is ()")):
        words = f"{start} -f CTCF {flags} --init-from {trained['onePeak']} -o {tmp_path / 'x'}"
        assert train.main(shlex.split(words)) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("flags", ["--amp", "--tensorboard"])
def test_options_for_precision_and_logs(demo_store, tmp_path, flags):
    words = f"--store {demo_store} -i K562 -f MAX -g -t chr1 chr2 chr21 -k 4 -r 4 -d 4 -e 2 -b 50 {flags} --device cpu"
    assert train.main([*shlex.split(words), "-o", str(tmp_path / "m")]) == 0
    history = json.loads((tmp_path / "m/history.json").read_text())
    assert np.isfinite([row["val_loss"] for row in history]).all()
    load_network(tmp_path / "m")
    assert ("--tensorboard" in flags) == bool(list(tmp_path.glob("m/tensorboard/events*")))


@pytest.mark.slow
def test_compiled_training_runs(demo_store, tmp_path):
    words = f"--store {demo_store} -i K562 -f MAX -t chr1 chr2 chr21 -k 4 -r 4 -d 4 -e 2 -b 50 --compile --device cpu"
    # In a process of its own: torch warns of its own deprecations while it compiles.
    command = [sys.executable, "-m", "factornet.cli.train", *shlex.split(words), "-o", str(tmp_path / "m")]
    subprocess.run(command, check=True, timeout=600)
    plain = load_network(tmp_path / "m", weights="last")
    assert all(torch.isfinite(v).all() for v in plain.state_dict().values())


def test_compile_without_a_compiler_is_refused(demo_store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = f"--store {demo_store} -i K562 -f MAX -t chr1 --compile --device cpu -o {tmp_path / 'm'}"
    assert train.main(shlex.split(words)) == 2
    assert "error: compile needs a C++ compiler" in capsys.readouterr().err


def test_dry_run_estimates_and_writes_nothing(demo_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(f"--store {demo_store} -i K562 HepG2 -f CTCF -n 3 -e 7 --dry-run")
    assert train.main(words) == 0
    shown = capsys.readouterr().out
    assert re.search(r"positives: \d+ in K562, \d+ in HepG2", shown)
    assert "for 7 epochs" in shown
    assert train.main([*words, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["windows_per_epoch"] == 4 * sum(numbers["positives"].values())
    assert numbers["steps_per_epoch"] == -(-numbers["windows_per_epoch"] // 100)
    assert numbers["seconds_per_epoch"] > 0
    assert list(tmp_path.iterdir()) == []
