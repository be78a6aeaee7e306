"""Zip files from strangers: nothing leads out of them, and what is cut, packed or not as it says is refused."""

import io
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from factornet.cli import etl
from factornet.etl.transfer.open_destination import open_destination
from factornet.etl.verify.objects import verify_store
from factornet.store import StoreError, open_store
from factornet.store.storage.zip_archive import ZipArchive

FIXTURE = Path(__file__).parents[2] / "fixtures/store-schema-1.zip"


def zip_of(path: Path, entries: dict[str, bytes], change=lambda info: None, **more) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = more.get("packed", zipfile.ZIP_STORED)
            change(info)
            zipped.writestr(info, content)
    return path


def repacked(path: Path, old: bytes, new: bytes, *, last: bool = False) -> Path:
    """The file with bytes of it replaced: in its list (the last place), or all over."""
    content = path.read_bytes()
    assert old in content
    head, _, tail = content.rpartition(old)
    path.write_bytes(head + new + tail if last else content.replace(old, new))
    return path


def refused(path: Path, message: str) -> None:
    for use in (ZipArchive, open_store, lambda p: open_destination(p).find_existing()):
        with pytest.raises(StoreError, match=message) as caught:
            use(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["../evil", "/evil", "genome/../../evil", "a\\..\\evil", "C:evil"])
def test_zip_slip(tmp_path, name, capsys):
    path = zip_of(tmp_path / "evil.zip", {"zarr.json": b"{}", name: b"evil"})
    refused(path, "its name leads out of the store")
    assert etl.main(["import", str(path), str(tmp_path / "x.zarr")]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.zip"]


def test_zip_entries_that_are_no_plain_objects(tmp_path):
    def as_link(info):
        info.external_attr = 0o120777 << 16

    content = {"zarr.json": b"{}" * 50}
    refused(zip_of(tmp_path / "packed.zip", content, packed=zipfile.ZIP_DEFLATED), "is packed")
    refused(zip_of(tmp_path / "link.zip", content, as_link), "is a link")
    path = zip_of(tmp_path / "secret.zip", content)
    refused(repacked(path, b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x01\x00\x00\x00"), "is encrypted")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as zipped:
        zipped.writestr("zarr.json", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            zipped.writestr("zarr.json", "2")
    refused(tmp_path / "twice.zip", "comes twice")


def test_zip_entries_that_claim_other_sizes(tmp_path):
    size, false = struct.pack("<II", 100, 100), struct.pack("<II", 100, 4_000_000_000)
    path = zip_of(tmp_path / "a.zip", {"zarr.json": b"x" * 100})
    refused(repacked(path, size, false, last=True), "claims another size")
    false = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path = zip_of(tmp_path / "b.zip", {"zarr.json": b"x" * 100})
    refused(repacked(path, size, false, last=True), "lies over what follows it")
    path = zip_of(tmp_path / "c.zip", {"a": b"x" * 100, "b": b"y" * 100})
    begin = path.read_bytes().rindex(b"PK\x01\x02")
    path.write_bytes(path.read_bytes()[: begin + 42] + bytes(4) + path.read_bytes()[begin + 46 :])
    refused(path, "lies over what follows it")


def test_zip_headers_that_disagree(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"zarr.json": b"{}"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"zarr.json", b"zorr.json", 1))
    with pytest.raises(StoreError, match="does not agree with the file's list"):
        open_store(path)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_cut_zip_files(tmp_path, share):
    content = FIXTURE.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "not a whole zip file")


def test_any_flipped_byte_of_a_zip_file_shows(tmp_path):
    """In what is read of it: of the bytes that nothing reads (dates, for one) there are few."""
    content = FIXTURE.read_bytes()
    path, rng, silent = tmp_path / "flipped.zip", np.random.default_rng(0), 0
    for location in rng.integers(0, len(content), 60).tolist():
        path.write_bytes(content[:location] + bytes([content[location] ^ 4]) + content[location + 1 :])
        try:
            silent += not verify_store(path).findings
        except StoreError:
            continue
    assert silent <= 3


@pytest.mark.parametrize("change", ["written over", "renamed over", "removed"])
def test_a_zip_file_that_is_changed_while_it_is_open(tmp_path, change):
    """One that lies elsewhere by now is read on; one that was written to is not, though its headers agree."""
    path = Path(shutil.copy(FIXTURE, tmp_path / "a.zip"))
    os.utime(path, ns=(0, 10**18))
    store = open_store(path)
    codes = store.sequence(store.coordinates.names[0])
    before = codes[:]
    with zipfile.ZipFile(path) as zipped:
        location = zipped.getinfo(f"genome/sequence/{store.coordinates.names[0]}/c/0").header_offset + 120
    other = bytearray(FIXTURE.read_bytes())
    other[location] ^= 4
    if change == "removed":
        path.unlink()
    elif change == "renamed over":
        (tmp_path / "b.zip").write_bytes(other)
        (tmp_path / "b.zip").replace(path)
    else:
        path.write_bytes(other)
        with pytest.raises(StoreError, match=r"a\.zip: was changed while it was in use; start again"):
            codes[:]
        return
    assert np.array_equal(codes[:], before)


def test_other_files_are_no_zip_files(tmp_path):
    (tmp_path / "a.zip").write_text("<html>")
    refused(tmp_path / "a.zip", "not a whole zip file")
    (tmp_path / "empty.zip").write_bytes(io.BytesIO().getvalue())
    refused(tmp_path / "empty.zip", "not a whole zip file")
    with pytest.raises(StoreError, match="not a FactorNet store"):
        open_store(zip_of(tmp_path / "none.zip", {"a": b"x"}))
