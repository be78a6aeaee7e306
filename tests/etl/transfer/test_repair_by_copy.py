"""Copies from and to damaged stores, zip files and buckets: repaired, or refused with a helpful message."""

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from support.transfer_helpers import assert_equal, command, digests, refused, report

from factornet.etl.verify.objects import verify_store
from factornet.store import open_store
from factornet.store.format.manifest import with_self_digest


@pytest.fixture
def copied(demo_store, tmp_path) -> Path:
    """A copy of the demo store, to be changed."""
    return Path(shutil.copytree(demo_store, tmp_path / "copied.zarr"))


# --- damaged destinations


class Copy:
    """A copy of the demo store (one cell line) at some kind of destination, to be damaged."""

    def __init__(self, kind, location, source, s3) -> None:
        self.kind, self.location, self.s3 = kind, location, s3
        assert command("export", source, location, "--cells", "K562") == 0

    def read(self, name) -> bytes:
        if self.kind == "s3":
            return self.s3.client.get_object(**self.s3.key(name))["Body"].read()
        if self.kind == "out.zip":
            with zipfile.ZipFile(self.location) as zipped:
                return zipped.read(name)
        return (self.location / name).read_bytes()

    def change(self, **objects) -> None:
        """Give objects other content; None removes one."""
        if self.kind == "out.zip":
            with zipfile.ZipFile(self.location) as zipped:
                objects = {n: zipped.read(n) for n in zipped.namelist()} | objects
            with zipfile.ZipFile(self.location, "w") as zipped:
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
                (self.location / name).unlink()
            else:
                (self.location / name).write_bytes(content)

    def flip(self, *names) -> None:
        self.change(**{n: self.read(n)[:-9] + bytes([self.read(n)[-9] ^ 1]) + self.read(n)[-8:] for n in names})


TRACK, SEQUENCE, CELL = "cells/K562/tracks/DGF/chr7/c/0", "genome/sequence/chr21/c/0", "cells/K562/zarr.json"


@pytest.fixture(params=["out.zarr", "out.zip", pytest.param("s3", marks=pytest.mark.slow)])
def damaged(request, location, demo_store, s3, monkeypatch) -> Copy:
    monkeypatch.setenv("FACTORNET_TRIES", "1")
    return Copy(request.param, location(request.param), demo_store, s3)


def test_damaged_groups_are_replaced(damaged, demo_store, capsys):
    again = ("export", demo_store, damaged.location, "--cells", "K562")
    both = ["genome", "cells/K562"]

    def repaired(*more) -> tuple[list, list]:
        found = report(capsys, *again, *more)
        assert found["copied"] == []
        return found["repaired"], found["skipped"]

    assert repaired() == ([], both)
    damaged.change(**{TRACK: damaged.read(TRACK)[:-5], SEQUENCE: None})
    assert repaired() == (both, [])
    damaged.flip(TRACK, SEQUENCE)
    assert repaired("--force") == (both, [])
    damaged.flip(CELL)
    assert repaired() == (["cells/K562"], ["genome"])
    damaged.flip("zarr.json")
    assert repaired() == (["genome"], ["cells/K562"])
    damaged.change(**{"cells/K562/manifest/c/0": None, "cells/K562/unknown": b"x"})
    assert repaired() == (["cells/K562"], ["genome"])
    damaged.change(**{TRACK: None})
    capsys.readouterr()
    assert command(*again) == 0
    assert "replaced, because damaged: K562" in capsys.readouterr().out
    assert digests(damaged.location) == {k: v for k, v in digests(demo_store).items() if k in ("genome", "K562")}
    assert not verify_store(damaged.location).findings


def test_remedies_of_verify_repair_every_kind_of_store(damaged, demo_store):
    damaged.flip("cells/zarr.json")
    damaged.flip(TRACK, SEQUENCE)
    damaged.change(**{"cells/K562/meta/c/0": None})
    if damaged.kind != "out.zarr":
        damaged.change(**{"cells/K562/more": b"x"})
    for name in (None, CELL, "zarr.json"):
        if name:
            damaged.flip(name)
        found = verify_store(damaged.location).findings
        assert found
        assert not [f for f in found if f.problem.startswith(str(damaged.location))], "the path is said once"
        for remedy in dict.fromkeys(f.remedy for f in found):
            line = next(c for c in remedy.split(" or ") if "export" in c or "import" in c or c.startswith("rm "))
            line = line.partition("; ")[0].strip(" ,")
            if line.startswith("rm "):
                Path(line.split()[1]).unlink()
                continue
            words = line[line.index("factornet-etl ") :].split()[1:]
            assert command(*[{"STORE": demo_store, "SOURCE": demo_store}.get(w, w) for w in words]) == 0
        assert not verify_store(damaged.location).findings, name
    assert open_store(damaged.location).cells == ("K562",), "no other cell line was added"


def test_repaired_folder_keeps_intact_objects(copied, demo_store, tmp_path, capsys):
    kept = copied / "genome/sequence/chr21/c/0"
    before, size = kept.stat().st_ino, len([*(copied / "genome").rglob("*")])
    (copied / "genome/sequence/chr1/c/0").write_bytes(b"")
    link = copied / "genome/annotation/chr1/c/0"
    link.rename(tmp_path / "outside")
    link.symlink_to(tmp_path / "outside")
    reader = open_store(copied)
    track = reader.array("genome/sequence/chr7")
    found = report(capsys, "import", demo_store, copied)
    assert (found["repaired"], found["objects"]) == (["genome"], 2)
    assert kept.stat().st_ino == before
    assert len([*(copied / "genome").rglob("*")]) == size
    assert track[:5].size == 5, "readers of the old version are not disturbed"
    assert_equal(copied, demo_store)


def test_cell_line_without_attributes_and_manifest_is_replaced_only_by_force(copied, demo_store, tmp_path, capsys):
    for name in ("zarr.json", "manifest/c/0"):
        (copied / "cells/K562" / name).write_bytes(b"{")
    line = refused(capsys, "import", demo_store, copied)
    assert "K562 (damaged, its manifest is not known" in line
    assert "use --force to replace it" in line
    assert command("import", demo_store, copied, "--force") == 0
    assert "replaced, because damaged: K562" in capsys.readouterr().out
    assert_equal(copied, demo_store)


def test_damaged_root_of_an_unknown_genome_is_left(copied, demo_store, foreign, tmp_path, capsys):
    for store in (demo_store, foreign):
        (copied / "zarr.json").write_bytes(b"{")
        if store == demo_store:
            (copied / "genome/manifest/c/0").write_bytes(b"")
            shutil.rmtree(copied / "cells")  # they record which genome it is
        line = refused(capsys, "import", store, copied, "--force")
        assert "its genome is not known to be the same; give another name" in line
    node = json.loads((demo_store / "zarr.json").read_text())
    node["attributes"]["schema_version"] = 7
    (copied / "zarr.json").write_bytes(with_self_digest(node))
    assert "has schema version 7" in refused(capsys, "import", demo_store, copied, "--force")


# --- impossible destinations


def test_broken_zip_file_at_the_destination_is_refused(demo_store, tmp_path, capsys):
    out = tmp_path / "out.zip"
    assert command("export", demo_store, out, "--cells", "K562") == 0
    out.write_bytes(out.read_bytes()[:-3000])
    for arguments in (["verify", out], ["import", out, tmp_path / "x.zarr"]):
        assert "truncated, or damaged in transfer; copy the file again" in refused(capsys, *arguments)
    line = refused(capsys, "export", demo_store, out)
    assert f"{out}: not a complete zip file: truncated, or damaged in transfer; give another name" in line
    assert "delete it and run the same command again" in line
    out.unlink()
    assert command("export", demo_store, out) == 0


def test_copy_of_a_store_into_itself_is_refused(demo_store, copied, tmp_path, capsys, s3):
    (tmp_path / "link").symlink_to(copied)
    assert command("export", demo_store, s3.url, "--cells") == 0
    for arguments, message in (
        (["export", copied, copied / "copy"], f"{copied}/copy: is inside {copied}"),
        (["import", copied, copied / "cells/new"], "is inside"),
        (["import", copied, tmp_path], f"{copied}: is inside {tmp_path}"),
        (["export", copied, f"{copied}/"], f"{copied}: is the store to be copied"),
        (["import", tmp_path / "link", copied, "--force"], "is the store to be copied"),
        (["merge", tmp_path / "link", demo_store, copied], "is the store to be copied"),
        (["export", s3.url, f"{s3.url}/"], f"{s3.url}: is the store to be copied"),
        (["export", s3.url, f"{s3.url}/more"], "is inside"),
    ):
        assert message in refused(capsys, *arguments)
    assert not verify_store(copied).findings


def test_other_files_at_the_destination_are_refused(demo_store, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes").write_text("x")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("x")
    shutil.copytree(tmp_path / "folder", tmp_path / "folder.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as zipped:
        zipped.writestr("notes", "x")
    for name in ("folder", "empty.zarr", "file.zarr", "folder.zip", "other.zip"):
        location = tmp_path / name
        for arguments in (["export", demo_store, location], ["merge", location, demo_store]):
            line = refused(capsys, *arguments)
            what = "file" if name == "folder.zip" else "FactorNet store"
            assert f"error: {location}: exists, but is not a {what}; give another name" in line
    line = refused(capsys, "merge", tmp_path / "none.zarr", demo_store)
    assert (
        "none.zarr: no such store to add to; correct the name, or create it from the first store: factornet-etl import"
        in line
    )
    line = refused(capsys, "info", tmp_path / "folder")
    assert f"{tmp_path}/folder: not a FactorNet store (no zarr.json" in line


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_destination_that_cannot_be_written_is_refused(demo_store, tmp_path, capsys, monkeypatch, name):
    (tmp_path / "file").write_text("x")
    line = refused(capsys, "export", demo_store, tmp_path / "file" / name)
    assert f"error: {tmp_path / 'file' / name}: cannot be written: no file can be created in {tmp_path}/file (" in line
    out = tmp_path / name
    assert command("export", demo_store, out, "--cells", "K562") == 0
    monkeypatch.setattr("shutil.disk_usage", lambda location: type("Usage", (), {"free": 0}))
    mkdir = os.mkdir

    def read_only(path, *more, **options):
        if str(path).startswith(f"{out}.building"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return mkdir(path, *more, **options)

    for location in (out, tmp_path / f"new-{name}"):
        line = refused(capsys, "export", demo_store, location)
        assert f"{location}: the " in line
        assert "MB are missing" in line
    monkeypatch.setattr(os, "mkdir", read_only)
    line = refused(capsys, "export", demo_store, out)
    assert f"error: {out}: cannot be written: no file can be created in {tmp_path} (Read-only file system)" in line
    assert "building" not in line
    monkeypatch.undo()
    if name == "out.zarr":
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, *more: path != out / "cells" and access(path, *more))
        line = refused(capsys, "export", demo_store, out)
        assert f"error: {out}: cannot be written: no file can be created in {out}/cells" in line
    assert open_store(out).cells == ("K562",)


# --- damaged sources and transfers


@pytest.mark.parametrize("name", ["out.zarr", "out.zip"])
def test_damaged_source_is_found_and_nothing_is_visible(copied, tmp_path, capsys, name):
    victim = next((copied / "cells/K562/labels").rglob("c/*/*"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    line = refused(capsys, "export", copied, tmp_path / name, "--cells", "K562")
    assert str(victim) in line
    assert "damaged" in line
    assert (
        f"repair that store (`factornet-etl verify {copied}` prints the remedies), or get it again. Run the same"
        in line
    )
    assert f"is kept in {tmp_path / name}.building, which may be removed" in line
    if name == "out.zarr":
        assert open_store(tmp_path / name).cells == ()
    else:
        assert not (tmp_path / name).exists()


@pytest.mark.slow
def test_object_damaged_in_transfer_is_downloaded_again(demo_store, tmp_path, capsys, s3):
    assert command("export", demo_store, s3.url) == 0
    s3.proxy.seen.clear()
    s3.proxy.fault = lambda m, path, nth: "flip" if m == "GET" and "/tracks/" in path and nth == 1 else None
    assert command("import", s3.url, tmp_path / "back.zarr") == 0
    assert {n for (_, path), n in s3.proxy.seen.items() if "/tracks/" in path} == {2}
    assert_equal(tmp_path / "back.zarr", demo_store)
