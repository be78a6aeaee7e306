"""A tiny training, of a few epochs in seconds, for tests of model folders."""

from pathlib import Path

import torch

from factornet.model import NetworkConfig, TrainingOptions, TrainingSetup, prepare_training, train
from factornet.model.training.history import Callbacks, TrainingResult
from factornet.model.training.tensorboard import TensorBoardLog
from factornet.store import Sampler, open_store, parse_region, split_genome

SIZES = {"window_length": 400, "kernels": 3, "kernel_width": 6, "recurrent": 2, "dense": 3}
FOLDER_CONFIG = NetworkConfig(
    tasks=("CTCF", "MAX"), tracks=("Unique35", "DGF"), meta=("GEPC1", "GEPC2"), gencode=True,
    window_length=40, kernels=4, kernel_width=6, recurrent=3, dense=5,
)  # fmt: skip
"""Of the model folder that the fixture `folder` makes."""


def tiny_setup(store: Path, *, seed: int = 420) -> TrainingSetup:
    """The set-up of a training on cell line A of the tiny experiment, with its track and its meta value."""
    opened = open_store(store)
    split = split_genome(opened.coordinates, valid=[parse_region("chrB", opened.coordinates)], test=[])
    sampler = Sampler(opened, cells=("A",), factor="TF", split=split, window_length=SIZES["window_length"], negatives=1)
    network = {"tracks": ("DNase",), "meta": ("GEPC1",), **SIZES}
    return TrainingSetup(sampler=sampler, network=network, options=TrainingOptions(batch_size=4, seed=seed))


def train_tiny(
    store: Path, folder: Path, *, epochs: int = 3, resume: bool = False, tensorboard: bool = False, seed: int = 420,
) -> TrainingResult:  # fmt: skip
    """Train into a model folder, as factornet-train does."""
    setup = tiny_setup(store, seed=seed)
    network = prepare_training(setup, folder, resume=resume, overwrite=False)
    log = TensorBoardLog(folder) if tensorboard else None
    callbacks = Callbacks(epoch=log.add) if log is not None else Callbacks()
    options = TrainingOptions(batch_size=4, epochs=epochs, seed=seed)
    result = train(
        network, setup.sampler, folder, options, device=torch.device("cpu"), resume=resume, callbacks=callbacks
    )
    if log is not None:
        log.close()
    return result


def tiny_config() -> NetworkConfig:
    """The configuration of the network that `train_tiny` trains."""
    return NetworkConfig(tasks=("TF",), tracks=("DNase",), meta=("GEPC1",), **SIZES)
