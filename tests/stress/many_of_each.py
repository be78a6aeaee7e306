"""Run the commands on many cell lines, factors and scaffolds; print times, memory, open files and threads.

    python tests/stress/many_of_each.py                 # 200 cell lines, 300 factors, 5,000 scaffolds, 20 x 30 x 500
    python tests/stress/many_of_each.py --only scaffolds

Each number is reached in three steps (a quarter, a half, all), so that what grows faster than it shows: the last lines are
the ratios of the last two steps, 2 where a number grows in proportion. Everything else is tiny.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyBigWig

LONG, SHORT = {"train": 60_000, "valid": 30_000, "test": 3_000}, 2_000  # bases; a scaffold of a draft genome is short
OPEN_FILES = 1024  # soft limit, as on most systems
NETWORK = "-L 204 -k 4 -w 10 -r 2 -d 4 -e 1 -n 1 -b 50 -t test -v valid --threads 1 --device cpu"


@dataclass(frozen=True)
class Size:
    """Numbers of cell lines, factors and scaffolds."""

    cells: int = 1
    factors: int = 1
    scaffolds: int = 3

    def __str__(self) -> str:
        return f"{self.cells} x {self.factors} x {self.scaffolds}"


AXES = {
    "cells": [Size(cells=n) for n in (50, 100, 200)],
    "factors": [Size(factors=n) for n in (75, 150, 300)],
    "scaffolds": [Size(scaffolds=n) for n in (1250, 2500, 5000)],
    "together": [Size(20, 30, 500)],
}


COLUMNS = ("seconds", "processor", "memory", "files", "threads")


@dataclass(frozen=True)
class Usage:
    """What a command used: seconds, of processors too; largest sums over its processes of memory, files, threads."""

    seconds: float
    processor: float
    memory: int
    files: int
    threads: int


def write_experiment(folder: Path, size: Size) -> None:
    """Write a genome and cell lines."""
    rng = random.Random(0)
    lengths = LONG | {f"scaffold_{i:05d}": SHORT for i in range(size.scaffolds - len(LONG))}
    with (folder / "genome.fa").open("w") as file:
        for name, length in lengths.items():
            file.write(f">{name}\n{''.join(rng.choices('ACGT', k=length))}\n")
    for i in range(size.cells):
        write_cell(folder / f"C{i:03d}", lengths, size.factors, rng)
    places = [(name, 900) for name in lengths]
    (folder / "regions.bed").write_text("".join(f"{name}\t{start}\t{start + 200}\n" for name, start in places))


def write_cell(folder: Path, lengths: dict[str, int], factors: int, rng: random.Random) -> None:
    """Write a cell line of one track and some factors."""
    folder.mkdir()
    file = pyBigWig.open(str(folder / "signal.bw"), "w")
    file.addHeader(list(lengths.items()))
    for name, length in lengths.items():
        file.addEntries([name], [100], ends=[length - 100], values=[rng.random()])
    file.close()
    rows = []
    for i in range(factors):
        peaks = sorted(rng.sample(range(1000, 29_000, 400), 12))
        text = "".join(f"{name}\t{start}\t{start + 200}\n" for name in ("train", "valid") for start in peaks)
        (folder / f"F{i:03d}.bed").write_text(text)
        rows.append(f"F{i:03d}.bed\tF{i:03d}\n")
    (folder / "bigwig.txt").write_text("signal.bw\tDNase\n")
    (folder / "chip.txt").write_text("".join(rows))


def commands(folder: Path, size: Size) -> dict[str, list[str]]:
    """Return the commands to run in a folder, by name."""
    cells = [f"C{i:03d}" for i in range(size.cells)]
    store, factor = ["--store", "s.zarr"], ["-f", "F000"]
    found = {
        "genome": ["etl", "genome", "s.zarr", "--fasta", "genome.fa", "-p", "1"],
        "build": ["etl", "build", "s.zarr", *cells, "-p", "1"],
        "info": ["etl", "info", "s.zarr"],
        "verify": ["etl", "verify", "s.zarr"],
        "unpack": ["etl", "unpack", "s.zarr", "raw.zarr", "-p", "1"],
        "train": ["train", *store, "-i", *cells, *factor, *NETWORK.split(), "-o", "model"],
        "train raw": ["train", "--store", "raw.zarr", "-i", *cells, *factor, *NETWORK.split(), "-o", "model2"],
        "predict": ["predict", *store, "-i", "C000", *factor, "-m", "model", "-b", "regions.bed", "-o", "p.bed.gz"],
    }
    if size.factors > 1:
        found["train all factors"] = ["train", *store, "-i", "C000", *NETWORK.split(), "-o", "model3"]
    return found


def run(folder: Path, program: str, *arguments: str) -> Usage:
    """Run a command of factornet.

    Raises:
        RuntimeError: it failed; the error has what it printed.
    """
    code = f"import sys; from factornet.cli.entry_points import {program}; sys.exit({program}())"
    limited = ["sh", "-c", f'ulimit -S -n {OPEN_FILES}; exec "$@"', "sh", sys.executable, "-c", code, *arguments]
    begin, before = time.monotonic(), _processor_seconds()
    with (folder / "log.txt").open("w+") as log:
        process = subprocess.Popen(limited, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        usage = list(sample(process))
        if process.returncode:
            log.seek(0)
            raise RuntimeError(
                f"{program} {' '.join(arguments)[:80]}: status {process.returncode}\n{log.read()[-2000:]}"
            )
    seconds = (time.monotonic() - begin, _processor_seconds() - before)
    return Usage(*seconds, *(max(column) for column in zip(*usage, strict=True)))


def _processor_seconds() -> float:
    """Return the processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sample(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield memory, open files and threads of a process and its children until it ends."""
    yield 0, 0, 0
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        memory = files = threads = 0
        try:
            for each in (parent, *parent.children(recursive=True)):
                with each.oneshot():
                    memory += each.memory_info().rss
                    files += each.num_fds()
                    threads += each.num_threads()
        except psutil.Error:
            continue
        yield memory, files, threads
        time.sleep(0.2)


def measure(size: Size) -> dict[str, Usage]:
    """Run all commands on an experiment of some size."""
    folder = Path(tempfile.mkdtemp(prefix="factornet-many-"))
    try:
        write_experiment(folder, size)
        found = {}
        for name, (program, *arguments) in commands(folder, size).items():
            usage = found[name] = run(folder, program, *arguments)
            print(
                f"{size!s:>16}  {name:<18}{usage.seconds:8.1f} s{usage.processor:8.1f} s CPU{usage.memory / 1e6:8.0f} MB{usage.files:6d} files"
                f"{usage.threads:4d} threads",
                flush=True,
            )
        return found
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Run and print; return 1 if a command failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=AXES, nargs="+", default=list(AXES), help="which of the numbers")
    for axis in parser.parse_args().only:
        steps = [measure(size) for size in AXES[axis]]
        if len(steps) < 2:
            continue
        print(
            f"{axis}: growth of time, CPU time, memory, open files, threads from {AXES[axis][-2]} to {AXES[axis][-1]}"
        )
        for name, last in steps[-1].items():
            before = steps[-2][name]
            ratios = (getattr(last, k) / getattr(before, k) for k in COLUMNS)
            print(f"    {name:<18}{'  '.join(f'{r:5.2f}' for r in ratios)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
