"""factornet-evaluate of several files: factor and cell line as recorded, one table and plot, intervals, differences."""

import json
from dataclasses import replace

import numpy as np
import pytest

from factornet.cli import evaluate
from factornet.model import write_bedgraph, write_bigwig
from factornet.model.data.inputs import manifest_digests
from factornet.model.evaluation.scoring import labels_of
from factornet.model.model_dir.card import TrainingData
from factornet.model.prediction.bins import bins_of_regions
from factornet.model.prediction.sidecar import PredictionRecord, replacing_with_sidecar
from factornet.store import open_store, parse_region
from factornet.store.schema import AMBIGUOUS


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def bins(store):
    regions = [parse_region(name, store.coordinates) for name in ("chr1", "chr21")]
    return bins_of_regions(regions, store.coordinates, stride=50)


@pytest.fixture(scope="module")
def folder(store, bins, tmp_path_factory):
    """Predictions: two models of CTCF in K562, one of CTCF in HepG2, with records; one file without."""
    path = tmp_path_factory.mktemp("predictions")
    training = TrainingData(
        cells=("GM12878",),
        valid_cells=("GM12878",),
        valid=("chr11:0-1200000",),
        test=("chr1:0-1200000", "chr21:0-1200000"),
        chromosomes=("chr2", "chr7", "chr11", "chr1", "chr21"),
        manifests=manifest_digests(store, ("GM12878",)),
    )
    rng = np.random.default_rng(0)
    for name, cell, noise, model in (
        ("a.bed.gz", "K562", 0.1, "good"),
        ("b.bw", "K562", 0.4, "worse"),
        ("c.bed.gz", "HepG2", 0.2, "good"),
        ("bare.bed.gz", "K562", 0.3, ""),
    ):
        labels = labels_of(store, cell, "CTCF", bins)
        scores = np.clip(0.3 + 0.3 * (labels == 1) + rng.normal(0, noise / 2, len(bins)), 0, 1).astype(np.float32)
        write = write_bigwig if name.endswith("bw") else write_bedgraph
        write(path / name, bins, np.round(scores, 3), store.coordinates)
        if model:
            _record(path / name, store, cell, model, training)
    return path


def _record(path, store, cell, model, training):
    record = PredictionRecord(
        factor="CTCF",
        cell=cell,
        model={"name": model},
        trainings=(training,),
        assembly="demo",
        chromosomes={c.name: c.digest for c in store.info.chromosomes},
        manifests=manifest_digests(store, (cell,)),
        intervals={},
        options={},
    )
    data = path.read_bytes()
    with replacing_with_sidecar(path, lambda file_sha256: replace(record, file_sha256=file_sha256)) as part:
        part.write_bytes(data)


@pytest.fixture
def command(demo_store, folder, capsys):
    def run(*arguments):
        files = [folder / a if (folder / str(a)).is_file() else a for a in arguments]
        status = evaluate.main([str(a) for a in (*files, "--store", demo_store, "--replicates", 200)])
        return status, capsys.readouterr()

    return run


def test_files_are_compared_by_recorded_factor_and_cell_line(command, store, bins):
    status, shown = command("a.bed.gz", "b.bw", "c.bed.gz", "--json", "--by-chromosome")
    assert (status, shown.err) == (0, "")
    k562, hepg2 = json.loads(shown.out)["comparisons"]
    assert [(g["factor"], g["cell"], list(g["scores"])) for g in (k562, hepg2)] == [
        ("CTCF", "K562", ["good", "worse"]),
        ("CTCF", "HepG2", ["good"]),
    ]
    assert k562["models"]["worse"]["record"]["model"] == {"name": "worse"}
    assert k562["models"]["worse"]["file"].endswith("b.bw")
    assert k562["bootstrap"] == {"replicates": 200, "blocks": 22, "block_size": 100_000}
    key = "average_precision"
    for name, scores in k562["scores"].items():
        low, high = k562["intervals"][name][key]
        assert low < scores[key] < high
    (difference,) = k562["differences"]
    assert (difference["first"], difference["second"]) == ("good", "worse")
    assert difference["values"][key] == k562["scores"]["good"][key] - k562["scores"]["worse"][key]
    assert difference["intervals"][key][0] > 0
    assert set(k562["chromosomes"]) == {"chr1", "chr21"}


def test_table_has_models_intervals_and_differences(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    status, shown = command("a.bed.gz", "b.bw", "c.bed.gz")
    assert (status, shown.err) == (0, "")
    text = " ".join(shown.out.split())
    for expected in ("CTCF in K562: ", "CTCF in HepG2: ", "good", "good - worse", " +."):
        assert expected in text
    assert "second lines: 95 % intervals, from 200 bootstrap samples of 22 blocks of 100 kb" in text


def test_one_file_needs_neither_factor_nor_cell_line(command, store, bins):
    status, shown = command("a.bed.gz", "--json")
    assert (status, shown.err) == (0, "")
    content = json.loads(shown.out)
    assert (content["factor"], content["cell"], list(content["scores"])) == ("CTCF", "K562", ["model"])
    assert content["input"]["bins"] == len(bins)
    assert content["scores"]["model"]["positives"] == (labels_of(store, "K562", "CTCF", bins) == 1).sum()


def test_file_without_record_needs_both(command):
    status, shown = command("a.bed.gz", "bare.bed.gz")
    assert status == 2
    assert "bare.bed.gz: no bare.bed.gz.json records" in shown.err
    assert "give its factor and cell line with -f and -i" in shown.err
    status, shown = command("a.bed.gz", "bare.bed.gz", "-f", "CTCF", "-i", "K562", "--json")
    assert status == 0, shown.err
    assert list(json.loads(shown.out)["comparisons"][0]["scores"]) == ["a.bed.gz", "bare.bed.gz"]
    status, shown = command("a.bed.gz", "c.bed.gz", "-i", "K562")
    assert (status, "its predictions are for HepG2, not for K562" in shown.err) == (2, True)


def test_plot_and_picture_are_written(command, tmp_path):
    status, shown = command("a.bed.gz", "b.bw", "c.bed.gz", "--plot", tmp_path / "x.png")
    assert (status, shown.err) == (0, "")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    status, shown = command("a.bed.gz", "--picture", tmp_path / "y.png", "--region", "chr21:100000-120000")
    assert (status, (tmp_path / "y.png").exists()) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--picture", "p.png"], "--picture draws one file, not 2; --plot compares them"),
        (["--plot", "p.jpg"], "--plot p.jpg: a picture is named *.png, *.pdf, *.svg"),
        (["--replicates", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(command, tmp_path, *, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status, shown = command("a.bed.gz", "b.bw", *arguments)
    except SystemExit as end:
        status, shown = end.code, capsys.readouterr()
    assert (status, message in shown.err) == (2, True), shown.err
    assert list(tmp_path.iterdir()) == []


def test_bins_that_one_file_lacks_are_left_out_and_counted(command, store, bins, tmp_path):
    some = bins.take(np.arange(len(bins) - 700))
    write_bedgraph(tmp_path / "some.bed.gz", some, np.linspace(0, 1, len(some)).astype(np.float32), store.coordinates)
    status, shown = command("bare.bed.gz", str(tmp_path / "some.bed.gz"), "-f", "CTCF", "-i", "K562")
    assert status == 0, shown.err
    clear = int((labels_of(store, "K562", "CTCF", bins)[-700:] != AMBIGUOUS).sum())
    assert f"{clear} other bins left out: not all files have a score of them" in shown.out
