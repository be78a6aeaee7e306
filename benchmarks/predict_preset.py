"""Windows per second of prediction: networks over blocks against the windowed k32 r32 d64, in pairs in one run.

Both score the same bins, one every 50 bases, of one store with two tracks and annotation; the windowed network shares
its convolution. One case is what is recommended, four networks with 240 trees and a regression, the other one network.
Expected before the first run: 1.2 times by the ensemble, 3.5 times by one network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from predict import SIZE, spaced_bins
from rows import Row, finish, make_parser, make_row, measure_pairs

from data import CELL, FACTOR, TRACKS, build_store, write_sources
from factornet.model import FactorNet, NetworkConfig, predict_bins
from factornet.model.network import AnyNetwork, BlockConfig, BlockEnsemble, recommended_members
from factornet.model.network.bin_features import feature_count
from factornet.model.training.blocks.average_signal import average_signal
from factornet.store import STRIDE, Store

WINDOWS = 16384


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    one = BlockConfig(tasks=(FACTOR,), tracks=TRACKS)
    recommended = BlockConfig(
        tasks=(FACTOR,),
        tracks=TRACKS,
        members=recommended_members(4),
        trees=240,
        motif_width=20,
        mean_tracks=TRACKS[1:],
        auxiliary=("A", "B"),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(write_sources(Path(folder), size=SIZE, unknown=10_000))
        ensemble = with_trees(BlockEnsemble(recommended))
        ensemble.mean_signal = average_signal(store, (CELL,), TRACKS[1:])
        rows = [
            compare(store, "predict_preset_vs_windowed", ensemble, options.repeats),
            compare(store, "predict_preset_one_network_vs_windowed", BlockEnsemble(one), options.repeats),
        ]
    finish(rows, options.json)


def with_trees(network: BlockEnsemble) -> BlockEnsemble:
    """Fill the trees with complete ones on random features: all bins pass five splits."""
    trees, config = network.trees, network.config
    assert trees is not None
    inner = config.leaves - 1
    shape = trees.feature[..., :inner].shape
    trees.feature[..., :inner] = torch.randint(0, feature_count(config), shape, dtype=torch.int32)
    trees.threshold[..., :inner] = torch.rand(shape)
    trees.left[..., :inner] = 2 * torch.arange(inner, dtype=torch.int32) + 1
    trees.right[..., :inner] = 2 * torch.arange(inner, dtype=torch.int32) + 2
    trees.value[..., inner:] = torch.randn(trees.value[..., inner:].shape)
    network.motif_odds.normal_()
    network.shares[:] = torch.tensor([0.5, 0.4, 0.1])
    return network


def compare(store: Store, name: str, network: BlockEnsemble, repeats: int) -> Row:
    """Measure windows per second of a network over blocks and of the windowed one."""
    windowed = FactorNet(NetworkConfig(tasks=(FACTOR,), tracks=TRACKS, kernels=32, recurrent=32, dense=64), seed=1)
    bins = spaced_bins(WINDOWS, STRIDE)

    def rate(scored: AnyNetwork) -> Callable[[int], float]:
        def measure(repeat: int) -> float:
            begin = perf_counter()
            predict_bins(scored, store, CELL, bins, device=torch.device("cpu"))
            return WINDOWS / (perf_counter() - begin)

        return measure

    return make_row(name, measure_pairs(rate(network), rate(windowed), repeats), "windows/s")


if __name__ == "__main__":
    main()
