"""Models of every kind, with random weights, for the demo store."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.keras.open_model import open_models
from factornet.model.model_dir.card import write_card
from factornet.model.network import BlockConfig, BlockEnsemble
from factornet.model.prediction.runs.folder import make_predictors
from factornet.store import open_store

TRACKS = ("Unique35", "DGF")
SMALL = {"kernels": 6, "recurrent": 3, "dense": 5}
CONFIGS = {
    "plain": NetworkConfig(tasks=("CTCF",), tracks=TRACKS, **SMALL),
    "same_inputs": NetworkConfig(tasks=("MAX",), tracks=TRACKS, **SMALL),
    "other_tracks": NetworkConfig(tasks=("CTCF",), tracks=("DGF",), **SMALL),
    "annotation": NetworkConfig(tasks=("REST",), tracks=TRACKS, gencode=True, **SMALL),
    "meta": NetworkConfig(tasks=("GABPA",), tracks=TRACKS, meta=("GEPC1", "GEPC2"), **SMALL),
    "short_windows": NetworkConfig(tasks=("CTCF",), tracks=TRACKS, window_length=500, kernels=4, recurrent=-1, dense=4),
    "multi_task": NetworkConfig(tasks=tuple(f"T{i}" for i in range(19)), tracks=TRACKS, kernels=70, recurrent=0, dense=5),
    "blocks": BlockConfig(
        tasks=("EGR1",), tracks=TRACKS, kernels=6, width=8, dilations=(1,), annotation=True, members=("plain",),
        motif_width=7,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def store(demo_store):
    return open_store(demo_store)


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory, demo_store):
    """Model folders by name."""
    folder = tmp_path_factory.mktemp("models")
    meta = open_store(demo_store).cell("K562").meta
    for seed, (name, config) in enumerate(CONFIGS.items()):
        used = replace(config, meta=meta) if config.meta else config
        (folder / name).mkdir()
        network = BlockEnsemble(used, seed=seed) if isinstance(used, BlockConfig) else FactorNet(used, seed=seed)
        if isinstance(network, FactorNet):
            with torch.no_grad():  # scores that differ from bin to bin
                network.dense.bias.add_(0.5)
                network.dense.weight.mul_(3)
        write_card(folder / name, ModelCard(config=used))
        save_weights(folder / name, network.state_dict(), "best")
    return folder


@pytest.fixture
def predictors(store, model_folders):
    """Predictors of all factors of models given by name."""

    def make(*names, **options):
        models = open_models([model_folders / name for name in names or CONFIGS])
        return make_predictors(models, store=store, cell="K562", device=torch.device("cpu"), **options)

    return make


@pytest.fixture
def rng():
    return np.random.default_rng(0)
