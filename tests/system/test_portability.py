"""What must work without something: the main path without what only Linux has, the store without most packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MASKED = Path(__file__).parents[1] / "support/masked"
NOT_FOR_READING = (
    "torch,dask,distributed,pyBigWig,pybedtools,pyfaidx,pandas,sklearn,scipy,matplotlib,rich,h5py,memelite,tensorboardX,"
    "safetensors,boto3,botocore,urllib3,requests,xarray,jinja2,pyjaspar,Bio"
)


def run_masked(mask: str, *command, cwd=None) -> subprocess.CompletedProcess:
    path = os.pathsep.join(filter(None, [str(MASKED), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": path, "FACTORNET_TEST_MASK": mask}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


def factornet(command: str, *arguments, cwd) -> str:
    code = f"import sys; from factornet.cli.{command} import main; sys.exit(main())"
    ended = run_masked("linux", "-c", code, *arguments, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_masking_works():
    code = "import os, ctypes; print(hasattr(os, 'sched_getaffinity'), hasattr(ctypes.CDLL(None), 'renameat2'))"
    assert run_masked("linux", "-c", code).stdout.split() == ["False", "False"]
    assert "masked" in run_masked("packages:torch", "-c", "import torch").stderr


@pytest.mark.slow
def test_main_path_runs_without_what_only_linux_has(demo_files, tmp_path):
    """Build, replace, unpack, verify, train, predict, with what macOS lacks masked. This is no run on a Mac."""
    genome = ["s.zarr", "--fasta", str(demo_files / "genome.fa"), "--gtf", str(demo_files / "annotation/genes.gtf.gz")]
    factornet("etl", "genome", *genome, "--cpg", str(demo_files / "annotation/cpgIslandExt.txt.gz"),
              "--track", f"Unique35={demo_files / 'tracks/Unique35.bw'}", cwd=tmp_path)  # fmt: skip
    factornet("etl", "build", "s.zarr", str(demo_files / "cells/GM12878"), "-p", "2", cwd=tmp_path)
    factornet("etl", "build", "s.zarr", str(demo_files / "cells/GM12878"), "--force", "-p", "1", cwd=tmp_path)
    factornet("etl", "unpack", "s.zarr", "raw.zarr", cwd=tmp_path)
    factornet("etl", "verify", "s.zarr", cwd=tmp_path)
    sizes = ["-f", "CTCF", "-i", "GM12878", "-L", "200", "-k", "4", "-r", "4", "-d", "8", "-e", "1"]
    factornet("train", "--store", "raw.zarr", *sizes, "-o", "model", cwd=tmp_path)
    factornet("train", "--store", "s.zarr", *sizes, "--resident", "host", "-o", "model2", cwd=tmp_path)
    arguments = ["--store", "s.zarr", "-f", "CTCF", "-i", "GM12878", "-m", "model", "--regions", "chr21:100000-200000"]
    factornet("predict", *arguments, "-o", "out.bed.gz", cwd=tmp_path)
    assert (tmp_path / "out.bed.gz").stat().st_size > 1000


READING = """
import sys
from factornet.store import Sampler, StreamSettings, WindowStream, open_store, parse_region, split_genome
store = open_store(sys.argv[1])
split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
sampler = Sampler(store, cells=("K562",), factor="CTCF", split=split, window_length=1000, negatives=1)
settings = StreamSettings(window_length=1000, batch_size=256)
print(sum(len(b.labels) for b in WindowStream(store, sampler.epoch(seed=1, epoch=0), settings, seed=(1, 0))))
"""


@pytest.mark.parametrize("kind", ["demo_store", "raw_store"])
def test_store_opens_and_streams_without_packages_that_only_other_stages_need(kind, request):
    store = request.getfixturevalue(kind)
    ended = run_masked(f"packages:{NOT_FOR_READING}", "-c", READING, str(store))
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 500


def test_etl_imports_without_torch():
    assert run_masked("packages:torch", "-c", "import factornet.etl, factornet.cli.etl").returncode == 0
