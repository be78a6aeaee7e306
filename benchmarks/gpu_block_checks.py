"""Checks of networks over blocks and of boosted trees on the device, and of what torch compiles."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np
import torch
from gpu_checks import check_network, kept_share_error
from gpu_data import ArrayStore, Inputs, Sizes, block_config, make_ensemble, segment_inputs
from gpu_paths import (
    CPU,
    DEFAULT,
    FLOAT32,
    PRECISIONS,
    Precision,
    backward_pass,
    both_strands,
    check_compiler,
    check_loops,
    on_device,
    without_dropout,
)
from gpu_reference import FORWARD, GRADIENT, Reference, dropout_error, relative_error
from gpu_report import Report
from torch import Tensor

from factornet.model.network.block_ensemble import BlockEnsemble
from factornet.model.network.factornet import _dropout_mask
from factornet.model.network.trees import MAX_DEPTH, BoostedTrees
from factornet.model.prediction.scorers.block_scores import BlockScorer
from factornet.store.schema import STRIDE


def check_blocks(report: Report, store: ArrayStore, device: torch.device, sizes: Sizes) -> None:
    """Check networks over blocks: outputs, gradients, dropout, scores of a tile's bins, trees."""
    ensemble = make_ensemble(block_config(sizes, members=("focused", "plain")))
    network = ensemble.networks[0]
    inputs = segment_inputs(store, network, sizes.segments[0], bins=sizes.bins, seed=4)
    gradients = [p for p in PRECISIONS if not p.amp]  # bfloat16 is for prediction only
    reference = Reference(network, inputs)
    check_network(report, "blocks", reference, device, gradients=gradients)

    tile = _Tile(store, ensemble, bins=3 * sizes.bins)
    dropout = partial(dropout_error, reference, device)
    report.check("blocks, with the same dropout: gradients", dropout, tolerance=GRADIENT["float32"])
    for precision in PRECISIONS:
        label = f"blocks, {precision.name}: scores of a tile"
        report.check(label, partial(tile.error, device, precision), tolerance=FORWARD[precision.name])
    report.check("boosted trees: sums", lambda: _tree_error(sizes, device), tolerance=1e-5)


class _Tile:
    """Bins in any order and of two phases, and their scores, each bin alone in float64 on the CPU."""

    def __init__(self, store: ArrayStore, ensemble: BlockEnsemble, *, bins: int) -> None:
        length = ensemble.config.window_length
        codes, tracks = map(torch.from_numpy, store.tile(length + bins * STRIDE))
        order = np.random.default_rng(6).permutation(bins)
        starts = torch.from_numpy(order * STRIDE + np.where(order % 5 == 0, 7, 0))
        self._ensemble, self._inputs = ensemble, (codes, tracks, starts)

    @cached_property
    def _expected(self) -> Tensor:
        codes, tracks, starts = self._inputs
        span = starts[:, None] + torch.arange(self._ensemble.config.window_length)
        alone = Inputs(codes[span], tracks[:, span].transpose(0, 1), torch.empty(0))
        exact = on_device(self._ensemble, CPU, torch.float64).eval()
        return torch.sigmoid(both_strands(exact, alone.to(CPU, torch.float64)))[:, 0]

    def error(self, device: torch.device, precision: Precision) -> float:
        """Return the error of the scores of the bins, computed together."""
        check_loops(device)
        with precision.settings():
            scorer = BlockScorer(on_device(self._ensemble, device).eval())
            found = scorer.score(*(t.to(device) for t in self._inputs), batch_size=3, amp=precision.amp)
        return relative_error(found, self._expected)


def _tree_error(sizes: Sizes, device: torch.device) -> float:
    """Compare sums of trees with those of a walk from node to node."""
    check_loops(device)
    trees = make_ensemble(block_config(sizes, trees=sizes.trees)).trees
    assert trees is not None
    features = torch.rand(200, 20, generator=torch.Generator().manual_seed(3))
    return relative_error(on_device(trees, device)(features.to(device), 0), torch.from_numpy(_walk(trees, features)))


def _walk(trees: BoostedTrees, features: Tensor) -> np.ndarray:
    """Return the sums of the first task, float64 (n,)."""
    feature, threshold, left, right, value = (
        array[0].numpy() for array in (trees.feature, trees.threshold, trees.left, trees.right, trees.value)
    )
    rows, sums = np.arange(len(features)), np.zeros(len(features))
    for tree in range(len(feature)):
        node = np.zeros(len(features), np.int64)
        for _ in range(MAX_DEPTH):
            goes_left = features.numpy()[rows, feature[tree, node]] <= threshold[tree, node]
            node = np.where(goes_left, left[tree, node], right[tree, node])
        sums += value[tree, node]
    return sums


def check_compiled(report: Report, reference: Reference, device: torch.device, *, name: str, limit: float) -> None:
    """Check outputs and gradients of a FactorNet that torch compiles, as training does with its option `compile`.

    All is of the shape of the reference's parts, since torch compiles anew for another one.
    """
    inputs = reference.parts[0].to(device)
    logits = reference.logits[:, : len(inputs.codes)]

    def backward() -> float:
        check_compiler()
        network = without_dropout(on_device(reference.network, device))
        network.compile()
        return reference.gradient_error(network)

    def forward() -> float:
        check_compiler()
        network = on_device(reference.network, device).eval()
        network.compile()
        with torch.no_grad(), FLOAT32.settings():
            found = network(inputs.codes, inputs.tracks)
        return relative_error(found, torch.sigmoid(logits).mean(0))

    def dropout() -> float:
        check_compiler()
        return kept_share_error(device, torch.compile(_dropout_mask))

    def training() -> float:
        check_compiler()
        network, losses = on_device(reference.network, device).train(), []
        network.compile()
        for _ in range(2):
            torch.manual_seed(7)
            with DEFAULT.settings():
                losses.append(backward_pass(network, inputs).item())
        return abs(losses[0] / losses[1] - 1)

    report.check("dropout, compiled: share kept", dropout, tolerance=0.01, limit=limit)
    report.check(f"{name}, compiled: gradients", backward, tolerance=GRADIENT["float32"], limit=limit)
    report.check(f"{name}, compiled: training with the same seed twice", training, tolerance=1e-6, limit=limit)
    report.check(f"{name}, compiled: outputs", forward, tolerance=FORWARD["float32"], limit=limit)
