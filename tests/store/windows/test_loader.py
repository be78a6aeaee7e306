"""The stream, of both encodings, against a slow oracle: pyfaidx and pyBigWig, one window at a time."""

import json
import multiprocessing
import pickle
import shutil

import numpy as np
import pyBigWig
import pyfaidx
import pytest

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.store import SamplingPlan, StoreError, StreamSettings, UsageError, WindowStream, open_store, read_span
from factornet.store.format.manifest import with_self_digest

CELLS = ("GM12878", "HepG2", "K562")


class Oracle:
    """Windows straight from the source files."""

    def __init__(self, files):
        self.fasta = pyfaidx.Fasta(str(files / "genome.fa"), as_raw=True, sequence_always_upper=True)
        self.unique = pyBigWig.open(str(files / "tracks/Unique35.bw"))
        self.dgf = {c: pyBigWig.open(str(files / f"cells/{c}/{c}.DGF.bw")) for c in CELLS}

    def window(self, cell, chrom, start, length):
        size = len(self.fasta[chrom])
        low, high = max(start, 0), min(start + length, size)
        if low >= high:  # wholly past an end: pyBigWig would raise
            return np.full(length, 4, np.uint8), np.zeros((2, length))
        pad = (low - start, start + length - high)
        codes = [dict(zip("ACGT", range(4), strict=True)).get(b, 4) for b in self.fasta[chrom][low:high]]
        tracks = [
            np.pad(np.nan_to_num(np.array(f.values(chrom, low, high), np.float32), nan=0.0), pad)
            for f in (self.unique, self.dgf[cell])
        ]
        return np.pad(np.array(codes, np.uint8), pad, constant_values=4), np.stack(tracks)


@pytest.fixture(scope="module")
def oracle(demo_files, tmp_path_factory):
    copy = tmp_path_factory.mktemp("oracle") / "files"  # pyfaidx leaves an index beside the FASTA
    shutil.copytree(demo_files, copy)
    return Oracle(copy)


@pytest.fixture(params=["compressed", "raw"])
def any_store(request, demo_store, raw_store):
    """The demo in either encoding."""
    return {"compressed": demo_store, "raw": raw_store}[request.param]


def make_plan(store, n, seed, length):
    """Random windows of all cell lines; some extend past the ends of chromosomes, some are in runs of N."""
    rng = np.random.default_rng(seed)
    chrom = rng.integers(0, len(store.coordinates.names), n)
    size = np.array(store.coordinates.lengths)[chrom]
    start = rng.integers(0, size - 200)
    start[: n // 4] = rng.integers(-length // 2 + 60, 10_000, n // 4)
    start[n // 4 : n // 2] = size[n // 4 : n // 2] - rng.integers(0, length // 2 + 50, n // 2 - n // 4)
    zeros = np.zeros(n, np.int64)
    label = rng.integers(0, 2, (n, 1)).astype(np.uint8)
    return SamplingPlan(CELLS, rng.integers(0, 3, n), chrom, start, zeros + rng.integers(-50, 50, n), label)


@pytest.mark.parametrize(
    ("length", "settings"),
    [
        (1000, {"batch_size": 16, "pool_bytes": 400_000, "slab": 100_000}),
        (1002, {"batch_size": 33, "pool_bytes": 10_000_000, "threads": 4}),
        (501, {"batch_size": 7, "pool_bytes": 1, "slab": 4096, "threads": 1}),
    ],
)
def test_batches_equal_the_oracle_byte_for_byte(any_store, oracle, length, settings):
    store = open_store(any_store)
    plan = make_plan(store, 120, length, length)
    starts = plan.window_starts(length)
    seen = []
    for batch in WindowStream(store, plan, StreamSettings(length, **settings), seed=(1,)):
        for i, codes, tracks, label in zip(batch.index, batch.codes, batch.tracks, batch.labels, strict=True):
            cell, chrom = CELLS[plan.cell[i]], store.coordinates.names[plan.chrom[i]]
            want_codes, want_tracks = oracle.window(cell, chrom, int(starts[i]), length)
            np.testing.assert_array_equal(codes, want_codes)
            assert tracks.tobytes() == want_tracks.astype(np.float32).tobytes()
            assert label == plan.label[i]
        seen += batch.index.tolist()
    assert sorted(seen) == list(range(120))
    assert seen != list(range(120))


def check_against(oracle, store, plan, stream, length):
    """Every window of a stream equals the oracle's, and comes once."""
    starts, seen = plan.window_starts(length), []
    for batch in stream:
        for i, codes, tracks in zip(batch.index, batch.codes, batch.tracks, strict=True):
            want = oracle.window(
                plan.cells[plan.cell[i]], store.coordinates.names[plan.chrom[i]], int(starts[i]), length
            )
            assert codes.tobytes() == want[0].tobytes()
            assert tracks.tobytes() == want[1].astype(np.float32).tobytes()
        seen += batch.index.tolist()
    assert sorted(seen) == list(range(len(plan)))


def bare_plan(cell, chrom, start):
    """A plan without jitter or labels; the cell lines in turn where `cell` is None."""
    n = len(start)
    cell = np.arange(n) % len(CELLS) if cell is None else np.full(n, cell)
    zeros = np.zeros(n, np.int64)
    return SamplingPlan(CELLS, cell, np.full(n, chrom), np.asarray(start, np.int64), zeros, np.zeros((n, 0), np.uint8))


@pytest.mark.parametrize("length", [1, 200, 999])
def test_runs_of_n_gaps_and_windows_off_the_chromosome(any_store, oracle, length):
    """Positions where a wrong fill value would show: the edges of N runs and of signal gaps, and past both ends."""
    store = open_store(any_store)
    name, cell = "chr21", "K562"
    chrom, size = store.coordinates.index(name), len(oracle.fasta[name])
    letters = np.frombuffer(oracle.fasta[name][:].encode(), np.uint8)
    missing = np.isnan(np.array(oracle.dgf[cell].values(name, 0, size), np.float32))
    gap = missing & (letters != ord("N"))
    edges = [np.flatnonzero(np.diff(mask.astype(np.int8))) + 1 for mask in (letters == ord("N"), gap)]
    assert all(e.size > 3 for e in edges), "the demo has runs of N and gaps of signal"
    ends = np.array([-3 * length - 300, -length, -1, 0, size - 200, size - length, size, size + 3 * length])
    start = np.concatenate([*(e[:40] + shift for e in edges for shift in (-100, -length // 2)), ends])
    plan = bare_plan(CELLS.index(cell), chrom, start)
    settings = StreamSettings(length, batch_size=10, pool_bytes=20 * length * 9, slab=30_000, threads=4)
    check_against(oracle, store, plan, WindowStream(store, plan, settings, seed=(2,)), length)


def test_without_a_seed_windows_come_in_genome_order(any_store, oracle):
    store = open_store(any_store)
    plan = make_plan(store, 150, 8, 1000)
    settings = StreamSettings(1000, batch_size=11, pool_bytes=300_000, slab=100_000)
    stream = WindowStream(store, plan, settings, seed=None)
    assert len(stream) == len(list(stream)) == 14
    check_against(oracle, store, plan, stream, 1000)
    order = np.concatenate([batch.index for batch in stream])
    location = store.coordinates.to_absolute(plan.chrom, plan.window_starts(1000)) // 100_000
    assert (np.diff(location[order]) >= 0).all()


def test_a_plan_without_windows_yields_no_batch(any_store):
    """As when every interval to predict is in the blacklist."""
    store = open_store(any_store)
    stream = WindowStream(store, bare_plan(None, 0, []), StreamSettings(1000), seed=None)
    assert len(stream) == 0
    assert list(stream) == []


def orders(store, plan, settings, seed):
    return [b.index.tolist() for b in WindowStream(store, plan, settings, seed=seed)]


def test_order_depends_on_the_seed_alone(any_store):
    store = open_store(any_store)
    plan = make_plan(store, 200, 5, 1000)
    first = orders(store, plan, StreamSettings(1000, batch_size=20, threads=1), (3,))
    for threads in (2, 4):
        assert orders(store, plan, StreamSettings(1000, batch_size=20, threads=threads), (3,)) == first
    assert orders(store, plan, StreamSettings(1000, batch_size=20), (4,)) != first


def test_threads_change_no_byte_and_a_second_pass_repeats_the_first(any_store):
    store = open_store(any_store)
    plan = make_plan(store, 200, 9, 1000)

    def batches(threads):
        settings = StreamSettings(1000, batch_size=16, pool_bytes=500_000, slab=50_000, threads=threads)
        return WindowStream(store, plan, settings, seed=(3, 1))

    def content(stream):
        return [(b.index.tobytes(), b.codes.tobytes(), b.tracks.tobytes(), b.labels.tobytes()) for b in stream]

    once = batches(1)
    first = content(once)
    assert content(once) == first
    assert content(batches(2)) == content(batches(4)) == first


def test_leaving_early_does_not_hang(any_store):
    store = open_store(any_store)
    stream = iter(WindowStream(store, make_plan(store, 300, 6, 1000), StreamSettings(1000, pool_bytes=1), seed=(1,)))
    next(stream)
    stream.close()


@pytest.mark.parametrize("damage", ["deleted", "emptied", "flipped", "truncated"])
@pytest.mark.parametrize("array", ["genome/sequence/chr21", "cells/K562/tracks/DGF/chr21"])
def test_a_damaged_chunk_is_an_error_never_zeros(demo_store, tmp_path, damage, array):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(demo_store, copy)
    shard = copy / array / "c" / "0"
    data = bytearray(shard.read_bytes())
    if damage == "deleted":
        shard.unlink()
    elif damage == "emptied":
        shard.write_bytes(b"")
    elif damage == "truncated":
        shard.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 3] ^= 4
        shard.write_bytes(data)
    store = open_store(copy)
    with pytest.raises(StoreError, match="chr21"):
        read_span(store.array(array), 0, 1_000_000)


@pytest.mark.parametrize("array", ["genome/sequence/chr21", "cells/HepG2/tracks/DGF/chr21"])
def test_a_stream_over_a_damaged_chunk_ends_with_the_error(demo_store, tmp_path, array):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(demo_store, copy)
    (copy / array / "c" / "0").unlink()
    store = open_store(copy)
    chrom = store.coordinates.index("chr21")
    plan = bare_plan(None, chrom, np.arange(20_000, 900_000, 9000))
    with pytest.raises(StoreError, match=r"chr21.*missing"):
        list(WindowStream(store, plan, StreamSettings(1000, pool_bytes=100_000, slab=50_000), seed=(1,)))


@pytest.mark.parametrize("array", ["genome/sequence/chr21", "genome/annotation/chr21", "cells/K562/tracks/DGF/chr21"])
def test_no_flipped_bit_changes_what_is_read(demo_store, tmp_path, array):
    """Anywhere in a shard, its index included: an error, or (where the bit means nothing) the same values."""
    copy = tmp_path / "copy.zarr"
    shutil.copytree(demo_store, copy)
    shard = copy / array / "c" / "0"
    data = shard.read_bytes()
    whole = open_store(copy).array(array)
    expected = read_span(whole, 0, whole.shape[0]).tobytes()
    rng = np.random.default_rng(3)
    places = [*range(0, 6), *rng.integers(0, len(data), 25).tolist(), *range(len(data) - 300, len(data), 13)]
    errors = 0
    for location in places:
        broken = bytearray(data)
        broken[location] ^= 1 << int(rng.integers(0, 8))
        shard.write_bytes(broken)
        damaged = open_store(copy).array(array)
        try:
            assert read_span(damaged, 0, damaged.shape[0]).tobytes() == expected, f"byte {location} of {len(data)}"
        except StoreError:
            errors += 1
    assert errors > 0.9 * len(places)


def test_cells_with_other_tracks_are_refused(demo_store, tmp_path):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(demo_store, copy)
    meta = copy / "cells/HepG2/zarr.json"
    meta.write_bytes(with_self_digest(json.loads(meta.read_text().replace('"name": "DGF"', '"name": "DNase"'))))
    store = open_store(copy)
    with pytest.raises(UsageError, match="GM12878 has Unique35, DGF; HepG2 has Unique35, DNase"):
        WindowStream(store, make_plan(store, 10, 1, 1000), StreamSettings(1000), seed=None)


def _count(store, plan, queue):
    queue.put(sum(int(b.codes.sum()) for b in WindowStream(store, plan, StreamSettings(1000), seed=(1,))))


@pytest.mark.alone
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_read_the_same(any_store, method):
    store = open_store(any_store)
    plan = make_plan(store, 50, 7, 1000)
    expected = sum(int(b.codes.sum()) for b in WindowStream(store, plan, StreamSettings(1000), seed=(1,)))
    assert pickle.loads(pickle.dumps(store)) == store
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_count, args=(store, plan, queue))
    child.start()
    try:
        assert queue.get(timeout=20) == expected
    finally:
        child.join(timeout=5)
        child.kill()


def test_features_are_the_cells_values_and_the_annotation_of_the_bin_as_drawn(any_store):
    store = open_store(any_store)
    plan = make_plan(store, 400, 5, 1000)
    settings = StreamSettings(1000, batch_size=64, slab=200_000, meta=True, gencode=True)
    seen = 0
    for batch in WindowStream(store, plan, settings, seed=(2,)):
        assert batch.features.shape == (len(batch.index), 8 + 6)
        for i, row in zip(batch.index, batch.features, strict=True):
            np.testing.assert_array_equal(row[:8], store.meta(plan.cells[plan.cell[i]]))
            annotation = store.annotation(store.coordinates.names[plan.chrom[i]])
            start = int(plan.start[i] + plan.jitter[i])  # the bin moves with the jitter; it may hang over an end
            bits = annotation[max(start, 0) : max(min(start + 200, annotation.shape[0]), 0)]
            want = [bool((bits >> k & 1).any()) for k in range(6)]
            assert row[8:].tolist() == want
            seen += sum(want)
    assert seen > 50


def test_without_annotation_the_features_are_refused(demo_files, tmp_path):
    inputs = GenomeInputs(demo_files / "genome.fa", tracks={"Unique35": demo_files / "tracks/Unique35.bw"})
    build_genome(tmp_path / "bare.zarr", inputs, GenomeOptions(assembly="demo"), Resources(1))
    for cell in CELLS:
        build_cell(tmp_path / "bare.zarr", demo_files / "cells" / cell, CellOptions(), Resources(1))
    store = open_store(tmp_path / "bare.zarr")
    with pytest.raises(UsageError, match="has no annotation, which the model needs"):
        WindowStream(store, make_plan(store, 4, 1, 1000), StreamSettings(1000, gencode=True), seed=None)
