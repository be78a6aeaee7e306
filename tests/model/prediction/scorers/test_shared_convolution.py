"""The shared convolution against every window alone: all networks, positions and orders; files, resumed or not."""

import gzip
import logging

import numpy as np
import pyBigWig
import pytest
import torch

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.model import (
    Bins,
    FactorNet,
    NetworkConfig,
    Predictor,
    predict_bins,
    predict_intervals,
    predict_regions,
    read_bedgraph,
)
from factornet.model.prediction.bins import bins_of_regions, pieces_of_region
from factornet.model.prediction.predict import predict_tiles
from factornet.model.prediction.scorers.shared_convolution import SharedConvolution, sliding_maximum
from factornet.model.prediction.tiling import groups
from factornet.model.prediction.tiling.tiles import prefetch, remove_gaps
from factornet.store import UsageError, open_store, parse_region
from factornet.store.genome.intervals import Intervals

CPU = torch.device("cpu")
DEMO = {"tasks": ("CTCF",), "tracks": ("Unique35", "DGF"), "kernels": 8, "dense": 16}

NETWORKS = {
    "LSTM": {"recurrent": 3},
    "no LSTM": {"recurrent": 0},
    "global pooling": {"recurrent": -1},
    "hard sigmoid gates": {"recurrent": 3, "gates": "hard_sigmoid"},
    "stranded tracks": {"recurrent": 3, "tracks": ("DGF_fwd", "Unique35", "DGF_rev")},
    "no tracks": {"recurrent": 3, "tracks": ()},
    "many tasks": {"recurrent": 0, "tasks": ("CTCF", "MAX", "REST")},
    "meta and gencode": {"recurrent": 3, "meta": ("PC1", "PC2"), "gencode": True},
    "FactorNet's length and width": {"recurrent": 2, "window_length": 1000, "kernel_width": 26},
    "odd width": {"recurrent": 2, "window_length": 60, "kernel_width": 15},
    "pool of one": {"recurrent": 2, "window_length": 20, "kernel_width": 3},
    "shortest window": {"recurrent": 2, "window_length": 11, "kernel_width": 8},
    "window of one kernel": {"recurrent": -1, "window_length": 8, "kernel_width": 8},
}


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


def network_of(**settings):
    network = FactorNet(NetworkConfig(**(DEMO | {"window_length": 101, "kernel_width": 10} | settings)), seed=5).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # biases of 0 would hide where they are added
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("size", range(1, 18))
def test_sliding_maximum(size):
    y = torch.randn(40, 2, 3, generator=torch.Generator().manual_seed(size))
    assert torch.equal(sliding_maximum(y, size), y.unfold(0, size, 1).amax(-1))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("block", [1, 64])
def test_scores_are_those_of_each_window_alone(name, block, monkeypatch):
    monkeypatch.setattr("factornet.model.prediction.scorers.shared_convolution._CACHED", block)  # many blocks a stretch
    network = network_of(**NETWORKS[name])
    config, length = network.config, network.config.window_length
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.choice(5, 3 * length + 50, p=[0.24, 0.24, 0.24, 0.24, 0.04]).astype(np.uint8))
    codes[length : length + 30] = 4
    tracks = torch.from_numpy(rng.gamma(1, 2, (len(config.tracks), len(codes))).astype(np.float32))
    ends = [0, 0, len(codes) - length]
    starts = torch.from_numpy(np.concatenate([ends, rng.integers(0, len(codes) - length, 60)]))
    features = torch.randn(len(starts), config.features) if config.features else None
    shared = SharedConvolution(network).score(codes, tracks, starts, features=features, batch_size=17)
    with torch.inference_mode():
        alone = network(
            torch.stack([codes[s : s + length] for s in starts]),
            torch.stack([tracks[:, s : s + length] for s in starts]),
            features,
        )
    assert shared.shape == (len(starts), len(config.tasks))
    assert len(alone.unique()) > 30
    torch.testing.assert_close(shared, alone, atol=1e-6, rtol=0)


def bed(store, kind):
    """Intervals of many kinds on the demo's chromosomes."""
    rng = np.random.default_rng(3)
    n, coordinates = 300, store.coordinates
    if kind.startswith("stride"):
        region = parse_region(f"{coordinates.names[1]}:20000-40000", coordinates)
        bins = bins_of_regions([region], coordinates, stride=int(kind.split()[1]))
        return bins.take(slice(0, 700))
    chrom = rng.integers(0, len(coordinates.names), n)
    if kind == "dense, unsorted, repeated":
        start = 30_000 + rng.integers(0, 2_000, n)
        start[1:40:3] = start[:39:3]
        chrom[1:40:3] = chrom[:39:3]
    elif kind == "clusters":
        start = 10_000 + rng.integers(0, 30, n) * 1_000 + rng.integers(0, 150, n)
    else:  # sparse
        start = rng.integers(0, np.array(coordinates.lengths)[chrom] - 400)
    return Bins(chrom, start, start + rng.integers(1, 400, n))


KINDS = [*(f"stride {s}" for s in (1, 7, 50, 333, 1000)), "dense, unsorted, repeated", "clusters", "sparse"]


@pytest.mark.parametrize("kind", KINDS)
def test_bins_of_any_kind(store, kind, monkeypatch):
    network = network_of(recurrent=3, window_length=500, meta=store.cell("K562").meta, gencode=True)
    monkeypatch.setattr(groups, "tile_bases", lambda config: 1_500)
    bins = bed(store, kind)
    sizes = []
    shared, alone = (
        predict_bins(network, store, "K562", bins, device=CPU, batch_size=50, shared=way, on_batch=sizes.append)
        for way in (True, False)
    )
    np.testing.assert_allclose(shared, alone, atol=1e-6, rtol=0)
    assert sum(sizes) == 2 * len(bins)
    assert len(np.unique(alone)) > 15


@pytest.mark.parametrize("length", [500, 1501, 5000])
def test_windows_over_the_ends_of_chromosomes(tmp_path, length, monkeypatch):
    """The blacklist excludes such windows from predictions; the reader pads them all the same."""
    none = Intervals(np.zeros(0, np.int64), np.zeros(0, np.int64))
    monkeypatch.setattr("factornet.model.prediction.bins.widened_blacklist", lambda store, length: none)
    monkeypatch.setattr(groups, "tile_bases", lambda config: 700)
    store = small_store(tmp_path)
    bins = bins_of_regions(regions_of(store, "chrA", "chrB"), store.coordinates, stride=50)
    network = network_of(recurrent=3, window_length=length, tracks=("DGF",))
    shared, alone = (predict_bins(network, store, "CELL", bins, device=CPU, shared=way) for way in (True, False))
    np.testing.assert_allclose(shared, alone, atol=1e-6, rtol=0)
    assert len(np.unique(alone)) > 60


def small_store(folder):
    """Two chromosomes without N at their ends, and a track over all of them."""
    rng, lengths = np.random.default_rng(0), {"chrA": 3000, "chrB": 1200}
    (folder / "CELL").mkdir()
    fasta = (f">{name}\n{''.join(rng.choice(list('ACGT'), n))}\n" for name, n in lengths.items())
    (folder / "genome.fa").write_text("".join(fasta))
    with pyBigWig.open(str(folder / "CELL/s.bw"), "w") as file:
        file.addHeader(list(lengths.items()))
        for name, n in lengths.items():
            file.addEntries(name, 0, values=rng.gamma(1, 1, n // 10).tolist(), span=10, step=10)
    (folder / "CELL/bigwig.txt").write_text("s.bw DGF\n")
    build_genome(folder / "small.zarr", GenomeInputs(folder / "genome.fa"), GenomeOptions(), Resources(1))
    build_cell(folder / "small.zarr", folder / "CELL", CellOptions(), Resources(1))
    return open_store(folder / "small.zarr")


def test_every_row_comes_once_in_order_of_place(store, monkeypatch):
    monkeypatch.setattr(groups, "tile_bases", lambda config: 400)
    bins, network = bed(store, "clusters"), network_of(recurrent=-1)
    for shared in (True, False):
        rows = [rows for rows, _ in predict_tiles(network, store, "K562", bins, device=CPU, shared=shared)]
        assert np.concatenate(rows).tolist() == bins.genome_order().tolist()


def test_the_method_is_chosen_and_logged(store, caplog):
    network = network_of(recurrent=-1)
    with caplog.at_level(logging.INFO, logger="factornet-predict"):
        predict_bins(network, store, "K562", bed(store, "stride 50"), device=CPU)
        predict_bins(network, store, "K562", bed(store, "sparse").take(slice(0, 20)), device=CPU)
    dense, sparse = caplog.messages
    assert "share the convolution" in dense
    assert "one by one" in sparse


def test_no_bins_and_blacklisted_ones_only(store):
    network = network_of(recurrent=-1, window_length=500)
    some = Bins(np.zeros(3, np.int64), np.array([30, 10, 20]), np.array([230, 210, 220]))
    assert predict_bins(network, store, "K562", some, device=CPU).tolist() == [[0], [0], [0]]
    assert predict_bins(network, store, "K562", some.take(slice(0, 0)), device=CPU).shape == (0, 1)


def test_remove_gaps():
    moved, spans = remove_gaps(np.array([100, 105, 105, 115, 130, 133]), 10)
    assert moved.tolist() == [0, 5, 5, 15, 25, 28]
    assert spans == [slice(0, 25), slice(30, 43)]


def test_prefetch_keeps_order_and_passes_errors_on():
    assert list(prefetch(lambda x: x * x, range(5))) == [0, 1, 4, 9, 16]
    assert list(prefetch(str, [])) == []
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda x: 1 // x, [1, 0]))


def test_pieces_are_the_regions_bins(store):
    region = parse_region(f"{store.coordinates.names[1]}:1003-9999", store.coordinates)
    whole, pieces = (
        bins_of_regions([region], store.coordinates, stride=60),
        list(pieces_of_region(region, store.coordinates, stride=60, bins=40)),
    )
    assert [len(p) for p in pieces] == [40, 40, 40, 27]
    assert np.concatenate([p.start for p in pieces]).tolist() == whole.start.tolist()
    assert (whole.start[0], whole.stop[-1] <= 9999 < whole.stop[-1] + 60) == (1020, True)


def test_bfloat16_is_near(store):
    network = network_of(recurrent=3, window_length=500)
    bins = bed(store, "stride 50")
    near, exact = (
        predict_bins(network, store, "K562", bins, device=CPU, amp=amp, shared=True) for amp in (True, False)
    )
    assert 0 < np.abs(near - exact).max() < 0.05


@pytest.fixture
def predictor(store):
    return Predictor(
        network=network_of(recurrent=3, window_length=500, tasks=("MAX", "CTCF")),
        store=store,
        cell="K562",
        factor="CTCF",
        device=CPU,
    )


def regions_of(store, *texts):
    return [parse_region(t, store.coordinates) for t in texts]


def test_intervals_keep_their_order_in_a_bedgraph(store, predictor, tmp_path):
    bins = bed(store, "dense, unsorted, repeated")
    predict_intervals(predictor, bins, tmp_path / "x.bed.gz")
    again, scores = read_bedgraph(tmp_path / "x.bed.gz", store.coordinates)
    assert again.start.tolist() == bins.start.tolist()
    np.testing.assert_allclose(scores, scores_of(predictor, bins), rtol=6e-4)
    order = bins.genome_order()
    predict_intervals(predictor, bins.take(order), tmp_path / "sorted.bed.gz")
    lines = gzip.decompress((tmp_path / "x.bed.gz").read_bytes()).splitlines()
    assert gzip.decompress((tmp_path / "sorted.bed.gz").read_bytes()).splitlines() == [lines[i] for i in order]
    with pytest.raises(UsageError, match="same middle"):
        predict_intervals(predictor, bins, tmp_path / "x.bw")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "sorted.bed.gz",
        "sorted.bed.gz.json",
        "x.bed.gz",
        "x.bed.gz.json",
    ]


def scores_of(predictor, bins):
    return predict_bins(predictor.network, predictor.store, predictor.cell, bins, device=CPU)[:, 1]


def test_bigwig_of_unsorted_intervals_and_of_regions(store, predictor, tmp_path):
    names = store.coordinates.names
    regions = regions_of(store, f"{names[2]}:9000-14000", f"{names[0]}:30000-31000", f"{names[2]}:5000-9000")
    bins = bins_of_regions(regions, store.coordinates, stride=50)
    expected = scores_of(predictor, bins)
    predict_regions(predictor, regions, tmp_path / "regions.bw", stride=50)
    order = np.random.default_rng(0).permutation(len(bins))
    predict_intervals(predictor, bins.take(order), tmp_path / "bed.bw")
    for name in ("regions.bw", "bed.bw"):
        with pyBigWig.open(str(tmp_path / name)) as file:
            assert [
                file.values(names[c], m, m + 1)[0] for c, m in zip(bins.chrom, bins.middle.tolist(), strict=True)
            ] == (pytest.approx(expected.tolist(), abs=1e-6))
            assert file.header()["nBasesCovered"] == 50 * len(bins)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bed.bw", "bed.bw.json", "regions.bw", "regions.bw.json"]


def test_overlapping_regions_are_for_bedgraphs(store, predictor, tmp_path):
    name = store.coordinates.names[0]
    regions = regions_of(store, f"{name}:5000-6000", f"{name}:5500-6500")
    with pytest.raises(UsageError, match=rf"{name}:5000-6000 and {name}:5500-6500 overlap"):
        predict_regions(predictor, regions, tmp_path / "x.bw", stride=50)
    predict_regions(predictor, regions, tmp_path / "x.bed.gz", stride=50)
    assert len(read_bedgraph(tmp_path / "x.bed.gz", store.coordinates)[0]) == 34
    with pytest.raises(UsageError, match=r"no bin of 200 bases, one every 50, lies inside"):
        predict_regions(predictor, regions_of(store, f"{name}:5010-5240"), tmp_path / "y.bed.gz", stride=50)
