"""A folder of exported stores: the tiny experiment as a zip file and as a folder."""

import shutil
from pathlib import Path

import pytest
from support.transfer_helpers import command


@pytest.fixture(scope="session")
def shelf_made(tiny_store, tmp_path_factory) -> Path:
    """The folder; not to be changed."""
    folder = tmp_path_factory.mktemp("shelf")
    assert command("export", tiny_store, folder / "tiny.zip", "--licence", "CC BY 4.0", "--contact", "ada@x.org") == 0
    assert command("export", tiny_store, folder / "tiny.zarr") == 0
    return folder


@pytest.fixture
def shelf(shelf_made, tmp_path) -> Path:
    """A copy of the folder, to be changed."""
    return Path(shutil.copytree(shelf_made, tmp_path / "shelf"))
