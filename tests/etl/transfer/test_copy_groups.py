"""Export, import and merge give equal stores, complete or not at all, and resume interrupted copies."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from support.transfer_helpers import assert_equal, batches, command, digests, refused, report

from factornet.etl import CellOptions, Resources, build_cell
from factornet.etl.builders.unpack import unpack_store
from factornet.etl.publish.transaction import staging
from factornet.etl.transfer import object_writers
from factornet.etl.transfer.zip_writer import ZipWriter
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, open_store


@pytest.fixture(scope="session")
def changed(demo_store, demo_files, tmp_path_factory) -> Path:
    """The demo store with another K562."""
    folder = tmp_path_factory.mktemp("changed")
    store = Path(shutil.copytree(demo_store, folder / "changed.zarr"))
    shutil.copytree(demo_files / "tracks", folder / "tracks")
    cell = Path(shutil.copytree(demo_files / "cells/K562", folder / "cells/K562"))
    meta = (cell / "meta.txt").read_text().split("\n", 1)
    (cell / "meta.txt").write_text("0.123 " + meta[0].split()[1] + "\n" + meta[1])
    build_cell(store, cell, CellOptions(), Resources(1), force=True)
    return store


# --- round trips


def test_copy_through_a_folder_is_equal(demo_store, tmp_path):
    assert command("export", demo_store, tmp_path / "out.zarr") == 0
    assert command("import", tmp_path / "out.zarr", tmp_path / "back.zarr") == 0
    assert_equal(tmp_path / "back.zarr", demo_store)
    found = sorted(p.name for p in tmp_path.iterdir())
    assert found == ["back.zarr", "catalogue.json", "out.zarr", "out.zarr.md"], "nothing else is left"


def test_copy_through_a_zip_file_is_equal(demo_store, tmp_path):
    assert command("export", demo_store, tmp_path / "out.zip") == 0
    assert_equal(tmp_path / "out.zip", demo_store)
    assert command("import", tmp_path / "out.zip", tmp_path / "back.zarr") == 0
    assert_equal(tmp_path / "back.zarr", demo_store)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.zarr", "catalogue.json", "out.zip", "out.zip.md"]
    with zipfile.ZipFile(tmp_path / "out.zip") as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path / "unzipped.zarr")
    assert_equal(tmp_path / "unzipped.zarr", demo_store)


@pytest.mark.slow
def test_copy_through_object_storage_is_equal(demo_store, tmp_path, s3):
    assert command("export", demo_store, s3.url) == 0
    assert_equal(s3.url, demo_store)
    assert command("import", s3.url, tmp_path / "back.zarr") == 0
    assert_equal(tmp_path / "back.zarr", demo_store)
    assert command("export", s3.url, tmp_path / "out.zip") == 0
    assert_equal(tmp_path / "out.zip", demo_store)


def test_equal_stores_give_equal_zip_files(demo_store, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert command("export", demo_store, tmp_path / name, "-p", 1) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_raw_stores_are_copied_and_read_from_disk_only(demo_store, tmp_path, capsys):
    raw = tmp_path / "raw.zarr"
    unpack_store(demo_store, raw, Resources(1), cells=["K562"])
    assert command("export", raw, tmp_path / "raw.zip") == 0
    assert not verify_store(tmp_path / "raw.zip").findings
    with pytest.raises(StoreError, match=r"memory-mapped from a local disk.*factornet-etl import"):
        open_store(tmp_path / "raw.zip").sequence("chr1")
    assert command("import", tmp_path / "raw.zip", tmp_path / "back.zarr") == 0
    assert digests(tmp_path / "back.zarr") == digests(raw)
    assert "another encoding" in refused(capsys, "export", demo_store, raw)


# --- existing groups


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_cell_lines_are_added_and_equal_ones_skipped(demo_store, tmp_path, capsys, name):
    out = tmp_path / name
    first = report(capsys, "export", demo_store, out, "--cells", "K562")
    assert (first["copied"], first["skipped"]) == (["genome", "cells/K562"], [])
    assert open_store(out).cells == ("K562",)
    second = report(capsys, "export", demo_store, out)
    assert second["copied"] == ["cells/GM12878", "cells/HepG2"]
    assert second["skipped"] == ["genome", "cells/K562"]
    third = report(capsys, "export", demo_store, out)
    assert (third["copied"], third["objects"]) == ([], 0)
    assert_equal(out, demo_store)


@pytest.mark.parametrize("kind", ["out.zarr", "out.zip", pytest.param("s3", marks=pytest.mark.slow)])
def test_cell_lines_of_other_content_are_replaced_only_by_force(demo_store, changed, location, capsys, kind):
    out = location(kind)
    assert command("export", changed, out, "--cells", "K562") == 0
    line = refused(capsys, "export", demo_store, out)
    for digest in (digests(changed)["K562"], digests(demo_store)["K562"]):
        assert digest[:16] in line
    assert "use --force to replace it" in line
    assert digests(out)["K562"] == digests(changed)["K562"]
    assert command("export", demo_store, out, "--force") == 0
    assert_equal(out, demo_store)


def test_another_genome_is_refused(demo_store, foreign, tmp_path, capsys):
    for arguments in (["merge", demo_store, foreign], ["export", foreign, demo_store, "--force"]):
        line = refused(capsys, *arguments)
        for store in (demo_store, foreign):
            assert open_store(store).info.genome_manifest in line
    assert "another genome" in line


def test_merge_adds_cell_lines_and_refuses_different_ones(demo_store, changed, tmp_path, capsys):
    for store, cell in ((demo_store, "HepG2"), (changed, "K562"), (demo_store, "GM12878")):
        command("export", store, tmp_path / f"{cell}.zarr", "--cells", cell)
    assert command("export", tmp_path / "GM12878.zarr", tmp_path / "GM12878.zip") == 0
    found = report(capsys, "merge", tmp_path / "HepG2.zarr", tmp_path / "GM12878.zip", tmp_path / "GM12878.zarr")
    assert found["copied"] == ["cells/GM12878"]
    line = refused(capsys, "merge", tmp_path / "HepG2.zarr", tmp_path / "K562.zarr", demo_store)
    assert "K562: differs from" in line
    assert digests(changed)["K562"] in line
    assert digests(demo_store)["K562"] in line
    assert open_store(tmp_path / "HepG2.zarr").cells == ("GM12878", "HepG2"), "nothing was merged"
    assert report(capsys, "merge", tmp_path / "HepG2.zarr", demo_store, "--cells", "HepG2")["copied"] == []
    assert command("merge", tmp_path / "HepG2.zarr", demo_store) == 0
    assert_equal(tmp_path / "HepG2.zarr", demo_store)
    assert "no such store" in refused(capsys, "merge", tmp_path / "none.zarr", demo_store)


# --- interrupted


class Stop:
    """Raises an error when the n-th object is written."""

    def __init__(self, monkeypatch, writer: type, number: int, error: BaseException | None = None) -> None:
        self.left, self.put, self.lock = number, writer.put, threading.Lock()
        self.error = error or KeyboardInterrupt()
        monkeypatch.setattr(writer, "put", lambda *a: self.count(*a))  # noqa: PLW0108, to be bound

    def count(self, *arguments):
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise self.error
        return self.put(*arguments)


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_interrupted_copy_is_resumed(demo_store, tmp_path, capsys, monkeypatch, name):
    out = tmp_path / name
    with monkeypatch.context() as patch:
        Stop(patch, object_writers.DirectoryWriter if name == "out.zarr" else object_writers.ZipObjectWriter, 40)
        assert command("export", demo_store, out, "-p", 1) == 130
    message = "factornet-etl: interrupted; run the same command again to resume\n"
    assert capsys.readouterr().err == message
    assert not out.exists(), "nothing incomplete is visible"
    assert report(capsys, "export", demo_store, out, "-p", 1)["kept"] == 40
    assert_equal(out, demo_store)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalogue.json", name, f"{name}.md"]


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_copy_that_filled_the_disk_is_resumed(demo_store, tmp_path, capsys, monkeypatch, name):
    out = tmp_path / name
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{out}.building/x")
        Stop(patch, object_writers.DirectoryWriter if name == "out.zarr" else object_writers.ZipObjectWriter, 20, full)
        line = refused(capsys, "export", demo_store, out, "-p", 1)
    assert "cannot be written (No space left on device, " in line
    assert f"kept in {out}.building, which may be removed" in line
    assert report(capsys, "export", demo_store, out, "-p", 1)["kept"] == 20
    assert_equal(out, demo_store)


@pytest.mark.slow
def test_interrupted_upload_is_resumed(demo_store, tmp_path, capsys, s3):
    puts = []

    def fault(method, path, nth):
        if method == "PUT":
            puts.append(path)
        return "403" if method == "PUT" and len(puts) > 40 else None

    s3.proxy.fault = fault
    line = refused(capsys, "export", demo_store, s3.url, "-p", 1)
    assert "HTTP 403" in line
    assert s3.url in line
    assert "Run the same command again to resume" in line
    assert "zarr.json" not in s3.names(), "no store is visible"
    s3.proxy.fault = lambda *_: None
    assert report(capsys, "export", demo_store, s3.url)["kept"] == 40
    assert not verify_store(s3.url).findings
    assert digests(s3.url) == digests(demo_store)


@pytest.mark.slow
def test_import_is_resumed_after_its_server_failed(demo_store, tmp_path, capsys, s3):
    assert command("export", demo_store, s3.url, "--cells", "K562") == 0
    s3.proxy.fault = lambda m, path, nth: "500" if "/tracks/DGF" in path else None
    line = refused(capsys, "import", s3.url, tmp_path / "back.zarr", "-p", 2)
    assert "/tracks/DGF" in line
    assert "HTTP 500" in line
    assert open_store(tmp_path / "back.zarr").cells == (), "the genome was complete, the cell line was not"
    s3.proxy.fault = lambda *_: None
    found = report(capsys, "import", s3.url, tmp_path / "back.zarr")
    assert found["kept"] > 10
    assert found["skipped"] == ["genome"]
    assert not verify_store(tmp_path / "back.zarr").findings


def test_resumed_copy_keeps_only_intact_objects(demo_store, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        Stop(patch, object_writers.DirectoryWriter, 40)
        assert command("export", demo_store, out, "-p", 1) == 130
    files = sorted(p for p in (tmp_path / "out.zarr.building").rglob("*") if p.is_file())
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"x")
    (files[1].parent / "more").write_text("not of the store")
    assert report(capsys, "export", demo_store, out)["kept"] == 39
    assert_equal(out, demo_store)


def test_zip_file_truncated_anywhere_is_resumed(tmp_path):
    rng = np.random.default_rng(0)
    objects = {f"genome/c/{i}": rng.bytes(int(n)) for i, n in enumerate(rng.integers(0, 300, 12))}
    expected = {name: (len(b), sha256(b).hexdigest()) for name, b in objects.items()}

    def write(file, large=0xFFFFFFFF) -> bytes:
        writer = ZipWriter(file, expected, large=large)
        for name, content in objects.items():
            if name not in writer.done:
                writer.add(name, len(content), [content[:10], content[10:]])
        writer.finish()
        return file.getvalue()

    whole = write(io.BytesIO())
    for cut in range(0, len(whole), 7):
        assert write(io.BytesIO(whole[:cut])) == whole
    assert write(io.BytesIO(whole[:400] + bytes(100) + whole[500:])) == whole, "a damaged object is written again"
    for large in (1, 100, 1000):  # as if sizes and offsets from this value on took more than 32 bits
        with zipfile.ZipFile(io.BytesIO(write(io.BytesIO(), large))) as zipped:
            assert {n: zipped.read(n) for n in zipped.namelist()} == objects


def test_killed_export_leaves_nothing_visible(demo_store, tmp_path):
    program = (
        "import os, sys\nfrom factornet.etl.transfer import object_writers\nfrom factornet.cli import etl\nn = [0]\n"
        "put = object_writers.ZipObjectWriter.put\n"
        "def dies(*a):\n    n[0] += 1\n    put(*a)\n    n[0] >= 60 and os.kill(os.getpid(), 9)\n"
        "object_writers.ZipObjectWriter.put = dies\n"
        "etl.main(sys.argv[1:])"
    )
    arguments = ["export", str(demo_store), str(tmp_path / "out.zip")]
    assert subprocess.run([sys.executable, "-c", program, *arguments], check=False).returncode == -9
    assert not (tmp_path / "out.zip").exists()
    assert command(*arguments) == 0
    assert_equal(tmp_path / "out.zip", demo_store)


def test_second_export_to_one_destination_is_refused(demo_store, tmp_path, capsys):
    with staging(tmp_path / "out.zip", "zip"):
        assert "is being built by" in refused(capsys, "export", demo_store, tmp_path / "out.zip")


# --- the list of cell lines, reading, and impossible destinations


def test_list_of_cell_lines_is_updated_by_builds(demo_store, demo_files, tmp_path, capsys):
    out = tmp_path / "out.zarr"
    assert command("export", demo_store, out, "--cells", "HepG2") == 0
    build_cell(out, demo_files / "cells/K562", CellOptions(), Resources(1))
    assert not verify_store(out).findings
    listed = json.loads((out / "cells/zarr.json").read_text())["attributes"]["cells"]
    assert listed == {c: d for c, d in digests(out).items() if c != "genome"}
    shutil.rmtree(out / "cells/HepG2")
    (found,) = verify_store(out).findings
    assert (found.path, found.kind) == ("cells/HepG2", "missing")
    assert "is in the list of cell lines" in found.problem


def test_reading_a_store_writes_nothing(demo_store, tmp_path):
    def state():
        return {p: p.stat().st_mtime_ns for p in [demo_store, *demo_store.parent.rglob("*")]}

    before = state()
    assert command("export", demo_store, tmp_path / "out.zip") == 0
    batches(demo_store)
    assert state() == before


def test_impossible_sources_and_destinations_are_refused(demo_store, tmp_path, capsys):
    for arguments, message in (
        (["export", demo_store, "https://127.0.0.1/x.zarr"], "web servers are read-only"),
        (["export", demo_store, "s3://bucket"], "a bucket and a path in it are needed"),
        (["export", demo_store, "ftp://host/x.zarr"], "ftp://: unsupported kind of URL"),
        (["export", demo_store, tmp_path / "out.zip", "--cells", "NONE"], "no cell line 'NONE'"),
        (
            ["import", tmp_path / "none.zip", tmp_path / "x.zarr"],
            "no such store; correct the name, or make one with `factornet-etl export",
        ),
        (["info", "https://127.0.0.1/x.zip"], "is a zip file on a server; download"),
        (["build", tmp_path / "out.zip", "folder"], "no such cell-line folder"),
    ):
        assert message in refused(capsys, *arguments)
