"""Made-up data that the benchmarks share: one chromosome as FASTA, two bigWigs, peaks, and the store made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.store import BIN, Batch, SamplingPlan, Store, open_store

CHROM, SIZE = "chr20", 48_000_000
LENGTH, BATCH = 1000, 256
CELL, FACTOR = "CELL", "MAX"
TRACKS = ("Unique35", "DGF")


@dataclass(frozen=True)
class Sources:
    """Files of one chromosome of `size` bases, and its base codes, uint8 (size,)."""

    folder: Path
    size: int
    codes: np.ndarray

    @property
    def fasta(self) -> Path:
        """The sequence, 60 bases a line."""
        return self.folder / "genome.fa"

    @property
    def cell(self) -> Path:
        """The cell line's folder."""
        return self.folder / CELL

    @property
    def bigwigs(self) -> tuple[Path, Path]:
        """A dense track (a run every 32 bases) and a sparse one (nine tenths of it gaps)."""
        return self.cell / "dense.bw", self.cell / "sparse.bw"

    @property
    def peaks(self) -> Path:
        """Peaks, narrowPeak; only where some were asked for."""
        return self.cell / "peaks.narrowPeak"


def write_sources(folder: Path, *, size: int = SIZE, unknown: int = 0, peaks: int = 0) -> Sources:
    """Random bases with `unknown` N in the middle, two tracks, and so many peaks of 400 bases."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, size, dtype=np.uint8)
    codes[size // 2 : size // 2 + unknown] = 4
    sources = Sources(folder, size, codes)
    sources.cell.mkdir(parents=True)
    with sources.fasta.open("wb") as file:
        file.write(f">{CHROM}\n".encode())
        letters = np.frombuffer(b"ACGTN", np.uint8)[codes]
        whole = letters[: size // 60 * 60].reshape(-1, 60)
        file.write(np.pad(whole, ((0, 0), (0, 1)), constant_values=10).tobytes() + letters[whole.size :].tobytes())
        file.write(b"\n" if whole.size < size else b"")
    dense, sparse = sources.bigwigs
    write_bigwig(dense, size, rng.integers(5, 60, size // 40), rng)
    write_bigwig(sparse, size, rng.integers(1, 12, size // 12), rng, empty=0.9)
    (sources.cell / "bigwig.txt").write_text(f"dense.bw {TRACKS[0]}\nsparse.bw {TRACKS[1]}\n")
    if peaks:
        write_peaks(sources.peaks, peak_starts(size, peaks, rng))
        (sources.cell / "chip.txt").write_text(f"{sources.peaks.name} {FACTOR}\n")
    return sources


def write_bigwig(path: Path, size: int, widths: np.ndarray, rng: np.random.Generator, *, empty: float = 0.0) -> None:
    """Runs of the given widths with random values, in blocks of 500 runs of which a share is left out."""
    stops = np.cumsum(widths)
    stops = stops[stops < size]
    starts = np.concatenate([[0], stops[:-1]])
    keep = np.repeat(rng.random(stops.size // 500 + 1) >= empty, 500)[: stops.size]
    values = np.round(rng.gamma(2, 1, stops.size), 2)
    file = pyBigWig.open(str(path), "w")
    file.addHeader([(CHROM, size)])
    names = [CHROM] * int(keep.sum())
    file.addEntries(names, starts[keep].tolist(), ends=stops[keep].tolist(), values=values[keep].tolist())
    file.close()


def write_runs(path: Path, size: int, bounds: np.ndarray, values: np.ndarray) -> None:
    """Runs that end at `bounds` and at `size`, and the value of each; those of 0 are gaps."""
    starts, stops = np.append(0, bounds), np.append(bounds, size)
    values = values[: starts.size]
    keep = values != 0
    file = pyBigWig.open(str(path), "w")
    file.addHeader([(CHROM, size)])
    file.addEntries(
        np.full(int(keep.sum()), CHROM), starts[keep], ends=stops[keep], values=values[keep].astype(np.float64)
    )
    file.close()


def peak_starts(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Starts of peaks, about evenly over the chromosome but for its ends, none within 1,000 bases of the next."""
    room = (size - 20_000) // count
    return 10_000 + room * np.arange(count) + rng.integers(0, max(1, room - 1000), count)


def write_peaks(path: Path, starts: np.ndarray, chrom: str = CHROM) -> None:
    """Peaks of 400 bases with their summit in the middle."""
    path.write_text("".join(f"{chrom}\t{s}\t{s + 400}\t.\t0\t.\t0\t0\t0\t200\n" for s in starts.tolist()))


def build_store(sources: Sources, path: Path | None = None) -> Store:
    """The compressed store of the files, built in this process."""
    path = path or sources.folder / "bench.zarr"
    build_genome(path, GenomeInputs(sources.fasta), GenomeOptions(), Resources(1))
    build_cell(path, sources.cell, CellOptions(), Resources(1))
    return open_store(path)


def random_plan(n: int, size: int = SIZE) -> SamplingPlan:
    """Random windows of the one chromosome, none past its ends; half of them are positives."""
    starts = np.random.default_rng(n).integers(LENGTH, size - 2 * LENGTH - BIN, n)
    zeros = np.zeros(n, np.int64)
    return SamplingPlan((CELL,), zeros, zeros, starts, zeros, (np.arange(n) % 2).astype(np.uint8)[:, None])


def checksum(codes: np.ndarray, tracks: np.ndarray) -> int:
    """The bits of one column, summed: cheap, and the same in any order of the windows."""
    return column_sum(codes[:, 7], tracks[:, :, 7])


def column_sum(codes: np.ndarray, values: np.ndarray) -> int:
    """The sum of base codes (n,) and of the bits of signal (n, tracks)."""
    return int(codes.sum()) + int(np.ascontiguousarray(values).view(np.uint32).sum(dtype=np.uint64))


def read_all(batches: Iterable[Batch]) -> int:
    """Read a stream to its end: the checksum of its windows."""
    return sum(checksum(batch.codes, batch.tracks) for batch in batches)
