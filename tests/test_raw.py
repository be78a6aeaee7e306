"""Raw stores: unpacking, what may go wrong with it, and reading through memory maps (windows: test_stream.py)."""

import hashlib
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from factornet.cli import etl
from factornet.etl import Resources, unpack
from factornet.etl.unpack import unpack_store
from factornet.store import Plan, StoreError, StreamSettings, UsageError, WindowStream, open_store, read_span
from factornet.store.gather import Lines
from factornet.store.manifest import sealed

CELLS = ("GM12878", "HepG2", "K562")


@pytest.fixture(scope="module")
def raw_store(demo_store, tmp_path_factory):
    """The demo, unpacked by the command; not to be changed."""
    path = tmp_path_factory.mktemp("raw") / "raw.zarr"
    assert etl.main(["unpack", str(demo_store), str(path), "-p", "1"]) == 0
    return path


@pytest.fixture
def raw_copy(raw_store, tmp_path):
    """The demo, unpacked, to be damaged."""
    return Path(shutil.copytree(raw_store, tmp_path / "copy.zarr"))


def arrays_of(path):
    """Path of every array but the manifests."""
    nodes = [p for p in path.rglob("zarr.json") if json.loads(p.read_text())["node_type"] == "array"]
    return sorted(str(p.parent.relative_to(path)) for p in nodes if p.parent.name != "manifest")


def random_plan(store, n, seed=0, tasks=1):
    rng = np.random.default_rng(seed)
    chrom = rng.integers(0, len(store.axis.names), n)
    size = np.array(store.axis.lengths)[chrom]
    start = rng.integers(-800, size + 600)
    labels = rng.integers(0, 3, (n, tasks)).astype(np.uint8)
    return Plan(CELLS, rng.integers(0, 3, n), chrom, start, rng.integers(-50, 50, n), labels)


# Unpacking


def test_every_array_equals_the_source_in_values_and_metadata(demo_store, raw_store):
    assert arrays_of(raw_store) == arrays_of(demo_store)
    packed, raw = open_store(demo_store), open_store(raw_store)
    for path in arrays_of(raw_store):
        mine, theirs = raw.array(path), zarr.open_array(str(demo_store), path=path, mode="r")
        plain = zarr.open_array(str(raw_store), path=path, mode="r")
        assert plain.metadata.dimension_names == theirs.metadata.dimension_names
        assert plain.attrs.asdict() == theirs.attrs.asdict()
        assert mine.dtype == plain.dtype == theirs.dtype
        assert mine.tobytes() == plain[:].tobytes() == theirs[:].tobytes(), path
    assert raw.info.chromosomes == packed.info.chromosomes
    assert (packed.info.encoding, raw.info.encoding) == ("compressed", "raw")
    for cell in CELLS:
        assert raw.cell(cell) == packed.cell(cell)
        np.testing.assert_array_equal(raw.meta(cell), packed.meta(cell))
        for mine, theirs in zip(
            raw.peaks(cell, "CTCF", "relaxed").on(raw.axis),
            packed.peaks(cell, "CTCF", "relaxed").on(raw.axis),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert raw.blacklist().starts.tolist() == packed.blacklist().starts.tolist()


def test_positions_of_a_chromosome_are_one_file_of_nothing_else(raw_store):
    store = open_store(raw_store)
    for path, itemsize in (("genome/sequence/chr21", 1), ("cells/K562/tracks/DGF/chr21", 4)):
        (file,) = (p for p in (raw_store / path).rglob("*") if p.is_file() and p.name != "zarr.json")
        assert file.stat().st_size == itemsize * store.axis.lengths[store.axis.index("chr21")]


def test_xarray_opens_it(demo_store, raw_store):
    for group in ("cells/K562/tracks/DGF", "genome/sequence", "cells/HepG2/labels", "cells/HepG2/peaks/CTCF/relaxed"):
        mine = xr.open_zarr(raw_store, group=group, consolidated=False, chunks=None)
        assert mine.identical(xr.open_zarr(demo_store, group=group, consolidated=False, chunks=None))


def test_manifests_list_every_object_with_size_and_digest(demo_store, raw_store):
    root = json.loads((raw_store / "zarr.json").read_text())["attributes"]
    source = json.loads((demo_store / "zarr.json").read_text())["attributes"]
    assert root["unpacked_from"] == source["genome_manifest"]
    for group in (raw_store / "genome", *(raw_store / "cells" / c for c in CELLS)):
        text = (group / "manifest/c/0").read_bytes()
        attributes = json.loads((group / "zarr.json").read_text())["attributes"]
        assert hashlib.sha256(text).hexdigest() == attributes.get("manifest", root["genome_manifest"])
        own = () if group.name == "genome" else (group / "zarr.json",)
        files = {str(p.relative_to(group)): p for p in group.rglob("*") if p.is_file() and p not in own}
        want = {k: [p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest()] for k, p in files.items()}
        assert json.loads(text)["objects"] == {k: v for k, v in want.items() if not k.startswith("manifest/")}


def test_two_workers_write_the_same_and_cell_lines_can_be_chosen(demo_store, raw_store, tmp_path, capsys):
    path = tmp_path / "new" / "some.zarr"
    assert etl.main(["unpack", str(demo_store), str(path), "--cells", "K562", "-p", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["arrays"] == len(arrays_of(path))
    assert said["bytes"] == sum(zarr.open_array(str(path), path=p, mode="r").nbytes for p in arrays_of(path))
    assert open_store(path).cells == ("K562",)
    for file in (p for p in path.rglob("*") if p.is_file()):
        assert file.read_bytes() == (raw_store / file.relative_to(path)).read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["some.zarr"]


def test_blocks_smaller_than_an_array_change_nothing(demo_store, raw_store, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "_BLOCK", 100_000)
    unpack_store(demo_store, tmp_path / "raw.zarr", Resources(1), cells=["K562"])
    for path in arrays_of(tmp_path / "raw.zarr"):
        assert open_store(tmp_path / "raw.zarr").array(path).tobytes() == open_store(raw_store).array(path).tobytes()


def test_refusals(demo_store, raw_store, tmp_path, monkeypatch):
    new = tmp_path / "new.zarr"
    with pytest.raises(StoreError, match="is there already"):
        unpack_store(demo_store, raw_store, Resources(1))
    with pytest.raises(StoreError, match="is a raw store already"):
        unpack_store(raw_store, new, Resources(1))
    with pytest.raises(UsageError, match=r"no cell line 'K563'.*GM12878, HepG2, K562"):
        unpack_store(demo_store, new, Resources(1), cells=["K563"])
    with pytest.raises(UsageError, match="cannot be a name"):
        unpack_store(demo_store, tmp_path / "a b.zarr", Resources(1))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(
        StoreError, match=r"takes 14\d MB, 100 MB are free there: 4\d MB are missing; make room.*--cells"
    ):
        unpack_store(demo_store, new, Resources(1))
    assert list(tmp_path.iterdir()) == []


def damage(path, how):
    if how == "deleted":
        path.unlink()
    elif how == "shorter":
        path.write_bytes(path.read_bytes()[:-7])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)


@pytest.mark.parametrize("how", ["deleted", "shorter", "flipped"])
@pytest.mark.parametrize(
    "file",
    [
        "genome/sequence/chr21/c/0",
        "cells/K562/tracks/DGF/chr21/c/0",
        "cells/K562/peaks/CTCF/conservative/start/c/0",
        "cells/K562/labels/chr21/zarr.json",
        "cells/K562/manifest/c/0",
        "genome/manifest/c/0",
    ],
)
def test_a_damaged_source_is_an_error_and_nothing_is_made(demo_store, tmp_path, file, how):
    copy = shutil.copytree(demo_store, tmp_path / "copy.zarr")
    damage(copy / file, how)
    with pytest.raises(StoreError, match=file.partition("/c/")[0]):
        unpack_store(copy, tmp_path / "raw.zarr", Resources(1))
    assert [p.name for p in tmp_path.iterdir()] == ["copy.zarr"]


def test_killed_in_the_middle_leaves_nothing_and_a_second_run_works(demo_store, tmp_path):
    new = tmp_path / "raw.zarr"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from factornet.etl import Resources; from factornet.etl.unpack import unpack_store\n"
        "done = []\n"
        "def report(r):\n"
        "    done.append(r)\n"
        "    if len(done) == 9: os.kill(os.getpid(), signal.SIGKILL)\n"
        "unpack_store(Path(sys.argv[1]), Path(sys.argv[2]), Resources(1), on_report=report)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(demo_store), str(new)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not new.exists()
    left = tmp_path / "raw.zarr.building"
    assert any(left.rglob("c/0")), "killed before it had written anything"
    unpack_store(demo_store, new, Resources(1))
    assert arrays_of(new) == arrays_of(demo_store)
    assert not left.exists()


def test_a_source_that_is_replaced_meanwhile_is_an_error(demo_store, tmp_path):
    copy = shutil.copytree(demo_store, tmp_path / "copy.zarr")

    def replace(report):
        meta = copy / "cells/K562/zarr.json"
        node = json.loads(meta.read_text())
        node["attributes"]["manifest"] = "0" * 64
        meta.write_bytes(sealed(node))

    with pytest.raises(
        StoreError, match=r"was replaced while it was being read|its digest is not the one in the attributes"
    ):
        unpack_store(copy, tmp_path / "raw.zarr", Resources(1), on_report=replace)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.zarr"]


def test_a_full_disk_is_an_error_that_names_the_file(demo_store, tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        if args and "x" in args[0]:
            raise OSError(28, "No space left on device")
        return opened(self, *args, **kwargs)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match=r"/c/0.*: cannot be written \(No space left on device\)"):
        unpack_store(demo_store, tmp_path / "raw.zarr", Resources(1))
    assert list(tmp_path.iterdir()) == []


# Opening


@pytest.mark.parametrize("size", [0, 4095, 999_999, 1_000_001])
def test_a_file_of_another_size_is_refused_before_it_is_mapped(raw_copy, size):
    file = raw_copy / "genome/sequence/chr21/c/0"
    os.truncate(file, size)
    store = open_store(raw_copy)
    with pytest.raises(StoreError, match=rf"chr21/c/0: {size} bytes, an array of uint8 \(1000000,\) has 1000000; copy"):
        store.sequence("chr21")
    with pytest.raises(StoreError, match=f"{size} bytes"):
        WindowStream(store, random_plan(store, 100), StreamSettings(1000), seed=(1,))


def test_what_is_missing_or_not_raw_is_refused(raw_copy, demo_store):
    (raw_copy / "cells/K562/tracks/DGF/chr7/c/0").unlink()
    shutil.rmtree(raw_copy / "cells/K562/labels/chr7")
    (raw_copy / "genome/annotation/chr7/zarr.json").write_text("{")
    shutil.copy(demo_store / "genome/sequence/chr7/zarr.json", raw_copy / "genome/sequence/chr7/zarr.json")
    store = open_store(raw_copy)
    with pytest.raises(StoreError, match="DGF/chr7/c/0: cannot be mapped"):
        store.track("K562", "DGF", "chr7")
    with pytest.raises(StoreError, match=r"labels/chr7/zarr.json: is missing"):
        store.labels("K562", "chr7")
    with pytest.raises(StoreError, match=r"annotation/chr7/zarr.json: damaged"):
        store.annotation("chr7")
    with pytest.raises(StoreError, match=r"sequence/chr7/zarr.json: damaged"):
        store.sequence("chr7")


def test_an_encoding_of_the_future_is_refused(raw_copy):
    meta = raw_copy / "zarr.json"
    meta.write_text(meta.read_text().replace('"encoding": "raw"', '"encoding": "rope"'))
    with pytest.raises(StoreError, match="encoding is 'rope', this factornet reads compressed and raw"):
        open_store(raw_copy)


def test_arrays_are_maps_that_cannot_be_written_and_are_opened_once(raw_store):
    store = open_store(raw_store)
    track = store.track("K562", "DGF", "chr21")
    assert isinstance(track, np.memmap)
    assert track is store.track("K562", "DGF", "chr21")
    with pytest.raises(ValueError, match="read-only"):
        track[0] = 1
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
    """Index -> bytes of all fields."""
    rows = {}
    for b in stream:
        for i, *fields in zip(b.index.tolist(), b.codes, b.tracks, b.features, b.labels, strict=True):
            assert i not in rows
            rows[i] = [(f.dtype, f.shape, f.tobytes()) for f in fields]
    return rows


@pytest.mark.parametrize("length", [1, 1000, 1002, 1_200_000])
def test_windows_equal_those_of_the_compressed_store(demo_store, raw_store, length):
    """Every field, with several targets; at the last length some chromosomes are shorter than a window."""
    packed, raw = open_store(demo_store), open_store(raw_store)
    plan = random_plan(raw, 12 if length > 10_000 else 700, length, tasks=3)
    settings = StreamSettings(length, batch=7, meta=True, gencode=True)
    mine, theirs = (by_window(WindowStream(s, plan, settings, seed=(1,))) for s in (raw, packed))
    assert mine == theirs
    assert len(mine) == len(plan)
    ordered = [contents(WindowStream(s, plan, settings, seed=None)) for s in (raw, packed)]
    assert ordered[0] == ordered[1]


def test_the_order_is_a_permutation_of_the_whole_plan(raw_store):
    """No pools: windows that lie together in the plan are spread over the epoch, whatever memory is given."""
    store = open_store(raw_store)
    plan = random_plan(store, 4000)
    orders = []
    for pool_bytes, batch in ((1, 10), (10**6, 10), (10**9, 37)):
        settings = StreamSettings(100, batch=batch, pool_bytes=pool_bytes)
        batches = list(WindowStream(store, plan, settings, seed=(7, 1)))
        assert [len(b.index) for b in batches[:-1]] == [batch] * (len(batches) - 1)
        orders.append(np.concatenate([b.index for b in batches]))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] == orders[2]).all()
    assert sorted(orders[0]) == list(range(4000))
    # Of the first and last tenth of the plan, about a tenth lies in each tenth of the epoch (40 expected of 400).
    for part in np.split(orders[0], 10):
        assert 15 < (part < 400).sum() < 70
        assert 15 < (part >= 3600).sum() < 70
    other = np.concatenate([b.index for b in WindowStream(store, plan, StreamSettings(100), seed=(7, 2))])
    assert (other != orders[0]).mean() > 0.99


@pytest.mark.parametrize("size", [2, 4])
def test_shares_are_parts_of_each_batch(raw_store, size):
    store = open_store(raw_store)
    plan = random_plan(store, 1234)
    whole = list(WindowStream(store, plan, StreamSettings(100, batch=20), seed=(1,)))
    shares = [
        list(WindowStream(store, plan, StreamSettings(100, batch=20, share=(rank, size)), seed=(1,)))
        for rank in range(size)
    ]
    assert {len(s) for s in shares} == {len(whole)}
    for batch, *parts in zip(whole, *shares, strict=True):
        for name in ("index", "codes", "tracks", "features", "labels"):
            joined = np.concatenate([getattr(p, name) for p in parts])
            np.testing.assert_array_equal(joined, getattr(batch, name))


def test_batches_stay_as_they_were(raw_store):
    """Nothing that a user holds is overwritten by what is read later."""
    store = open_store(raw_store)
    held, seen = [], []
    for batch in WindowStream(store, random_plan(store, 3000), StreamSettings(200, batch=16), seed=(1,)):
        held.append(batch)
        seen += contents([batch])
    assert contents(held) == seen


def gather_threads():
    return [t for t in threading.enumerate() if t.name.startswith("window-gather")]


def test_leaving_early_ends_the_thread(raw_store):
    store = open_store(raw_store)
    stream = iter(WindowStream(store, random_plan(store, 5000), StreamSettings(100, batch=16), seed=(1,)))
    next(stream)
    assert gather_threads()
    stream.close()
    assert not gather_threads()


def test_an_error_of_the_thread_reaches_the_consumer(raw_store, monkeypatch):
    store = open_store(raw_store)
    stream = WindowStream(store, random_plan(store, 5000), StreamSettings(100, batch=16), seed=(1,))
    calls, windows = [], Lines.windows

    def failing(self, *args):
        calls.append(1)
        if len(calls) > 9:
            raise MemoryError("in the thread")
        return windows(self, *args)

    monkeypatch.setattr(Lines, "windows", failing)
    with pytest.raises(MemoryError, match="in the thread"):
        list(stream)
    assert not gather_threads()


def _digest(store, plan, queue):
    settings = StreamSettings(1000, batch=32, meta=True, gencode=True)
    rows = contents(WindowStream(store, plan, settings, seed=(5,)))
    again = open_store(store.path).cell("K562").track_names
    queue.put((hashlib.sha256(b"".join(b"".join(row) for row in rows)).hexdigest(), again))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_read_the_same_forked_ones_too(raw_store, demo_store, method):
    store = open_store(raw_store)
    read_span(open_store(demo_store).sequence("chr21"), 0, 10)  # zarr's threads are up
    plan = random_plan(store, 1500, 3)
    here = multiprocessing.SimpleQueue()
    _digest(store, plan, here)
    expected = here.get()
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


# Gathering: arrays in, arrays out


def slow_windows(arrays, which, starts, length, outside):
    out = np.full((*which.shape, length), outside, arrays[0].dtype)
    for at in np.ndindex(which.shape):
        for k in range(length):
            if 0 <= starts[at] + k < arrays[which[at]].size:
                out[(*at, k)] = arrays[which[at]][starts[at] + k]
    return out


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("length", [1, 3, 10, 60])
def test_lines_give_what_a_loop_gives(dtype, length):
    rng = np.random.default_rng(length)
    arrays = [rng.integers(0, 100, n).astype(dtype) for n in (30, 1, 11, 0, 50)]
    which = rng.integers(0, 5, (200, 3))
    starts = rng.integers(-70, 70, (200, 3))
    lines = Lines(arrays, dtype, outside=7)
    np.testing.assert_array_equal(lines.windows(which, starts, length), slow_windows(arrays, which, starts, length, 7))
    inside = lines.windows(np.full(4, 4), np.array([50, 0, 50 - length, -length]), length)
    assert inside.dtype == np.dtype(dtype)
    assert inside.flags.c_contiguous
    assert lines.windows(np.zeros((0, 3), int), np.zeros((0, 1), int), length).shape == (0, 3, length)
    one_start = starts[:, :1]
    broadcast = np.broadcast_to(one_start, which.shape)
    np.testing.assert_array_equal(lines.windows(which, one_start, length), lines.windows(which, broadcast, length))


def test_lines_check_their_arrays_and_which():
    array = np.arange(10, dtype=np.uint8)
    with pytest.raises(ValueError, match=r"array 1 is float32 \(3,\)"):
        Lines([array, np.zeros(3, np.float32)], np.uint8, outside=0)
    for wrong in (array[::2], array.reshape(2, 5)):
        with pytest.raises(ValueError, match="contiguous"):
            Lines([wrong], np.uint8, outside=0)
    lines = Lines([array], np.uint8, outside=0)
    for number in (-1, 1):
        with pytest.raises(IndexError):
            lines.windows(np.array([0, number]), np.array([0, 0]), 2)
    with pytest.raises(IndexError):
        Lines([], np.uint8, outside=0).windows(np.array([0]), np.array([0]), 2)
    assert Lines([], np.uint8, outside=0).windows(np.zeros((2, 0), int), np.zeros((2, 1), int), 5).shape == (2, 0, 5)
