"""The picture of factornet-evaluate: what cannot be one is refused before any work."""

import os

import pytest

from factornet.cli import evaluate


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "p.bed"
    path.write_text("".join(f"chr21\t{a}\t{a + 200}\t0.5\n" for a in range(100_000, 130_000, 50)))
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.xyz", "a picture is named *.png, *.pdf, *.svg"),
        ("x", "a picture is named *.png, *.pdf, *.svg"),
        ("x.jpg", "a picture is named *.png, *.pdf, *.svg"),
        ("folder.png", "is a folder; give the name of a file"),
        ("pipe.png", "is a device or pipe"),
        ("p.png", "is a file that the command reads; give another name"),
        ("absent/x.png", "its folder does not exist; create it first"),
    ],
)
def test_picture_that_cannot_be_written_is_refused(demo_store, predictions, *, tmp_path, capsys, name, message):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    os.link(predictions, tmp_path / "p.png")
    before = sorted(p.name for p in tmp_path.iterdir())
    arguments = [predictions, "--store", demo_store, "-i", "K562", "-f", "CTCF", "--picture", tmp_path / name]
    assert evaluate.main([str(a) for a in arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert name in shown
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_failed_picture_names_the_file(demo_store, predictions, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    arguments = [predictions, "--store", demo_store, "-i", "K562", "-f", "CTCF", "--picture", tmp_path / "x.png"]
    assert evaluate.main([str(a) for a in arguments]) == 2
    assert f"{tmp_path}/x.png: cannot be written (No space left on device)" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["p.bed"]


@pytest.mark.parametrize(("name", "begin"), [("x.PNG", b"\x89PNG"), ("x.Pdf", b"%PDF"), ("x.SVG", b"<?xml")])
def test_picture_is_what_its_name_says(demo_store, predictions, tmp_path, name, begin):
    arguments = [predictions, "--store", demo_store, "-i", "K562", "-f", "CTCF", "--picture", tmp_path / name]
    assert evaluate.main([str(a) for a in arguments]) == 0
    assert (tmp_path / name).read_bytes().startswith(begin)
