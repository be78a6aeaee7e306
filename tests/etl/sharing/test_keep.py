"""The catalogue that export keeps: complete or as before, wherever it is killed; nothing of people is lost."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.transfer_helpers import command, report

from factornet.etl.sharing import keep
from factornet.etl.sharing.catalogue import CATALOGUE, read_catalogue
from factornet.etl.sharing.entry import Statements
from factornet.etl.sharing.keep import rebuild_catalogue, record_export


def names(folder) -> list[str]:
    return [e.name for e in read_catalogue(folder).entries]


def test_export_lists_what_it_wrote(shelf, tiny_store):
    zipped, folder = read_catalogue(shelf).find("tiny.zip"), read_catalogue(shelf).find("tiny.zarr")
    assert (zipped.size, len(zipped.sha256), folder.sha256) == ((shelf / "tiny.zip").stat().st_size, 64, "")
    assert zipped.identity == folder.identity
    assert (zipped.n_chromosomes, zipped.bases, zipped.encoding) == (2, 32_000, "compressed")
    assert [(c.name, c.tracks, c.factors) for c in zipped.cells] == [("A", ("DNase",), ("TF",))]
    assert zipped.unpacked_size == 32_000 * 5 + 397 + 237
    objects = sum(p.stat().st_size for p in (shelf / "tiny.zarr").rglob("*") if p.is_file())
    attributes = [shelf / "tiny.zarr" / n for n in ("zarr.json", "cells/zarr.json", "cells/A/zarr.json")]
    assert folder.size == objects - sum(p.stat().st_size for p in attributes)
    assert zipped.statements == Statements(licence="CC BY 4.0", contact="ada@x.org")


def test_statements_stay_until_others_are_made(shelf, tiny_store, capsys):
    before = (shelf / CATALOGUE).read_bytes()
    found = report(capsys, "export", tiny_store, shelf / "tiny.zip")
    assert (found["copied"], found["card"]) == ([], "tiny.zip.md")
    assert (shelf / CATALOGUE).read_bytes() == before
    assert command("export", tiny_store, shelf / "tiny.zip", "--licence", "CC0") == 0
    assert read_catalogue(shelf).find("tiny.zip").statements == Statements(licence="CC0", contact="ada@x.org")
    assert "licence: CC0" in (shelf / "tiny.zip.md").read_text()


def test_store_that_is_gone_is_said_and_no_longer_listed(shelf, tiny_store, capsys):
    (shelf / "tiny.zip").unlink()
    assert command("list", shelf) == 1
    assert f"{shelf}/tiny.zip: is no longer there; `factornet-etl list --rebuild" in capsys.readouterr().err
    assert command("export", tiny_store, shelf / "more.zarr") == 0
    assert "tiny.zip is no longer there, and no longer listed" in capsys.readouterr().err
    assert names(shelf) == ["more.zarr", "tiny.zarr"]


def test_changed_stores_are_said(shelf, capsys):
    with (shelf / "tiny.zip").open("ab") as file:
        file.write(b"x")
    shutil.rmtree(shelf / "tiny.zarr/cells/A")
    assert command("list", shelf) == 1
    error = capsys.readouterr().err
    assert "bytes, the catalogue lists" in error
    assert "tiny.zarr: was changed since" in error


def test_card_that_was_edited_is_kept_and_said(shelf, tiny_store, capsys):
    card = shelf / "tiny.zip.md"
    card.write_text(card.read_text() + "More.\n")
    assert command("export", tiny_store, shelf / "tiny.zip", "--licence", "CC0") == 0
    assert "was edited since, and is kept" in capsys.readouterr().err
    assert card.read_text().endswith("More.\n")
    card.unlink()
    assert command("list", "--rebuild", shelf) == 0
    assert "licence: CC0" in card.read_text()


def test_file_or_link_in_the_place_of_a_card_is_kept(tiny_store, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "a.zip.md").symlink_to("notes.txt")
    (tmp_path / "b.zip.md").mkdir()
    for name in ("a.zip", "b.zip"):
        assert report(capsys, "export", tiny_store, tmp_path / name)["card"] == ""
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_catalogue_writes_neither(tiny_store, tmp_path, capsys):
    assert command("export", tiny_store, tmp_path / "a.zip", "--no-catalogue") == 0
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert command("export", tiny_store, tmp_path / "a.zip", "--no-catalogue", "--licence", "x") == 2
    assert command("export", tiny_store, tmp_path / "a.zip", "--licence", "two\nlines") == 2
    assert "write one line" in capsys.readouterr().err


def test_rebuilt_catalogue_is_that_of_the_exports(shelf, tmp_path, capsys):
    before = (shelf / CATALOGUE).read_bytes()
    update = rebuild_catalogue(shelf)
    assert (update.gone, update.refused, update.notes) == ((), (), ())
    assert (shelf / CATALOGUE).read_bytes() == before
    (shelf / "broken.zip").write_bytes(b"PK\x03\x04")
    (shelf / "papers.zip").mkdir()
    (shelf / "link.zarr").symlink_to("tiny.zarr")
    shutil.move(shelf / "tiny.zarr", shelf / "renamed.zarr")
    found = report_of_rebuild(capsys, shelf)
    assert [s["name"] for s in found["stores"]] == ["renamed.zarr", "tiny.zip"]
    assert found["gone"] == ["tiny.zarr"]
    assert len(found["refused"]) == 1
    assert "broken.zip" in found["refused"][0]


def report_of_rebuild(capsys, folder) -> dict:
    """Run `list --rebuild`, which finds a store that cannot be listed."""
    capsys.readouterr()
    assert command("list", "--rebuild", folder, "--json") == 1
    return json.loads(capsys.readouterr().out)


def test_cut_catalogue_is_rebuilt_and_what_is_lost_is_said(shelf, capsys):
    text = (shelf / CATALOGUE).read_bytes()
    (shelf / CATALOGUE).write_bytes(text[: len(text) // 2])
    assert command("list", "--rebuild", shelf) == 0
    assert "taken over from it of: none" in capsys.readouterr().err
    assert names(shelf) == ["tiny.zarr", "tiny.zip"]


def test_catalogue_that_is_too_large_is_rebuilt(shelf, capsys):
    with (shelf / CATALOGUE).open("ab") as file:
        file.truncate(17_000_000)
    assert command("list", shelf) == 2
    expected = f"has more than 16 MB, too much for a file of this kind; `factornet-etl list --rebuild {shelf}`"
    assert expected in capsys.readouterr().err
    assert command("list", "--rebuild", shelf) == 0
    assert "taken over from it of: none" in capsys.readouterr().err
    assert names(shelf) == ["tiny.zarr", "tiny.zip"]


def test_newer_or_foreign_catalogue_is_not_rebuilt(shelf, capsys):
    for text in ('{"format": "factornet-catalogue", "version": 9}', '{"my": "file"}'):
        (shelf / CATALOGUE).write_text(text)
        assert command("list", "--rebuild", shelf) == 2
        assert (shelf / CATALOGUE).read_text() == text
    assert command("list", "--rebuild", "https://127.0.0.1/x") == 2
    assert "rebuild the catalogue where the stores are" in capsys.readouterr().err


def test_two_exports_at_once_are_both_listed(tiny_store, tmp_path):
    stores = [Path(shutil.copytree(tiny_store, tmp_path / f"{i}.zarr")) for i in range(8)]
    threads = [threading.Thread(target=record_export, args=(s,), kwargs={"statements": Statements()}) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == [s.name for s in stores]
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith(".")} == set()


def test_two_exports_of_processes_are_both_listed(tiny_store, tmp_path):
    code = "import sys; from factornet.cli import etl; sys.exit(etl.main(sys.argv[1:]))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, "export", str(tiny_store), str(tmp_path / name)])
        for name in ("a.zip", "b.zarr")
    ]
    assert [p.wait(120) for p in processes] == [0, 0]
    assert names(tmp_path) == ["a.zip", "b.zarr"]


KILLED = """
import os, signal, sys
from pathlib import Path
from factornet.etl.sharing.entry import Statements
from factornet.etl.sharing.keep import record_export

left = [0]
def killing(action):
    def step(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return action(*arguments, **options)
    return step
Path.write_bytes, Path.replace, Path.unlink = map(killing, (Path.write_bytes, Path.replace, Path.unlink))
os.fsync, os.open = map(killing, (os.fsync, os.open))
for n in range(1, 60):  # a fork for each step at which it is killed
    child = os.fork()
    if child == 0:
        left[0] = n
        record_export(Path(sys.argv[1]), statements=Statements(licence=f"licence {n}"))
        left[0] = 0
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(n, os.waitstatus_to_exitcode(status), Path(sys.argv[1]).with_name("catalogue.json").read_bytes().hex())
    if status == 0:
        break
"""


def test_killed_export_leaves_the_old_catalogue_or_the_new_one(shelf):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(shelf / "tiny.zip")], capture_output=True, text=True, timeout=300, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) > 8
    assert [int(status) for _, status, _ in rows] == [-signal.SIGKILL] * (len(rows) - 1) + [0]
    states = set()
    for n, _, text in rows:
        (shelf / CATALOGUE).write_bytes(bytes.fromhex(text))
        states.add((read_catalogue(shelf).find("tiny.zip").statements.licence == f"licence {n}", int(n)))
    assert {is_new for is_new, _ in states} == {True, False}
    record_export(shelf / "tiny.zip", statements=Statements())
    found = sorted(p.name for p in shelf.iterdir())
    assert found == [CATALOGUE, "tiny.zarr", "tiny.zarr.md", "tiny.zip", "tiny.zip.md"]


def test_zip_file_that_is_replaced_meanwhile_is_described_again(shelf, tiny_store, tmp_path, monkeypatch):
    assert command("export", tiny_store, tmp_path / "new.zip", "--cells") == 0
    describe, times = keep._describe, []

    def describe_then_replace(path, statements):
        found = describe(path, statements)
        if not times:
            shutil.copy(tmp_path / "new.zip", tmp_path / "moved.zip")
            (tmp_path / "moved.zip").replace(path)
        times.append(path)
        return found

    monkeypatch.setattr(keep, "_describe", describe_then_replace)
    record_export(shelf / "tiny.zip", statements=Statements())
    assert len(times) == 2
    assert read_catalogue(shelf).find("tiny.zip").cells == ()


@pytest.mark.parametrize("name", [CATALOGUE, "tiny.zip.md"])
def test_full_disk_leaves_the_catalogue_as_it_was(shelf, tiny_store, name, monkeypatch, capsys):
    before = (shelf / CATALOGUE).read_bytes()
    replace = Path.replace

    def full(path, target):
        if Path(target).name == name:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    assert command("export", tiny_store, shelf / "tiny.zip", "--licence", "CC0") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (shelf / CATALOGUE).read_bytes() == before
    assert not [p for p in shelf.iterdir() if p.name.startswith(".")]


def test_stores_with_faults_are_not_listed(shelf, capsys):
    """A flipped bit in a zip file, an object that a folder lacks: listed, they would look sound."""
    data = bytearray((shelf / "tiny.zip").read_bytes())
    at = data.find(b"\x28\xb5\x2f\xfd") if b"\x28\xb5\x2f\xfd" in data else len(data) // 2
    data[at + 20] ^= 1
    (shelf / "tiny.zip").write_bytes(data)
    next(p for p in (shelf / "tiny.zarr/genome").rglob("*") if p.is_file() and p.parent.name == "c").unlink()
    found = report_of_rebuild(capsys, shelf)
    assert found["stores"] == []
    assert [text.split(": ")[1] for text in sorted(found["refused"])] == ["not listed"] * 2
    assert "`factornet-etl verify " in found["refused"][0]
