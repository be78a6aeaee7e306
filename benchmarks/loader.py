"""Windows per second: the stream against FactorNet's own way, on the same windows, in one run.

FactorNet's way: one-hot genome in memory, both bigWigs opened for every window. Prints a table; `--json FILE` keeps it.
Prediction before the first run: 11-14 x at one window per 13 kb and 32-45 x at one per 4 kb with one track; about half
of that with two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pyBigWig

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.store import Plan, Store, StreamSettings, WindowStream, open_store

LENGTH, BATCH = 1000, 256
CHROM, SIZE = "chr20", 48_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        codes, bigwigs, store = make_data(Path(folder))
        rows = [compare(codes, bigwigs, store, spacing=s, repeats=options.repeats) for s in (13_000, 4_000)]
    for row in rows:
        print(
            f"{row['name']}: ours {row['ours']:,.0f}, theirs {row['theirs']:,.0f} {row['unit']}, "
            f"ratio {row['ratio']:.1f} (of {options.repeats} pairs: {row['spread'][0]:.1f} - {row['spread'][1]:.1f})"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def make_data(folder: Path) -> tuple[np.ndarray, list[Path], Store]:
    """A chromosome of random bases, a dense and a sparse track; as arrays, bigWigs and a store."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, SIZE, dtype=np.uint8)
    fasta = folder / "genome.fa"
    lines = np.frombuffer(b"ACGT", np.uint8)[codes].reshape(-1, 60)
    fasta.write_bytes(b">chr20\n" + np.pad(lines, ((0, 0), (0, 1)), constant_values=10).tobytes())
    cell = folder / "CELL"
    cell.mkdir()
    write_bigwig(cell / "dense.bw", rng.integers(5, 60, SIZE // 40), rng)
    write_bigwig(cell / "sparse.bw", rng.integers(1, 12, SIZE // 12), rng, empty=0.9)
    (cell / "bigwig.txt").write_text("dense.bw Unique35\nsparse.bw DGF\n")
    store = folder / "bench.zarr"
    build_genome(store, GenomeInputs(fasta), GenomeOptions(), Resources(1))
    build_cell(store, cell, CellOptions(), Resources(1))
    return codes, [cell / "dense.bw", cell / "sparse.bw"], open_store(store)


def write_bigwig(path: Path, widths: np.ndarray, rng: np.random.Generator, *, empty: float = 0.0) -> None:
    """Runs of the given widths with random values, in blocks of 500 runs of which a share is left out."""
    stops = np.cumsum(widths)
    stops = stops[stops < SIZE]
    starts = np.concatenate([[0], stops[:-1]])
    keep = np.repeat(rng.random(stops.size // 500 + 1) >= empty, 500)[: stops.size]
    values = np.round(rng.gamma(2, 1, stops.size), 2)
    file = pyBigWig.open(str(path), "w")
    file.addHeader([(CHROM, SIZE)])
    names = [CHROM] * int(keep.sum())
    file.addEntries(names, starts[keep].tolist(), ends=stops[keep].tolist(), values=values[keep].tolist())
    file.close()


def compare(codes: np.ndarray, bigwigs: list[Path], store: Store, *, spacing: int, repeats: int) -> dict:
    """Both ways in turn; medians, and the ratio pair by pair. The original reads a sample of the windows."""
    n = SIZE // spacing
    rng = np.random.default_rng(spacing)
    starts = rng.integers(LENGTH, SIZE - 2 * LENGTH, n)
    zeros = np.zeros(n, np.int64)
    plan = Plan(("CELL",), zeros, zeros, starts, zeros, np.zeros((n, 1), np.uint8))
    onehot = codes[:, None] == np.arange(4, dtype=np.uint8)
    windows = plan.window_starts(LENGTH)
    ours, theirs = [], []
    for repeat in range(repeats):
        sample = rng.choice(n, 800, replace=False)
        begin = perf_counter()
        original = [original_window(onehot, bigwigs, int(windows[i])) for i in sample]
        theirs.append(len(sample) / (perf_counter() - begin))
        kept = {}
        begin = perf_counter()
        for batch in WindowStream(store, plan, StreamSettings(LENGTH, batch=BATCH), seed=(repeat,)):
            kept[int(batch.index[0])] = (batch.codes[0], batch.tracks[0])
        ours.append(n / (perf_counter() - begin))
        for i, window in zip(sample, original, strict=True):
            if int(i) in kept:
                check_equal(window, *kept[int(i)])
    ratios = np.array(ours) / np.array(theirs)
    return {
        "name": f"loader_compressed_{spacing // 1000}kb_vs_original",
        "ours": float(np.median(ours)),
        "theirs": float(np.median(theirs)),
        "unit": "windows/s",
        "ratio": float(np.median(ratios)),
        "spread": [float(ratios.min()), float(ratios.max())],
    }


def original_window(onehot: np.ndarray, bigwigs: list[Path], start: int) -> np.ndarray:
    """A window as FactorNet made it: channels side by side, every bigWig opened anew."""
    channels = [onehot[start : start + LENGTH]]
    for path in bigwigs:
        file = pyBigWig.open(str(path))
        signal = np.array(file.values(CHROM, start, start + LENGTH))
        file.close()
        signal[np.isnan(signal)] = 0
        channels.append(signal[:, None])
    return np.concatenate(channels, axis=1).astype(np.float32)


def check_equal(window: np.ndarray, codes: np.ndarray, tracks: np.ndarray) -> None:
    np.testing.assert_array_equal(window[:, :4], codes[:, None] == np.arange(4))
    np.testing.assert_array_equal(window[:, 4:], tracks.T)


if __name__ == "__main__":
    main()
