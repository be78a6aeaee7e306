"""Published models reproduce the original's predictions and training steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from support.keras_folder import predict

from factornet.model import FactorNet, import_keras
from factornet.model.training.step.loss import cross_entropy
from factornet.model.training.step.optimizer import KerasAdam
from factornet.store.errors import InputError

MODELS = [
    "models/EGR1/meta_RNAseq_Unique35_DGF",
    "models/FOXA1/onePeak_DGF",
    "models/GABPA/metaGENCODE_RNAseq_Unique35_DGF",
    "models/MAX/onePeak_Unique35_DGF",
    "models/NANOG/GENCODE_Unique35_DGF",
    "models_small/meta_blstm",
    "models_small/meta_gmp",
    "models_small/multi_blstm_stranded",
    "models_small/multi_norec",
    "models_small/single_seqonly_blstm",
]


def stored_windows(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return arrays["x_seq"], np.ascontiguousarray(arrays["x_signal"].transpose(0, 2, 1)), arrays["x_meta"]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.realdata
@pytest.mark.parametrize("model", MODELS)
def test_published_models_reproduce_the_originals_predictions(model, realdata):
    folder = realdata / model
    arrays = read(folder / "oracle.npz")
    inputs = stored_windows(arrays)
    assert (inputs[0] == 4).any()
    best, final = ((folder / f"{w}_model.hdf5").exists() for w in ("best", "final"))
    if best:
        network = import_keras(folder)
        np.testing.assert_allclose(predict(network, *inputs), arrays["y"], rtol=0, atol=2e-6)
        if "conv1_fwd" in arrays:
            check_layers(network, inputs, arrays)
        if "y_float64" in arrays:
            np.testing.assert_allclose(predict(network.double(), *inputs), arrays["y_float64"], rtol=0, atol=1e-14)
    else:
        with pytest.raises(InputError, match=r"best_model.hdf5: no such weights; .*use the final weights"):
            import_keras(folder)
    if final:
        network = import_keras(folder, weights="final")
        y = arrays.get("y_final_model", arrays["y"])
        np.testing.assert_allclose(predict(network, *inputs), y, rtol=0, atol=2e-6)


@torch.no_grad()
def check_layers(network: FactorNet, inputs: tuple[np.ndarray, ...], arrays: dict[str, np.ndarray]) -> None:
    """Compare forward-strand activations of two windows, to 2e-6 of the layer's largest (at least 1)."""
    strands = network.both_strands(torch.from_numpy(inputs[0][:2]), torch.from_numpy(inputs[1][:2]))[:2]
    pooled = torch.nn.functional.max_pool1d(network.scan(strands).mT, network.config.pool).mT.relu()
    assert network.recurrent is not None
    layers = {"conv1_fwd": network.convolve(strands), "pool_fwd": pooled, "blstm_fwd": network.recurrent(pooled)}
    for name, got in layers.items():
        tolerance = 2e-6 * max(1, np.abs(arrays[name]).max())
        np.testing.assert_allclose(got.numpy(), arrays[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.realdata
@pytest.mark.parametrize("model", ["meta_blstm", "multi_norec"])
def test_training_steps_equal_the_originals(model, realdata, tmp_path):
    """Losses and weights agree over five Adam steps without dropout (eval mode draws no masks)."""
    network = import_keras(realdata / "models_small" / model)
    arrays = read(realdata / "models_small" / model / "train_nodropout.npz")
    losses = five_steps(network, arrays)
    np.testing.assert_allclose(losses, arrays["loss"], rtol=0, atol=1e-6)
    after = import_after(realdata / "models_small" / model, tmp_path / model).state_dict()
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(value.numpy(), after[name].numpy(), rtol=0, atol=1e-6, err_msg=name)


def five_steps(network: FactorNet, arrays: dict[str, np.ndarray]) -> list[float]:
    """Return the losses of one pass over the windows of a train_nodropout.npz, in its order."""
    x, features = arrays["x_fwd"], torch.from_numpy(arrays["x_meta"])
    codes = torch.from_numpy(np.where(x[..., :4].any(-1), x[..., :4].argmax(-1), 4).astype(np.uint8))
    tracks = torch.from_numpy(x[..., 4:]).mT.contiguous()
    np.testing.assert_array_equal(network.both_strands(codes, tracks)[len(x) :].numpy(), arrays["x_rev"])
    optimizer = KerasAdam([p for p in network.parameters() if p.requires_grad], lr=float(arrays["lr"]))
    losses = []
    for rows in torch.arange(len(x)).chunk(len(arrays["loss"])):
        optimizer.zero_grad()
        given = features[rows] if network.config.features else None
        loss = cross_entropy(network(codes[rows], tracks[rows], given), torch.from_numpy(arrays["y"])[rows].float())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def import_after(folder: Path, copy: Path) -> FactorNet:
    """Import the weights that the original had after the five steps."""
    copy.mkdir()
    for path in [*folder.glob("*.txt"), folder / "model.json"]:
        shutil.copyfile(path, copy / path.name)
    shutil.copyfile(folder / "nodropout_after5steps.hdf5", copy / "final_model.hdf5")
    return import_keras(copy, weights="final")
