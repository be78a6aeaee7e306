"""Model folders: an untrained one, and one whose training has ended."""

import shutil
from pathlib import Path

import pytest
from support.snapshots import Snapshots
from support.tiny_model import FOLDER_CONFIG, train_tiny

from factornet.model import ModelCard
from factornet.model.model_dir.lifecycle import create_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder without weights, of `FOLDER_CONFIG`."""
    card = ModelCard(config=FOLDER_CONFIG, training={"lr": 0.001}, provenance={"store": "x"})
    create_model(tmp_path / "model", card)
    return tmp_path / "model"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_store):
    """An ended training, and a snapshot for each moment at which a kill leaves other files."""
    work = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        snapshots = Snapshots(work / "m", work / "killed", patch)
        train_tiny(tiny_store, work / "m", tensorboard=True)
    return work / "m", snapshots.taken


@pytest.fixture
def model(trained, tmp_path):
    """A copy of the ended training, to be changed."""
    return Path(shutil.copytree(trained[0], tmp_path / "m"))
