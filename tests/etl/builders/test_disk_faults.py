"""Builds on failing or full disks, and of inputs that change: an error, and nothing half written."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from stress.kill_build import digest
from support.tiny_experiment import build, left, write_cell

from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome
from factornet.etl.inputs import provenance
from factornet.etl.publish import transaction
from factornet.etl.shards import executor
from factornet.etl.verify.objects import verify_store
from factornet.store import FactorNetError, InputError, StoreError, UsageError, open_store


class Faults:
    """Makes the k-th call that changes the disk below a folder fail: open for writing, rename, mkdir, fsync, swap."""

    def __init__(self) -> None:
        self.below, self.at, self.code, self.calls = "", 0, 0, 0
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if not self.below:
            return
        if event == "open":
            path, mode, flags = arguments
            writing = (mode and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writing or not isinstance(path, (str, bytes, os.PathLike)):
                return
        elif event not in ("os.rename", "os.mkdir", "os.fsync", "swap_dirs"):
            return
        else:
            path = arguments[0]
        if str(path).startswith(self.below):
            self.calls += 1
            if self.calls == self.at:
                raise OSError(self.code, os.strerror(self.code), str(path))

    def during(self, action, *, below, at, code):
        """Call `action`; return the error it raised, or None."""
        self.at, self.code, self.calls, self.below = at, code, 0, str(below)
        try:
            action()
        except FactorNetError as e:
            return e
        finally:
            self.below = ""
        return None


@pytest.fixture(scope="module")
def faults():
    return Faults()


@pytest.mark.parametrize("first", [True, False], ids=["new", "replaced"])
def test_whichever_disk_call_fails_the_store_is_old_or_new(files, faults, monkeypatch, first):
    """The k-th write, rename or sync fails, for every k: an error, and the store is as it was, or has all of the new."""
    fsync, swap = transaction.fsync_path, transaction.swap_dirs

    def audited_fsync(path):
        sys.audit("os.fsync", str(path))
        fsync(path)

    def audited_swap(a, b):
        sys.audit("swap_dirs", str(a))
        swap(a, b)

    monkeypatch.setattr(transaction, "fsync_path", audited_fsync)
    monkeypatch.setattr(transaction, "swap_dirs", audited_swap)
    store = files / "s.zarr"
    build(files)
    old = digest(store, "A")
    write_cell(files / "A", 2.5)
    build(files, force=True)
    new = digest(store, "A")
    write_cell(files / "A", 1.5)
    build(files, force=True)
    write_cell(files / "A", 2.5)
    if first:
        shutil.rmtree(store / "cells/A")
        old = ""
    faults.during(lambda: build(files, force=True), below=files, at=0, code=0)
    calls = faults.calls
    assert calls > 60
    shutil.rmtree(store / "cells/A")
    outcomes = set()
    long = bool(os.environ.get("FACTORNET_LONG"))  # every call, with both errors
    near = range(calls - 12, calls + 1)  # publishing: every one
    chosen = sorted({*range(1, calls + 1, 1 if long else 7), *near})
    codes = (errno.EIO, errno.ENOSPC)
    for k, code in ((i, c) for i in chosen for c in codes if long or c == codes[i % 2]):
        if not first and not (store / "cells/A").exists():
            write_cell(files / "A", 1.5)
            build(files, force=True)
            write_cell(files / "A", 2.5)
        error = faults.during(lambda: build(files, force=True), below=files, at=k, code=code)
        found = digest(store, "A")
        assert found in (old, new), k
        assert found == new or error is not None, k
        if error is not None:
            assert os.strerror(code) in str(error) or "cannot be" in str(error), (k, str(error))
        assert verify_store(store).findings == (), k
        outcomes.add((found == new, error is None))
        if found == new:
            shutil.rmtree(store / "cells/A")
    assert (False, False) in outcomes
    build(files, force=True)
    assert digest(store, "A") == new
    assert left(files) == []


def test_failing_writes_are_an_error_and_leave_nothing(files):
    """Real failing writes, those of zarrs too: files may not grow beyond 300 bytes in the child process."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from factornet.cli import etl\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "sys.exit(etl.main(['build', sys.argv[1], sys.argv[2], '-p', '1']))\n"
    )
    command = [sys.executable, "-c", code, str(files / "s.zarr"), str(files / "A")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert open_store(files / "s.zarr").cells == ()
    assert verify_store(files / "s.zarr").findings == ()
    assert left(files) == []


def test_too_little_disk_or_memory_is_refused_before_the_build(files, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda location: usage(10**6, 10**6, 10**4))
    with pytest.raises(
        StoreError, match=r"cell line A takes \d+ kB, 10 kB are free.* \d+ kB are missing; free disk space"
    ):
        build(files)
    with pytest.raises(StoreError, match="the genome takes"):
        build_genome(files / "t.zarr", GenomeInputs(files / "g.fa"), GenomeOptions(), Resources(1))
    monkeypatch.undo()
    monkeypatch.setattr(executor, "available_memory", lambda: 10**8)
    with pytest.raises(UsageError, match=r"needs about 367 MB of memory, 100 MB are free: 267 MB are missing"):
        build(files)
    assert left(files) == []
    assert not (files / "t.zarr").exists()


@pytest.mark.parametrize("tick", [0, 10**18])
@pytest.mark.parametrize("name", ["s.bw", "p.bed"])
def test_inputs_that_change_while_they_are_read_are_refused(files, name, tick, monkeypatch):
    """Detected by time stamps if they were last changed long before the build, by content if just before it."""
    monkeypatch.setattr(provenance, "_TIME_RESOLUTION", tick)

    def on_report(report):
        file = files / "A" / name
        content, state = file.read_bytes(), file.stat()
        file.write_bytes(content + b"\n" if name == "p.bed" else content[:-4] + b"\0" + content[-3:])
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(InputError, match=rf"{name}: was changed while it was being read.*nothing was published"):
        build(files, on_report=on_report)
    assert open_store(files / "s.zarr").cells == ()
    assert left(files) == []
