"""Raw stores: opening, memory maps, and windows equal to those of the compressed store."""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from factornet.etl import Resources
from factornet.etl.builders.parts import raw_arrays
from factornet.etl.builders.unpack import unpack_store
from factornet.store import SamplingPlan, StoreError, StreamSettings, WindowStream, open_store, read_span
from factornet.store.format.file_map import MappedArray
from factornet.store.windows.gather import ArrayGatherer

CELLS = ("GM12878", "HepG2", "K562")


@pytest.fixture
def raw_copy(raw_store, tmp_path):
    """A copy of the unpacked demo store, to be damaged."""
    return Path(shutil.copytree(raw_store, tmp_path / "copy.zarr"))


@pytest.fixture(scope="module")
def float_store(demo_store, tmp_path_factory):
    """The demo as a raw store without codes, as earlier versions unpacked it; a thread gathers its windows ahead."""
    path = tmp_path_factory.mktemp("float") / "raw.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_arrays, "takes_less", lambda table, length: False)
        unpack_store(demo_store, path, Resources(1))
    return path


def random_plan(store, n, seed=0, tasks=1):
    rng = np.random.default_rng(seed)
    chrom = rng.integers(0, len(store.coordinates.names), n)
    size = np.array(store.coordinates.lengths)[chrom]
    start = rng.integers(-800, size + 600)
    labels = rng.integers(0, 3, (n, tasks)).astype(np.uint8)
    return SamplingPlan(CELLS, rng.integers(0, 3, n), chrom, start, rng.integers(-50, 50, n), labels)


# Opening


@pytest.mark.parametrize("size", [0, 4095, 999_999, 1_000_001])
def test_file_of_another_size_is_refused_before_mapping(raw_copy, size):
    file = raw_copy / "genome/sequence/chr21/c/0"
    os.truncate(file, size)
    store = open_store(raw_copy)
    with pytest.raises(StoreError, match=rf"chr21/c/0: {size} bytes, an array of uint8 \(1000000,\) has 1000000; copy"):
        store.sequence("chr21")
    with pytest.raises(StoreError, match=f"{size} bytes"):
        WindowStream(store, random_plan(store, 100), StreamSettings(1000), seed=(1,))


def test_missing_or_compressed_arrays_are_refused(raw_copy, demo_store):
    (raw_copy / "cells/K562/tracks/DGF/chr7/codes/c/0").unlink()
    (raw_copy / "cells/HepG2/tracks/DGF/chr7/values/c/0").unlink()
    shutil.rmtree(raw_copy / "cells/K562/labels/chr7")
    (raw_copy / "genome/annotation/chr7/zarr.json").write_text("{")
    shutil.copy(demo_store / "genome/sequence/chr7/zarr.json", raw_copy / "genome/sequence/chr7/zarr.json")
    store = open_store(raw_copy)
    with pytest.raises(StoreError, match="DGF/chr7/codes/c/0: cannot be mapped"):
        store.track("K562", "DGF", "chr7")
    with pytest.raises(StoreError, match="DGF/chr7/values/c/0: is missing"):
        store.track("HepG2", "DGF", "chr7")
    with pytest.raises(StoreError, match=r"labels/chr7/zarr.json: is missing"):
        store.labels("K562", "chr7")
    with pytest.raises(StoreError, match=r"annotation/chr7/zarr.json: damaged"):
        store.annotation("chr7")
    with pytest.raises(StoreError, match=r"sequence/chr7/zarr.json: damaged"):
        store.sequence("chr7")


def test_unknown_encoding_is_refused(raw_copy):
    meta = raw_copy / "zarr.json"
    meta.write_text(meta.read_text().replace('"encoding": "raw"', '"encoding": "rope"'))
    with pytest.raises(StoreError, match="encoding is 'rope', this factornet reads compressed and raw"):
        open_store(raw_copy)


def test_arrays_are_read_only_maps_and_opened_once(raw_store):
    store = open_store(raw_store)
    track = store.track("K562", "DGF", "chr21")
    assert track is store.track("K562", "DGF", "chr21")
    assert isinstance(track.codes, MappedArray)
    sequence = store.sequence("chr21")
    assert isinstance(sequence, MappedArray)
    with pytest.raises(ValueError, match="read-only"):
        sequence[0] = 1
    span = read_span(track, 5, 10)
    span[:] = 7  # a copy, as of a compressed store
    assert (track[5:10] != 7).any()
    with pytest.raises(StoreError, match="outside the array of 1000000 rows"):
        read_span(track, 5, 1_000_001)
    stream = WindowStream(store, random_plan(store, 10), StreamSettings(1000), seed=(1,))
    assert len(pickle.dumps((store, stream))) < 20_000


# Reading


def contents(stream):
    return [
        (b.index.tobytes(), b.codes.tobytes(), b.tracks.tobytes(), b.features.tobytes(), b.labels.tobytes())
        for b in stream
    ]


def by_window(stream):
    """Map the index of each window to the bytes of all fields."""
    rows = {}
    for b in stream:
        for i, *fields in zip(b.index.tolist(), b.codes, b.tracks, b.features, b.labels, strict=True):
            assert i not in rows
            rows[i] = [(f.dtype, f.shape, f.tobytes()) for f in fields]
    return rows


@pytest.mark.parametrize("length", [1, 1000, 1002, 1_200_000])
@pytest.mark.parametrize("form", ["codes", "float32"])
def test_windows_equal_those_of_the_compressed_store(request, demo_store, form, length):
    """Every field, with several targets; at the last length some chromosomes are shorter than a window."""
    raw_store = request.getfixturevalue({"codes": "raw_store", "float32": "float_store"}[form])
    packed, raw = open_store(demo_store), open_store(raw_store)
    plan = random_plan(raw, 12 if length > 10_000 else 700, length, tasks=3)
    settings = StreamSettings(length, batch_size=7, meta=True, gencode=True)
    from_raw, from_compressed = (by_window(WindowStream(s, plan, settings, seed=(1,))) for s in (raw, packed))
    assert from_raw == from_compressed
    assert len(from_raw) == len(plan)
    ordered = [contents(WindowStream(s, plan, settings, seed=None)) for s in (raw, packed)]
    assert ordered[0] == ordered[1]


def test_order_is_a_permutation_of_the_whole_plan(raw_store):
    """Adjacent windows of the plan are spread over the epoch, whatever `pool_bytes` is."""
    store = open_store(raw_store)
    plan = random_plan(store, 4000)
    orders = []
    for pool_bytes, batch in ((1, 10), (10**6, 10), (10**9, 37)):
        settings = StreamSettings(100, batch_size=batch, pool_bytes=pool_bytes)
        batches = list(WindowStream(store, plan, settings, seed=(7, 1)))
        assert [len(b.index) for b in batches[:-1]] == [batch] * (len(batches) - 1)
        orders.append(np.concatenate([b.index for b in batches]))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] == orders[2]).all()
    assert sorted(orders[0]) == list(range(4000))
    # Of the first and last tenth of the plan, about a tenth lies in each tenth of the epoch (40 expected of 400).
    for tenth in np.split(orders[0], 10):
        assert 15 < (tenth < 400).sum() < 70
        assert 15 < (tenth >= 3600).sum() < 70
    other = np.concatenate([b.index for b in WindowStream(store, plan, StreamSettings(100), seed=(7, 2))])
    assert (other != orders[0]).mean() > 0.99


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_read_parts_of_each_batch(raw_store, world_size):
    store = open_store(raw_store)
    plan = random_plan(store, 1234)
    whole = list(WindowStream(store, plan, StreamSettings(100, batch_size=20), seed=(1,)))
    settings = (StreamSettings(100, batch_size=20, rank=rank, world_size=world_size) for rank in range(world_size))
    by_rank = [list(WindowStream(store, plan, s, seed=(1,))) for s in settings]
    assert {len(batches) for batches in by_rank} == {len(whole)}
    for batch, *parts in zip(whole, *by_rank, strict=True):
        for name in ("index", "codes", "tracks", "features", "labels"):
            joined = np.concatenate([getattr(p, name) for p in parts])
            np.testing.assert_array_equal(joined, getattr(batch, name))


def test_batches_are_not_overwritten_by_later_ones(raw_store):
    store = open_store(raw_store)
    held, seen = [], []
    for batch in WindowStream(store, random_plan(store, 3000), StreamSettings(200, batch_size=16), seed=(1,)):
        held.append(batch)
        seen += contents([batch])
    assert contents(held) == seen


def gather_threads():
    return [t for t in threading.enumerate() if t.name.startswith("window-gather")]


def test_closing_the_stream_early_ends_the_thread(float_store):
    store = open_store(float_store)
    stream = iter(WindowStream(store, random_plan(store, 5000), StreamSettings(100, batch_size=16), seed=(1,)))
    next(stream)
    assert gather_threads()
    stream.close()
    assert not gather_threads()


def test_error_in_the_thread_is_raised_in_the_consumer(float_store, monkeypatch):
    store = open_store(float_store)
    stream = WindowStream(store, random_plan(store, 5000), StreamSettings(100, batch_size=16), seed=(1,))
    calls, windows = [], ArrayGatherer.windows

    def failing(self, *args):
        calls.append(1)
        if len(calls) > 9:
            raise MemoryError("in the thread")
        return windows(self, *args)

    monkeypatch.setattr(ArrayGatherer, "windows", failing)
    with pytest.raises(MemoryError, match="in the thread"):
        list(stream)
    assert not gather_threads()


def _digest(store, plan, queue):
    settings = StreamSettings(1000, batch_size=32, meta=True, gencode=True)
    rows = contents(WindowStream(store, plan, settings, seed=(5,)))
    again = open_store(store.path).cell("K562").track_names
    queue.put((hashlib.sha256(b"".join(b"".join(row) for row in rows)).hexdigest(), again))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_forked_and_spawned_processes_read_the_same(raw_store, demo_store, method):
    store = open_store(raw_store)
    read_span(open_store(demo_store).sequence("chr21"), 0, 10)  # zarr's threads are up
    plan = random_plan(store, 1500, 3)
    local_queue = multiprocessing.SimpleQueue()
    _digest(store, plan, local_queue)
    expected = local_queue.get()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_digest, args=(store, plan, queue)) for _ in range(2)]
    for child in children:
        child.start()
    try:
        assert [queue.get(timeout=60) for _ in children] == [expected, expected]
    finally:
        for child in children:
            child.join(timeout=5)
            child.kill()
