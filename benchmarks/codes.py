"""Signal kept as codes: bytes of a raw store, and windows per second against GenVarLoader, in one run.

Simulated counts (cuts at one base in twelve, times a scale) and uniqueness, or with `--store` the tracks of a cell line
of a real store, of which the files that GenVarLoader reads are written anew. L 1000, sequence and 2 tracks, batches of
256 in random order, read into torch tensors: `loader_codes` to the float32 tensor that enters a network, which must
have the same bits in both; `loader_codes_ready` to codes and tables, ready to be copied to a device. Bytes are those of
a raw store with float32 signal, and of the same store as it is unpacked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from genvarloader_peer import DEFAULT_PEER, Peer, peer_writer, why_not
from raw import unpack
from rows import Row, finish, make_parser, make_row, measure_pairs, skipped

from data import BATCH, CELL, CHROM, LENGTH, SIZE, TRACKS, Sources, build_store, column_sum, write_runs, write_sources
from factornet.model.data.batches import TensorStream
from factornet.store import BIN, SamplingPlan, Store, StreamSettings, WindowStream, open_store, read_span
from factornet.store.format.value_tables.coded_array import CodedArray

NAMES = ("loader_codes_vs_genvarloader", "loader_codes_ready_vs_genvarloader")
BYTES = "raw_store_bytes_vs_float32"
CPU = torch.device("cpu")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--windows", type=int, default=100_000, help="windows an epoch (100000)")
    parser.add_argument("--python", type=Path, default=DEFAULT_PEER, help="the Python that has genvarloader")
    parser.add_argument("--store", type=Path, help="a compressed store, instead of simulated counts")
    parser.add_argument("--cell", help="its cell line (the first)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packed = open_store(options.store) if options.store else count_store(folder)
        cell = options.cell or packed.cells[0]
        raw = unpack(packed, folder / "raw.zarr")
        rows = [make_row(BYTES, ([raw_bytes(raw, coded=True)], [raw_bytes(raw, coded=False)]), "bytes")]
        lack = why_not(options.python)
        if lack:
            rows += [skipped(row, lack) for row in NAMES]
        else:
            sources = sources_of(raw, cell, folder / "peer") if options.store else Sources(folder, SIZE, np.empty(0))
            with Peer(options.python) as peer:
                rows += compare(raw, cell, sources, peer, n=options.windows, repeats=options.repeats)
    finish(rows, options.json)


def count_store(folder: Path) -> Store:
    """A store of 48 Mb with uniqueness and counts."""
    sources = write_sources(folder, size=SIZE)
    rng = np.random.default_rng(1)
    unique, counts = sources.bigwigs
    levels = np.array([1, 1 / 2, 1 / 3, 1 / 4, 0], np.float32)
    stops = np.cumsum(rng.integers(1, 200, SIZE // 90))
    write_runs(unique, SIZE, stops[stops < SIZE], rng.choice(levels, stops.size, p=[0.8, 0.08, 0.04, 0.03, 0.05]))
    cuts = np.bincount(rng.integers(0, SIZE, SIZE // 12), minlength=SIZE)
    for start in rng.integers(0, SIZE - 400, SIZE // 20_000):  # open regions
        cuts[start : start + 400] += rng.poisson(2, 400)
    bounds = np.flatnonzero(np.diff(cuts)) + 1
    write_runs(counts, SIZE, bounds, (cuts[np.append(0, bounds)] * 0.4271).astype(np.float32))
    return build_store(sources)


def sources_of(store: Store, cell: str, folder: Path) -> Sources:
    """Files of the first chromosome of a store and the first two tracks of a cell line, for the other loader."""
    (folder / CELL).mkdir(parents=True)
    chrom, size = store.coordinates.names[0], store.coordinates.lengths[0]
    sources = Sources(folder, size, read_span(store.sequence(chrom), 0, size))
    sources.fasta.write_bytes(f">{CHROM}\n".encode() + np.frombuffer(b"ACGTN", np.uint8)[sources.codes].tobytes())
    for path, track in zip(sources.bigwigs, store.cell(cell).track_names, strict=False):
        values = read_span(store.track(cell, track, chrom), 0, size)
        bounds = np.flatnonzero(np.diff(values)) + 1
        write_runs(path, size, bounds, values[np.append(0, bounds)])
    return sources


def raw_bytes(store: Store, *, coded: bool) -> int:
    """Bytes of the raw arrays along the genome: as they are, or as they would be with float32 signal."""
    total = sum(p.stat().st_size for p in Path(store.path).rglob("*") if p.is_file() and p.name != "zarr.json")
    if coded:
        return total
    signal = {
        store.track_path(cell, t.name, chrom)
        for cell in store.cells
        for t in store.tracks_of(cell)
        for chrom in store.coordinates.names
    }
    arrays = [a for a in map(store.array, signal) if isinstance(a, CodedArray)]
    return total + sum(4 * len(a) - a.codes.nbytes - a.table.values.nbytes for a in arrays)


def compare(store: Store, cell: str, sources: Sources, peer: Peer, *, n: int, repeats: int) -> list[Row]:
    """Rates of both kinds of batches, in turns with the peer's."""
    starts = np.random.default_rng(n).integers(LENGTH, sources.size - 2 * LENGTH - BIN, n)
    zeros = np.zeros(n, np.int64)
    plan = SamplingPlan((cell,), zeros, zeros, starts, zeros, (np.arange(n) % 2).astype(np.uint8)[:, None])
    settings = StreamSettings(LENGTH, batch_size=BATCH, tracks=store.cell(cell).track_names[: len(TRACKS)])
    peer_writer(peer, sources, plan)(0)
    sums = set()

    def theirs(repeat: int) -> float:
        answer = peer.ask(do="epoch", seed=repeat, batch=BATCH)
        sums.add(answer["checksum"])
        return n / answer["seconds"]

    def ours(*, coded: bool) -> Callable[[int], float]:
        def rate(repeat: int) -> float:
            begin, total = perf_counter(), 0
            stream = WindowStream(store, plan, settings, seed=(repeat,))
            for batch in stream.coded_batches() if coded else TensorStream(stream, CPU):
                values = batch.tracks.column(7) if coded else batch.tracks[:, :, 7].numpy()
                total += column_sum(np.asarray(batch.codes[:, 7]), values)
            seconds = perf_counter() - begin
            sums.add(total)
            assert len(sums) == 1, f"the two loaders read different windows: {sums}"
            return n / seconds

        return rate

    pairs = ((NAMES[0], ours(coded=False)), (NAMES[1], ours(coded=True)))
    return [make_row(name, measure_pairs(way, theirs, repeats), "windows/s") for name, way in pairs]


if __name__ == "__main__":
    main()
