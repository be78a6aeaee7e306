"""Untrusted zip files: truncated, compressed, inconsistent ones and names leading out of the store are refused."""

import io
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from factornet.cli import etl
from factornet.etl.transfer.choose_destination import open_destination
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, location, open_store
from factornet.store.storage.zip_archive import ZipArchive

FIXTURE = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"


def zip_of(path: Path, entries: dict[str, bytes], change=lambda info: None, **more) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = more.get("compression", zipfile.ZIP_STORED)
            change(info)
            archive.writestr(info, content)
    return path


def patched(path: Path, old: bytes, new: bytes, *, last: bool = False) -> Path:
    """Replace bytes of the file: at their last occurrence (in the central directory), or at all."""
    content = path.read_bytes()
    assert old in content
    head, _, tail = content.rpartition(old)
    path.write_bytes(head + new + tail if last else content.replace(old, new))
    return path


def check_refused(path: Path, message: str) -> None:
    for use in (ZipArchive, open_store, lambda p: open_destination(p).find_existing()):
        with pytest.raises(StoreError, match=message) as caught:
            use(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["../evil", "/evil", "genome/../../evil", "a\\..\\evil", "C:evil"])
def test_entry_names_leading_out_of_the_store_are_refused(tmp_path, name, capsys):
    path = zip_of(tmp_path / "evil.zip", {"zarr.json": b"{}", name: b"evil"})
    check_refused(path, "its name leads out of the store")
    assert etl.main(["import", str(path), str(tmp_path / "x.zarr")]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.zip"]


def test_compressed_linked_encrypted_or_duplicate_entries_are_refused(tmp_path):
    def as_link(info):
        info.external_attr = 0o120777 << 16

    content = {"zarr.json": b"{}" * 50}
    check_refused(zip_of(tmp_path / "compressed.zip", content, compression=zipfile.ZIP_DEFLATED), "is compressed")
    check_refused(zip_of(tmp_path / "link.zip", content, as_link), "is a link")
    path = zip_of(tmp_path / "secret.zip", content)
    check_refused(patched(path, b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x01\x00\x00\x00"), "is encrypted")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("zarr.json", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("zarr.json", "2")
    check_refused(tmp_path / "twice.zip", "is listed twice")


def test_entries_with_false_sizes_or_overlaps_are_refused(tmp_path):
    size, false = struct.pack("<II", 100, 100), struct.pack("<II", 100, 4_000_000_000)
    path = zip_of(tmp_path / "a.zip", {"zarr.json": b"x" * 100})
    check_refused(patched(path, size, false, last=True), "claimed size is not its size in the file")
    false = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path = zip_of(tmp_path / "b.zip", {"zarr.json": b"x" * 100})
    check_refused(patched(path, size, false, last=True), "overlaps the next entry")
    path = zip_of(tmp_path / "c.zip", {"a": b"x" * 100, "b": b"y" * 100})
    begin = path.read_bytes().rindex(b"PK\x01\x02")
    path.write_bytes(path.read_bytes()[: begin + 42] + bytes(4) + path.read_bytes()[begin + 46 :])
    check_refused(path, "overlaps the next entry")


def test_local_header_unlike_the_central_directory_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"zarr.json": b"{}"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"zarr.json", b"zorr.json", 1))
    with pytest.raises(StoreError, match="does not match the central directory"):
        open_store(path)


@pytest.mark.parametrize("fraction", [0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_zip_file_is_refused(tmp_path, fraction):
    content = FIXTURE.read_bytes()
    path = tmp_path / "truncated.zip"
    path.write_bytes(content[: int(len(content) * fraction)])
    check_refused(path, "not a complete zip file")


def test_flipped_bytes_of_a_zip_file_are_found(tmp_path):
    """Except in the few bytes that are never read, such as dates."""
    content = FIXTURE.read_bytes()
    path, rng, silent = tmp_path / "flipped.zip", np.random.default_rng(0), 0
    for offset in rng.integers(0, len(content), 60).tolist():
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 4]) + content[offset + 1 :])
        try:
            silent += not verify_store(path).findings
        except StoreError:
            continue
    assert silent <= 3


@pytest.mark.parametrize("change", ["written over", "renamed over", "removed"])
def test_open_zip_file_survives_rename_and_removal_but_not_writes(tmp_path, change):
    """One that was written to is refused although its headers match."""
    path = Path(shutil.copy(FIXTURE, tmp_path / "a.zip"))
    os.utime(path, ns=(0, 10**18))
    store = open_store(path)
    codes = store.sequence(store.coordinates.names[0])
    before = codes[:]
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo(f"genome/sequence/{store.coordinates.names[0]}/c/0").header_offset + 120
    other = bytearray(FIXTURE.read_bytes())
    other[offset] ^= 4
    if change == "removed":
        path.unlink()
    elif change == "renamed over":
        (tmp_path / "b.zip").write_bytes(other)
        (tmp_path / "b.zip").replace(path)
    else:
        path.write_bytes(other)
        with pytest.raises(StoreError, match=r"a\.zip: was changed while it was in use; rerun"):
            codes[:]
        return
    assert np.array_equal(codes[:], before)


def test_files_of_other_kinds_are_refused(tmp_path):
    (tmp_path / "a.zip").write_text("<html>")
    check_refused(tmp_path / "a.zip", "not a complete zip file")
    (tmp_path / "empty.zip").write_bytes(io.BytesIO().getvalue())
    check_refused(tmp_path / "empty.zip", "not a complete zip file")
    with pytest.raises(StoreError, match="not a FactorNet store"):
        open_store(zip_of(tmp_path / "none.zip", {"a": b"x"}))


def test_entries_are_listed_once_however_many_cell_lines_are_asked_for(tmp_path, monkeypatch):
    """Of 4,000 cell lines they were listed for each: `info` took minutes."""
    counted: list[int] = []

    def count(sizes):
        counted.append(len(sizes))
        return top_entries(sizes)

    top_entries = location._top_entries
    monkeypatch.setattr(location, "_top_entries", count)
    entries = {f"cells/C{i}/zarr.json": b"{}" for i in range(50)} | {"genome/zarr.json": b"{}"}
    opened = location.ZipLocation(zip_of(tmp_path / "s.zip", entries))
    for i in range(50):
        assert opened.folder(f"cells/C{i}").read("zarr.json") == b"{}"
        assert f"cells/C{i}" in opened.top()
    for group in ("cells/C", "cells/C1/zarr.json", "genome/zarr.json", "gen"):
        with pytest.raises(FileNotFoundError):
            opened.folder(group)
    assert counted == [51]
