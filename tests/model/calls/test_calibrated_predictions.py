"""Calibrated predictions and called sites, through the commands, with a small network over blocks."""

import gzip
import json
import shutil

import numpy as np
import pytest

from factornet.cli import model, predict, train
from factornet.model.data import signals
from factornet.model.training.validation import region_validation
from factornet.store import open_store
from factornet.store.files.outputs import output_lock
from factornet.store.files.sealed_json import read_sealed_json

DATA = "-i K562 HepG2 -f CTCF -v chr11:200000-900000 -t chr21 chr7 chr2".split()
NETWORK = "--preset blocks -k 8 --members 1 --trees 12 -e 1 -lr 0.004 -s 5 --device cpu --threads 1".split()


@pytest.fixture(scope="module")
def training(demo_store, demo_files):
    return ["--store", str(demo_store), *DATA, *NETWORK, "--motifs", str(demo_files / "motifs.meme")]


@pytest.fixture(scope="module")
def calibrated(training, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "CTCF"
    assert train.main([*training, "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def words(calibrated, demo_store, tmp_path):
    return [
        "--store",
        str(demo_store),
        "-i",
        "K562",
        "-f",
        "CTCF",
        "-m",
        str(calibrated),
        "--regions",
        "chr21:0-200000",
    ]


def read_scores(path):
    with gzip.open(path, "rt") as file:
        rows = [line.split("\t") for line in file]
    return np.array([int(row[1]) for row in rows]), np.array([float(row[3]) for row in rows], np.float32)


def test_calibration_is_of_the_validation_regions_and_verified(calibrated, capsys):
    assert model.main(["info", str(calibrated), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["calibration"]["CTCF"]
    assert found["bins"] > 20_000
    assert found["error_after"] < found["error_before"]
    assert model.main(["verify", str(calibrated)]) == 0
    assert "calibration.json" in capsys.readouterr().out
    assert model.main(["info", str(calibrated)]) == 0
    assert "calibration of CTCF: 302 of 27,428 bins bound" in capsys.readouterr().out


def test_calibrating_again_gives_the_same(calibrated, demo_store, tmp_path, capsys):
    copy = tmp_path / "CTCF"
    shutil.copytree(calibrated, copy)
    (copy / "calibration.json").unlink()
    assert model.main(["calibrate", str(copy), "--store", str(demo_store), "--device", "cpu"]) == 0
    assert "calibrated in K562, HepG2, chr11:200000-900000" in capsys.readouterr().out
    assert (copy / "calibration.json").read_bytes() == (calibrated / "calibration.json").read_bytes()
    other = ["-i", "GM12878", "--regions", "chr11:0-900000", "--json"]
    assert model.main(["calibrate", str(copy), "--store", str(demo_store), "--device", "cpu", *other]) == 0
    found = json.loads(capsys.readouterr().out)["factors"]["CTCF"]
    assert found["bins"] != 27_428


def test_calibrating_on_bins_of_the_training_is_refused(calibrated, demo_store, tmp_path, capsys):
    copy = tmp_path / "CTCF"
    shutil.copytree(calibrated, copy)
    words = [str(copy), "--store", str(demo_store), "--device", "cpu", "-i", "GM12878", "K562"]
    assert model.main(["calibrate", *words, "--regions", "chr11:0-400000"]) == 2
    error = capsys.readouterr().err
    assert "CTCF: was trained on 4,000 of the 7,997 bins, in K562: its scores are too good there" in error
    assert "give its validation regions (chr11:200000-900000)" in error
    assert (copy / "calibration.json").read_bytes() == (calibrated / "calibration.json").read_bytes()
    assert model.main(["calibrate", *words, "--regions", "chr11:0-400000", "--allow-seen"]) == 0
    shown = capsys.readouterr()
    assert "bins, in K562: rates will be too low" in shown.err
    assert "(in place of an earlier calibration)" in shown.out


def test_calibrating_compares_signals_with_those_of_training(calibrated, demo_store, tmp_path, capsys, monkeypatch):
    copy = tmp_path / "CTCF"
    shutil.copytree(calibrated, copy)
    words = ["calibrate", str(copy), "--store", str(demo_store), "--device", "cpu", "--regions", "chr11:200000-400000"]
    own = signals.track_signals

    def in_other_units(store, cells, tracks):
        found = own(store, cells, tracks)
        return {track: {c: {**s, "units": "fold-change"} for c, s in by.items()} for track, by in found.items()}

    monkeypatch.setattr(signals, "track_signals", in_other_units)
    monkeypatch.setattr(signals, "_terms", lambda key, training: {"1x": ["K562"]} if key == "units" else {})
    assert model.main([*words, "-i", "GM12878"]) == 2
    assert "of GM12878 has the units fold-change, training had 1x" in capsys.readouterr().err
    assert model.main([*words, "-i", "GM12878", "--ignore-units"]) == 0
    assert "of GM12878 has the units fold-change, training had 1x" in capsys.readouterr().err


def test_cell_lines_without_a_bound_bin_are_said_not_to_be_used(demo_store, calibrated, tmp_path, capsys, monkeypatch):
    copy = tmp_path / "CTCF"
    shutil.copytree(calibrated, copy)
    words = ["calibrate", str(copy), "--store", str(demo_store), "--device", "cpu", "--regions", "chr11:200000-300000"]
    own = region_validation.labels_of
    monkeypatch.setattr(
        region_validation, "labels_of", lambda store, cell, *more: own(store, cell, *more) * (cell == "K562")
    )
    assert model.main([*words, "-i", "K562", "GM12878", "K562"]) == 0
    shown = capsys.readouterr()
    assert "GM12878: no bin of the regions is bound by CTCF, or there are no peaks; not used" in shown.err
    assert "calibrated in K562, chr11:200000-300000" in shown.out


def test_resumed_training_writes_the_calibration_that_a_kill_left_out(calibrated, training, tmp_path, capsys):
    copy = tmp_path / "CTCF"
    shutil.copytree(calibrated, copy)
    (copy / "calibration.json").unlink()
    assert model.main(["verify", str(copy)]) == 0
    assert "unfinished  calibration.json" in capsys.readouterr().out
    assert train.main([*training, "-o", str(copy), "--resume"]) == 0
    assert (copy / "calibration.json").read_bytes() == (calibrated / "calibration.json").read_bytes()
    assert model.main(["verify", str(copy)]) == 0


def test_scores_are_calibrated_unless_told_otherwise(calibrated, words, tmp_path, capsys):
    plain, raw, shifted = (tmp_path / f"{name}.bed.gz" for name in ("plain", "raw", "shifted"))
    assert predict.main([*words, "-o", str(plain)]) == 0
    assert "scores are probabilities, calibrated on" in capsys.readouterr().out
    assert predict.main([*words, "-o", str(raw), "--uncalibrated"]) == 0
    assert "not calibrated" in capsys.readouterr().out
    assert predict.main([*words, "-o", str(shifted), "--prevalence", "0.0001"]) == 0
    assert "assume that 0.01% of the bins are bound" in capsys.readouterr().out
    calibration = model_calibration(calibrated)
    scores = [read_scores(path)[1] for path in (plain, raw, shifted)]
    np.testing.assert_allclose(scores[0], calibration.apply(scores[1]), rtol=0.02, atol=1e-6)
    np.testing.assert_allclose(scores[2], calibration.at_prevalence(scores[0], 0.0001), rtol=0.02, atol=1e-6)
    assert json.loads((tmp_path / "plain.bed.gz.json").read_text())["options"]["calibrated"] is True


def model_calibration(folder):
    from factornet.model.model_dir.weights import load_model

    return load_model(folder).calibrations["CTCF"]


@pytest.mark.parametrize("name", ["p.bw", "p.bed.gz"])
def test_sites_are_called_with_the_prediction_or_after_it(calibrated, words, tmp_path, capsys, name):
    out, sites = tmp_path / name, tmp_path / "p.narrowPeak"
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6"]) == 0
    text = capsys.readouterr().out
    assert f"{sites}: " in text
    assert "90 % interval" in text
    first = sites.read_text()
    rows = [line.split("\t") for line in first.splitlines()]
    assert len(rows) > 3
    assert all(len(row) == 10 for row in rows)
    threshold = model_calibration(calibrated).threshold_for(0.6)
    assert min(float(row[6]) for row in rows) >= threshold - 1e-3
    assert all(0 <= int(row[9]) < int(row[2]) - int(row[1]) for row in rows)
    assert all(float(row[8]) >= -np.log10(0.6) - 1e-3 for row in rows)
    record = json.loads((tmp_path / "p.narrowPeak.json").read_text())
    assert record["options"]["called"]["fdr"] == 0.6

    bytes_before = out.read_bytes()
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6"]) == 2  # the sites are there
    assert "already exists" in capsys.readouterr().err
    sites.unlink()
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6"]) == 0
    assert "predicted before, by the same model" in capsys.readouterr().out
    assert sites.read_text() == first
    assert out.read_bytes() == bytes_before
    sites.unlink()
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6", "--prevalence", "0.1"]) == 2
    assert "other options: prevalence None, not 0.1" in capsys.readouterr().err
    assert predict.main([*words[:-1], "chr21:0-90000", "-o", str(out), "--fdr", "0.6"]) == 2  # other bins
    error = capsys.readouterr().err
    assert "other options: regions ['chr21:0-200000'], not ['chr21:0-90000']" in error
    assert not sites.exists()


def test_sites_that_cannot_be_written_are_refused_before_predicting(words, tmp_path, capsys):
    out, sites = tmp_path / "p.bw", tmp_path / "p.narrowPeak"
    sites.write_text("mine")
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6"]) == 2
    assert f"{sites}: already exists" in capsys.readouterr().err
    sites.unlink()
    sites.mkdir()
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6", "--force"]) == 2
    assert f"{sites}: is a folder" in capsys.readouterr().err
    (tmp_path / "p.narrowPeak.json").write_text("[]")
    sites.rmdir()
    assert predict.main([*words, "-o", str(out), "--fdr", "0.6", "--force"]) == 2
    assert "p.narrowPeak.json: exists and is no record" in capsys.readouterr().err
    (tmp_path / "p.narrowPeak.json").unlink()
    with output_lock(sites):  # of x.bed, say, beside x.bw
        assert predict.main([*words, "-o", str(out), "--fdr", "0.6"]) == 2
    assert f"{sites}: is being written by process" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_sites_of_shifted_scores_are_called_at_rates_of_that_prevalence(calibrated, words, tmp_path, capsys):
    calibration, share = model_calibration(calibrated), 0.05
    out = tmp_path / "p.bw"
    assert predict.main([*words, "-o", str(out), "--fdr", "0.5", "--prevalence", str(share)]) == 0
    text, rates = capsys.readouterr().out, calibration.with_rates_at(share)
    found = rates.at_threshold(rates.threshold_for(0.5))
    assert f"if 5.000% of their bins were bound, {found.fdr:.1%} of such bins are false" in text
    record = json.loads((tmp_path / "p.narrowPeak.json").read_text())
    assert record["options"]["called"]["threshold"] == found.score


def test_predictions_of_an_earlier_calibration_are_not_taken_for_those_of_the_present_one(
    calibrated, demo_store, words, tmp_path, capsys
):
    copy, folder = tmp_path / "copy", tmp_path / "folder"
    shutil.copytree(calibrated, copy)
    words = [str(copy) if word == str(calibrated) else word for word in words]
    assert predict.main([*words, "-o", f"{folder}/"]) == 0
    other = ["-i", "GM12878", "--regions", "chr11:0-900000", "--device", "cpu"]
    assert model.main(["calibrate", str(copy), "--store", str(demo_store), *other]) == 0
    capsys.readouterr()
    assert predict.main([*words, "-o", str(folder / "CTCF.bw"), "--fdr", "0.7"]) == 2
    assert "other options: calibration_sha256" in capsys.readouterr().err
    assert predict.main([*words, "-o", f"{folder}/", "--resume"]) == 2  # nor kept among files of the present one
    assert "CTCF.bw: already exists" in capsys.readouterr().err
    assert predict.main([*words, "-o", f"{folder}/", "--resume", "--force"]) == 0
    assert "kept" not in capsys.readouterr().out


def test_calls_need_a_calibration(calibrated, words, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(calibrated, copy)
    (copy / "calibration.json").unlink()
    others = [str(copy) if word == str(calibrated) else word for word in words]
    assert predict.main([*others, "-o", str(tmp_path / "x.bw"), "--fdr", "0.1"]) == 2
    assert "--fdr: copy has no calibration of CTCF for its best weights" in capsys.readouterr().err
    assert predict.main([*words, "-o", str(tmp_path / "x.bw"), "--fdr", "0.1", "--uncalibrated"]) == 2
    assert "leave out --uncalibrated" in capsys.readouterr().err
    assert predict.main([*words, "-o", str(tmp_path / "x.bw"), "--fdr", "1.5"]) == 2
    assert "lies between 0 and 1, got 1.5" in capsys.readouterr().err
    assert not (tmp_path / "x.bw").exists()


def test_damaged_calibration_is_found_on_use(calibrated, words, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(calibrated, copy)
    path = copy / "calibration.json"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    others = [str(copy) if word == str(calibrated) else word for word in words]
    assert predict.main([*others, "-o", str(tmp_path / "x.bw")]) == 2
    assert "calibration.json" in capsys.readouterr().err
    assert model.main(["verify", str(copy)]) == 1


def test_calibration_of_other_weights_is_not_used(calibrated, words, tmp_path, capsys):
    assert predict.main([*words, "-o", str(tmp_path / "x.bed.gz"), "--weights", "last"]) == 0
    out = capsys.readouterr().out
    content = read_sealed_json(calibrated / "calibration.json", _format(), hint="")
    assert content["weights_sha256"]
    assert (
        "not calibrated" in out
        or (calibrated / "last.safetensors").read_bytes() == (calibrated / "best.safetensors").read_bytes()
    )


def _format():
    from factornet.model.model_dir import calibration

    return calibration._FORMAT


def test_bins_on_the_blacklist_are_counted_as_not_computed(calibrated, demo_store, tmp_path, capsys):
    region = open_store(demo_store).blacklist()
    coordinates = open_store(demo_store).coordinates
    chrom, first = coordinates.from_absolute(region.starts[:1])
    start = max(0, int(first[0]) // 50 * 50 - 5000)
    place = f"{coordinates.names[int(chrom[0])]}:{start}-{start + 10_000}"
    out = tmp_path / "p.bed.gz"
    words = ["--store", str(demo_store), "-i", "K562", "-f", "CTCF", "-m", str(calibrated), "--regions", place]
    assert predict.main([*words, "-o", str(out)]) == 0
    n = int((read_scores(out)[1] == 0).sum())
    assert n > 0
    assert f"{n} intervals were not computed, their score is 0: {n} on the blacklist" in capsys.readouterr().out


def test_missing_calibration_is_refused(calibrated, words, tmp_path, capsys):
    """Its scores are other ones: they have to be asked for."""
    copy = tmp_path / "copy"
    shutil.copytree(calibrated, copy)
    (copy / "calibration.json").unlink()
    others = [str(copy) if word == str(calibrated) else word for word in words]
    for name, more, status in (("a.bw", (), 2), ("b.bw", ("--uncalibrated",), 0), ("folder/", (), 2)):
        assert predict.main([*others, "-o", f"{tmp_path}/{name}", *more]) == status
        assert ("copy: no calibration.json of these weights, which" in capsys.readouterr().err) == bool(status)
    assert predict.main([*words, "-o", str(tmp_path / "c.bw")]) == 0
    assert "calibration.json" not in capsys.readouterr().err
