"""First use: time, memory and disk of a genome of 3.1 Gb and one cell line, and from them of 13 cell lines.

Made up: a genome as full of repeats as a mammal's (tests/stress/repeat_genome.py), the bigWig of a shared track of
values 0, 1/4, 1/3, 1/2 and 1, and that of a cell line's cuts, 30 million reads scaled to 1x, 40 % of them in peaks;
peaks of a factor. Then `factornet-etl genome`, `plan`, `build` and `unpack` run as commands, and are measured with
their processes. Files that exist in the folder are used again.

    python benchmarks/first_use.py build/first-use --gigabases 3.1 --json first_use.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import pyBigWig

ROOT = Path(__file__).parent.parent
READS_PER_BASE, SHARE_IN_PEAKS, FRAGMENT = 30e6 / 3.1e9, 0.4, 150
PEAKS_PER_BASE = 60_000 / 3.1e9
CELL_LINES = 13
_POLL = 0.2  # seconds
UNIQUENESS = np.array([0, 1 / 4, 1 / 3, 1 / 2, 1], np.float32)


@dataclass(frozen=True)
class Measured:
    """A command: processor and wall time in s, peak memory of a process, unshared, size of its output."""

    command: str
    cpu: float
    wall: float
    memory: int
    size: int


def main() -> None:
    options = _parse()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    lengths = write_inputs(folder, options.gigabases)
    store, raw, cell = folder / "store.zarr", folder / "raw.zarr", folder / "CELL"
    genome = ["genome", store, "--fasta", folder / "genome.fa", "--track", f"Unique35={folder / 'Unique35.bw'}"]
    workers = ["-p", options.workers]
    rows = [
        measure(["etl", *genome, *workers], store),
        measure(["etl", "plan", store, cell, *workers], None),
        measure(["etl", "build", store, cell, *workers], store / "cells" / "CELL"),
        measure(["etl", "unpack", store, raw, *workers], raw),
    ]
    bases = sum(lengths.values())
    print(f"{bases:,} bases, {options.workers} processes")
    for row in rows:
        print(
            f"{row.command:8} {row.cpu:8.0f} s CPU {row.wall:8.0f} s wall {row.memory / 1e6:8.0f} MB "
            f"{row.size / 1e9:8.2f} GB ({row.size / bases:.2f} bytes a base)"
        )
    genome_row, _, build, unpack = rows
    cpu, size = genome_row.cpu + CELL_LINES * build.cpu, genome_row.size + CELL_LINES * build.size
    one_line = disk_size(raw / "cells" / "CELL")
    raw_size = unpack.size + (CELL_LINES - 1) * one_line
    print(f"{CELL_LINES} cell lines: {cpu / 3600:.1f} h CPU, {size / 1e9:.1f} GB; raw {raw_size / 1e9:.1f} GB")
    if options.json:
        options.json.write_text(json.dumps({"bases": bases, "rows": [asdict(row) for row in rows]}, indent=2))


def measure(arguments: list[object], written: Path | None) -> Measured:
    """Run a command of factornet and measure it with its processes, a few times a second."""
    begin, words = time.perf_counter(), [str(a) for a in arguments]
    cpu, memory = dict[int, float](), 0
    with psutil.Popen([sys.executable, "-m", f"factornet.cli.{words[0]}", *words[1:]]) as process:
        while process.poll() is None:  # its workers are not its own children, whose times it would have at its end
            for each in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    times, used = each.cpu_times(), each.memory_info()
                    cpu[each.pid] = times.user + times.system
                    memory = max(memory, used.rss - used.shared)
            time.sleep(_POLL)
    wall = time.perf_counter() - begin
    if process.returncode:
        sys.exit(f"{' '.join(words)}: exit status {process.returncode}")
    return Measured(words[1], sum(cpu.values()), wall, memory, disk_size(written) if written else 0)


def disk_size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_inputs(folder: Path, gigabases: float) -> dict[str, int]:
    """Write genome, tracks and peaks, those that are not there; return the lengths of chromosomes."""
    fasta, cell = folder / "genome.fa", folder / "CELL"
    if not fasta.exists():
        partial = folder / "partial.fa"
        script = ROOT / "tests" / "stress" / "repeat_genome.py"
        subprocess.run([sys.executable, script, partial, "--gigabases", str(gigabases)], check=True)
        partial.rename(fasta)
    lengths = read_lengths(fasta)
    cell.mkdir(exist_ok=True)
    for path, write in ((folder / "Unique35.bw", write_uniqueness), (cell / "cuts.bw", write_cuts)):
        if not path.exists():
            partial = path.with_suffix(".partial")
            write(partial, lengths)
            partial.rename(path)
    (cell / "bigwig.txt").write_text("cuts.bw\tDNase assay=DNase-seq units=1x\n../Unique35.bw\tUnique35\n")
    (cell / "chip.txt").write_text("peaks.narrowPeak\tTF\n")
    with (cell / "peaks.narrowPeak").open("w") as file:
        for number, (name, length) in enumerate(lengths.items()):
            for s in peak_starts(number, length).tolist():
                file.write(f"{name}\t{s}\t{s + 300}\t.\t0\t.\t0\t0\t0\t150\n")
    return lengths


def read_lengths(fasta: Path) -> dict[str, int]:
    """Return the lengths of chromosomes from the positions of the headers; lines have 60 bases."""
    lengths, ends = {}, []
    with fasta.open("rb") as file:
        for line in iter(file.readline, b""):
            if line.startswith(b">"):
                ends.append((line[1:].split()[0].decode(), file.tell() - len(line), file.tell()))
        total = file.tell()
    for (name, _, begin), (_, stop, _) in zip(ends, [*ends[1:], ("", total, total)], strict=True):
        size = stop - begin
        lengths[name] = size - -(-size // 61)
    return lengths


def peak_starts(number: int, length: int) -> np.ndarray:
    """Return sorted starts of the peaks of a chromosome, int64, none within 2,000 bases of another."""
    starts = np.random.default_rng(number).integers(0, (length - 4000) // 2000, int(length * PEAKS_PER_BASE))
    return np.unique(starts) * 2000 + 1000


def write_uniqueness(path: Path, lengths: dict[str, int]) -> None:
    """Write runs of values as uniqueness has them: long ones of 1, short ones of the others."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for number, (name, length) in enumerate(lengths.items()):
            rng = np.random.default_rng(100 + number)
            n = length // 120
            widths = np.where(np.arange(n) % 2, rng.integers(1, 40, n), rng.geometric(1 / 220, n))
            values = np.where(np.arange(n) % 2, UNIQUENESS[rng.integers(0, 4, n)], 1)
            add_runs(file, name, length, np.cumsum(widths), values)


def write_cuts(path: Path, lengths: dict[str, int]) -> None:
    """Write cuts a base, scaled to 1x: counts times bases over reads times the length of a fragment."""
    scale = 1 / (READS_PER_BASE * FRAGMENT)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for number, (name, length) in enumerate(lengths.items()):
            rng, starts = np.random.default_rng(200 + number), peak_starts(number, length)
            n = int(length * READS_PER_BASE)
            inside = int(n * SHARE_IN_PEAKS) if starts.size else 0
            near = starts[rng.integers(0, max(starts.size, 1), inside)] + rng.normal(150, 80, inside).astype(np.int64)
            at = np.concatenate([near, rng.integers(0, length, n - inside)])
            at, counts = np.unique(at[(at >= 0) & (at < length)], return_counts=True)
            file.addEntries([name] * at.size, at, ends=at + 1, values=np.round(counts * scale, 6))


def add_runs(file: pyBigWig.bigWigFile, name: str, length: int, stops: np.ndarray, values: np.ndarray) -> None:
    """Add runs that follow each other, up to the end of the chromosome; those of 0 are gaps."""
    stops = stops[stops < length]
    starts, values = np.concatenate([[0], stops[:-1]]), values[: stops.size]
    keep = values != 0
    file.addEntries([name] * int(keep.sum()), starts[keep], ends=stops[keep], values=values[keep].astype(np.float64))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for 3.1 Gb with 16 GB free")
    parser.add_argument("--gigabases", type=float, default=3.1)
    parser.add_argument("-p", "--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
