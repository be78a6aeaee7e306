"""Time of the ETL: `build_genome` and `build_cell` against bare loops that do nothing but the conversion itself.

The files: one chromosome of 144 Mb as FASTA (an average one of hg19), a dense and a sparse bigWig, 5,000 peaks; and
once 48 Mb, where the fixed costs of a build weigh three times as much. The bare loops read the FASTA's bytes and whole
bigWigs, and write the same arrays with the same codecs through the same pipeline: no check of the files before they are
read, no index, no digest, no summary, no manifest, no fsync, no rename. A process compresses with one thread in both
(etl/shards/tasks.py says why). The first row is of one process. In the second both have as many processes as there are
cores, forked each time by a server that has imported everything. The arrays must be equal. `--profile` prints where the
ETL spends its time instead. Target: 1.3.
"""

from __future__ import annotations

import cProfile
import multiprocessing
import pstats
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import zarr
from rows import Row, finish, make_parser, make_row, measure_pairs, timed

from data import CELL, CHROM, TRACKS, Sources, write_sources
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.shards.labels import bin_labels
from factornet.etl.shards.tasks import PACKING
from factornet.store import open_store, read_span
from factornet.store.format.layout import DEFAULT_LAYOUT, create_array
from factornet.store.machine import cpu_count
from factornet.store.schema import bin_count

PEAKS = 5_000
SIZE, SMALL = 144_000_000, 48_000_000


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--profile", action="store_true", help="print where the ETL spends its time, most first")
    options = parser.parse_args()
    cores = cpu_count()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        sources = write_sources(Path(folder) / "large", size=SIZE, peaks=PEAKS)
        if options.profile:
            profile(sources)
            return
        rows.append(compare("etl_time_vs_bare", sources, 1, options.repeats))
        if cores > 1:
            rows.append(compare(f"etl_time_vs_bare_{cores}_processes", sources, cores, options.repeats))
        small = write_sources(Path(folder) / "small", size=SMALL, peaks=PEAKS)
        rows.append(compare(f"etl_time_vs_bare_{SMALL // 10**6}mb", small, 1, options.repeats))
    finish(rows, options.json)


def compare(name: str, sources: Sources, processes: int, repeats: int) -> Row:
    """Time both with so many processes, in seconds."""
    full, bare = sources.folder / "full.zarr", sources.folder / "bare.zarr"

    def seconds(path: Path, build: Callable[[Sources, Path, int], None]) -> Callable[[int], float]:
        def measure(_: int) -> float:
            shutil.rmtree(path, ignore_errors=True)
            return timed(lambda: build(sources, path, processes))

        return measure

    figures = measure_pairs(seconds(full, build_store), seconds(bare, build_bare), repeats)
    check_equal(full, bare)
    return make_row(name, figures, "s")


def build_store(sources: Sources, path: Path, processes: int) -> None:
    """Build as `factornet-etl genome` and `factornet-etl build` do."""
    build_genome(path, GenomeInputs(sources.fasta), GenomeOptions(), Resources(processes))
    build_cell(path, sources.cell, CellOptions(), Resources(processes))


def build_bare(sources: Sources, path: Path, processes: int) -> None:
    """Write the same arrays with as little code as possible."""
    with _executor(processes) as submit:
        jobs = [submit(bare_sequence, sources.fasta, path / "sequence", sources.size)]
        for name, bigwig in zip(TRACKS, sources.bigwigs, strict=True):
            jobs.append(submit(bare_track, bigwig, path / name, sources.size))
        jobs.append(submit(bare_labels, sources.peaks, path / "labels", sources.size))
        for job in jobs:
            job()


@contextmanager
def _executor(processes: int) -> Iterator[Callable[..., Callable[[], Any]]]:
    """Yield a function that submits work, and returns a function that waits for its result."""
    if processes == 1:
        yield lambda work, *arguments: lambda: work(*arguments)
        return
    pool: Executor
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "factornet.etl.shards.executor"])
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield lambda work, *arguments: pool.submit(work, *arguments).result


def bare_sequence(fasta: Path, path: Path, size: int) -> None:
    """Write base codes of the file's only record."""
    table = np.full(256, 4, np.uint8)
    table[np.frombuffer(b"ACGT", np.uint8)] = range(4)
    letters = fasta.read_bytes().partition(b"\n")[2].replace(b"\n", b"").upper()
    write(path, table[np.frombuffer(letters, np.uint8)], size)


def bare_track(bigwig: Path, path: Path, size: int) -> None:
    """Write the signal of the whole chromosome, gaps as 0."""
    file = pyBigWig.open(str(bigwig))
    values = file.values(CHROM, 0, size, numpy=True)
    file.close()
    values[np.isnan(values)] = 0
    write(path, values, size)


def bare_labels(peaks: Path, path: Path, size: int) -> None:
    """Write labels, computed by the ETL's own function: it is work, not overhead."""
    starts, stops = np.loadtxt(peaks, np.int64, usecols=(1, 2)).T
    bins = bin_count(size)
    write(path, bin_labels((starts, stops), (starts, stops), first=0, count=bins)[:, None], bins)


def write(path: Path, values: np.ndarray, rows: int) -> None:
    """Write an array as a store has it, in one call."""
    with zarr.config.set(PACKING):
        array = create_array(
            zarr.create_group(str(path), zarr_format=3),
            CHROM,
            shape=values.shape,
            dtype=str(values.dtype),
            dimension_names=("row", "column")[: values.ndim],
            layout=DEFAULT_LAYOUT.for_rows(rows),
        )
        array[:] = values


def check_equal(full: Path, bare: Path) -> None:
    store = open_store(full)
    arrays = {"sequence": store.sequence(CHROM), "labels": store.labels(CELL, CHROM)}
    arrays |= {name: store.track(CELL, name, CHROM) for name in TRACKS}
    for name, array in arrays.items():
        expected = zarr.open_array(str(bare / name / CHROM), mode="r")[:]
        np.testing.assert_array_equal(read_span(array, 0, array.shape[0]), expected, err_msg=name)


def profile(sources: Sources) -> None:
    """Profile one build in this process: functions by their own time, and by that of all they call."""
    build_store(sources, sources.folder / "warm.zarr", 1)
    profiler = cProfile.Profile()
    profiler.runcall(build_store, sources, sources.folder / "full.zarr", 1)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats("factornet|main/(etl|store)", 30)


if __name__ == "__main__":
    main()
