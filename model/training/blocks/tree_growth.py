"""Grow the boosted trees of an ensemble with LightGBM, and fit its regression, on bins of segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...network.bin_features import MOTIF_FEATURES, feature_count, linear_columns
from ...network.block_ensemble import BlockEnsemble
from ...network.trees import MAX_DEPTH, BoostedTrees

_MEMORY = 400 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True)
class TreeOptions:
    """How trees are grown; those of a configuration are beside them.

    Attributes:
        learning_rate: share of each tree's values in the sum.
        least_bins: bins of a leaf at least.
        feature_fraction: share of the features that a tree sees, `bagging_fraction` that of the bins.
        l2: penalty on the values of leaves.
        histogram_bins: values that a feature is rounded to at most.
        ambiguous: target of ambiguous bins. A relaxed peak says more than nothing, above all of a rare factor.
    """

    learning_rate: float = 0.025
    least_bins: int = 50
    feature_fraction: float = 0.8
    bagging_fraction: float = 0.7
    l2: float = 5.0
    histogram_bins: int = 63
    ambiguous: float = 0.3


class TaskBins(NamedTuple):
    """Bins that count for a task.

    Attributes:
        features: float32 (n, F).
        targets: probabilities, float32 (n,); of ambiguous bins `TreeOptions.ambiguous`.
        weights: float32 (n,), above 0.
        clear: which are not ambiguous, bool (n,).
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    clear: NDArray[np.bool_]


class TreeBins:
    """Bins to grow trees on, added segment by segment: features, targets and weights.

    Args:
        network: whose trees are to be grown.
        bins: number of bins to come.

    Attributes:
        features: of bins that count for a task, the motif's first, float32 (bins, features).
        motif: features of the motif of each task, float32 (tasks, bins, MOTIF_FEATURES); of one task none.
        targets, weights: float32 (tasks, bins).
        clear: which bins are not ambiguous, bool (tasks, bins).
    """

    def __init__(self, network: BlockEnsemble, bins: int) -> None:
        self._network, tasks = network, len(network.config.tasks)
        self.features = np.empty((bins, feature_count(network.config)), np.float32)
        self.motif = np.empty((tasks, bins, MOTIF_FEATURES) if tasks > 1 else 0, np.float32)
        self.targets, self.weights = np.zeros((tasks, bins), np.float32), np.zeros((tasks, bins), np.float32)
        self.clear = np.zeros((tasks, bins), np.bool_)
        self._filled = 0

    @torch.no_grad()
    def add(
        self,
        inputs: tuple[Tensor, Tensor, Tensor | None],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        clear: NDArray[np.bool_],
    ) -> None:
        """Add the bins of B segments.

        Args:
            inputs: codes, tracks and annotation, as for `BlockNetwork.forward`.
            targets, weights: float32 (B, bins, factors); those of tasks come first.
            clear: which bins are not ambiguous, bool (B, bins, factors).
        """
        n = len(self.targets)
        targets, weights = targets[..., :n].reshape(-1, n), weights[..., :n].reshape(-1, n)
        clear = clear[..., :n].reshape(-1, n)
        kept = np.flatnonzero(weights.any(axis=1))
        rows = slice(self._filled, self._filled + kept.size)
        features = self._network.bin_features(*inputs)
        self.features[rows, MOTIF_FEATURES:] = features.common.flatten(0, 1)[kept].cpu().numpy()
        for task, odds in enumerate(self._network.motif_odds):
            found = features.of_motif(odds).flatten(0, 1)[kept].cpu().numpy()
            if len(self.targets) == 1:
                self.features[rows, :MOTIF_FEATURES] = found
            else:
                self.motif[task, rows] = found
        self.targets[:, rows], self.weights[:, rows], self.clear[:, rows] = (
            targets[kept].T,
            weights[kept].T,
            clear[kept].T,
        )
        self._filled += kept.size

    def of_task(self, task: int) -> TaskBins:
        """Return the bins that count for a task.

        Of a single task they are not copied: they take most of the memory of a training.
        """
        if len(self.targets) == 1:
            rows = slice(self._filled)
            return TaskBins(self.features[rows], self.targets[0, rows], self.weights[0, rows], self.clear[0, rows])
        kept = np.flatnonzero(self.weights[task, : self._filled])
        features = self.features[kept]
        features[:, :MOTIF_FEATURES] = self.motif[task, kept]
        return TaskBins(features, self.targets[task, kept], self.weights[task, kept], self.clear[task, kept])


def most_bins(network: BlockEnsemble) -> int:
    """Return the number of bins whose features take 400 MB."""
    config = network.config
    values = feature_count(config) + (len(config.tasks) - 1) * MOTIF_FEATURES + 2 * len(config.tasks)
    return _MEMORY // (4 * values)


def lightgbm_problem() -> str:
    """Return why LightGBM cannot be used, with the cure; nothing if it can."""
    try:
        import lightgbm  # noqa: F401
    except ImportError:
        return "is not installed; install it with `pip install lightgbm`"
    except OSError as error:  # its wheels do not bring OpenMP
        text = f"cannot be loaded ({error})"
        return f"{text}; it needs OpenMP: install libgomp1 (Linux), or `brew install libomp` (macOS)"
    return ""


def grow_trees(
    bins: TaskBins,
    *,
    trees: int,
    leaves: int,
    options: TreeOptions,
    seed: int,
) -> list[dict[str, Any]]:
    """Grow trees on one thread, deterministically, and return their structures as LightGBM describes them.

    Args:
        bins: to learn from.
        trees, leaves: number of trees, and of leaves of each at most.
        options: how trees are grown.
        seed: of features and bins that each tree sees.
    """
    import lightgbm

    data = lightgbm.Dataset(bins.features, bins.targets, weight=bins.weights, free_raw_data=True)
    settings = {
        "objective": "cross_entropy",
        "learning_rate": options.learning_rate,
        "num_leaves": leaves,
        "max_depth": MAX_DEPTH,
        "min_data_in_leaf": options.least_bins,
        "feature_fraction": options.feature_fraction,
        "bagging_fraction": options.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": options.l2,
        "max_bin": options.histogram_bins,
        "use_missing": False,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, data, num_boost_round=trees)
    return [info["tree_structure"] for info in booster.dump_model()["tree_info"]]


@torch.no_grad()
def fit_regression(bins: TaskBins, network: BlockEnsemble, task: int) -> None:
    """Fit the logistic regression of a task, on the motif and the signal of bins that are not ambiguous.

    Where none or all of these are bound it stays without effect.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    bound = bins.targets[bins.clear] > 0
    if not bound.any() or bound.all():
        return
    chosen = bins.features[:, linear_columns(network.config)][bins.clear].astype(np.float64)
    mean, scale = chosen.mean(0), chosen.std(0)
    scale[scale == 0] = 1
    fitted = LogisticRegression(max_iter=1000).fit(
        (chosen - mean) / scale, bound, sample_weight=bins.weights[bins.clear]
    )
    slopes = fitted.coef_[0] / scale
    network.slopes[task] = torch.from_numpy(slopes)
    network.offset[task] = float(fitted.intercept_[0] - slopes @ mean)


@torch.no_grad()
def store_trees(structures: Iterable[dict[str, Any]], trees: BoostedTrees, task: int) -> None:
    """Write trees of a task, as LightGBM describes them, to the arrays that evaluate them."""
    for tree, structure in enumerate(structures):
        for node, values in enumerate(_nodes(structure)):
            for name, value in values.items():
                getattr(trees, name)[task, tree, node] = value


def _nodes(structure: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Yield the nodes of a tree, the root first, with the numbers of those that they lead to."""
    nodes = [structure]
    for node in nodes:  # which grows
        if "split_feature" not in node:
            yield {"value": node["leaf_value"]}
            continue
        left = len(nodes)
        nodes += [node["left_child"], node["right_child"]]
        threshold = np.float32(node["threshold"])
        if float(threshold) > node["threshold"]:  # the largest float32 that is not above it decides alike
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        yield {"feature": node["split_feature"], "threshold": float(threshold), "left": left, "right": left + 1}
