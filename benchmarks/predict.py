"""Windows per second of prediction: the shared convolution against every window alone, in pairs in one run.

Both read the same store and must agree to 1e-6. A made-up chromosome with two tracks; stride 50, and sparse intervals.
Prints a table; `--json FILE` keeps it. Prediction before the first run: 6 x for k32 r32 d64 at stride 50, 8 x for
k128 r64 d128, 1 x where windows do not overlap.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pyBigWig
import torch

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.model import Bins, FactorNet, NetworkConfig, predict_bins
from factornet.store import Store, open_store

CHROM, SIZE = "chr20", 16_000_000


@dataclass(frozen=True)
class Case:
    """A network, and how many bases lie between windows; windows to predict alone, and shared."""

    kernels: int
    recurrent: int
    dense: int
    spacing: int
    alone: int
    shared: int

    @property
    def name(self) -> str:
        """What is printed."""
        return f"k{self.kernels} r{self.recurrent} d{self.dense}, one window per {self.spacing} bases"


CASES = (
    Case(32, 32, 64, 50, alone=2048, shared=16384),
    Case(128, 64, 128, 50, alone=512, shared=4096),
    Case(32, 0, 64, 50, alone=2048, shared=16384),
    Case(32, -1, 64, 50, alone=2048, shared=16384),
    Case(32, 32, 64, 500, alone=2048, shared=4096),
    Case(32, 32, 64, 2_000, alone=2048, shared=2048),
    Case(32, 32, 64, 13_000, alone=1024, shared=1024),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)), help="which of the cases, from 0")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder))
        for i in options.cases:
            rows.append(compare(store, CASES[i], repeats=options.repeats, device=torch.device(options.device)))
            row = rows[-1]
            print(
                f"{row['name']}: shared {row['shared']:,.0f}, alone {row['alone']:,.0f} windows/s, ratio "
                f"{row['ratio']:.1f} (of {options.repeats} pairs: {row['spread'][0]:.1f} - {row['spread'][1]:.1f}); "
                f"largest difference {row['difference']:.1e}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def make_store(folder: Path) -> Store:
    """A chromosome of random bases, with runs of N, a dense and a sparse track."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, SIZE, dtype=np.uint8)
    codes[SIZE // 2 : SIZE // 2 + 10_000] = 4
    lines = np.frombuffer(b"ACGTN", np.uint8)[codes].reshape(-1, 100)
    (folder / "genome.fa").write_bytes(b">chr20\n" + np.pad(lines, ((0, 0), (0, 1)), constant_values=10).tobytes())
    cell = folder / "CELL"
    cell.mkdir()
    for name, width, kept in (("dense", 40, 1.0), ("sparse", 12, 0.1)):
        starts = np.arange(0, SIZE - width, width)
        starts = starts[np.repeat(rng.random(starts.size // 500 + 1) < kept, 500)[: starts.size]]
        values = np.round(rng.gamma(2, 1, starts.size), 2).tolist()
        file = pyBigWig.open(str(cell / f"{name}.bw"), "w")
        file.addHeader([(CHROM, SIZE)])
        file.addEntries([CHROM] * starts.size, starts.tolist(), ends=(starts + width).tolist(), values=values)
        file.close()
    (cell / "bigwig.txt").write_text("dense.bw Unique35\nsparse.bw DGF\n")
    build_genome(folder / "bench.zarr", GenomeInputs(folder / "genome.fa"), GenomeOptions(), Resources(1))
    build_cell(folder / "bench.zarr", cell, CellOptions(), Resources(1))
    return open_store(folder / "bench.zarr")


def compare(store: Store, case: Case, *, repeats: int, device: torch.device) -> dict:
    """Both ways in turn; medians, and the ratio pair by pair. Alone, a part of the windows stands for all."""
    config = NetworkConfig(
        tasks=("MAX",),
        tracks=("Unique35", "DGF"),
        kernels=case.kernels,
        recurrent=case.recurrent,
        dense=case.dense,
    )
    network = FactorNet(config, seed=1)
    rates: dict[bool, list[float]] = {True: [], False: []}
    difference = 0.0
    for repeat in range(repeats + 1):
        scores = {}
        for shared, windows in ((True, case.shared), (False, case.alone)):
            bins = spaced_bins(windows, case.spacing)
            begin = perf_counter()
            scores[shared] = predict_bins(network, store, "CELL", bins, device=device, shared=shared)
            if repeat:  # the first pair warms up
                rates[shared].append(windows / (perf_counter() - begin))
        difference = max(difference, float(np.abs(scores[True][: case.alone] - scores[False]).max()))
    ratios = np.array(rates[True]) / np.array(rates[False])
    return {
        "name": case.name,
        "shared": float(np.median(rates[True])),
        "alone": float(np.median(rates[False])),
        "unit": "windows/s",
        "ratio": float(np.median(ratios)),
        "spread": [float(ratios.min()), float(ratios.max())],
        "difference": difference,
    }


def spaced_bins(count: int, spacing: int) -> Bins:
    start = 10_000 + spacing * np.arange(count, dtype=np.int64)
    return Bins(np.zeros(count, np.int64), start, start + 200)


if __name__ == "__main__":
    main()
