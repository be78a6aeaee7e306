"""Cell lines replaced while they are read: readers keep the version they opened."""

import errno
from types import SimpleNamespace

import numpy as np
import pytest
from stress.kill_build import digest
from support.tiny_experiment import build, left, write_cell

from factornet.etl.publish.remove import remove_cells
from factornet.etl.verify.objects import verify_store
from factornet.store import SamplingPlan, StoreError, StreamSettings, WindowStream, open_store
from factornet.store.storage import atomic_swap, local
from factornet.store.storage.atomic_swap import swap_dirs


def plan_of(store, n=400):
    rng = np.random.default_rng(1)
    chrom = rng.integers(0, 2, n)
    start = rng.integers(0, np.array(store.coordinates.lengths)[chrom] - 200)
    return SamplingPlan(("A",), np.zeros(n, np.int64), chrom, start, np.zeros(n, np.int64), np.zeros((n, 0), np.uint8))


def contents(stream):
    return [(b.index.tobytes(), b.codes.tobytes(), b.tracks.tobytes(), b.features.tobytes()) for b in stream]


@pytest.mark.parametrize("atomic", [True, False], ids=["exchange", "two renames"])
def test_reader_keeps_its_version_while_it_is_replaced(files, monkeypatch, atomic):
    if not atomic:
        monkeypatch.setattr(atomic_swap, "sys", SimpleNamespace(platform="darwin"))
    build(files)
    settings = StreamSettings(100, batch_size=10, pool_bytes=20_000, slab=2000, meta=True)
    reader = open_store(files / "s.zarr")
    expected = contents(WindowStream(reader, plan_of(reader), settings, seed=(1,)))
    del reader
    store = open_store(files / "s.zarr")
    stream = iter(WindowStream(store, plan_of(store), settings, seed=(1,)))
    seen = contents([next(stream)])
    for value in (2.5, 3.5):
        write_cell(files / "A", value)
        build(files, force=True)
        fresh = open_store(files / "s.zarr")
        assert fresh.meta("A").tolist() == [value]
        assert verify_store(files / "s.zarr").findings == ()
        del fresh
    assert len(list((files / "s.zarr.building/.old/cells.A").iterdir())) == 1, "the old version is kept for its reader"
    seen += contents(stream)
    assert seen == expected
    assert store.meta("A").tolist() == [1.5]
    assert store.peaks("A", "TF", "conservative").start.tolist() == [5000, 4000]
    stream.close()
    del store, stream
    build(files, force=True)  # removes versions without readers
    assert left(files) == []


def no_locks(*_, **__):
    raise OSError(errno.ENOTSUP, "Operation not supported")


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_reader_without_locks_says_that_its_version_is_gone(files, monkeypatch, how):
    """It is not sent to copy or rebuild a store that is intact."""
    for module in (local, atomic_swap):
        monkeypatch.setattr(module, "lock", no_locks)
    build(files)
    store = open_store(files / "s.zarr")
    store.cell("A")
    if how == "replaced":
        build(files, force=True)
    else:
        remove_cells(files / "s.zarr", ["A"])
    with pytest.raises(StoreError, match=r"cells/A: was removed or replaced while it was in use.*start again"):
        store.meta("A")


def test_unpickled_store_refuses_a_replaced_cell_line(files):
    build(files)
    store = open_store(files / "s.zarr")
    store.cell("A")
    kind, arguments = store.__reduce__()
    write_cell(files / "A", 2.5)
    build(files, force=True)
    with pytest.raises(StoreError, match="was replaced while it was in use"):
        kind(*arguments).meta("A")
    assert store.meta("A").tolist() == [1.5]


def test_cell_line_killed_between_two_renames_is_recovered(files):
    build(files)
    whole = digest(files / "s.zarr", "A")
    aside = files / "s.zarr.building/.old/cells.A"
    (files / "s.zarr.building/.locks").mkdir(parents=True)
    aside.mkdir(parents=True)
    (files / "s.zarr/cells/A").rename(aside / "swap")
    assert digest(files / "s.zarr", "A") == whole
    assert verify_store(files / "s.zarr").findings == ()
    (files / "s.zarr/cells/A").rename(aside / "swap")
    write_cell(files / "A", 2.5)
    with pytest.raises(StoreError, match="already exists"):
        build(files)
    build(files, force=True)
    assert left(files) == []


def test_read_only_store_is_readable_and_unchanged(files):
    build(files)
    for path in [*(files / "s.zarr").rglob("*"), files / "s.zarr"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        store = open_store(files / "s.zarr")
        assert store.meta("A").tolist() == [1.5]
        assert verify_store(files / "s.zarr").findings == ()
        before = {p: p.stat().st_mtime_ns for p in (files / "s.zarr").rglob("*")}
        contents(WindowStream(store, plan_of(store), StreamSettings(100), seed=(1,)))
        assert {p: p.stat().st_mtime_ns for p in (files / "s.zarr").rglob("*")} == before
        assert left(files) == []
    finally:
        for path in [files / "s.zarr", *(p for p in (files / "s.zarr").rglob("*") if p.is_dir())]:
            path.chmod(0o755)


def test_swap_dirs_exchanges_two_directories(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    try:
        swap_dirs(tmp_path / "a", tmp_path / "b")
    except NotImplementedError:
        pytest.skip("renameat2 is not supported")
    assert (tmp_path / "a/name").read_text() == "b"
    with pytest.raises(OSError, match="No such file"):
        swap_dirs(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("platform", ["darwin", "freebsd14"])
def test_swap_dirs_is_not_tried_outside_linux(tmp_path, monkeypatch, platform):
    for name in "ab":
        (tmp_path / name).mkdir()
    inodes = [(tmp_path / name).stat().st_ino for name in "ab"]
    monkeypatch.setattr(atomic_swap, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(atomic_swap, "ctypes", None)  # any use of the C library fails
    with pytest.raises(NotImplementedError, match=f"renameat2 is a system call of Linux, not of {platform}"):
        swap_dirs(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).stat().st_ino for name in "ab"] == inodes
