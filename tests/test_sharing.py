"""Stores travel: export, import and merge give equal stores, whole or not at all, and go on where they were cut short."""

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

from factornet.cli import etl
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, targets
from factornet.etl.publish import staging
from factornet.etl.unpack import unpack_store
from factornet.etl.verify import verify_store
from factornet.etl.zipwriter import ZipWriter
from factornet.store import Sampler, StoreError, StreamSettings, WindowStream, open_store, parse_region, split_genome
from factornet.store.manifest import sealed

CELLS = ("GM12878", "HepG2", "K562")


def command(*arguments) -> int:
    return etl.main([str(a) for a in arguments])


def report(capsys, *arguments) -> dict:
    """What a command prints with --json."""
    capsys.readouterr()
    assert command(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments) -> str:
    """The one line of an error."""
    capsys.readouterr()
    assert command(*arguments) == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1, shown
    return shown


def digests(place) -> dict[str, str]:
    store = open_store(place)
    return {"genome": store.info.genome_manifest} | {c: store.cell(c).manifest for c in store.cells}


def batches(place) -> list[tuple[np.ndarray, ...]]:
    """What a training of one epoch sees."""
    store = open_store(place)
    split = split_genome(store.axis, valid=[parse_region("chr11", store.axis)], test=[])
    sampler = Sampler(store, cells=("HepG2", "K562"), factor="CTCF", split=split, length=200, negatives=1)
    plan = sampler.epoch(seed=420, epoch=0)
    stream = WindowStream(store, plan, StreamSettings(length=200, batch=64), seed=(420, 0))
    return [(b.codes.copy(), b.tracks.copy(), b.labels.copy()) for b in stream]


def assert_equal(place, demo_store) -> None:
    assert digests(place) == digests(demo_store)
    found, expected = batches(place), batches(demo_store)
    assert len(found) == len(expected) > 3
    for a, b in zip(found, expected, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not verify_store(place).findings


@pytest.fixture
def copied(demo_store, tmp_path) -> Path:
    """A copy of the demo store, to be changed."""
    return Path(shutil.copytree(demo_store, tmp_path / "copied.zarr"))


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


@pytest.fixture(scope="session")
def foreign(tmp_path_factory) -> Path:
    """A store of another genome."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "g.fa").write_text(">chr1\n" + "ACGT" * 500 + "\n")
    build_genome(folder / "f.zarr", GenomeInputs(folder / "g.fa"), GenomeOptions(chroms=("chr1",)), Resources(1))
    return folder / "f.zarr"


@pytest.fixture
def place(s3, tmp_path):
    """Where a store of some kind is put."""
    return lambda kind: s3.url if kind == "s3" else tmp_path / kind


# --- round trips


def test_by_folder(demo_store, tmp_path):
    assert command("export", demo_store, tmp_path / "out.zarr") == 0
    assert command("import", tmp_path / "out.zarr", tmp_path / "back.zarr") == 0
    assert_equal(tmp_path / "back.zarr", demo_store)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.zarr", "out.zarr"], "nothing is left beside them"


def test_by_zip_file(demo_store, tmp_path):
    assert command("export", demo_store, tmp_path / "out.zip") == 0
    assert_equal(tmp_path / "out.zip", demo_store)
    assert command("import", tmp_path / "out.zip", tmp_path / "back.zarr") == 0
    assert_equal(tmp_path / "back.zarr", demo_store)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.zarr", "out.zip"]
    with zipfile.ZipFile(tmp_path / "out.zip") as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path / "unzipped.zarr")
    assert_equal(tmp_path / "unzipped.zarr", demo_store)


def test_by_object_storage(demo_store, tmp_path, s3):
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


def test_raw_stores_travel_and_are_read_from_disk_only(demo_store, tmp_path, capsys):
    raw = tmp_path / "raw.zarr"
    unpack_store(demo_store, raw, Resources(1), cells=["K562"])
    assert command("export", raw, tmp_path / "raw.zip") == 0
    assert not verify_store(tmp_path / "raw.zip").findings
    with pytest.raises(StoreError, match=r"memory-mapped from a local disk.*factornet-etl import"):
        open_store(tmp_path / "raw.zip").sequence("chr1")
    assert command("import", tmp_path / "raw.zip", tmp_path / "back.zarr") == 0
    assert digests(tmp_path / "back.zarr") == digests(raw)
    assert "another encoding" in refused(capsys, "export", demo_store, raw)


# --- what is there already


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_cell_lines_are_added_and_equal_ones_left(demo_store, tmp_path, capsys, name):
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


@pytest.mark.parametrize("kind", ["out.zarr", "out.zip", "s3"])
def test_other_content_is_replaced_only_by_force(demo_store, changed, place, capsys, kind):
    out = place(kind)
    assert command("export", changed, out, "--cells", "K562") == 0
    line = refused(capsys, "export", demo_store, out)
    for digest in (digests(changed)["K562"], digests(demo_store)["K562"]):
        assert digest[:16] in line
    assert "--force" in line
    assert digests(out)["K562"] == digests(changed)["K562"]
    assert command("export", demo_store, out, "--force") == 0
    assert_equal(out, demo_store)


def test_another_genome_is_refused(demo_store, foreign, tmp_path, capsys):
    for arguments in (["merge", demo_store, foreign], ["export", foreign, demo_store, "--force"]):
        line = refused(capsys, *arguments)
        for store in (demo_store, foreign):
            assert open_store(store).info.genome_manifest in line
    assert "another genome" in line


def test_merge(demo_store, changed, tmp_path, capsys):
    for store, cell in ((demo_store, "HepG2"), (changed, "K562"), (demo_store, "GM12878")):
        command("export", store, tmp_path / f"{cell}.zarr", "--cells", cell)
    assert command("export", tmp_path / "GM12878.zarr", tmp_path / "GM12878.zip") == 0
    found = report(capsys, "merge", tmp_path / "HepG2.zarr", tmp_path / "GM12878.zip", tmp_path / "GM12878.zarr")
    assert found["copied"] == ["cells/GM12878"]
    line = refused(capsys, "merge", tmp_path / "HepG2.zarr", tmp_path / "K562.zarr", demo_store)
    assert "K562 differs" in line
    assert digests(changed)["K562"] in line
    assert digests(demo_store)["K562"] in line
    assert open_store(tmp_path / "HepG2.zarr").cells == ("GM12878", "HepG2"), "nothing was merged"
    assert report(capsys, "merge", tmp_path / "HepG2.zarr", demo_store, "--cells", "HepG2")["copied"] == []
    assert command("merge", tmp_path / "HepG2.zarr", demo_store) == 0
    assert_equal(tmp_path / "HepG2.zarr", demo_store)
    assert "no such store" in refused(capsys, "merge", tmp_path / "none.zarr", demo_store)


# --- what is there already, and damaged


class Copy:
    """A copy of the demo store (one cell line) in some kind of place, to be damaged."""

    def __init__(self, kind, place, source, s3) -> None:
        self.kind, self.place, self.s3 = kind, place, s3
        assert command("export", source, place, "--cells", "K562") == 0

    def read(self, name) -> bytes:
        if self.kind == "s3":
            return self.s3.client.get_object(**self.s3.key(name))["Body"].read()
        if self.kind == "out.zip":
            with zipfile.ZipFile(self.place) as zipped:
                return zipped.read(name)
        return (self.place / name).read_bytes()

    def change(self, **objects) -> None:
        """Give objects other content; None removes one."""
        if self.kind == "out.zip":
            with zipfile.ZipFile(self.place) as zipped:
                objects = {n: zipped.read(n) for n in zipped.namelist()} | objects
            with zipfile.ZipFile(self.place, "w") as zipped:
                for name, content in objects.items():
                    if content is not None:
                        zipped.writestr(name, content)
            return
        for name, content in objects.items():
            if self.kind == "s3":
                key = self.s3.key(name)
                self.s3.client.put_object(**key, Body=content) if content is not None else (
                    self.s3.client.delete_object(**key)
                )
            elif content is None:
                (self.place / name).unlink()
            else:
                (self.place / name).write_bytes(content)

    def flip(self, *names) -> None:
        self.change(**{n: self.read(n)[:-9] + bytes([self.read(n)[-9] ^ 1]) + self.read(n)[-8:] for n in names})


TRACK, SEQUENCE, CELL = "cells/K562/tracks/DGF/chr7/c/0", "genome/sequence/chr21/c/0", "cells/K562/zarr.json"


@pytest.fixture(params=["out.zarr", "out.zip", "s3"])
def damaged(request, place, demo_store, s3, monkeypatch) -> Copy:
    monkeypatch.setenv("FACTORNET_TRIES", "1")
    return Copy(request.param, place(request.param), demo_store, s3)


def test_what_is_there_and_damaged_is_replaced(damaged, demo_store, capsys):
    again = ("export", demo_store, damaged.place, "--cells", "K562")
    both = ["genome", "cells/K562"]

    def mended(*more) -> tuple[list, list]:
        found = report(capsys, *again, *more)
        assert found["copied"] == []
        return found["mended"], found["skipped"]

    assert mended() == ([], both)
    damaged.change(**{TRACK: damaged.read(TRACK)[:-5], SEQUENCE: None})
    assert mended() == (both, [])
    damaged.flip(TRACK, SEQUENCE)
    assert mended("--force") == (both, [])
    damaged.flip(CELL)
    assert mended() == (["cells/K562"], ["genome"])
    damaged.flip("zarr.json")
    assert mended() == (["genome"], ["cells/K562"])
    damaged.change(**{"cells/K562/manifest/c/0": None, "cells/K562/stranger": b"x"})
    assert mended() == (["cells/K562"], ["genome"])
    damaged.change(**{TRACK: None})
    capsys.readouterr()
    assert command(*again) == 0
    assert "replaced, because damaged: K562" in capsys.readouterr().out
    assert digests(damaged.place) == {k: v for k, v in digests(demo_store).items() if k in ("genome", "K562")}
    assert not verify_store(damaged.place).findings


def test_what_verify_names_as_cure_mends(damaged, demo_store, capsys):
    damaged.flip("cells/zarr.json")
    if damaged.kind == "s3":  # the list says what there is to be verified
        assert "export the store" in refused(capsys, "verify", damaged.place)
        assert command("export", demo_store, damaged.place, "--cells") == 0
    damaged.flip(TRACK, SEQUENCE)
    damaged.change(**{"cells/K562/meta/c/0": None})
    if damaged.kind != "out.zarr":
        damaged.change(**{"cells/K562/more": b"x"})
    for name in (None, CELL, "zarr.json"):
        if name:
            damaged.flip(name)
        found = verify_store(damaged.place).findings
        assert found
        assert not [f for f in found if f.problem.startswith(str(damaged.place))], "the path is said once"
        for cure in dict.fromkeys(f.cure for f in found):
            line = next(c for c in cure.split(" or ") if "export" in c or "import" in c or c.startswith("rm "))
            line = line.partition("; ")[0].strip(" ,")
            if line.startswith("rm "):
                Path(line.split()[1]).unlink()
                continue
            words = line[line.index("factornet-etl ") :].split()[1:]
            assert command(*[{"STORE": demo_store, "SOURCE": demo_store}.get(w, w) for w in words]) == 0
        assert not verify_store(damaged.place).findings, name
    assert open_store(damaged.place).cells == ("K562",), "no cell line came with the cure"


def test_what_is_mended_in_a_folder_takes_over_what_is_right(copied, demo_store, tmp_path, capsys):
    kept = copied / "genome/sequence/chr21/c/0"
    before, size = kept.stat().st_ino, len([*(copied / "genome").rglob("*")])
    (copied / "genome/sequence/chr1/c/0").write_bytes(b"")
    link = copied / "genome/annotation/chr1/c/0"
    link.rename(tmp_path / "outside")
    link.symlink_to(tmp_path / "outside")
    reader = open_store(copied)
    track = reader.array("genome/sequence/chr7")
    found = report(capsys, "import", demo_store, copied)
    assert (found["mended"], found["objects"]) == (["genome"], 2)
    assert kept.stat().st_ino == before
    assert len([*(copied / "genome").rglob("*")]) == size
    assert track[:5].size == 5, "who read the old goes on"
    assert_equal(copied, demo_store)


def test_a_damaged_cell_line_that_cannot_be_known_is_replaced_by_force_only(copied, demo_store, tmp_path, capsys):
    for name in ("zarr.json", "manifest/c/0"):
        (copied / "cells/K562" / name).write_bytes(b"{")
    line = refused(capsys, "import", demo_store, copied)
    assert "K562 (damaged, so that it cannot be told what it was" in line
    assert "--force" in line
    assert command("import", demo_store, copied, "--force") == 0
    assert_equal(copied, demo_store)


def test_a_root_that_cannot_be_known_is_left(copied, demo_store, foreign, tmp_path, capsys):
    for store in (demo_store, foreign):
        (copied / "zarr.json").write_bytes(b"{")
        if store == demo_store:
            (copied / "genome/manifest/c/0").write_bytes(b"")
        line = refused(capsys, "import", store, copied, "--force")
        assert "its genome is not known to be the same; give another name" in line
    node = json.loads((demo_store / "zarr.json").read_text())
    node["attributes"]["schema_version"] = 2
    (copied / "zarr.json").write_bytes(sealed(node))
    assert "has schema version 2" in refused(capsys, "import", demo_store, copied, "--force")


# --- what lies elsewhere than it should


def test_a_broken_zip_file_in_the_way(demo_store, tmp_path, capsys):
    out = tmp_path / "out.zip"
    assert command("export", demo_store, out, "--cells", "K562") == 0
    out.write_bytes(out.read_bytes()[:-3000])
    for arguments in (["verify", out], ["import", out, tmp_path / "x.zarr"]):
        assert "cut short or damaged on its way; get the file again" in refused(capsys, *arguments)
    line = refused(capsys, "export", demo_store, out)
    assert f"{out}: not a whole zip file, cut short or damaged on its way; give another name" in line
    assert "delete it and run the same command again" in line
    out.unlink()
    assert command("export", demo_store, out) == 0


def test_a_store_is_not_copied_into_itself(demo_store, copied, tmp_path, capsys, s3):
    (tmp_path / "link").symlink_to(copied)
    assert command("export", demo_store, s3.url, "--cells") == 0
    for arguments, message in (
        (["export", copied, copied / "copy"], f"{copied}/copy: lies inside {copied}"),
        (["import", copied, copied / "cells/new"], "lies inside"),
        (["import", copied, tmp_path], f"{copied}: lies inside {tmp_path}"),
        (["export", copied, f"{copied}/"], f"{copied}: is the same place as what is copied"),
        (["import", tmp_path / "link", copied, "--force"], "the same place"),
        (["merge", tmp_path / "link", demo_store, copied], "the same place"),
        (["export", s3.url, f"{s3.url}/"], f"{s3.url}: is the same place as what is copied"),
        (["export", s3.url, f"{s3.url}/more"], "lies inside"),
    ):
        assert message in refused(capsys, *arguments)
    assert not verify_store(copied).findings


def test_what_is_no_store_in_the_way(demo_store, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes").write_text("x")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("x")
    shutil.copytree(tmp_path / "folder", tmp_path / "folder.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as zipped:
        zipped.writestr("notes", "x")
    for name in ("folder", "empty.zarr", "file.zarr", "folder.zip", "other.zip"):
        place = tmp_path / name
        for arguments in (["export", demo_store, place], ["merge", place, demo_store]):
            line = refused(capsys, *arguments)
            what = "file" if name == "folder.zip" else "FactorNet store"
            assert f"error: {place}: is there, and is no {what}; give another name" in line
    line = refused(capsys, "merge", tmp_path / "none.zarr", demo_store)
    assert (
        "none.zarr: no such store to add to; correct the name, or make one of the first: factornet-etl import" in line
    )
    line = refused(capsys, "info", tmp_path / "folder")
    assert f"{tmp_path}/folder: not a FactorNet store (no zarr.json" in line


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_a_place_that_cannot_be_written_to(demo_store, tmp_path, capsys, monkeypatch, name):
    (tmp_path / "file").write_text("x")
    line = refused(capsys, "export", demo_store, tmp_path / "file" / name)
    assert f"error: {tmp_path / 'file' / name}: cannot be written: nothing can be made in {tmp_path}/file (" in line
    out = tmp_path / name
    assert command("export", demo_store, out, "--cells", "K562") == 0
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 0}))
    mkdir = os.mkdir

    def read_only(path, *more, **options):
        if str(path).startswith(f"{out}.building"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return mkdir(path, *more, **options)

    for place in (out, tmp_path / f"new-{name}"):
        line = refused(capsys, "export", demo_store, place)
        assert f"{place}: the " in line
        assert "MB are missing" in line
    monkeypatch.setattr(os, "mkdir", read_only)
    line = refused(capsys, "export", demo_store, out)
    assert f"error: {out}: cannot be written: nothing can be made in {tmp_path} (Read-only file system)" in line
    assert "building" not in line
    monkeypatch.undo()
    if name == "out.zarr":
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, *more: path != out / "cells" and access(path, *more))
        line = refused(capsys, "export", demo_store, out)
        assert f"error: {out}: cannot be written: nothing can be made in {out}/cells" in line
    assert open_store(out).cells == ("K562",)


# --- cut short


class Stop:
    """Interrupts the n-th object that is put somewhere."""

    def __init__(self, monkeypatch, sink: type, number: int, error: BaseException | None = None) -> None:
        self.left, self.put, self.lock = number, sink.put, threading.Lock()
        self.error = error or KeyboardInterrupt()
        monkeypatch.setattr(sink, "put", lambda *a: self.count(*a))  # noqa: PLW0108, to be bound

    def count(self, *arguments):
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise self.error
        return self.put(*arguments)


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_an_interrupted_copy_is_gone_on_with(demo_store, tmp_path, capsys, monkeypatch, name):
    out = tmp_path / name
    with monkeypatch.context() as patch:
        Stop(patch, targets._FolderSink if name == "out.zarr" else targets._ZipSink, 40)
        assert command("export", demo_store, out, "-p", 1) == 130
    assert not out.exists(), "nothing half done is visible"
    assert report(capsys, "export", demo_store, out, "-p", 1)["kept"] == 40
    assert_equal(out, demo_store)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_a_copy_that_filled_the_disk_is_gone_on_with(demo_store, tmp_path, capsys, monkeypatch, name):
    out = tmp_path / name
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{out}.building/x")
        Stop(patch, targets._FolderSink if name == "out.zarr" else targets._ZipSink, 20, full)
        line = refused(capsys, "export", demo_store, out, "-p", 1)
    assert f"error: {out}: cannot be written (No space left on device); see to the disk" in line
    assert f"kept in {out}.building, which may be removed" in line
    assert report(capsys, "export", demo_store, out, "-p", 1)["kept"] == 20
    assert_equal(out, demo_store)


def test_an_interrupted_upload_is_gone_on_with(demo_store, tmp_path, capsys, s3):
    puts = []

    def fault(method, path, nth):
        if method == "PUT":
            puts.append(path)
        return "403" if method == "PUT" and len(puts) > 40 else None

    s3.proxy.fault = fault
    line = refused(capsys, "export", demo_store, s3.url, "-p", 1)
    assert "HTTP 403" in line
    assert s3.url in line
    assert "the same command goes on" in line
    assert "zarr.json" not in s3.names(), "no store is visible"
    s3.proxy.fault = lambda *_: None
    assert report(capsys, "export", demo_store, s3.url)["kept"] == 40
    assert not verify_store(s3.url).findings
    assert digests(s3.url) == digests(demo_store)


def test_an_import_goes_on_after_its_server_failed(demo_store, tmp_path, capsys, s3):
    assert command("export", demo_store, s3.url, "--cells", "K562") == 0
    s3.proxy.fault = lambda m, path, nth: "500" if "/tracks/DGF" in path else None
    line = refused(capsys, "import", s3.url, tmp_path / "back.zarr", "-p", 2)
    assert "/tracks/DGF" in line
    assert "HTTP 500" in line
    assert open_store(tmp_path / "back.zarr").cells == (), "the genome was whole by then, the cell line was not"
    s3.proxy.fault = lambda *_: None
    found = report(capsys, "import", s3.url, tmp_path / "back.zarr")
    assert found["kept"] > 10
    assert found["skipped"] == ["genome"]
    assert not verify_store(tmp_path / "back.zarr").findings


def test_what_lies_in_the_way_of_a_resumed_copy_is_not_trusted(demo_store, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        Stop(patch, targets._FolderSink, 40)
        assert command("export", demo_store, out, "-p", 1) == 130
    files = sorted(p for p in (tmp_path / "out.zarr.building").rglob("*") if p.is_file())
    files[0].write_bytes(files[0].read_bytes()[:-1] + b"x")
    (files[1].parent / "more").write_text("not of the store")
    assert report(capsys, "export", demo_store, out)["kept"] == 39
    assert_equal(out, demo_store)


def test_a_zip_file_cut_anywhere_is_gone_on_with(tmp_path):
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
    for large in (1, 100, 1000):  # as if sizes and places from here on took more than 32 bits
        with zipfile.ZipFile(io.BytesIO(write(io.BytesIO(), large))) as zipped:
            assert {n: zipped.read(n) for n in zipped.namelist()} == objects


def test_a_killed_export_leaves_nothing_visible(demo_store, tmp_path):
    program = (
        "import os, sys; from factornet.etl import targets; from factornet.cli import etl; n = [0]\n"
        "put = targets._ZipSink.put\n"
        "def dies(*a):\n    n[0] += 1\n    put(*a)\n    n[0] >= 60 and os.kill(os.getpid(), 9)\n"
        "targets._ZipSink.put = dies\n"
        "etl.main(sys.argv[1:])"
    )
    arguments = ["export", str(demo_store), str(tmp_path / "out.zip")]
    assert subprocess.run([sys.executable, "-c", program, *arguments], check=False).returncode == -9
    assert not (tmp_path / "out.zip").exists()
    assert command(*arguments) == 0
    assert_equal(tmp_path / "out.zip", demo_store)


def test_a_second_export_to_one_place_is_refused(demo_store, tmp_path, capsys):
    with staging(tmp_path / "out.zip", "zip"):
        assert "is being built already" in refused(capsys, "export", demo_store, tmp_path / "out.zip")


# --- damage, and the list of cell lines


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_a_damaged_source_is_found_and_nothing_is_visible(copied, tmp_path, capsys, name):
    victim = next((copied / "cells/K562/labels").rglob("c/*/*"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    line = refused(capsys, "export", copied, tmp_path / name, "--cells", "K562")
    assert str(victim) in line
    assert "damaged" in line
    assert f"mend that store (`factornet-etl verify {copied}` says how), or get it again. Once that is done" in line
    assert f"is kept in {tmp_path / name}.building, which may be removed" in line
    if name == "out.zarr":
        assert open_store(tmp_path / name).cells == ()
    else:
        assert not (tmp_path / name).exists()


def test_what_arrives_damaged_is_found(demo_store, tmp_path, capsys, s3):
    assert command("export", demo_store, s3.url) == 0
    s3.proxy.seen.clear()
    s3.proxy.fault = lambda m, path, nth: "flip" if m == "GET" and "/tracks/" in path and nth == 1 else None
    assert command("import", s3.url, tmp_path / "back.zarr") == 0
    assert {n for (_, path), n in s3.proxy.seen.items() if "/tracks/" in path} == {2}
    assert_equal(tmp_path / "back.zarr", demo_store)


def test_the_list_of_cell_lines_follows_builds(demo_store, demo_files, tmp_path, capsys):
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


def test_places_that_cannot_be(demo_store, tmp_path, capsys):
    for arguments, message in (
        (["export", demo_store, "https://127.0.0.1/x.zarr"], "web servers are only read from"),
        (["export", demo_store, "s3://bucket"], "names no place of a store"),
        (["export", demo_store, "ftp://host/x.zarr"], "ftp://: not a kind of place"),
        (["export", demo_store, tmp_path / "out.zip", "--cells", "NONE"], "no cell line 'NONE'"),
        (["import", tmp_path / "none.zip", tmp_path / "x.zarr"], "no such store; make one with `factornet-etl export"),
        (["info", "https://127.0.0.1/x.zip"], "is a zip file on a server; download it"),
        (["build", tmp_path / "out.zip", "folder"], "no such cell-line folder"),
    ):
        assert message in refused(capsys, *arguments)
