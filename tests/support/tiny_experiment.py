"""A tiny experiment for tests of builds: write a cell line, build it, list temporary folders that a build left."""

import numpy as np
import pyBigWig

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.store.format.layout import Layout

LENGTHS = {"chrA": 20_000, "chrB": 12_000}
SMALL = Layout(1024, 4096)
OPTIONS = CellOptions(layout=SMALL)


def write_cell(folder, value, lengths=LENGTHS):
    file = pyBigWig.open(str(folder / "s.bw"), "w")
    file.addHeader(list(lengths.items()))
    for name, size in lengths.items():
        file.addEntries([name], [100], ends=[size - 100], values=[value])
    file.close()
    (folder / "bigwig.txt").write_text("s.bw\tDNase\n")
    (folder / "chip.txt").write_text("p.bed\tTF\n")
    (folder / "meta.txt").write_text(f"{value}\tGEPC1\n")
    first, second = lengths
    (folder / "p.bed").write_text(f"{first}\t5000\t5200\n{second}\t4000\t4200\n")


def write_tiny(folder):
    """Write a genome and the cell lines A and B, and build the genome's store."""
    rng = np.random.default_rng(0)
    with (folder / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            fasta.write(f">{name}\n{''.join(rng.choice(list('ACGT'), size))}\n")
    for cell in ("A", "B"):
        (folder / cell).mkdir()
        write_cell(folder / cell, 1.5)
    build_genome(folder / "s.zarr", GenomeInputs(folder / "g.fa"), GenomeOptions(layout=SMALL), Resources(1))


def build(files, cell="A", *, store=None, **more):
    return build_cell(store or files / "s.zarr", files / cell, OPTIONS, Resources(1), **more)


def left(files):
    return [p.name for p in files.glob("s.zarr.*")]
