"""Prediction: per-window oracle, blacklist, file formats, order of the input."""

import gzip
import json
from types import SimpleNamespace

import numpy as np
import pyBigWig
import pytest
import torch

from factornet.cli import predict
from factornet.cli.prediction.bins import choose_regions
from factornet.model import (
    Bins,
    FactorNet,
    ModelCard,
    NetworkConfig,
    predict_bins,
    read_bedgraph,
    save_weights,
    write_bedgraph,
    write_bigwig,
)
from factornet.model.data.signals import track_signals
from factornet.model.model_dir.card import write_card
from factornet.model.prediction.bins import bins_of_regions
from factornet.model.prediction.predictor import Predictor, PredictorScores
from factornet.model.prediction.runs import interval_run, region_files
from factornet.store import GenomeCoordinates, InputError, UsageError, open_store, parse_region, read_span


@pytest.fixture(scope="module")
def network():
    config = NetworkConfig(tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=8, recurrent=4, dense=8)
    return FactorNet(config, seed=3).eval()


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def test_every_interval_gets_the_score_of_its_window_alone(store, network):
    rng = np.random.default_rng(0)
    n = 40
    chrom = rng.integers(0, 5, n)
    start = rng.integers(0, np.array(store.coordinates.lengths)[chrom] - 400)
    bins = Bins(chrom, start, start + rng.integers(100, 400, n))
    scores = predict_bins(network, store, "K562", bins, device=torch.device("cpu"), batch_size=7)
    for i in range(n):
        name, length = store.coordinates.names[chrom[i]], store.coordinates.lengths[chrom[i]]
        left = (bins.start[i] + bins.stop[i]) // 2 - 500
        if bins.start[i] < 1000 or bins.stop[i] > length - 1000:
            assert scores[i] == 0
            continue
        if scores[i] == 0:  # beside the blacklist; how far is tested with the sampler
            continue
        codes = read_span(store.sequence(name), left, left + 1000)
        tracks = [read_span(store.track("K562", t, name), left, left + 1000) for t in ("Unique35", "DGF")]
        with torch.inference_mode():
            alone = network(torch.from_numpy(codes)[None], torch.from_numpy(np.stack(tracks))[None])
        assert scores[i, 0] == pytest.approx(alone.item(), abs=1e-6)
    assert (scores > 0).mean() > 0.8


def test_bedgraph_keeps_order_and_number_format(store, tmp_path):
    bins = Bins(np.array([1, 0]), np.array([500, 100]), np.array([700, 300]))
    write_bedgraph(tmp_path / "x.bed.gz", bins, np.array([0.5, 0.00123456], np.float32), store.coordinates)
    names = store.coordinates.names
    expected = f"{names[1]}\t500\t700\t5.000e-01\n{names[0]}\t100\t300\t1.235e-03\n"
    assert gzip.decompress((tmp_path / "x.bed.gz").read_bytes()).decode() == expected
    again, scores = read_bedgraph(tmp_path / "x.bed.gz", store.coordinates)
    assert again.start.tolist() == [500, 100]
    assert scores.tolist() == pytest.approx([0.5, 0.001235])


def test_bigwig_holds_each_score_around_its_middle(store, tmp_path):
    bins = bins_of_regions([parse_region("chr21:100000-101000", store.coordinates)], store.coordinates, stride=50)
    assert (bins.start[0], bins.stop[-1], len(bins)) == (100_000, 101_000, 17)
    scores = np.linspace(0, 1, len(bins)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(bins))
    shuffled = Bins(bins.chrom[order], bins.start[order], bins.stop[order])
    write_bigwig(tmp_path / "x.bw", shuffled, scores[order], store.coordinates)
    file = pyBigWig.open(str(tmp_path / "x.bw"))
    for start, stop, score in zip(bins.start, bins.stop, scores, strict=True):
        assert file.values("chr21", int(start + stop) // 2, int(start + stop) // 2 + 1) == [pytest.approx(score)]
    file.close()


@pytest.fixture
def command(network, demo_store, tmp_path, capsys):
    """factornet-predict with the network of this file, as trained on this store: status and what it printed."""
    signals = track_signals(open_store(demo_store), ("GM12878",), network.config.tracks)
    write_card(tmp_path, ModelCard(config=network.config, provenance={"signals": signals}))
    save_weights(tmp_path, network.state_dict(), "best")

    def run(*arguments):
        common = ["--store", demo_store, "-i", "K562", "-m", tmp_path, "-f", "CTCF", *arguments]
        return predict.main([str(a) for a in common]), capsys.readouterr()

    return run


def test_regions_on_the_command_line(store, network, command, tmp_path):
    output = tmp_path / "x.bed.gz"
    places = ("chr21:100000-104000", "chr1:50000-54000")
    status, shown = command("--regions", *places, "-o", output, "--resume", "--json")
    said = json.loads(shown.out)
    assert (status, said["intervals"], said["predicted"], shown.err) == (0, 154, 154, "")
    bins, scores = read_bedgraph(output, store.coordinates)
    expected = bins_of_regions([parse_region(p, store.coordinates) for p in places], store.coordinates, stride=50)
    assert bins.start.tolist() == expected.start.tolist()
    whole = predict_bins(network, store, "K562", expected, device=torch.device("cpu"))[:, 0]
    np.testing.assert_allclose(scores, whole, rtol=6e-4)


@pytest.mark.parametrize("intervals", [False, True])
def test_every_name_gets_what_it_says(command, tmp_path, *, intervals):
    """All hold the lines of the original's gzipped bedgraph, or as many values."""
    (tmp_path / "regions.bed").write_text("chr1\t50000\t50200\nchr21\t100000\t100200\nchr21\t90000\t90200\n")
    what = ("-b", tmp_path / "regions.bed") if intervals else ("--regions", "chr21:100000-101000", "chr1:50000-51000")
    assert command(*what, "-o", tmp_path / "first.bed.gz")[0] == 0
    lines = gzip.decompress((tmp_path / "first.bed.gz").read_bytes())
    for name in ("o.bed", "o.bedgraph", "o.BG", "o.bdg", "o.txt", "o.tsv"):
        assert command(*what, "-o", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_bytes() == lines
    for name in ("o.bedGraph.gz", "o.BED.GZ"):
        assert command(*what, "-o", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_bytes() == (tmp_path / "first.bed.gz").read_bytes()
    for name in ("o.bw", "p.BW", "q.bigWig"):
        assert command(*what, "-o", tmp_path / name)[0] == 0
        with pyBigWig.open(str(tmp_path / name)) as file:
            assert sum(len(file.intervals(chrom)) for chrom in file.chroms()) == lines.count(b"\n")


@pytest.mark.parametrize("name", ["o.wig", "o", "o.zip", "o.bw.gz"])
def test_name_of_another_format_is_refused_before_any_work(command, tmp_path, name):
    before = sorted(p.name for p in tmp_path.iterdir())
    status, shown = command("--regions", "chr21", "-o", tmp_path / name)
    assert (status, f"{name}: a file of scores cannot have this name; end it in .bed, " in shown.err) == (2, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_text_resumes_as_text(command, tmp_path, monkeypatch):
    """Other names of the same format end in the same bytes."""
    regions = ("--regions", "chr21:100000-102000", "chr1:50000-52000")
    assert command(*regions, "-o", tmp_path / "whole.bed")[0] == 0
    scored, calls = region_files.score_together, []

    def interrupt(predictors, bins):
        calls.append(bins)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scored(predictors, bins)

    with monkeypatch.context() as patched:
        patched.setattr(region_files, "score_together", interrupt)
        assert command(*regions, "-o", tmp_path / "x.bed")[0] == 130
    status, shown = command(*regions, "-o", tmp_path / "x.bed", "--resume", "--json")
    assert (status, json.loads(shown.out)["predicted"]) == (0, 37)
    assert (tmp_path / "x.bed").read_bytes() == (tmp_path / "whole.bed").read_bytes()


def test_all_regions_are_the_chromosomes_of_the_store(command, tmp_path, store, monkeypatch):
    """Scores are not looked at here: those of ``--regions`` are tested above."""
    monkeypatch.setattr(
        region_files,
        "score_together",
        lambda _, bins: [PredictorScores((0,), np.arange(len(bins)), (np.zeros(len(bins), np.float32),), 0.0)],
    )
    status, shown = command("--regions", "all", "-o", tmp_path / "all.bed", "--json")
    assert (status, shown.err) == (0, "")
    assert command("--regions", *store.coordinates.names, "-o", tmp_path / "named.bed")[0] == 0
    assert (tmp_path / "all.bed").read_bytes() == (tmp_path / "named.bed").read_bytes()
    bins, _ = read_bedgraph(tmp_path / "all.bed", store.coordinates)
    assert (
        len(bins) == json.loads(shown.out)["intervals"] == sum((n - 200) // 50 + 1 for n in store.coordinates.lengths)
    )
    record = json.loads((tmp_path / "all.bed.json").read_text())
    assert [region.partition(":")[0] for region in record["options"]["regions"]] == list(store.coordinates.names)


def test_all_regions_stand_alone(command, tmp_path):
    status, shown = command("--regions", "all", "chr21", "-o", tmp_path / "x.bed")
    assert (status, "--regions all: has all chromosomes of the store; give no other region" in shown.err) == (2, True)


def test_chromosomes_shorter_than_a_bin_are_left_out_of_all_and_named(store, capsys):
    lengths = (150, 1000, 199, 200)
    short = SimpleNamespace(coordinates=GenomeCoordinates(("chrUn_1", "chr1", "chrUn_2", "chr2"), lengths))
    chosen = choose_regions(SimpleNamespace(regions=["all"]), short)
    assert [str(region) for region in chosen] == ["chr1:0-1000", "chr2:0-200"]
    assert "--regions all: chrUn_1, chrUn_2 left out, shorter than a bin of 200 bases" in capsys.readouterr().err


def test_intervals_longer_than_a_bin_are_said_with_the_cure(command, tmp_path):
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\nchr21\t100000\t112000\nchr21\t100000\t100201\n")
    status, shown = command("-b", tmp_path / "x.bed", "-o", tmp_path / "o.bed")
    assert status == 0
    assert (
        "x.bed: 2 of 3 intervals longer than a bin of 200 bases (up to 12,000): each gets one score, that" in shown.err
    )
    assert "--regions predicts all bins of regions" in shown.err
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\nchr21\t106000\t106001\n")
    status, shown = command("-b", tmp_path / "x.bed", "-o", tmp_path / "p.bed")
    assert (status, shown.err) == (0, "")


def test_an_interrupt_names_the_command_that_resumes(command, tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    for run in (region_files, interval_run):
        monkeypatch.setattr(run, "score_together", interrupt)
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\n")
    how = "; repeat the command with --resume to resume after the last finished part"
    for what, said in (("--regions", "chr21:100000-104000"), how), (("-b", tmp_path / "x.bed"), ""):
        status, shown = command(*what, "-o", tmp_path / "x.bed.gz")
        assert (status, shown.err) == (130, f"factornet-predict: interrupted{said}\n")


def test_resume_without_regions_is_refused(command, tmp_path):
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\n")
    status, shown = command("-b", tmp_path / "x.bed", "-o", tmp_path / "x.bed.gz", "--resume")
    assert (status, "--resume needs --regions" in shown.err) == (2, True)


def test_stride_without_regions_is_refused(command, tmp_path):
    (tmp_path / "x.bed").write_text("chr21\t100000\t100200\n")
    status, shown = command("-b", tmp_path / "x.bed", "-o", tmp_path / "x.bed.gz", "--stride", 100)
    assert (status, "--stride needs --regions; -b gives each interval one score" in shown.err) == (2, True)
    assert not (tmp_path / "x.bed.gz").exists()


def test_other_tracks_are_refused_naming_both(store):
    other = FactorNet(NetworkConfig(tasks=("CTCF",), tracks=("DGF", "ATAC"), kernels=4, recurrent=-1, dense=4))
    bins = Bins(np.array([0]), np.array([5000]), np.array([5200]))
    with pytest.raises(UsageError, match=r"no track 'ATAC'; it has Unique35, DGF; the model was trained on DGF, ATAC"):
        predict_bins(other, store, "K562", bins, device=torch.device("cpu"))


@pytest.mark.parametrize("output", ["x.bed.gz", "x.bw"])
def test_an_error_while_writing_leaves_the_old_file(store, tmp_path, output):
    (tmp_path / output).write_text("old")
    bins = Bins(np.array([0, 0]), np.array([5000, 6000]), np.array([5200, 6200]))
    write = write_bedgraph if output == "x.bed.gz" else write_bigwig
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        write(tmp_path / output, bins, np.zeros(1, np.float32), store.coordinates)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(output, "old")]


def test_a_bigwig_of_no_intervals_is_refused(store, tmp_path):
    none = Bins(*np.zeros((3, 0), np.int64))
    with pytest.raises(UsageError, match=r"x\.bw: a bigWig cannot be empty"):
        write_bigwig(tmp_path / "x.bw", none, np.zeros(0, np.float32), store.coordinates)
    assert list(tmp_path.iterdir()) == []


def test_a_cell_line_without_the_network_s_inputs_is_refused_before_any_file(store, tmp_path):
    config = NetworkConfig(tasks=("CTCF",), tracks=("ATAC",), kernels=4, recurrent=-1, dense=4)
    with pytest.raises(
        UsageError, match="K562 has no track 'ATAC'; it has Unique35, DGF; the model was trained on ATAC"
    ):
        Predictor(network=FactorNet(config), store=store, cell="K562", factor="CTCF", device=torch.device("cpu"))


REGIONS = ("chr21:100000-102000", "chr21:110000-112000", "chr1:50000-52000")


@pytest.fixture(params=["x.bed.gz", "x.bw"])
def interrupted(request, command, tmp_path, monkeypatch):
    """A prediction that was interrupted after two of three regions: output, its parts, and the undisturbed output."""
    assert command("--regions", *REGIONS, "-o", tmp_path / f"whole-{request.param}")[0] == 0
    scored, output, calls = region_files.score_together, tmp_path / request.param, []

    def interrupt(predictors, bins):
        calls.append(bins)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return scored(predictors, bins)

    with monkeypatch.context() as patched:
        patched.setattr(region_files, "score_together", interrupt)
        assert command("--regions", *REGIONS, "-o", output)[0] == 130
    parts = tmp_path / f".{request.param}.parts"
    assert sorted(p.name for p in parts.iterdir()) == ["00000-chr21", "00001-chr21", "digests.json", "settings.json"]
    return output, parts, (tmp_path / f"whole-{request.param}").read_bytes()


@pytest.mark.parametrize("name", ["00000-chr21", "digests.json", "settings.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap", "remove"])
def test_damaged_parts_are_computed_again(interrupted, command, name, damage, caplog):
    output, parts, whole = interrupted
    path = parts / name
    data = bytearray(path.read_bytes())
    if damage == "swap":
        other = parts / "00001-chr21"
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif damage == "remove":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes({"flip": data, "cut": data[: len(data) // 2], "empty": b""}[damage])
    status, shown = command("--regions", *REGIONS, "-o", output, "--resume")
    if name == "settings.json" and damage != "remove":
        assert (status, "settings.json" in shown.err, output.exists()) == (2, True, False)
        status, _ = command("--regions", *REGIONS, "-o", output)
    elif damage != "remove":
        assert str(path) in caplog.text or damage == "swap"
    assert (status, output.read_bytes() == whole, parts.exists()) == (0, True, False)


def test_failed_run_without_a_finished_region_leaves_nothing(command, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(region_files, "score_together", fail)
    before = sorted(p.name for p in tmp_path.iterdir())
    status, shown = command("--regions", *REGIONS, "-o", tmp_path / "x.bw")
    assert (status, "No space left on device" in shown.err) == (2, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


GOOD = b"chr21\t1000\t1200\t0.5\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(GOOD * 9, mtime=0)[:-12], "damaged, or not text"),
        (b"\x1f\x8bnothing gzipped", "damaged, or not text"),
        (bytes(range(128, 256)), "damaged, or not text"),
        (GOOD + b"chr21\t1\t99999999999999999999\t0.5\n", r"x.bed:2: .*an interval lies within 0 and the [\d,]+ bases"),
        (b"chr21\t-500\t-300\t0.5\n", "x.bed:1: .*an interval lies within"),
        (b"chr21\t300\t300\t0.5\n", "x.bed:1: .*an interval lies within"),
        (b"chr21\t300\t500\n", "x.bed:1: .*write CHROM START STOP SCORE"),
    ],
)
def test_damaged_predictions_are_refused(store, tmp_path, content, message):
    (tmp_path / "x.bed").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_bedgraph(tmp_path / "x.bed", store.coordinates)
