"""A tiny experiment for tests of builds: write a cell line, build it, list temporary folders that a build left."""

import pyBigWig

from factornet.etl import CellOptions, Resources, build_cell
from factornet.store.format.layout import Layout

LENGTHS = {"chrA": 20_000, "chrB": 12_000}
SMALL = Layout(1024, 4096)
OPTIONS = CellOptions(layout=SMALL)


def write_cell(folder, value):
    file = pyBigWig.open(str(folder / "s.bw"), "w")
    file.addHeader(list(LENGTHS.items()))
    for name, size in LENGTHS.items():
        file.addEntries([name], [100], ends=[size - 100], values=[value])
    file.close()
    (folder / "bigwig.txt").write_text("s.bw\tDNase\n")
    (folder / "chip.txt").write_text("p.bed\tTF\n")
    (folder / "meta.txt").write_text(f"{value}\tGEPC1\n")
    (folder / "p.bed").write_text("chrA\t5000\t5200\nchrB\t4000\t4200\n")


def build(files, cell="A", *, store=None, **more):
    return build_cell(store or files / "s.zarr", files / cell, OPTIONS, Resources(1), **more)


def left(files):
    return [p.name for p in files.glob("s.zarr.*")]
