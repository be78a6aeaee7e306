"""Scores of a network over blocks: of bins together, equal to those of each bin alone; of bins of any kind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factornet.model.network import BlockConfig, BlockEnsemble
from factornet.model.network.bin_features import feature_count
from factornet.model.prediction import Bins, predict_bins
from factornet.model.prediction.scorers.block_scores import RunsOfBins
from factornet.store import open_store
from factornet.store.spans import padded_span

CPU = torch.device("cpu")


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=60), st.integers(1, 40), st.integers(1, 80))
@settings(deadline=None)
def test_runs_have_every_bin_once_where_it_is(starts, longest, gap):
    starts = np.array(starts)
    runs = RunsOfBins(starts, longest=longest, widest_gap=gap)
    everything = np.arange(runs.first.size)
    rows, run, place = runs.rows_of(everything)
    assert sorted(rows.tolist()) == list(range(starts.size))
    np.testing.assert_array_equal(runs.first[run] + 50 * place, starts[rows])
    assert (place < runs.bins[run]).all()
    assert runs.bins.max() <= longest
    chosen = everything[::2]
    some, run, place = runs.rows_of(chosen)
    np.testing.assert_array_equal(runs.first[chosen][run] + 50 * place, starts[some])


@pytest.fixture(scope="module")
def network():
    config = BlockConfig(
        tasks=("CTCF", "MAX"),
        tracks=("Unique35", "DGF"),
        kernels=6,
        width=8,
        dilations=(1, 2),
        annotation=True,
        members=("focused", "plain"),
        trees=3,
        leaves=4,
        motif_width=7,
    )
    network = BlockEnsemble(config, seed=3).eval()
    with torch.no_grad():
        for member in network.networks:
            member.output.bias.zero_()
    fill_with_random_trees(network)
    return network


def fill_with_random_trees(network):
    rng = torch.Generator().manual_seed(4)
    trees, n = network.trees, feature_count(network.config)
    trees.feature[..., :3] = torch.randint(0, n, trees.feature[..., :3].shape, generator=rng, dtype=torch.int32)
    trees.threshold[..., :3] = torch.rand(trees.threshold[..., :3].shape, generator=rng)
    trees.left[..., :3] = torch.tensor([1, 3, 5], dtype=torch.int32)
    trees.right[..., :3] = torch.tensor([2, 4, 6], dtype=torch.int32)
    trees.value[..., 3:] = torch.randn(trees.value[..., 3:].shape, generator=rng)
    network.motif_odds[:] = torch.randn(network.motif_odds.shape, generator=rng)
    network.slopes[:] = torch.randn(network.slopes.shape, generator=rng) / 10
    network.shares[:] = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2]])


def each_alone(network, store, cell, bins):
    """Score bins one at a time, from bases read for each."""
    config, found = network.config, []
    for chrom, middle in zip(bins.chrom, bins.middle, strict=True):
        name, low = store.coordinates.names[chrom], int(middle) - 100 - config.margin
        high = low + config.window_length
        codes = padded_span(store.sequence(name), low, high, pad_value=4)
        tracks = np.stack([padded_span(store.track(cell, t, name), low, high, pad_value=0) for t in config.tracks])
        bits = padded_span(store.annotation(name), low, high, pad_value=0)
        blocks = torch.from_numpy(np.bitwise_or.reduce(bits.reshape(-1, 50), axis=1))[None]
        with torch.inference_mode():
            logits = network.both_strands(torch.from_numpy(codes)[None], torch.from_numpy(tracks)[None], blocks)
        found.append(torch.sigmoid(logits)[0, 0].numpy())
    return np.array(found)


@pytest.mark.parametrize("kind", ["dense", "sparse", "any start", "one", "chromosome ends"])
def test_scores_are_those_of_each_bin_alone(demo_store, network, kind):
    store = open_store(demo_store)
    length, rng = store.coordinates.lengths[0], np.random.default_rng(1)
    start = {
        "dense": 50 * np.arange(400, 480),
        "sparse": 50 * rng.choice(length // 50 - 4, 40, replace=False),
        "any start": rng.integers(0, length - 200, 40),
        "one": np.array([12_345]),
        "chromosome ends": np.array([0, 50, 10, length - 200, length - 201]),
    }[kind]
    bins = Bins(np.zeros(start.size, np.int64), start, start + 200)
    found = predict_bins(network, store, "K562", bins, device=CPU)
    computed = found.any(axis=1)
    assert computed.mean() > 0.5
    np.testing.assert_allclose(found[computed], each_alone(network, store, "K562", bins)[computed], atol=1e-6)


def test_only_bins_on_the_blacklist_are_not_computed(demo_store, network):
    store = open_store(demo_store)
    region = store.blacklist()
    chrom, first = store.coordinates.from_absolute(region.starts[:1])
    start = int(first[0]) + np.arange(-1000, int(region.stops[0] - region.starts[0]) + 1000, 50)
    start = start[start >= 0]
    bins = Bins(np.full(start.size, chrom[0]), start, start + 200)
    found = predict_bins(network, store, "K562", bins, device=CPU)
    absolute = bins.to_absolute(store.coordinates)
    blacklisted = np.array(
        [((region.starts < b) & (region.stops > a)).any() for a, b in zip(absolute.starts, absolute.stops, strict=True)]
    )
    np.testing.assert_array_equal(found.any(axis=1), ~blacklisted)
