"""A model folder as one file: the same folder again, the same bytes, and nothing of a damaged or hostile file."""

import hashlib
import json
import os
import re
import resource
import shutil
import zipfile
from pathlib import Path

import pytest

from factornet.cli.model import main
from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.model_dir.card import write_card
from factornet.model.model_dir.packed import pack_model, unpack_model
from factornet.store import InputError, UsageError
from factornet.store.files.outputs import output_lock
from factornet.store.files.sealed_json import JsonFormat, seal_document


@pytest.fixture
def model(tmp_path):
    """A model folder, with a file of the user."""
    folder = tmp_path / "MAX"
    folder.mkdir()
    config = NetworkConfig(tasks=("MAX",), tracks=("DGF",), kernels=3, recurrent=-1, dense=3)
    write_card(folder, ModelCard(config=config))
    save_weights(folder, FactorNet(config, seed=1).state_dict(), "best")
    (folder / "notes.txt").write_text("mine")
    return folder


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_unpacked_is_the_model(model, tmp_path):
    packed = pack_model(model, tmp_path / "x.factornet")
    assert (packed.name, packed.left_out) == ("MAX", ("notes.txt",))
    unpack_model(tmp_path / "x.factornet", tmp_path / "new")
    expected = content(model)
    del expected["notes.txt"]
    assert content(tmp_path / "new") == expected


def test_the_same_folder_gives_the_same_bytes(model, tmp_path):
    pack_model(model, tmp_path / "a.factornet")
    other = tmp_path / "elsewhere" / "MAX"
    shutil.copytree(model, other)
    for path in other.iterdir():
        path.touch()
    pack_model(other, tmp_path / "b.zip")
    assert (tmp_path / "a.factornet").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_unpacked_file_that_cannot_be_written_is_named_and_nothing_is_left(model, tmp_path):
    pack_model(model, tmp_path / "x.factornet")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"new/best\.safetensors: cannot be written \(File too large\); .*ulimit -f"
        ):
            unpack_model(tmp_path / "x.factornet", tmp_path / "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "new").exists()
    assert not [*tmp_path.glob(".new*")]


def test_commands(model, tmp_path, capsys):
    file = tmp_path / "MAX.factornet"
    assert main(["pack", str(model), "-o", str(file)]) == 0
    shown = capsys.readouterr()
    assert "left out, not of the model: notes.txt" in shown.err
    assert "sha256" in shown.out
    assert main(["pack", str(model), "-o", str(file)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert main(["pack", str(model), "-o", str(tmp_path / "MAX.tar")]) == 2
    assert "the name of a packed model ends in .factornet or .zip" in capsys.readouterr().err
    assert main(["info", str(file)]) == 2
    assert "is a packed model; write its folder: factornet-model unpack" in capsys.readouterr().err
    assert main(["unpack", str(file), "-o", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "MAX"
    assert main(["verify", str(tmp_path / "new")]) == 0
    assert main(["unpack", str(file), "-o", str(tmp_path / "new")]) == 2


def test_a_model_that_is_being_written_is_packed_with_a_warning(model, tmp_path, capsys):
    with output_lock(model):
        assert main(["pack", str(model), "-o", str(tmp_path / "MAX.factornet")]) == 0
    expected = rf"{model}: is being written by process {os.getpid()} on \S+ since .*; what it has now is used"
    assert re.search(expected, capsys.readouterr().err)
    assert main(["pack", str(model), "-o", str(tmp_path / "again.factornet")]) == 0
    assert "being written" not in capsys.readouterr().err


def test_a_damaged_model_is_not_packed(model, tmp_path):
    path = model / "best.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"best\.safetensors: damaged"):
        pack_model(model, tmp_path / "x.factornet")
    assert not list(tmp_path.glob("*.factornet"))


@pytest.mark.parametrize("size", [0, 10, 0.5, 0.99, -1])
def test_a_file_that_was_cut_is_refused(model, tmp_path, size):
    path = tmp_path / "x.factornet"
    pack_model(model, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(size * len(data)) if isinstance(size, float) else size])
    with pytest.raises(InputError, match=r"x\.factornet: damaged"):
        unpack_model(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


FORMAT = JsonFormat("factornet-pack", 1, "")


def forged(path, entries, *, listed=None, compress=zipfile.ZIP_STORED):
    """Write a file of these entries, whose list names them with their true digests."""
    files = {n: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in (listed or entries).items()}
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("factornet-pack.json", seal_document(FORMAT, {"name": "x", "files": files}))
        for name, data in entries.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/etc/evil", "a/../../evil", "tensorboard/../../x.tfevents.1", "C:\\model.json", "notes.txt", "tensorboard"],
)  # fmt: skip
def test_names_that_are_no_files_of_a_model_are_refused(tmp_path, name):
    path = tmp_path / "in" / "x.factornet"
    path.parent.mkdir()
    forged(path, {name: b"evil"})
    with pytest.raises(InputError, match=r"is no file of a model|is not stored as it is"):
        unpack_model(path, tmp_path / "out" / "new")
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name or p.name == "model.json"]


def test_forged_files_are_refused(tmp_path):
    path = tmp_path / "x.factornet"
    forged(path, {"model.json": b"{}" * 1000}, compress=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="is not stored as it is"):
        unpack_model(path, tmp_path / "new")
    forged(path, {"model.json": b"{}", "chip.txt": b"x"}, listed={"model.json": b"{}"})
    with pytest.raises(InputError, match=r"its entries are not those that factornet-pack\.json lists"):
        unpack_model(path, tmp_path / "new")
    forged(path, {"model.json": b"{}"}, listed={"model.json": b"[]"})
    with pytest.raises(InputError, match=r"model\.json does not have the digest"):
        unpack_model(path, tmp_path / "new")
    forged(path, {"model.json": b"{}"})  # true digests of what is no model
    with pytest.raises(InputError):
        unpack_model(path, tmp_path / "new")
    forged(path, {})
    with pytest.raises(InputError, match=r"x\.factornet: "):
        unpack_model(path, tmp_path / "new")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"y")
    with pytest.raises(InputError, match=r"no packed model: it has no factornet-pack\.json"):
        unpack_model(path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_entries_that_share_bytes_are_refused(tmp_path):
    """Each of many could be the whole archive, which would fill a disk."""
    path, data = tmp_path / "x.factornet", b"\0" * 4000
    forged(path, {"last-000001.safetensors": data})
    text = path.read_bytes()
    directory = text.rindex(b"PK\1\2", 0, text.rindex(b"PK\5\6"))
    entry, end = text[directory : text.rindex(b"PK\5\6")], bytearray(text[text.rindex(b"PK\5\6") :])
    end[8:12], end[12:16] = b"\3\0\3\0", (int.from_bytes(end[12:16], "little") + len(entry)).to_bytes(4, "little")
    twice = entry.replace(b"last-000001", b"last-000002")
    path.write_bytes(text[:directory] + entry + twice + bytes(end))
    with pytest.raises(InputError, match="its entries claim more bytes than it has"):
        unpack_model(path, tmp_path / "new")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_named_so(tmp_path, make):
    make(tmp_path / "x.factornet")
    with pytest.raises(InputError, match=r"x\.factornet: is not a file"):
        unpack_model(tmp_path / "x.factornet", tmp_path / "new")


def test_an_existing_file_is_replaced_by_force_only(model, tmp_path, capsys):
    path = tmp_path / "x.zip"
    path.write_text("mine")
    assert main(["pack", str(model), "-o", str(path)]) == 2
    assert (
        f"{path}: already exists; give another name, or allow to overwrite it; --force replaces it"
        in capsys.readouterr().err
    )
    assert main(["pack", str(model), "-o", str(path), "--force"]) == 0


def test_an_existing_folder_is_not_replaced(model, tmp_path):
    pack_model(model, tmp_path / "x.factornet")
    with pytest.raises(UsageError, match="already exists"):
        unpack_model(tmp_path / "x.factornet", model)


def test_a_flipped_bit_is_found_wherever_it_is(model, tmp_path):
    """Also in what a zip file has besides its entries: dates, rights, offsets, the comment."""
    path, damaged = tmp_path / "m.factornet", tmp_path / "d.factornet"
    pack_model(model, path)
    data = path.read_bytes()
    step = max(1, len(data) // 400)
    for at in {*range(120), *range(len(data) - 900, len(data)), *range(0, len(data), step)}:
        damaged.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(InputError, match=r"d\.factornet"):
            unpack_model(damaged, tmp_path / "unpacked")
