"""Compare layouts of arrays: chunk, shard, codec and pipeline, on a sequence-like and a DNase-like array.

One row per layout: bytes per position, rate of writing (GB/s of decoded data), of reading in slabs of 1 Mi positions,
and of reading single windows of 1,000. The page cache is warm. Each repetition measures all layouts in a random order,
after one run that is not counted; the last column compares slab reading with the default layout in the same repetition,
because absolute rates vary from minute to minute. The defaults are `factornet.store.format.layout.Layout`;
docs/decisions.md has the conclusions. `--json FILE` saves the table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ZstdCodec

from factornet.etl.shards.tasks import CODEC_PIPELINE
from factornet.store.format.layout import DEFAULT_LAYOUT

PIPELINES = {"zarrs": CODEC_PIPELINE, "zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline"}
CODECS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "zstd-1": lambda: (ZstdCodec(level=1, checksum=True),),
    "zstd-3": lambda: (ZstdCodec(level=3, checksum=True),),
    "zstd-5": lambda: (ZstdCodec(level=5, checksum=True),),
    "lz4": lambda: (BloscCodec(cname="lz4", clevel=5, shuffle="noshuffle"), Crc32cCodec()),
    "lz4 bit shuffle": lambda: (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"), Crc32cCodec()),
    "lz4hc-3": lambda: (BloscCodec(cname="lz4hc", clevel=3, shuffle="noshuffle"), Crc32cCodec()),
    "lz4hc-4": lambda: (BloscCodec(cname="lz4hc", clevel=4, shuffle="noshuffle"), Crc32cCodec()),
    "lz4hc-5": lambda: (BloscCodec(cname="lz4hc", clevel=5, shuffle="noshuffle"), Crc32cCodec()),
    "zstd-3 byte shuffle": lambda: (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()),
}
SLAB, WINDOW = 1024 * 1024, 1000
LARGEST_SHARD = 32 * 1024 * 1024


@dataclass(frozen=True)
class Candidate:
    """One layout to measure; chunk and shard in positions."""

    chunk: int = DEFAULT_LAYOUT.chunk
    shard: int = DEFAULT_LAYOUT.shard
    codec: str = "zstd-3"
    pipeline: str = "zarrs"


DEFAULT = Candidate()
CANDIDATES = (
    DEFAULT,
    *(Candidate(chunk=chunk) for chunk in (16_384, 262_144)),
    *(Candidate(shard=shard) for shard in (4 * 1024 * 1024, LARGEST_SHARD)),
    *(Candidate(codec=codec) for codec in CODECS if codec != "zstd-3"),
    Candidate(pipeline="zarr"),
    Candidate(chunk=16_384, pipeline="zarr"),
)


def sequence_like(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return random base codes, uint8 (n,)."""
    return rng.integers(0, 4, n, dtype=np.uint8)


def track_like(n: int, rng: np.random.Generator) -> np.ndarray:
    """Simulate accessibility, float32 (n,): 3 % of bases in open regions of 400, single reads on one in thirty."""
    signal = np.zeros(n, np.float32)
    signal[rng.integers(0, n, n // 30)] = 1
    for start in rng.integers(0, n - 400, n * 3 // 100 // 400):
        signal[start : start + 400] = np.round(rng.gamma(2, 3, 400), 2)
    return signal


def measure(values: np.ndarray, candidate: Candidate, folder: Path, rng: np.random.Generator) -> dict[str, float]:
    """Write an array, read it in slabs and in windows, and check that it is the same."""
    serializer = BytesCodec(endian="little") if values.itemsize > 1 else BytesCodec()
    with zarr.config.set({"codec_pipeline.path": PIPELINES[candidate.pipeline]}):
        array = zarr.create_array(
            str(folder / "array.zarr"),
            shape=values.shape,
            dtype=values.dtype,
            chunks=(candidate.chunk,),
            shards=(candidate.shard,),
            serializer=serializer,
            compressors=CODECS[candidate.codec](),
            config={"write_empty_chunks": True},
        )
        begin = perf_counter()
        for start in range(0, values.size, candidate.shard):
            array[start : start + candidate.shard] = values[start : start + candidate.shard]
        write = perf_counter() - begin
        begin = perf_counter()
        slabs = [array[start : start + SLAB] for start in range(0, values.size, SLAB)]
        slab = perf_counter() - begin
        np.testing.assert_array_equal(np.concatenate(slabs), values)
        starts = rng.integers(0, values.size - WINDOW, 100)
        begin = perf_counter()
        for start in starts:
            array[start : start + WINDOW]
        window = perf_counter() - begin
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "bytes_per_position": size / values.size,
        "write": values.nbytes / write / 1e9,
        "slab": values.nbytes / slab / 1e9,
        "windows": starts.size / window,
    }


def compare(name: str, values: np.ndarray, repeats: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Measure all layouts `repeats` times; return medians, and slab reading against the default, pair by pair."""
    results: dict[Candidate, list[dict[str, float]]] = {candidate: [] for candidate in CANDIDATES}
    for repeat in range(-1, repeats):
        # Whatever is measured first pays for starting threads and for new memory: not always the same layout, and the
        # very first run does not count.
        order = rng.permutation(len(CANDIDATES)) if repeat >= 0 else [0]
        for candidate in (CANDIDATES[i] for i in order):
            with tempfile.TemporaryDirectory(prefix="factornet-layout-") as folder:
                run = measure(values, candidate, Path(folder), rng)
            if repeat >= 0:
                results[candidate].append(run)
    rows = []
    for candidate, runs in results.items():
        medians = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        ratios = [run["slab"] / base["slab"] for run, base in zip(runs, results[DEFAULT], strict=True)]
        spread = {"ratio": float(np.median(ratios)), "spread": [min(ratios), max(ratios)]}
        rows.append({"array": name, **asdict(candidate), **medians, **spread})
    return rows


def show(row: dict[str, Any]) -> str:
    return (
        f"{row['array']:9}{row['chunk'] // 1024:5} Ki {row['shard'] >> 20:4} Mi  {row['codec']:20}{row['pipeline']:6}"
        f"{row['bytes_per_position']:8.3f}{row['write']:9.2f}{row['slab']:9.2f}{row['windows']:11,.0f}"
        f"{row['ratio']:9.2f} ({row['spread'][0]:.2f} - {row['spread'][1]:.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--positions", type=int, default=LARGEST_SHARD)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.positions < 1 or options.positions % LARGEST_SHARD:
        parser.error(f"--positions must be a multiple of {LARGEST_SHARD}: a shard that is not full counts as larger")
    rng = np.random.default_rng(0)
    print(
        "array      chunk   shard  codec               pipe   B/pos  write GB/s slab GB/s windows/s  slab, to default"
    )
    rows = []
    for name, make in (("sequence", sequence_like), ("track", track_like)):
        for row in compare(name, make(options.positions, rng), options.repeats, rng):
            print(show(row), flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
