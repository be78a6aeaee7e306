"""docs/from-reads.md: its commands run as printed, from BAM files to bigWigs that a browser shows."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.simulated_reads import write_cut_reads

from factornet.cli import train
from factornet.etl.inputs.bigwig import read_values
from factornet.store.genome.bigwig_format import check_structure
from factornet.store.reader import open_store

ROOT = Path(__file__).parents[2]
QUICK = "-k 4 -r -1 -d 4 -e 1 -n 1 -b 50 -s 3 --device cpu --threads 1 --tracks DGF".split()


def printed_commands():
    text = re.sub(r"\\\n\s*", " ", (ROOT / "docs/from-reads.md").read_text())
    return [line.strip() for line in text.splitlines() if re.match(r"    factornet-", line)]


@pytest.fixture
def folder(demo_store, demo_files, tmp_path):
    """A folder with the files that the page names, made of the demo."""
    shutil.copytree(demo_store, tmp_path / "hg38.zarr")
    shutil.copy(demo_files / "annotation/genes.gtf.gz", tmp_path / "genes.gtf.gz")
    store = open_store(demo_store)
    rng = np.random.default_rng(1)
    signal = {name: store.array(f"cells/K562/tracks/DGF/{name}")[:] for name in store.coordinates.names}
    for rep in (1, 2):
        counts = {name: rng.poisson(0.05 * np.maximum(values, 0)) for name, values in signal.items()}
        write_cut_reads(tmp_path / f"Th17.rep{rep}.bam", counts)
    (tmp_path / "Th17_peaks.bed").write_text("chr21\t100000\t150000\n")
    with gzip.open(tmp_path / "fragments.tsv.gz", "wt") as file:
        file.writelines(f"chr21\t{100 * i}\t{100 * i + 150}\tCELL{i % 5}-1\t1\n" for i in range(2000))
    (tmp_path / "clusters.tsv").write_text("".join(f"CELL{i}-1\t{'TB'[i % 2]}\n" for i in range(5)))
    for factor in ("MAX", "CTCF"):
        data = [
            "--store",
            str(demo_store),
            "-f",
            factor,
            "-i",
            "K562",
            "-v",
            "chr11:200000-900000",
            "-t",
            "chr21",
            "chr2",
        ]
        assert train.main([*data, *QUICK, "-o", str(tmp_path / "models" / factor)]) == 0
    return tmp_path


@pytest.mark.slow
def test_commands_run_as_printed(folder):
    commands = printed_commands()
    assert len(commands) == 5
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        ended = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            check=False,
            cwd=folder,
        )
        assert ended.returncode == 0, (command, ended.stderr)
    assert (folder / "Th17.png").stat().st_size > 10_000
    lengths = check_structure(folder / "Th17.bw").lengths
    assert sum(read_values(folder / "Th17.bw", n, 0, length)[0].sum() for n, length in lengths.items()) > 900_000
    maps = sorted(p.name for p in (folder / "Th17_maps").glob("*.bw"))
    assert len(maps) == 2
    for name in maps:
        assert read_values(folder / "Th17_maps" / name, "chr21", 0, 100_000)[0].any()
    assert {"T", "B", "Th17"} <= set(open_store(folder / "hg38.zarr").cells)
