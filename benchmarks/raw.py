"""Windows per second of a raw store: against a bare gather from memory maps, and against the compressed store.

The bare gather is the least numpy code that makes the same batches of one chromosome: a sliding window view of each
map, a fancy index of each, fresh arrays. It needs no plan, cell lines, ends of chromosomes or shares. Pairs take turns
in one run, page cache warm. Prediction before the first run: 1.2 x bare, for the stream copies once and bare twice;
20 x the compressed store at one window per 13 kb, 10 x at one per 4 kb. `--json FILE` keeps the table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from loader import BATCH, CHROM, LENGTH, SIZE, make_data
from numpy.lib.stride_tricks import sliding_window_view

from factornet.etl import Resources
from factornet.etl.unpack import unpack_store
from factornet.store import Plan, Store, StreamSettings, WindowStream, open_store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--windows", type=int, default=100_000, help="windows an epoch, against the bare gather")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _, _, compressed = make_data(Path(folder))
        begin = perf_counter()
        unpack_store(Path(compressed.path), Path(folder, "raw.zarr"), Resources(1))
        seconds = perf_counter() - begin
        raw = open_store(Path(folder, "raw.zarr"))
        print(f"unpacked {SIZE * 9 / 1e6:.0f} MB in {seconds:.1f} s by one worker")
        plan = make_plan(options.windows)
        rows = [compare("raw_vs_bare_gather", stream(raw, plan), bare(raw, plan), len(plan), options.repeats)]
        for spacing in (13_000, 4_000):
            plan = make_plan(SIZE // spacing)
            name = f"raw_vs_compressed_{spacing // 1000}kb"
            rows.append(compare(name, stream(raw, plan), stream(compressed, plan), len(plan), options.repeats))
    for row in rows:
        print(
            f"{row['name']}: {row['ours']:,.0f} against {row['theirs']:,.0f} {row['unit']}, "
            f"ratio {row['ratio']:.2f} (of {options.repeats} pairs: {row['spread'][0]:.2f} - {row['spread'][1]:.2f})"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def make_plan(n: int) -> Plan:
    """Random windows of the one chromosome, none past its ends."""
    starts = np.random.default_rng(n).integers(LENGTH, SIZE - 2 * LENGTH, n)
    zeros = np.zeros(n, np.int64)
    return Plan(("CELL",), zeros, zeros, starts, zeros, np.zeros((n, 1), np.uint8))


def stream(store: Store, plan: Plan) -> Callable[[int], int]:
    """An epoch of the stream; a sum over what it read comes back, so that the ways can be compared."""

    def epoch(repeat: int) -> int:
        batches = WindowStream(store, plan, StreamSettings(LENGTH, batch=BATCH), seed=(repeat,))
        return sum(checksum(batch.codes, batch.tracks) for batch in batches)

    return epoch


def bare(store: Store, plan: Plan) -> Callable[[int], int]:
    """The same windows by the least numpy code there is."""
    maps = [store.track("CELL", name, CHROM) for name in store.cell("CELL").track_names]
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


def checksum(codes: np.ndarray, tracks: np.ndarray) -> int:
    """The bits of one column, summed: cheap, and the same in any order of the windows."""
    return int(codes[:, 7].sum()) + int(np.ascontiguousarray(tracks[:, :, 7]).view(np.uint32).sum(dtype=np.uint64))


def compare(name: str, ours: Callable[[int], int], theirs: Callable[[int], int], n: int, repeats: int) -> dict:
    """Both in turn; medians of windows a second, and the ratio pair by pair."""
    ours(0), theirs(0)
    rates: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats):
        sums = []
        # Who goes first alternates: a neighbour's load, which comes and goes, then favours neither.
        for k in (0, 1) if repeat % 2 else (1, 0):
            begin = perf_counter()
            sums.append((ours, theirs)[k](repeat))
            rates[k].append(n / (perf_counter() - begin))
        assert sums[0] == sums[1], f"{name}: the two ways read different windows"
    ratios = np.array(rates[0]) / np.array(rates[1])
    return {
        "name": name,
        "ours": float(np.median(rates[0])),
        "theirs": float(np.median(rates[1])),
        "unit": "windows/s",
        "ratio": float(np.median(ratios)),
        "spread": [float(ratios.min()), float(ratios.max())],
    }


if __name__ == "__main__":
    main()
