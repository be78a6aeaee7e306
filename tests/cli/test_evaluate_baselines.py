"""factornet-evaluate --baselines: on what it fits, and which track and motif it uses unless told."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from factornet.cli import evaluate
from factornet.cli.evaluation.baseline_options import BASELINE
from factornet.etl.download.user_data import MOTIFS
from factornet.model import write_bedgraph
from factornet.model.data.inputs import manifest_digests
from factornet.model.evaluation.baselines import FITTED
from factornet.model.model_dir.card import TrainingData
from factornet.model.prediction.bins import bins_of_regions
from factornet.model.prediction.sidecar import PredictionRecord, replacing_with_sidecar
from factornet.store import open_store, parse_region


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="module")
def training(store):
    """On GM12878 and HepG2 without chr11, chr1 and chr21."""
    return TrainingData(
        cells=("GM12878", "HepG2"),
        valid_cells=("GM12878", "HepG2"),
        valid=("chr11:0-1200000",),
        test=("chr1:0-1200000", "chr21:0-1200000"),
        chromosomes=("chr2", "chr7", "chr11", "chr1", "chr21"),
        manifests=manifest_digests(store, ("GM12878", "HepG2")),
    )


@pytest.fixture
def command(demo_store, demo_files, *, store, training, tmp_path, capsys, monkeypatch):
    """Evaluate predictions of chr21 with --baselines, with a record of the training or without: status and output."""
    user = tmp_path / "user"
    user.mkdir()
    shutil.copy(demo_files / "motifs.meme", user / MOTIFS)
    monkeypatch.setenv("FACTORNET_DATA", str(user))

    def run(*arguments, cell="K562", recorded=True, region="chr21", cells=training.cells):
        bins = bins_of_regions([parse_region(region, store.coordinates)], store.coordinates, stride=50)
        path = tmp_path / "p.bed.gz"
        scores = np.random.default_rng(0).random(len(bins)).astype(np.float32)
        write_bedgraph(path, bins, scores, store.coordinates)
        record = PredictionRecord(
            factor="CTCF",
            cell=cell,
            model={},
            trainings=(replace(training, cells=cells),),
            assembly="demo",
            chromosomes={c.name: c.digest for c in store.info.chromosomes},
            manifests=manifest_digests(store, (cell,)),
            intervals={},
            options={},
        )
        if recorded:
            data = path.read_bytes()
            with replacing_with_sidecar(path, lambda file_sha256: replace(record, file_sha256=file_sha256)) as part:
                part.write_bytes(data)
        given = [path, "--store", demo_store, "-i", cell, "-f", "CTCF", "--baselines", *arguments]
        return evaluate.main([str(a) for a in given]), capsys.readouterr()

    return run


def test_baselines_are_fitted_on_the_recorded_training(command):
    status, shown = command("--json")
    assert status == 0, shown.err
    content = json.loads(shown.out)
    assert list(content["scores"]) == ["model", "accessibility alone", "motif alone", BASELINE]
    assert (BASELINE, content["differences"][0]["second"]) == (FITTED, BASELINE)
    fitted, precision = content["baseline"], {k: v["average_precision"] for k, v in content["scores"].items()}
    assert (fitted["cells"], fitted["track"], fitted["factor"]) == (["GM12878", "HepG2"], "DGF", "CTCF")
    assert fitted["motif"].startswith("CTCF")
    # All bins of chr2 and chr7, 4.6 Mb together, in two cell lines, less the ambiguous ones and the blacklist.
    assert 170_000 < fitted["n_bound"] + fitted["n_unbound"] < 184_000
    assert precision["PWM x accessibility"] > precision["motif alone"] > 10 * precision["model"]
    status, shown = command()
    assert status == 0, shown.err
    assert "PWM x accessibility: motif CTCF" in shown.out
    assert "and track DGF, fitted on" in shown.out
    assert "bins of GM12878, HepG2" in " ".join(shown.out.split())


def test_options_choose_what_to_fit_on_where_no_record_does(command):
    status, shown = command("--fit-cells", "data/HepG2", "--fit-regions", "chr2:0-500000", "--json", recorded=False)
    assert status == 0, shown.err
    fitted = json.loads(shown.out)["baseline"]
    assert fitted["cells"] == ["HepG2"]
    assert 9_000 < fitted["n_bound"] + fitted["n_unbound"] < 10_000


def test_bins_that_are_evaluated_are_not_fitted_on_in_their_cell_line(command):
    counts = []
    for region in ("chr2:0-200000", "chr2:0-400000"):
        options = ("--allow-seen", "--fit-cells", "GM12878", "--fit-regions", "chr2:0-600000", "--json")
        status, shown = command(*options, cell="GM12878", region=region)
        assert status == 0, shown.err
        counts.append(json.loads(shown.out)["baseline"]["n_unbound"])
    assert counts[0] - counts[1] == pytest.approx(4_000, rel=0.1)
    status, shown = command(
        "--allow-seen", "--fit-cells", "GM12878", "--fit-regions", "chr2", cell="GM12878", region="chr2"
    )
    assert status == 2
    assert "all regions to fit on are evaluated, in the same cell line GM12878; give others with --fit" in shown.err


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            [],
            {"recorded": False},
            "no record of the predictions names the cell lines of the training; give cell lines to",
        ),
        (
            ["--fit-cells", "HepG2"],
            {"recorded": False},
            "names the regions of the training; give regions to fit on with",
        ),
        (
            [],
            {"cells": ("A549",)},
            "none of the training's cell lines A549 with peaks of CTCF; give cell lines to fit on",
        ),
        (["--track", "DNase"], {}, "has no track 'DNase'"),
        (["--fit-regions", "chr9"], {}, "--fit-regions: no chromosome 'chr9'"),
        (["--fit-cells", "A549"], {}, "no cell line 'A549'"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_option(command, arguments, options, message):
    status, shown = command(*arguments, **options)
    assert status == 2
    assert message in shown.err


def test_all_that_is_missing_is_named_at_once(command, tmp_path):
    """Of a bigWig of another program, say: each option was asked for once the one before had been given."""
    (tmp_path / "user" / MOTIFS).unlink()
    status, shown = command(recorded=False)
    assert status == 2
    assert len(shown.err.strip().splitlines()) == 1
    for option in (
        "or give others with --motifs FILE",
        "fit on with --fit-cells; --baselines",
        "on with --fit-regions",
    ):
        assert option in shown.err
    status, shown = command("--fit-cells", "HepG2", "--fit-regions", "chr2", recorded=False)
    assert status == 2
    assert "--fit" not in shown.err
    status, shown = command("--motifs", str(tmp_path / "none.meme"), "--fit-regions", "chr9", recorded=False)
    assert status == 2
    assert [word in shown.err for word in ("none.meme", "--fit-cells", "no chromosome 'chr9'")] == [True] * 3


def test_what_to_fit_on_without_baselines_is_refused(demo_store, tmp_path, capsys):
    (tmp_path / "x.bed").write_text("chr21\t0\t200\t0.5\n")
    words = [tmp_path / "x.bed", "--store", demo_store, "-i", "K562", "-f", "CTCF", "--fit-cells", "HepG2"]
    assert evaluate.main([*map(str, words)]) == 2
    assert "--fit-cells and --fit-regions say on what to fit a baseline: give --baselines" in capsys.readouterr().err


def test_motifs_that_are_not_here_are_refused_with_the_command(command, tmp_path):
    (tmp_path / "user" / MOTIFS).unlink()
    status, shown = command()
    assert status == 2
    assert "--baselines: the motifs of HOCOMOCO v9" in shown.err
    assert "`factornet-etl fetch motifs`" in shown.err
