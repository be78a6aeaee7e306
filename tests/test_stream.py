"""The stream against a slow, obvious oracle: pyfaidx and pyBigWig, one window at a time."""

import multiprocessing
import pickle
import shutil

import numpy as np
import pyBigWig
import pyfaidx
import pytest

from factornet.store import Plan, StoreError, StreamSettings, UsageError, WindowStream, open_store, read_span

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


def make_plan(store, n, seed, length):
    """Random windows of all cell lines; some hang over the ends of chromosomes, some lie in runs of N."""
    rng = np.random.default_rng(seed)
    chrom = rng.integers(0, len(store.axis.names), n)
    size = np.array(store.axis.lengths)[chrom]
    start = rng.integers(0, size - 200)
    start[: n // 4] = rng.integers(-length // 2 + 60, 10_000, n // 4)
    start[n // 4 : n // 2] = size[n // 4 : n // 2] - rng.integers(0, length // 2 + 50, n // 2 - n // 4)
    zeros = np.zeros(n, np.int64)
    label = rng.integers(0, 2, (n, 1)).astype(np.uint8)
    return Plan(CELLS, rng.integers(0, 3, n), chrom, start, zeros + rng.integers(-50, 50, n), label)


@pytest.mark.parametrize(
    ("length", "settings"),
    [
        (1000, {"batch": 16, "pool_bytes": 400_000, "slab": 100_000}),
        (1002, {"batch": 33, "pool_bytes": 10_000_000, "threads": 4}),
        (501, {"batch": 7, "pool_bytes": 1, "slab": 4096, "threads": 1}),
    ],
)
def test_batches_equal_the_oracle_byte_for_byte(demo_store, oracle, length, settings):
    store = open_store(demo_store)
    plan = make_plan(store, 120, length, length)
    starts = plan.window_starts(length)
    seen = []
    for batch in WindowStream(store, plan, StreamSettings(length, **settings), seed=(1,)):
        for i, codes, tracks, label in zip(batch.index, batch.codes, batch.tracks, batch.labels, strict=True):
            cell, chrom = CELLS[plan.cell[i]], store.axis.names[plan.chrom[i]]
            want_codes, want_tracks = oracle.window(cell, chrom, int(starts[i]), length)
            np.testing.assert_array_equal(codes, want_codes)
            assert tracks.tobytes() == want_tracks.astype(np.float32).tobytes()
            assert label == plan.label[i]
        seen += batch.index.tolist()
    assert sorted(seen) == list(range(120))
    assert seen != list(range(120))


def orders(store, plan, settings, seed):
    return [b.index.tolist() for b in WindowStream(store, plan, settings, seed=seed)]


def test_order_depends_on_the_seed_alone(demo_store):
    store = open_store(demo_store)
    plan = make_plan(store, 200, 5, 1000)
    first = orders(store, plan, StreamSettings(1000, batch=20, threads=1), (3,))
    for threads in (2, 4):
        assert orders(store, plan, StreamSettings(1000, batch=20, threads=threads), (3,)) == first
    assert orders(store, plan, StreamSettings(1000, batch=20), (4,)) != first


def test_leaving_early_does_not_hang(demo_store):
    store = open_store(demo_store)
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


def test_cells_with_other_tracks_are_refused(demo_store, tmp_path):
    copy = tmp_path / "copy.zarr"
    shutil.copytree(demo_store, copy)
    meta = copy / "cells/HepG2/zarr.json"
    meta.write_text(meta.read_text().replace('"name": "DGF"', '"name": "DNase"'))
    store = open_store(copy)
    with pytest.raises(UsageError, match="GM12878 has Unique35, DGF; HepG2 has Unique35, DNase"):
        WindowStream(store, make_plan(store, 10, 1, 1000), StreamSettings(1000), seed=None)


def _error(store, queue):
    try:
        read_span(store.sequence("chr21"), 0, 10)
    except StoreError as e:
        queue.put(str(e))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_told_what_to_do(demo_store):
    store = open_store(demo_store)
    read_span(store.sequence("chr21"), 0, 10)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_error, args=(store, queue))
    child.start()
    assert "spawn or forkserver" in queue.get(timeout=20)
    child.join(timeout=5)


def _count(store, plan, queue):
    queue.put(sum(int(b.codes.sum()) for b in WindowStream(store, plan, StreamSettings(1000), seed=(1,))))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_read_the_same(demo_store, method):
    store = open_store(demo_store)
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
