"""Auxiliary factors and the mean signal of cell lines: chosen, kept in the model folder, resumed, refused."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factornet.cli import model, predict, train
from factornet.cli.training import blocks
from factornet.model import load_network
from factornet.model.data import signals
from factornet.model.model_dir.mean_signal import FILE
from factornet.model.prediction import Bins, predict_bins
from factornet.model.prediction.predictor import Predictor
from factornet.model.prediction.scorers.block_scores import block_bits
from factornet.model.prediction.to_file import predict_regions
from factornet.model.training.blocks.trainer import mean_loss
from factornet.store import UsageError, open_store, parse_region
from factornet.store.spans import padded_span

SMALL = "--preset blocks -k 8 --members 1 --trees 0 -e 1 -b 16 -s 5 --no-motif --device cpu --threads 1".split()
DATA = "-i K562 -f CTCF -v chr11:200000-500000 -t chr21 chr7 chr2".split()


@pytest.fixture(scope="module")
def words(demo_store):
    return ["--store", str(demo_store), *DATA, *SMALL]


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("further") / "CTCF"
    assert train.main([*words, "-o", str(folder)]) == 0
    return folder


def run_predict(folder, demo_store, out, *, regions="chr21:0-20000"):
    words = ["--store", str(demo_store), "-i", "GM12878", "-f", "CTCF", "-m", str(folder), "--regions", regions]
    return predict.main([*words, "--uncalibrated", "-o", str(out), "--force"])


def test_defaults_are_all_other_factors_and_cell_lines(trained, demo_store):
    content, store = json.loads((trained / "model.json").read_text()), open_store(demo_store)
    others = sorted(set(store.cell("K562").factor_names) - {"CTCF"})
    assert content["config"]["auxiliary"] == others
    assert content["config"]["mean_tracks"] == ["DGF"]
    assert content["training"]["mean_signal"]["cells"] == list(store.cells)
    assert load_network(trained).networks[0].output.out_channels == 1 + len(others)
    assert model.main(["verify", str(trained)]) == 0


@pytest.mark.parametrize(
    "change",
    [
        (
            "K562",
            "negative",
            lambda x: 0.25,
            "mean signal of DGF: negative values count as 0 (25.00% in K562 of the bases)",
        ),
        ("HepG2", "mean", lambda x: x / 100, "mean signal: track DGF of HepG2 is not on the scale of training: mean "),
    ],
)
def test_signals_unlike_others_of_a_mean_are_warned_of(demo_store, capsys, monkeypatch, change):
    cell, figure, new, warning = change
    own, store = signals.track_signals, open_store(demo_store)

    def changed(store, cells, tracks):
        found = own(store, cells, tracks)
        if cell in found["DGF"]:
            figures = found["DGF"][cell]["figures"]
            figures[figure] = new(figures[figure])
        return found

    sampler = SimpleNamespace(store=store, cells=("K562", "GM12878"), valid_cells=())
    blocks._warn_of_signals(sampler, store.cells, ("DGF",))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(signals, "track_signals", changed)
    blocks._warn_of_signals(sampler, store.cells, ("DGF",))
    assert warning in capsys.readouterr().err


def test_prediction_needs_the_mean_signal_that_belongs_to_the_model(trained, demo_store, tmp_path, capsys):
    folder, out = tmp_path / "m", tmp_path / "p.bed.gz"
    assert run_predict(trained, demo_store, out) == 0
    shutil.copytree(trained, folder)
    data = bytearray((folder / FILE).read_bytes())
    data[-7] ^= 1
    (folder / FILE).write_bytes(data)
    for problem in ("damaged", "No such file"):
        capsys.readouterr()
        assert run_predict(folder, demo_store, out) == 2
        error = capsys.readouterr().err
        assert f"{folder / FILE}: " in error
        assert problem in error
        assert model.main(["verify", str(folder)]) == 1
        assert FILE in capsys.readouterr().out
        (folder / FILE).unlink(missing_ok=True)


def test_mean_signal_of_another_training_is_refused(trained, words, demo_store, tmp_path, capsys):
    folder = tmp_path / "m"
    assert train.main([*words, "--mean-cells", "K562", "GM12878", "-o", str(folder)]) == 0
    shutil.copy(trained / FILE, folder / FILE)
    capsys.readouterr()
    assert run_predict(folder, demo_store, tmp_path / "p.bed.gz") == 2
    assert "belongs to another model" in capsys.readouterr().err


def test_chromosome_without_a_mean_is_refused_before_the_others_are_predicted(trained, demo_store, tmp_path):
    predictor = Predictor(
        network=load_network(trained),
        store=open_store(demo_store),
        cell="GM12878",
        factor="CTCF",
        device=torch.device("cpu"),
    )
    del predictor.network.mean_signal.codes["chr7"]
    regions = [parse_region(name, predictor.store.coordinates) for name in ("chr21:0-20000", "chr7:0-20000")]
    seen = []
    with pytest.raises(UsageError, match=r"chr7: .* trained on: chr2, chr11, chr1, chr21"):
        predict_regions(predictor, regions, tmp_path / "p.bed", stride=50, on_bins=seen.append)
    assert (seen, list(tmp_path.iterdir())) == ([], [])


def test_scores_depend_on_the_mean_signal(trained, demo_store):
    network = load_network(trained).eval()
    length = network.config.window_length
    tracks = torch.zeros(1, len(network.config.signals), length)
    codes = torch.zeros(1, length, dtype=torch.uint8)
    bits = torch.zeros(1, length // 50, dtype=torch.uint8)
    with torch.no_grad():
        without = network.both_strands(codes, tracks, bits)
        tracks[:, network.config.signals.index("mean of DGF")] = 9
        assert not torch.equal(without, network.both_strands(codes, tracks, bits))


def test_predicted_bins_see_the_mean_of_their_own_bases(trained, demo_store):
    """Bins that start anywhere, at the ends of chromosomes too, score as their windows cut out by hand."""
    network, store = load_network(trained).eval(), open_store(demo_store)
    chrom, margin = store.coordinates.index("chr21"), network.config.margin
    starts = np.array([0, 50, 12_345, 12_395, 777_777, store.coordinates.lengths[chrom] - 200])
    bins = Bins(np.full(starts.size, chrom), starts, starts + 200)
    found = predict_bins(network, store, "GM12878", bins, device=torch.device("cpu"))[:, 0]
    expected = []
    for start in (starts - margin).tolist():
        stop = start + network.config.window_length
        codes = padded_span(store.sequence("chr21"), start, stop, pad_value=4)
        signal = [
            padded_span(store.track("GM12878", t, "chr21"), start, stop, pad_value=0) for t in network.config.tracks
        ]
        tracks = np.concatenate([np.stack(signal), network.mean_signal.bases("chr21", start, stop)])
        bits = torch.from_numpy(padded_span(store.annotation("chr21"), start, stop, pad_value=0)[None])
        with torch.no_grad():
            inputs = torch.from_numpy(codes[None]), torch.from_numpy(tracks[None].astype(np.float32)), block_bits(bits)
            expected.append(torch.sigmoid(network.both_strands(*inputs)).item())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_lost_mean_signal_is_made_again_by_a_resumed_training(trained, words, tmp_path, capsys):
    folder = tmp_path / "m"
    shutil.copytree(trained, folder)
    expected = (folder / FILE).read_bytes()
    (folder / FILE).unlink()
    assert train.main([*words, "-o", str(folder), "--resume"]) == 0
    assert (folder / FILE).read_bytes() == expected
    assert train.main([*words, "-o", str(folder), "--resume", "--mean-cells", "K562", "HepG2"]) == 2
    error = capsys.readouterr().err
    assert "started with the mean signal of GM12878, HepG2, K562, now it is the mean signal of K562, HepG2" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--auxiliary CTCF", "--auxiliary CTCF: is to be predicted"),
        ("--auxiliary NONE", "--auxiliary NONE: no training cell line has a peak of it; they have those of MAX"),
        ("--mean-cells A549", "--mean-cells: "),
        ("--mean-cells K562 --tracks Unique35", "--mean-cells: no track to average: Unique35 are shared by all"),
    ],
)
def test_wrong_names_are_refused(demo_store, tmp_path, capsys, words, message):
    arguments = ["--store", str(demo_store), *DATA, *SMALL, *words.split(), "-o", str(tmp_path / "m")]
    assert train.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_none_of_both_may_be_asked_for(words, tmp_path):
    folder = tmp_path / "m"
    assert train.main([*words, "--auxiliary", "none", "--mean-cells", "none", "-o", str(folder)]) == 0
    config = json.loads((folder / "model.json").read_text())["config"]
    assert config["auxiliary"] == config["mean_tracks"] == []
    assert not (folder / FILE).exists()


def test_loss_of_each_factor_is_its_weighted_mean():
    rng = np.random.default_rng(1)
    logits, target = rng.normal(size=(3, 5, 2)), rng.random((3, 5, 2))
    weight = rng.integers(0, 3, (3, 5, 2)).astype(float)
    weight[..., 1] = 0
    found = mean_loss(*(torch.from_numpy(a) for a in (logits, target, weight)))
    each = -(target * np.log(1 / (1 + np.exp(-logits))) + (1 - target) * np.log(1 - 1 / (1 + np.exp(-logits))))
    assert found[0].item() == pytest.approx((each * weight)[..., 0].sum() / weight[..., 0].sum())
    assert found[1].item() == 0


def test_what_is_left_out_by_default_is_named(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("factornet.cli.training.blocks.has_peaks", lambda store, cell, factor: factor != "MAX")
    averaging = "factornet.model.training.blocks.average_signal.cells_with_tracks"
    monkeypatch.setattr(averaging, lambda store, tracks: ("GM12878", "K562"))
    assert train.main([*words, "-o", str(tmp_path / "m")]) == 0
    error = capsys.readouterr().err
    assert "mean signal: without HepG2, which lacks a track of DGF" in error
    assert "not learnt beside, without a peak: MAX" in error
    config = json.loads((tmp_path / "m" / "model.json").read_text())["config"]
    assert "MAX" not in config["auxiliary"]


def test_motifs_are_used_by_even_members_as_far_as_there_is_room(words, demo_files, tmp_path, capsys):
    few = [*(w for w in words if w != "--no-motif"), "--motifs", str(demo_files / "motifs.meme")]
    for members, kernels, told, used in (
        ("3", "4", "(the kernels have no room for the motifs of REST)", {"CTCF", "MAX"}),
        ("3", "40", "", {"CTCF", "MAX", "REST"}),
        ("2", "2", "", {"CTCF"}),
    ):
        few[few.index("-k") + 1], few[few.index("--members") + 1] = kernels, members
        folder = tmp_path / f"{members}-{kernels}"
        assert train.main([*few, "-o", str(folder)]) == 0
        shown = capsys.readouterr().out
        assert told in shown
        assert told or "have no room" not in shown
        assert set(json.loads((folder / "model.json").read_text())["training"]["motifs"]) == used
