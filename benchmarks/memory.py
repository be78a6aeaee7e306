"""Peak resident memory of training, in MB: genomes of 1, 4 and 16 times 200 Mb, and 1, 3 and 8 cell lines.

Each figure is that of a separate process, which trains for an epoch through `factornet.model.train` and validates
while it prefetches the next epoch. The number of windows is constant, so a pool of windows takes the same memory; only
what is held per object, chromosome and cell line may grow. The stores are valid, checked object by object against their
manifests, but all shards of a kind are hard links to one file, so that 3.2 Gb take no time to write and little disk
space. The network has 32 kernels, 64 dense units and global pooling: the LSTM takes time, not memory. Target: equal
within 10 %, and at most 1,500 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zarr
from rows import Row, finish, make_parser, make_row

from data import FACTOR, TRACKS
from factornet.etl.builders.parts.table_writer import intervals_dataset, peaks_dataset, write_dataset
from factornet.etl.publish.manifest_writer import genome_attributes, write_group, write_manifest
from factornet.etl.shards.tasks import CODEC_PIPELINE
from factornet.model import Callbacks, ModelCard, TrainingOptions, train
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.network.config import NetworkConfig
from factornet.model.network.factornet import FactorNet
from factornet.model.training.history import EpochRecord
from factornet.store import GenomeCoordinates, Peaks, Region, Sampler, open_store, split_genome
from factornet.store.cell_info import CellInfo, Factor, Track
from factornet.store.format.layout import DEFAULT_LAYOUT, create_array
from factornet.store.schema import Chromosome, StoreInfo

MB = 1_000_000


@dataclass(frozen=True)
class Case:
    """A genome of `chromosomes` of `length` bases each, and the number of cell lines to train on."""

    name: str
    chromosomes: int
    length: int
    cells: int = 1


BASE = Case("1x", 4, 50 * MB)
CASES = (
    Case("16x", 16, 200 * MB),
    Case("4x", 8, 100 * MB),
    Case("3_cells", 4, 50 * MB, cells=3),
    Case("8_cells", 4, 50 * MB, cells=8),
)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--windows", type=int, default=4000, help="windows per epoch, without validation (4000)")
    parser.add_argument("--cases", nargs="+", default=[c.name for c in CASES], choices=[c.name for c in CASES])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train_once(options.child)
        print(json.dumps({"peak": peak_of_this_process()}))
        return
    cases = [c for c in CASES if c.name in options.cases]
    with tempfile.TemporaryDirectory() as folder:
        stores = {c.name: make_store(Path(folder, f"{c.name}.zarr"), c, options.windows) for c in (BASE, *cases)}
        peaks: dict[str, list[float]] = {name: [] for name in stores}
        for repeat in range(options.repeats):
            for name in stores if repeat % 2 else reversed(stores):
                peaks[name].append(peak_of_child(stores[name]))
    finish([as_row(case.name, peaks[case.name], peaks[BASE.name]) for case in cases], options.json)


def as_row(name: str, peaks: list[float], base: list[float]) -> Row:
    return make_row(f"train_rss_{name}_vs_{'1_cell' if 'cells' in name else '1x'}", (peaks, base), "MB")


def peak_of_child(store: Path) -> float:
    """Return the peak memory, in MB, of a process that trains on a store."""
    command = [sys.executable, __file__, "--child", str(store)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(output.splitlines()[-1])["peak"]) / MB


def peak_of_this_process() -> int:
    """Return the peak resident memory in bytes. (getrusage includes the parent's, up to the exec.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


class FirstEpochDoneError(Exception):
    """Ends a training after its first epoch, while the second is being read."""


def train_once(path: Path) -> None:
    """Train and validate for an epoch on all cell lines of a store; a quarter of the chromosomes validates."""
    store = open_store(path)
    valid = [
        Region(name, 0, size) for name, size in zip(store.coordinates.names, store.coordinates.lengths, strict=True)
    ][: len(store.coordinates.names) // 4]
    split = split_genome(store.coordinates, valid=valid, test=[])
    config = NetworkConfig(tasks=(FACTOR,), tracks=TRACKS, recurrent=-1)
    sampler = Sampler(store, cells=store.cells, factor=FACTOR, split=split, window_length=config.window_length)

    def stop(_: EpochRecord) -> None:
        raise FirstEpochDoneError

    with tempfile.TemporaryDirectory() as folder:
        create_model(Path(folder, "model"), ModelCard(config=config, training={}, provenance={}))
        network, options = FactorNet(config, seed=1), TrainingOptions(epochs=2)
        callbacks, device = Callbacks(epoch=stop), torch.device("cpu")
        try:
            train(network, sampler, Path(folder, "model"), options, device=device, callbacks=callbacks)
        except FirstEpochDoneError:
            return
    raise AssertionError("the training reported no epoch")


def make_store(path: Path, case: Case, windows: int) -> Path:
    """Write a compressed store; half of an epoch's windows are peaks, and a third more of them validate."""
    names = tuple(f"chr{i + 1}" for i in range(case.chromosomes))
    coordinates = GenomeCoordinates(names, (case.length,) * case.chromosomes)
    rng = np.random.default_rng(0)
    rows = DEFAULT_LAYOUT.shard
    zarr.create_group(str(path), zarr_format=3).create_group("genome").create_group("sequence")
    template = path.with_suffix(".bases")
    write_shard(template, rng.integers(0, 4, rows, dtype=np.uint8))
    link_arrays(path / "genome" / "sequence", coordinates, "uint8", template)
    empty = np.array([], np.int64)
    write_dataset(intervals_dataset(empty, empty, empty), path, "genome/blacklist")
    genome = zarr.open_group(str(path / "genome"), mode="r+")
    genome.attrs.put({"tracks": [], "annotation": False})
    manifest = genome_attributes(write_manifest(path / "genome", own=True))
    info = StoreInfo("made-up", tuple(Chromosome(n, case.length, "") for n in names))
    write_group(path, {**info.to_attributes(), **manifest})
    template = path.with_suffix(".signal")
    write_shard(template, sparse_signal(rows, rng))
    for i in range(case.cells):
        write_cell(path, f"cell{i}", coordinates, template, peaks=windows * 2 // 3 // case.cells, rng=rng)
    return path


def write_cell(
    path: Path, name: str, coordinates: GenomeCoordinates, template: Path, *, peaks: int, rng: np.random.Generator
) -> None:
    """Write a cell line with two tracks and `peaks` peaks, spread over the genome."""
    folder = path / "cells" / name
    group = zarr.create_group(str(folder), zarr_format=3)
    for track in TRACKS:
        group.create_group(f"tracks/{track}")
        link_arrays(folder / "tracks" / track, coordinates, "float32", template)
    chrom = np.sort(np.arange(peaks) % len(coordinates.names))
    start = rng.integers(10_000, coordinates.lengths[0] - 10_000, peaks)
    start = start[np.lexsort((start, chrom))]
    found = Peaks(chrom, start, start + 400, start + 200)
    write_dataset(peaks_dataset(found), folder, f"peaks/{FACTOR}/conservative")
    info = CellInfo(name, tuple(Track(t, False) for t in TRACKS), (Factor(FACTOR, False),), ())
    write_group(folder, {**info.to_attributes(), **write_manifest(folder)})


def sparse_signal(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw accessibility: 3 % of the bases open, in peaks of 400; single reads on one base in thirty."""
    signal = np.zeros(rows, np.float32)
    signal[rng.integers(0, rows, rows // 30)] = 1
    for start in rng.integers(0, rows - 400, rows * 3 // 100 // 400):
        signal[start : start + 400] = np.round(rng.gamma(2, 3, 400), 2)
    return signal


def write_shard(path: Path, values: np.ndarray) -> None:
    """Write one full shard of values, as a separate array `x`."""
    with zarr.config.set({"codec_pipeline.path": CODEC_PIPELINE}):
        group = zarr.create_group(str(path), zarr_format=3)
        array = create_array(
            group, "x", shape=values.shape, dtype=str(values.dtype), dimension_names=("row",), layout=DEFAULT_LAYOUT
        )
        array[:] = values


def link_arrays(folder: Path, coordinates: GenomeCoordinates, dtype: str, template: Path) -> None:
    """Create an array per chromosome whose shards are all hard links to the template's."""
    group = zarr.open_group(str(folder), mode="r+")
    for name, length in zip(coordinates.names, coordinates.lengths, strict=True):
        names = (f"position_{name}",)
        create_array(group, name, shape=(length,), dtype=dtype, dimension_names=names, layout=DEFAULT_LAYOUT)
        objects = folder / name / "c"
        objects.mkdir()
        for i in range(-(-length // DEFAULT_LAYOUT.shard)):
            os.link(template / "x" / "c" / "0", objects / str(i))


if __name__ == "__main__":
    main()
