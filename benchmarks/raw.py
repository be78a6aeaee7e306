"""Windows per second of a raw store: against a bare gather from memory maps, and against the compressed store.

The bare gather is the least numpy code that makes the same batches of one chromosome: a sliding window view of each
map, a fancy index of each, fresh arrays. It needs no plan, cell lines, ends of chromosomes or shares. Page cache warm;
both must read the same windows. Prediction before the first run: 1.2 x bare, for the stream copies once and bare
twice; 20 x the compressed store at one window per 13 kb, 10 x at one per 4 kb.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from rows import Row, finish, make_parser, make_row, measure_pairs

from data import BATCH, CELL, CHROM, LENGTH, SIZE, build_store, checksum, random_plan, read_all, write_sources
from factornet.etl import Resources
from factornet.etl.builders.unpack import unpack_store
from factornet.store import SamplingPlan, Store, StreamSettings, WindowStream, open_store


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--windows", type=int, default=100_000, help="windows an epoch, against the bare gather")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compressed = build_store(write_sources(Path(folder)))
        raw = unpack(compressed, Path(folder, "raw.zarr"))
        plan, repeats = random_plan(options.windows), options.repeats
        rows = [compare("loader_raw_vs_mmap", stream(raw, plan), bare(raw, plan), len(plan), repeats)]
        for spacing in (13_000, 4_000):
            plan = random_plan(SIZE // spacing)
            name = f"loader_raw_vs_compressed_{spacing // 1000}kb"
            rows.append(compare(name, stream(raw, plan), stream(compressed, plan), len(plan), repeats))
    finish(rows, options.json)


def unpack(compressed: Store, path: Path) -> Store:
    """The raw store at `path`, made of a compressed one."""
    unpack_store(Path(compressed.path), path, Resources(1))
    return open_store(path)


def stream(store: Store, plan: SamplingPlan) -> Callable[[int], int]:
    """An epoch of the stream; a sum over what it read comes back, so that the ways can be compared."""
    return lambda repeat: read_all(WindowStream(store, plan, StreamSettings(LENGTH, batch_size=BATCH), seed=(repeat,)))


def bare(store: Store, plan: SamplingPlan) -> Callable[[int], int]:
    """The same windows by the least numpy code there is."""
    maps = [store.track(CELL, name, CHROM) for name in store.cell(CELL).track_names]
    codes, *tracks = (sliding_window_view(np.asarray(m), LENGTH) for m in (store.sequence(CHROM), *maps))
    windows = plan.window_starts(LENGTH)

    def epoch(repeat: int) -> int:
        total, order = 0, np.random.default_rng(repeat).permutation(windows)
        for first in range(0, order.size, BATCH):
            starts = order[first : first + BATCH]
            signal = np.empty((starts.size, len(tracks), LENGTH), np.float32)
            for t, track in enumerate(tracks):
                signal[:, t] = track[starts]
            total += checksum(codes[starts], signal)
        return total

    return epoch


def compare(name: str, ours: Callable[[int], int], theirs: Callable[[int], int], n: int, repeats: int) -> Row:
    """Windows a second of two ways to read the same `n` windows."""
    sums = set()

    def rate(epoch: Callable[[int], int]) -> Callable[[int], float]:
        def measure(repeat: int) -> float:
            begin = perf_counter()
            found = epoch(repeat)
            seconds = perf_counter() - begin
            sums.add(found)
            assert len(sums) == 1, f"{name}: the two ways read different windows"
            return n / seconds

        return measure

    return make_row(name, measure_pairs(rate(ours), rate(theirs), repeats), "windows/s")


if __name__ == "__main__":
    main()
