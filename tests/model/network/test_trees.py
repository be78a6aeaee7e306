"""Boosted trees as arrays: their sums are LightGBM's own, and trees of a damaged file are refused."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factornet.model.network.bin_features import BinFeatures, feature_count, linear_columns
from factornet.model.network.block_config import BlockConfig
from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.network.trees import BoostedTrees
from factornet.model.training.blocks.tree_growth import (
    TaskBins,
    TreeOptions,
    _nodes,
    fit_regression,
    grow_trees,
    lightgbm_problem,
    store_trees,
)
from factornet.store.errors import UsageError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 40, (4000, 6)).astype(np.float32) / 7  # many values equal a threshold
    target = (features[:, 0] + features[:, 1] * features[:, 2] > 12).astype(np.float32)
    return TaskBins(features, target, rng.uniform(0.5, 2, 4000).astype(np.float32), np.ones(4000, np.bool_))


def test_sums_are_those_of_lightgbm(data, monkeypatch):
    import lightgbm

    grown = {}
    train = lightgbm.train
    monkeypatch.setattr(lightgbm, "train", lambda *a, **k: grown.setdefault("booster", train(*a, **k)))
    features = data.features
    structures = grow_trees(data, trees=25, leaves=9, options=TreeOptions(), seed=3)
    trees = BoostedTrees(2, 25, 17)
    store_trees(structures, trees, 1)
    expected = grown["booster"].predict(features, raw_score=True)
    np.testing.assert_allclose(trees(torch.from_numpy(features), 1).numpy(), expected, atol=1e-5)
    assert np.ptp(expected) > 1
    by_gathers = trees._gather(torch.from_numpy(features), *(a[1] for a in trees.buffers()))
    np.testing.assert_allclose(by_gathers.numpy(), expected, atol=1e-5)
    assert not trees(torch.from_numpy(features), 0).any()
    trees.check(6)


def test_same_seed_grows_the_same_trees(data):
    a, b = (grow_trees(data, trees=4, leaves=5, options=TreeOptions(), seed=1) for _ in range(2))
    assert a == b


def test_threshold_between_two_float32_decides_as_the_double_does():
    between = float(np.float32(0.1)) - 1e-12  # 0.1 as float32 is above it
    left, right = {"leaf_value": 1.0}, {"leaf_value": 2.0}
    root = {"split_feature": 0, "threshold": between, "left_child": left, "right_child": right}
    trees = BoostedTrees(1, 1, 3)
    store_trees([root], trees, 0)
    assert len(list(_nodes(root))) == 3
    values = torch.tensor([[0.1], [np.nextafter(np.float32(0.1), np.float32(0))]], dtype=torch.float32)
    assert trees(values, 0).tolist() == [2.0, 1.0]


@pytest.mark.parametrize(("name", "value"), [("feature", 6), ("left", 17), ("right", -1)])
def test_nodes_that_do_not_exist_are_refused(name, value):
    trees = BoostedTrees(1, 2, 17)
    getattr(trees, name)[0, 1, 3] = value
    with pytest.raises(UsageError, match=f"{name} {value} does not exist"):
        trees.check(6)


def test_path_without_a_leaf_is_refused():
    trees = BoostedTrees(2, 3, 17)
    for node, (left, right) in {0: (1, 2), 1: (3, 4)}.items():
        trees.left[1, 2, node], trees.right[1, 2, node] = left, right
    trees.check(6)
    for node, left in ((4, 1), (4, 0), (3, 4)):
        circle = BoostedTrees(2, 3, 17)
        circle.load_state_dict(trees.state_dict())
        circle.left[1, 2, node] = left
        if (node, left) == (3, 4):  # one child is the node itself: it has a leaf below, and goes on for ever, too
            assert circle.right[1, 2, node] == node
        with pytest.raises(UsageError, match="a path has no leaf within 12 splits of the root"):
            circle.check(6)


def test_path_of_as_many_splits_as_are_followed_is_not_refused():
    for splits in (12, 13):
        trees = BoostedTrees(1, 1, 40)
        for k in range(splits):
            trees.left[0, 0, 2 * k], trees.right[0, 0, 2 * k] = 2 * k + 1, 2 * k + 2
        if splits == 12:
            trees.check(6)
        else:
            with pytest.raises(UsageError, match="no leaf within 12 splits"):
                trees.check(6)


def test_sum_of_leaves_that_overflows_is_refused():
    trees = BoostedTrees(1, 4, 3)
    trees.value[:] = 1e38
    with pytest.raises(UsageError, match="a sum of leaves is not finite"):
        trees.check(6)
    trees.value[:] = 1e37
    trees.check(6)


def test_features_are_means_and_maxima_around_each_bin():
    """Against one bin computed directly from its bases."""
    config = BlockConfig(tasks=("A",), tracks=("D",), annotation=True, dilations=(1,))
    rng = np.random.default_rng(1)
    bins, length = 5, 2 * config.margin + 8 * 50
    codes, signal = rng.integers(0, 4, length), rng.random(length).astype(np.float32)
    bits = rng.integers(0, 64, length // 50).astype(np.uint8)
    odds = torch.from_numpy(rng.normal(size=(2, 4, 7)).astype(np.float32))
    bases = torch.from_numpy(np.eye(4, dtype=np.float32)[codes].T[None])
    features = BinFeatures(config, bases, torch.from_numpy(signal)[None, None], torch.from_numpy(bits)[None])
    found = features.of_task(odds)[0].numpy()
    assert found.shape == (bins, feature_count(config))

    i = 2
    first = config.margin + 50 * i
    hits = np.full(length, -np.inf)
    for position in range(3, length - 3):
        window = np.eye(4)[codes[position - 3 : position + 4]]
        hits[position] = max((odds[s].numpy().T * window).sum() for s in range(2))
    block = [hits[first + 50 * k : first + 50 * (k + 1)].max() for k in range(-6, 10)]
    middle = first + 100  # windows are centred on the block that begins here
    kilobase = slice(middle - 10 * 50, middle + 11 * 50)
    np.testing.assert_allclose(found[i, :16], block, rtol=1e-5)
    np.testing.assert_allclose(found[i, 16:18], [hits[first : first + 200].max(), hits[kilobase].max()], rtol=1e-5)
    composition = found[i, 19:24]
    np.testing.assert_allclose(composition[1], np.isin(codes[kilobase], (1, 2)).mean(), rtol=1e-5)
    signals = found[i, 24:43]
    np.testing.assert_allclose(signals[5], np.log1p(signal[first : first + 50].mean()), rtol=1e-5)
    np.testing.assert_allclose(signals[15], np.log1p(signal[kilobase].mean()), rtol=1e-5)
    near = bits[middle // 50 - 2 : middle // 50 + 3]
    np.testing.assert_allclose(found[i, 43:49], [(near >> k & 1).mean() for k in range(6)], rtol=1e-5)


@pytest.mark.parametrize(("error", "said"), [(ImportError(), "pip install"), (OSError("libgomp.so.1"), "libgomp1")])
def test_lightgbm_that_cannot_be_used_is_said(monkeypatch, error, said):
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)

    def find_spec(name, path=None, target=None):
        if name == "lightgbm":
            raise error

    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find_spec), *sys.meta_path])
    assert said in lightgbm_problem()


def test_ambiguous_bins_have_no_say_in_the_regression():
    rng = np.random.default_rng(1)
    ensemble = BlockEnsemble(BlockConfig(tasks=("CTCF",), tracks=("DNase",), trees=1), seed=0)
    features = rng.normal(size=(500, feature_count(ensemble.config))).astype(np.float32)
    bound = (features[:, linear_columns(ensemble.config)[0]] > 0.5).astype(np.float32)
    clear, weights = rng.random(500) > 0.3, np.ones(500, np.float32)
    found = []
    for rows, targets in ((slice(None), np.where(clear, bound, 0.3)), (clear, bound)):
        fit_regression(TaskBins(*(a[rows] for a in (features, targets, weights, clear))), ensemble, 0)
        found.append(torch.cat([ensemble.slopes[0], ensemble.offset]).clone())
    torch.testing.assert_close(*found)
