"""Values in the store equal those of pyfaidx, pyBigWig and bedtools, at 10,000 random positions each."""

import sys
from pathlib import Path

import pytest
import xarray as xr

from factornet.store import open_store

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from check_store import Sources, check_store


def test_demo_store_equals_its_sources(demo_files, demo_store, tmp_path):
    sources = Sources(
        fasta=demo_files / "genome.fa",
        records={name: name for name in open_store(demo_store).coordinates.names},
        cells=demo_files / "cells",
        gtf=demo_files / "annotation/genes.gtf.gz",
        cpg=demo_files / "annotation/cpgIslandExt.txt.gz",
    )
    results = check_store(demo_store, sources, n_positions=10_000, work=tmp_path)
    assert {r.what.split()[0] for r in results} == {"sequence", "track", "annotation", "labels"}
    assert [r for r in results if r.wrong] == []
    assert all(r.positions == 10_000 for r in results)
    assert all(r.distinct > 1 for r in results), "a check of constant values proves nothing"


@pytest.mark.parametrize(
    ("group", "variable", "dims"),
    [
        ("genome/sequence", "chr21", ("position_chr21",)),
        ("genome/annotation", "chr2", ("position_chr2",)),
        ("genome/tracks/Unique35", "chr7", ("position_chr7",)),
        ("genome/blacklist", "start", ("interval",)),
        ("cells/K562/tracks/DGF", "chr1", ("position_chr1",)),
        ("cells/K562/labels", "chr11", ("bin_chr11", "factor")),
        ("cells/K562/peaks/CTCF/conservative", "summit", ("peak",)),
        ("cells/K562", "meta", ("feature",)),
    ],
)
def test_opens_in_plain_xarray(demo_store, group, variable, dims):
    dataset = xr.open_zarr(demo_store, group=group, consolidated=False)
    assert dataset[variable].dims == dims
    assert dataset[variable][:10].load().size > 0
