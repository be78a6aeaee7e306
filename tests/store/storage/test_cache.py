"""Remote stores read by several processes, and the cache of downloaded objects."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from support.remote_reading import sequence

from factornet.cli import etl
from factornet.store import Store, StoreError, open_store, read_span
from factornet.store.storage.cache import DEFAULT_LIMIT, ObjectCache, default_cache


def read_all(store: Store, results) -> None:
    results.put({c: int(read_span(store.sequence(c), 0, 4000).sum()) for c in store.coordinates.names})


@pytest.fixture
def locations(s3_demo_store, website, demo_store, tmp_path) -> dict[str, str]:
    assert etl.main(["export", str(demo_store), str(tmp_path / "demo.zip")]) == 0
    return {"s3": s3_demo_store.url, "http": website, "zip": str(tmp_path / "demo.zip")}


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["s3", "http", "zip"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_processes_read_an_open_store(locations, demo_store, method, kind):
    """The parent has read before; a child that hangs is killed, and fails the test."""
    store = open_store(locations[kind])
    assert read_span(store.sequence("chr21"), 0, 4000).size == 4000
    context = multiprocessing.get_context(method)
    results = context.Queue()
    children = [context.Process(target=read_all, args=(store, results)) for _ in range(2)]
    watchdog = threading.Timer(60, lambda: [os.kill(c.pid, signal.SIGKILL) for c in children if c.is_alive()])
    for child in children:
        child.start()
    watchdog.start()
    try:
        found = [results.get(timeout=70) for _ in children]
    finally:
        watchdog.cancel()
        for child in children:
            child.join(10)
    local = open_store(demo_store)
    expected = {c: int(read_span(local.sequence(c), 0, 4000).sum()) for c in local.coordinates.names}
    assert found == [expected, expected]
    assert [c.exitcode for c in children] == [0, 0]


def test_two_processes_download_each_object_once(s3_demo_store, tmp_path):
    sequence(s3_demo_store.url)
    program = (
        "import sys; from factornet.store import open_store, read_span\n"
        "assert read_span(open_store(sys.argv[1]).sequence('chr21'), 0, 5000).size"
    )
    subprocess.run([sys.executable, "-c", program, s3_demo_store.url], check=True)
    downloaded = {p: n for (m, p), n in s3_demo_store.proxy.seen.items() if m == "GET" and "/sequence/" in p}
    assert len(downloaded) == 2
    assert set(downloaded.values()) == {1}


def test_concurrent_adds_of_one_object_download_it_once(tmp_path):
    cache, downloads = ObjectCache(tmp_path), []

    def download(file):
        downloads.append(1)
        time.sleep(0.3)
        file.write(b"content")

    with ThreadPoolExecutor(4) as executor:
        found = [*executor.map(lambda _: cache.add("ab" * 32, download), range(4))]
    assert (len(downloads), [o is None for o in found].count(True)) == (1, 3)
    for opened in filter(None, found):
        opened.close()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["ab" * 32]
    (tmp_path / "new" / ("cd" * 32)).touch()
    os.utime(tmp_path / "new" / ("cd" * 32), (0, 0))
    cache.add("cd" * 32, download).close()
    assert len(downloads) == 2, "the claim of a dead process is ignored"


def test_damaged_or_deleted_cache_entries_are_downloaded_again(s3_demo_store, demo_store, tmp_path):
    sequence(s3_demo_store.url)
    entries = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert len(entries) >= 4
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-1] + b"?" if entry.stat().st_size % 2 else b"")
    store = open_store(s3_demo_store.url)
    assert np.array_equal(read_span(store.sequence("chr21"), 0, 5000), sequence(demo_store))
    shutil.rmtree(tmp_path / "cache")
    assert np.array_equal(read_span(store.sequence("chr21"), 0, 5000), sequence(demo_store))


def test_cache_stays_within_its_limit(s3_demo_store, demo_store, tmp_path):
    cache = ObjectCache(tmp_path / "small", 300_000)
    store, local = open_store(s3_demo_store.url, cache=cache), open_store(demo_store)
    for chrom in local.coordinates.names * 2:
        assert np.array_equal(read_span(store.sequence(chrom), 0, 5000), read_span(local.sequence(chrom), 0, 5000))
    sizes = [p.stat().st_size for p in cache.folder.rglob("*") if p.is_file()]
    assert sum(sizes) <= 315_000 + max(sizes)
    opened = cache.add("ab" * 32, lambda file: file.write(b"held") and None)
    cache.add("cd" * 32, lambda file: file.write(bytes(400_000)) and None).close()
    assert cache.open("ab" * 32) is None
    assert opened.read(0, 10) == b"held", "an open object stays readable"
    opened.close()


def test_least_recently_used_object_is_removed_first(tmp_path):
    cache = ObjectCache(tmp_path, 10)
    for i, sha in enumerate(("aa" * 32, "bb" * 32)):
        cache.add(sha, lambda file: file.write(bytes(4)) and None).close()
        os.utime(tmp_path / sha[:2] / sha, (1000 + i, 1000))
    cache.open("aa" * 32).close()
    cache.add("cc" * 32, lambda file: file.write(bytes(4)) and None).close()
    cached = [cache.open(s * 32) for s in ("aa", "bb", "cc")]
    assert [o is not None for o in cached] == [True, False, True]
    for opened in cached:
        if opened:
            opened.close()


def test_unwritable_cache_is_an_error_naming_the_setting(s3_demo_store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to the cache of remote stores .*FACTORNET_CACHE"):
        sequence(s3_demo_store.url, cache=ObjectCache(tmp_path / "file"))


def test_default_cache_is_the_environments_or_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORNET_CACHE", str(tmp_path / "named"))
    assert default_cache() == ObjectCache(tmp_path / "named", DEFAULT_LIMIT)
    monkeypatch.delenv("FACTORNET_CACHE")
    assert default_cache().folder == Path(platformdirs.user_cache_dir("factornet"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache().folder == tmp_path / "xdg/factornet"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_in_the_cache_is_downloaded_again(website, demo_store, tmp_path, monkeypatch, make):
    monkeypatch.setenv("FACTORNET_CACHE", str(tmp_path / "cache"))
    expected = sequence(demo_store)
    assert np.array_equal(sequence(website), expected)
    for entry in [path for path in (tmp_path / "cache").glob("[0-9a-f][0-9a-f]/*") if path.is_file()]:
        entry.unlink()
        make(entry)
    assert np.array_equal(sequence(website), expected)
    assert all(path.is_file() for path in (tmp_path / "cache").glob("[0-9a-f][0-9a-f]/*"))
