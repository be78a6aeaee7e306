"""Networks over blocks: they learn, are resumed bit for bit, kept in model folders, predicted with and compared."""

import gzip
import json

import numpy as np
import pytest
import torch

from factornet.cli import evaluate, model, predict, train, visualize
from factornet.model import load_network
from factornet.model.evaluation.metrics import average_precision
from factornet.model.network import BlockEnsemble
from factornet.model.training.blocks import make_optimizer, one_cycle
from factornet.model.training.distributed import ProcessGroup
from factornet.model.training.validation import RegionValidation
from factornet.store import open_store, parse_region, read_span, split_genome

DATA = "-i K562 HepG2 -f CTCF -v chr11:200000-900000 -t chr21 chr7 chr2".split()
SMALL = "--preset blocks -k 12 --members 2 --trees 12 -e 3 -b 16 -lr 0.004 -s 5 --device cpu --threads 1".split()


@pytest.fixture(scope="module")
def words(demo_store, demo_files):
    return ["--store", str(demo_store), *DATA, *SMALL, "--motifs", str(demo_files / "motifs.meme")]


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks") / "CTCF"
    assert train.main([*words, "-o", str(folder)]) == 0
    return folder


def test_average_precision_rises_and_exceeds_chance(trained):
    rows = json.loads((trained / "history.json").read_text())
    assert len(rows) == 3
    assert rows[-1]["val_average_precision"] > 0.3
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_model_folder_says_what_it_is_and_is_verified(trained, capsys):
    content = json.loads((trained / "model.json").read_text())
    assert content["config"]["network"] == "blocks"
    assert content["config"]["members"] == ["focused", "plain"]
    assert content["training"]["segments"] == {
        "bins": 41, "margin": 3250, "background": 0.4, "background_weight": 3.0, "mode": "hard",
    }  # fmt: skip
    assert model.main(["info", str(trained), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["network"]["kernels"] == 12
    assert model.main(["info", str(trained)]) == 0
    assert "blocks" in capsys.readouterr().out
    assert model.main(["verify", str(trained)]) == 0
    assert isinstance(load_network(trained), BlockEnsemble)


def test_predictions_in_another_cell_line_are_evaluated(trained, demo_store, tmp_path, capsys):
    out = tmp_path / "p.bed.gz"
    words = ["--store", str(demo_store), "-i", "GM12878", "-f", "CTCF"]
    assert predict.main([*words, "-m", str(trained), "--regions", "chr21", "-o", str(out)]) == 0
    with gzip.open(out, "rt") as file:
        scores = np.array([float(line.split("\t")[3]) for line in file])
    assert 0 < scores.max() <= 1
    capsys.readouterr()
    assert evaluate.main([str(out), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["model"]["average_precision"] > 0.3


def test_resumed_training_ends_with_the_same_weights(trained, words, tmp_path, monkeypatch):
    folder = tmp_path / "m"
    words = [*words, "-o", str(folder)]
    steps = []

    def stop_in_the_second_epoch(report):
        steps.append(report)
        if report.epoch == 2 and report.done > 300:
            raise KeyboardInterrupt

    monkeypatch.setattr(
        "factornet.model.training.blocks.trainer.StepReport", lambda **k: _Report(**k, seen=stop_in_the_second_epoch)
    )
    assert train.main(words) == 130
    monkeypatch.undo()
    assert train.main([*words, "--resume"]) == 0
    for which in ("best", "last"):
        a, b = (load_network(f, weights=which).state_dict() for f in (trained, folder))
        assert all(torch.equal(a[key], b[key]) for key in a)


def _Report(*, epoch, done, windows, loss, seen):  # noqa: N802
    from factornet.model.training.history import StepReport

    report = StepReport(epoch=epoch, done=done, windows=windows, loss=loss)
    seen(report)
    return report


def test_dry_run_estimates_and_writes_nothing(demo_store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--store", str(demo_store), *DATA, "--preset", "blocks", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["windows_per_epoch"] > 100
    assert found["validation_windows"] == 2 * ((700_000 - 200) // 50 + 1)
    assert found["steps_per_epoch"] == -(-found["windows_per_epoch"] // 16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [("-L 500", "-L"), ("-n 2", "-n"), ("-m -d 3", "-d, -m"), ("--double", "--amp and --double"), ("-r 0", "-r")],
)
def test_options_without_meaning_are_refused(demo_store, tmp_path, capsys, words, named):
    arguments = ["--store", str(demo_store), *DATA, "--preset", "blocks", *words.split(), "-o", str(tmp_path / "m")]
    assert train.main(arguments) == 2
    assert f"error: {named}: has no meaning with --preset blocks; leave it out" in capsys.readouterr().err
    assert train.main(["--store", str(demo_store), *DATA, "--labels", "soft", "-o", str(tmp_path / "m")]) == 2
    assert "error: --labels: has no meaning with --preset published" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_kernels_of_blocks_are_not_visualized(trained, demo_store, demo_files, tmp_path, capsys):
    bed = demo_files / "ladder.bed"
    bed = bed if bed.exists() else tmp_path / "b.bed"
    bed.write_text("chr21\t10000\t10200\n") if not bed.exists() else None
    words = ["--store", str(demo_store), "-i", "K562", "-m", str(trained), "-b", str(bed), "-o", str(tmp_path / "v")]
    assert visualize.main(words) == 2
    assert "is a network over blocks" in capsys.readouterr().err


def test_published_type_selects_by_whole_regions(demo_store, tmp_path, capsys):
    """The recorded average precision is that of all bins of the regions, and the best epoch has the highest."""
    words = "-k 4 -r -1 -d 4 -e 3 -b 50 -s 3 --select ap --device cpu --threads 1".split()
    folder = tmp_path / "m"
    assert train.main(["--store", str(demo_store), *DATA, *words, "-o", str(folder)]) == 0
    rows = json.loads((folder / "history.json").read_text())
    best = max(rows, key=lambda row: row["val_average_precision"])
    precision = f"average precision {best['val_average_precision']:.4f} of all bins of the validation regions; stopped:"
    assert precision in capsys.readouterr().out
    assert model.main(["verify", str(folder)]) == 0
    store = open_store(demo_store)
    split = split_genome(store.coordinates, valid=[parse_region("chr11:200000-900000", store.coordinates)], test=[])
    validation = RegionValidation(store, cells=("K562", "HepG2"), factors=("CTCF",), regions=split.valid)
    network = load_network(folder)
    _, found = validation.score(network, device=torch.device("cpu"), process_group=ProcessGroup())
    assert found == pytest.approx(best["val_average_precision"], abs=1e-6)


def test_region_validation_equals_scores_of_labels(demo_store, trained):
    """Against labels read from the store and predictions of each cell line."""
    store = open_store(demo_store)
    split = split_genome(store.coordinates, valid=[parse_region("chr11:200000-900000", store.coordinates)], test=[])
    validation = RegionValidation(store, cells=("K562", "GM12878"), factors=("CTCF",), regions=split.valid)
    network, precisions = load_network(trained), []
    for cell in ("K562", "GM12878"):
        scores = validation.predict(network, cell, device=torch.device("cpu"))
        column = store.cell(cell).factor_index("CTCF")
        labels = read_span(store.labels(cell, "chr11"), 4000, 4000 + len(validation.bins))[:, column]
        precisions.append(average_precision(labels[labels != 2] == 1, scores[labels != 2, 0]))
    _, found = validation.score(network, device=torch.device("cpu"), process_group=ProcessGroup())
    assert found == pytest.approx(np.mean(precisions))


def test_learning_rate_rises_for_a_fifth_and_falls_to_almost_nothing():
    rates = [one_cycle(part) for part in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[20] == pytest.approx(1)
    assert rates[100] == pytest.approx(1 / 250_000)
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_only_matrices_of_blocks_decay(trained):
    network = load_network(trained)
    optimizer = make_optimizer(network, learning_rate=0.1, weight_decay=0.01)
    decaying = {id(p) for p in optimizer.param_groups[0]["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in decaying}
    matrices = ("mixing", "bin", "output", *(f"residual.{i}.convolution" for i in range(4)))
    assert names == {f"members.{i}.{name}.weight" for i in range(2) for name in matrices}
    assert sum(p.numel() for g in optimizer.param_groups for p in g["params"]) == sum(
        p.numel() for p in network.parameters()
    )
