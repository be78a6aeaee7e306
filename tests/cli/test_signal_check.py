"""Commands given signals unlike those of a training, from bigWigs to warnings: build, info, train, predict, visualize."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import xarray as xr
from support.keras_folder import Spec, write_folder

from factornet.cli import etl, evaluate, model, predict, train, visualize
from factornet.model import read_card
from factornet.model.data.signals import track_signals
from factornet.store import open_store

NETWORK = "-f CTCF -k 4 -r -1 -d 4 -e 1 -v chr11 -t chr1 chr21 --device cpu --threads 1".split()
REGION = ["--regions", "chr21:500000-510000", "--device", "cpu"]


def scale(source: Path, target: Path, change) -> None:
    """Write a bigWig with changed values."""
    with pyBigWig.open(str(source)) as old, pyBigWig.open(str(target), "w") as new:
        new.addHeader(list(old.chroms().items()))
        for chrom in old.chroms():
            starts, stops, values = zip(*old.intervals(chrom), strict=True)
            changed = change(np.array(values)).tolist()
            new.addEntries([chrom] * len(starts), list(starts), ends=list(stops), values=changed)


@pytest.fixture(scope="module")
def work(demo_files, demo_store, tmp_path_factory) -> Path:
    """A store with cell lines of other scales and units, and a model trained on two in 1x."""
    work = tmp_path_factory.mktemp("signals")
    shutil.copytree(demo_store, work / "s.zarr")
    source = demo_files / "cells/K562"
    for name, change, terms in (
        ("T1", lambda v: v, "assay=DNase-seq units=1x"),
        ("T2", lambda v: v * 1.5, "units=1X\tassay=DNase-seq"),
        ("ATAC", lambda v: v, "assay=ATAC-seq units=1x"),
        ("unnamed", lambda v: v * 40, ""),
        ("FC", lambda v: v * 40, "assay=DNase-seq units=fold-change"),
    ):
        shutil.copytree(source, work / name)
        track = next((work / name).glob("*.bw"))
        scale(source / track.name, track, change)
        shared = demo_files / "tracks/Unique35.bw"
        (work / name / "bigwig.txt").write_text(f"{shared} Unique35\n{track.name} DGF {terms}\n")
    assert etl.main(["build", f"{work}/s.zarr", *(f"{work}/{n}" for n in ("T1", "T2", "ATAC", "unnamed", "FC"))]) == 0
    assert train.main(["--store", f"{work}/s.zarr", "-i", "T1", "T2", "-o", f"{work}/model", *NETWORK]) == 0
    return work


@pytest.fixture
def run(work, tmp_path, capsys):
    """Run factornet-predict for a cell line; return status and the lines of standard error."""

    def predict_cell(cell, *more, folder=work / "model", store=work / "s.zarr"):
        options = ["--store", str(store), "-i", cell, "-m", str(folder), "-f", "CTCF", "--force", *REGION, *more]
        status = predict.main([*options, "-o", f"{tmp_path}/out.bed.gz"])
        return status, capsys.readouterr().err.splitlines()

    return predict_cell


def test_info_shows_figures_assay_and_units(work, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert etl.main(["info", f"{work}/s.zarr", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    cells = {cell["name"]: cell for cell in shown["cells"]}
    assert cells["FC"]["tracks"][1] == {"name": "DGF", "shared": False, "assay": "DNase-seq", "units": "fold-change"}
    figures, changed = (cells[cell]["summary"]["tracks"]["DGF"]["all_bases"] for cell in ("T1", "FC"))
    assert changed["mean"] == pytest.approx(40 * figures["mean"])
    assert changed["nonzero"] == figures["nonzero"]
    assert shown["genome"]["summary"]["tracks"]["Unique35"]["all_bases"]["quantiles"]["0.5"] == 1
    assert etl.main(["info", f"{work}/s.zarr"]) == 0
    text = capsys.readouterr().out
    assert all(term in text for term in ("fold-change", "ATAC-seq", "over all bases, gaps as 0", "q 0.999"))


def test_copies_of_other_units_are_other_cell_lines(work, tmp_path, capsys):
    """The manifest, by which copies are compared, covers them; so do raw stores, and xarray shows them."""
    assert etl.main(["export", f"{work}/s.zarr", f"{tmp_path}/copy.zarr", "--cells", "T1"]) == 0
    copy = shutil.copytree(work / "s.zarr", tmp_path / "s.zarr")
    shutil.copytree(work / "T1", tmp_path / "T1")
    sheet = (work / "T1/bigwig.txt").read_text()
    (tmp_path / "T1/bigwig.txt").write_text(sheet.replace("units=1x", "units=CPM"))
    assert etl.main(["build", str(copy), f"{tmp_path}/T1", "--force"]) == 0
    assert etl.main(["export", str(copy), f"{tmp_path}/copy.zarr", "--cells", "T1"]) == 2
    assert "has other content of T1" in capsys.readouterr().err
    assert etl.main(["unpack", str(copy), f"{tmp_path}/raw.zarr", "--cells", "T1"]) == 0
    dataset = xr.open_zarr(tmp_path / "raw.zarr", group="cells/T1/tracks/DGF/chr1", consolidated=False)
    assert dataset.attrs["units"] == "CPM"
    raw, whole = open_store(tmp_path / "raw.zarr"), open_store(copy)
    assert raw.cell("T1").tracks == whole.cell("T1").tracks
    assert track_signals(raw, ("T1",), ("Unique35", "DGF")) == track_signals(whole, ("T1",), ("Unique35", "DGF"))


def test_model_records_the_signals_of_its_training(work, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    signals = read_card(work / "model").provenance["signals"]
    assert {track: list(cells) for track, cells in signals.items()} == {"Unique35": ["T1", "T2"], "DGF": ["T1", "T2"]}
    assert (signals["DGF"]["T2"]["units"], signals["DGF"]["T2"]["assay"]) == ("1X", "DNase-seq")
    assert model.main(["info", f"{work}/model"]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "DGF" in row and "T2" in row]
    assert "1X" in line
    assert f"{signals['DGF']['T2']['figures']['mean']:.4g}" in line


def test_prediction_of_signals_like_those_of_training_has_no_warning(run):
    assert run("T1") == run("T2") == (0, [])


def test_cell_line_that_names_no_assay_is_warned_of_in_one_line(run, work, tmp_path, capsys):
    """Its figures are those of training; by file, folder, calibration and page of kernels."""
    cure = "they cannot be compared; state assay=... units=... in bigwig.txt and build K562 again"
    expected = f"training had track DGF with assay DNase-seq and units 1x, 1X, not stated for K562: {cure}"
    assert run("K562") == (0, [f"warning: {expected}"])
    options = ["--store", f"{work}/s.zarr", "-i", "K562", "-m", f"{work}/model"]
    assert predict.main([*options, *REGION, "-o", f"{tmp_path}/f/"]) == 0
    assert f"warning: model: {expected}\n" == capsys.readouterr().err
    folder = shutil.copytree(work / "model", tmp_path / "m")
    assert model.main(["calibrate", str(folder), *options[:4], "HepG2", "--device", "cpu"]) == 0
    assert capsys.readouterr().err.count("not stated for K562, HepG2: they cannot") == 1
    bed = next(work.glob("T1/ChIPseq.K562.CTCF.conservative*"))
    assert visualize.main([*options, "-b", str(bed), "-c", "chr21", "-o", f"{tmp_path}/page"]) == 0
    assert f"warning: {expected}\n" in capsys.readouterr().err


def test_prediction_on_another_scale_or_assay_warns(run):
    status, (line, _) = run("unnamed")
    assert status == 0
    assert line.startswith("warning: track DGF of unnamed is not on the scale of training: mean ")
    status, (line,) = run("ATAC")
    assert status == 0
    assert line == "warning: track DGF of ATAC comes from ATAC-seq, training had DNase-seq (T1, T2)"


def test_prediction_in_other_units_is_refused_before_any_work(run, tmp_path):
    status, (line,) = run("FC")
    assert status == 2
    cures = "convert it or correct its units in bigwig.txt, or go on with --ignore-units"
    assert f"error: track DGF of FC has the units fold-change, training had 1x (T1), 1X (T2); {cures}" in line
    assert not (tmp_path / "out.bed.gz").exists()
    status, (units, figures) = run("FC", "--ignore-units")
    assert status == 0
    assert units == "warning: track DGF of FC has the units fold-change, training had 1x (T1), 1X (T2)"
    assert figures.startswith("warning: track DGF of FC is not on the scale of training")
    assert (tmp_path / "out.bed.gz").exists()


def test_pages_of_kernels_compare_signals_too(work, tmp_path, capsys):
    bed = next(work.glob("T1/ChIPseq.K562.CTCF.conservative*"))
    options = ["--store", f"{work}/s.zarr", "-i", "FC", "-b", str(bed), "-m", f"{work}/model", "-o", f"{tmp_path}/page"]
    assert visualize.main(options) == 2
    assert "track DGF of FC has the units fold-change" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()
    assert visualize.main([*options, "--ignore-units"]) == 0
    assert "warning: track DGF of FC has the units fold-change" in capsys.readouterr().err


def test_baseline_fitted_on_signals_of_another_scale_warns(run, work, demo_files, tmp_path, capsys):
    for cell, expected in (("unnamed", 1), ("K562", 0)):  # neither names an assay, one more line
        assert run(cell, "--regions", "chr21:300000-600000")[0] == 0
        options = ["--baselines", "--motifs", str(demo_files / "motifs.meme"), "--replicates", "10"]
        options += ["--fit-cells", "T1", "T2", "--fit-regions", "chr2:0-400000"]
        assert evaluate.main([f"{tmp_path}/out.bed.gz", "--store", f"{work}/s.zarr", *options]) == 0
        warnings = [line for line in capsys.readouterr().err.splitlines() if "--baselines" in line]
        *scales, names = warnings
        assert len(scales) == expected
        assert all("fitted on T1, T2: track DGF of unnamed is not on the scale" in line for line in scales)
        assert f"DNase-seq and units 1x, 1X, not stated for {cell}" in names


def test_training_refuses_mixed_units_and_warns_of_mixed_scales(work, tmp_path, capsys):
    start = ["--store", f"{work}/s.zarr", "-o", f"{tmp_path}/m", "--dry-run", *NETWORK, "-i", "T1"]
    assert train.main([*start, "FC"]) == 2
    refusal = capsys.readouterr().err
    assert "track DGF of FC has the units fold-change, training had 1x (T1)" in refusal
    assert refusal.endswith(", or go on with --ignore-units\n")
    assert not (tmp_path / "m").exists()
    assert train.main([*start, "FC", "--ignore-units"]) == 0
    assert "warning: track DGF of FC has the units fold-change" in capsys.readouterr().err
    assert train.main([*start, "unnamed"]) == 0
    assert "warning: track DGF of unnamed is not on the scale of training" in capsys.readouterr().err
    assert train.main([*start, "T2"]) == 0
    assert "warning: track" not in capsys.readouterr().err


def test_training_that_starts_from_a_model_compares_signals_with_its_training(work, tmp_path, capsys):
    start = ["--store", f"{work}/s.zarr", "-o", f"{tmp_path}/m", "--dry-run", "-f", "CTCF", "-v", "chr11"]
    start += ["--init-from", f"{work}/model", "-i"]
    assert train.main([*start, "FC"]) == 2
    assert "track DGF of FC has the units fold-change, training had 1x (T1), 1X (T2)" in capsys.readouterr().err
    assert train.main([*start, "unnamed"]) == 0
    expected = f"warning: starting from {work}/model: track DGF of unnamed is not on the scale of training"
    assert expected in capsys.readouterr().err
    assert train.main([*start, "K562"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: starting from {work}/model: training had track DGF with assay DNase-seq")


def test_model_without_recorded_signals_resumes_and_predicts_with_a_warning(work, run, tmp_path, monkeypatch, capsys):
    """As trained by an earlier version, and as imported."""
    options = ["--store", f"{work}/s.zarr", "-i", "T1", "-o", f"{tmp_path}/m", *NETWORK]
    monkeypatch.setattr("factornet.model.training.setup.track_signals", lambda *_: {})
    assert train.main(options) == 0
    monkeypatch.undo()
    assert read_card(tmp_path / "m").provenance["signals"] == {}
    assert train.main([*options, "-e", "2", "--resume"]) == 0
    capsys.readouterr()
    status, (line,) = run("FC", folder=tmp_path / "m")
    assert status == 0
    expected = "the scale of Unique35, DGF cannot be compared with that of training: the model records no figures"
    assert line == f"warning: {expected}"
    assert model.main(["info", f"{tmp_path}/m"]) == 0


def test_imported_models_have_the_units_of_the_originals_readme(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    folder = write_folder(tmp_path / "keras", Spec())
    assert model.main(["import", str(folder), "-o", f"{tmp_path}/m"]) == 0
    readme = {"DGF": {"FactorNet's README": {"assay": "DNase-seq", "units": "1x"}}}
    assert read_card(tmp_path / "m").provenance["signals"] == readme
    assert model.main(["info", f"{tmp_path}/m"]) == 0
    assert "FactorNet's README" in capsys.readouterr().out
