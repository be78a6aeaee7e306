"""The demo experiment and its store, made once a session; where the real data lie."""

import os
from pathlib import Path

import pytest

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, write_demo


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory) -> Path:
    """The demo experiment as files."""
    return write_demo(tmp_path_factory.mktemp("demo") / "files").directory


@pytest.fixture(scope="session")
def demo_store(demo_files) -> Path:
    """A store of the demo experiment; not to be changed."""
    path = demo_files.parent / "demo.zarr"
    inputs = GenomeInputs(
        demo_files / "genome.fa",
        gtf=demo_files / "annotation/genes.gtf.gz",
        cpg=demo_files / "annotation/cpgIslandExt.txt.gz",
        blacklist=demo_files / "annotation/blacklist.bed.gz",
        tracks={"Unique35": demo_files / "tracks/Unique35.bw"},
    )
    build_genome(path, inputs, GenomeOptions(assembly="demo"), Resources(1))
    for cell in ("GM12878", "HepG2", "K562"):
        build_cell(path, demo_files / "cells" / cell, CellOptions(), Resources(1))
    return path


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real data, or skip."""
    folder = Path(os.environ.get("FACTORNET_REALDATA", Path(__file__).parent.parent.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set FACTORNET_REALDATA")
    return folder
