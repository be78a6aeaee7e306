"""Maps of files: the values of the file, no descriptor kept, valid in forked processes, released with the last view."""

import errno
import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from factornet.store import StoreError, open_store
from factornet.store.format import memmap
from factornet.store.format.file_map import MappedArray, array_in_memory, map_file

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors and maps in /proc")


def n_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def is_mapped(path):
    return str(path) in Path("/proc/self/maps").read_text()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "values"
    np.arange(50_000, dtype="<f4").tofile(path)
    return path


def mapped(path, shape=(50_000,)):
    with path.open("rb") as opened:
        return map_file(opened.fileno(), np.float32, shape, filename=str(path))


def test_map_has_the_values_of_the_file_and_keeps_no_descriptor(file):
    before = n_descriptors()
    arrays = [mapped(file, (25_000, 2)) for _ in range(20)]
    assert n_descriptors() == before
    for array in arrays:
        assert isinstance(array, MappedArray)
        assert (array.dtype, array.shape, array.filename) == (np.float32, (25_000, 2), str(file))
        assert (array.ravel() == np.arange(50_000)).all()
        assert array[3:5].filename == str(file)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_map_is_released_with_its_last_view(file):
    view = mapped(file)[10:20]
    gc.collect()
    assert is_mapped(file)
    assert view[0] == 10
    del view
    gc.collect()
    assert not is_mapped(file)


def test_forked_process_reads_and_releases_its_own_map(file):
    array = mapped(file)
    child = os.fork()
    if child == 0:
        good = array[49_999] == 49_999
        del array
        gc.collect()
        os._exit(0 if good and not is_mapped(file) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert array[49_999] == 49_999


def test_array_can_be_pickled_and_made_from_bytes(file):
    array = array_in_memory(file.read_bytes(), np.float32, (50_000,), filename=str(file))
    for same in (array, pickle.loads(pickle.dumps(mapped(file)))):
        assert (same == np.arange(50_000)).all()
    with pytest.raises(ValueError):
        array_in_memory(file.read_bytes()[:-4], np.float32, (50_000,), filename=str(file))


def test_file_that_cannot_be_mapped_is_an_error(tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError) as caught:
            map_file(handle, np.uint8, (10,), filename="folder")
    finally:
        os.close(handle)
    assert caught.value.errno == errno.ENODEV


def test_raw_store_keeps_a_descriptor_per_group_not_per_array(raw_store):
    store = open_store(raw_store)
    store.sequence("chr1"), store.track("K562", "DGF", "chr1")
    before = n_descriptors()
    for chrom in store.coordinates.names:
        store.sequence(chrom), store.annotation(chrom), store.track("K562", "DGF", chrom), store.labels("K562", chrom)
    assert n_descriptors() == before


@pytest.mark.parametrize(
    ("code", "hint"), [(errno.EMFILE, "raise the limit on open files"), (errno.ENOMEM, "sysctl vm.max_map_count")]
)
def test_exhausted_limit_is_named(raw_store, monkeypatch, code, hint):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(memmap, "map_file", fail)
    with pytest.raises(StoreError, match=f"sequence/chr1/c/0: cannot be mapped.*{hint}"):
        open_store(raw_store).sequence("chr1")


def test_commands_raise_the_soft_limit_on_open_files(demo_store, tmp_path):
    code = (
        "import resource, sys; from factornet.cli import etl\n"
        "hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1000)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (24, hard))\n"
        "status = etl.main(['info', sys.argv[1]])\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)\n"
        "sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code, demo_store], check=True, capture_output=True)
