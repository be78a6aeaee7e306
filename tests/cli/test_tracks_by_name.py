"""Commands take the tracks of a model by name from cell lines that have others too, and read no others."""

import json
import shlex
import shutil

import numpy as np
import pyBigWig
import pytest
from safetensors.numpy import load_file
from support.tiny_experiment import OPTIONS, write_tiny

from factornet.cli import evaluate, predict, train, visualize
from factornet.etl import Resources, build_cell
from factornet.model import read_card
from factornet.store import Store

CELLS = {
    "one": ("DGF",),
    "more": ("Unique35", "DGF", "H3K27ac"),
    "swapped": ("H3K27ac", "DGF"),
    "stranded": ("X_rev", "DGF", "X_fwd"),
    "bare": (),
}
"""Tracks of each cell line; those of one name have one signal, so that equal data give equal results."""
SMALL = "-f TF -v chrB -t none -k 3 -w 8 -r 2 -d 2 -n 1 -L 400 -e 2 --threads 1 --device cpu"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A store of cell lines with different tracks; no command changes it."""
    work = tmp_path_factory.mktemp("tracks")
    write_tiny(work)
    for number, name in enumerate(sorted({track for tracks in CELLS.values() for track in tracks})):
        with pyBigWig.open(str(work / f"{name}.bw"), "w") as file:
            file.addHeader([("chrA", 20_000), ("chrB", 12_000)])
            for chrom, size in (("chrA", 20_000), ("chrB", 12_000)):
                values = np.random.default_rng(number).gamma(1, 1, size).tolist()
                file.addEntries(chrom, 0, values=values, span=1, step=1)
    for cell, tracks in CELLS.items():
        shutil.copytree(work / "A", work / cell)
        (work / cell / "bigwig.txt").write_text("".join(f"../{track}.bw {track}\n" for track in tracks))
        build_cell(work / "s.zarr", work / cell, OPTIONS, Resources(1))
    for cell, more in (("one", ""), ("more", "--tracks DGF")):
        assert train.main(shlex.split(f"--store {work}/s.zarr -i {cell} {SMALL} {more} -o {work}/DGF-{cell}")) == 0
    return work


def run(work, command, words):
    return command.main(["--store", str(work / "s.zarr"), "--device", "cpu", *shlex.split(words)])


def test_training_on_chosen_tracks_is_that_of_a_cell_line_without_the_others(work):
    assert read_card(work / "DGF-more").config == read_card(work / "DGF-one").config
    assert list(read_card(work / "DGF-more").provenance["signals"]) == ["DGF"]
    weights = [load_file(work / f"DGF-{cell}/best.safetensors") for cell in ("one", "more")]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("cell", ["more", "swapped"])
def test_model_predicts_in_cell_lines_with_other_tracks(work, cell, tmp_path, capsys):
    found = []
    for name in ("one", cell):
        out = tmp_path / f"{name}.bed.gz"
        assert run(work, predict, f"-i {name} -m {work}/DGF-one -f TF --regions chrA -o {out}") == 0
        found.append(out.read_bytes())
    assert found[0] == found[1]
    others = ", ".join(name for name in CELLS[cell] if name != "DGF")
    assert f"tracks: DGF (not used of {cell}: {others})\n" in capsys.readouterr().out
    more = f"-i {cell} -m {work}/DGF-one -f TF --regions chrA -o {tmp_path}/x.bed.gz --json"
    assert run(work, predict, more) == 0
    assert json.loads(capsys.readouterr().out)["intervals"]


def test_kernels_are_shown_in_cell_lines_with_other_tracks(work, tmp_path):
    for cell in ("one", "more"):
        words = f"-i {cell} -m {work}/DGF-one -b {work}/A/p.bed -c chrA -o {tmp_path}/{cell}"
        assert run(work, visualize, words) == 0
    signals = [np.load(tmp_path / cell / "DGF_meansignal.npy") for cell in ("one", "more")]
    assert np.array_equal(*signals)
    assert not list((tmp_path / "more").glob("Unique35*"))


@pytest.mark.parametrize(
    ("cell", "message"),
    [("bare", "no track 'DGF'; it has none"), ("A", "no track 'DGF'; it has DNase")],
)
def test_missing_track_is_named_with_those_of_the_cell_line(work, cell, message, tmp_path, capsys):
    if cell == "A":
        build_cell(work / "s.zarr", work / "A", OPTIONS, Resources(1))
    expected = f"error: cell line {cell} has {message}; the model was trained on DGF\n"
    for command, words in (
        (predict, f"-i {cell} -m {work}/DGF-one -f TF --regions chrA -o {tmp_path}/x.bed.gz"),
        (visualize, f"-i {cell} -m {work}/DGF-one -b {work}/A/p.bed -c chrA -o {tmp_path}/x"),
    ):
        assert run(work, command, words) == 2
        assert capsys.readouterr().err.endswith(expected)
    assert not list(tmp_path.iterdir())


TRAININGS = [
    ("-i more swapped --tracks H3K27ac DGF", ("H3K27ac", "DGF"), "(not used of more: Unique35)"),
    ("-i more swapped --tracks DGF H3K27ac", ("DGF", "H3K27ac"), "(not used of more: Unique35)"),
    ("-i more -vi one --tracks DGF", ("DGF",), "(not used of more: Unique35, H3K27ac)"),
    ("-i more --tracks none", (), "(not used of more: Unique35, DGF, H3K27ac)"),
    ("-i more bare --tracks", (), "(not used of more: Unique35, DGF, H3K27ac)"),
    ("-i stranded --tracks X_fwd X_rev", ("X_fwd", "X_rev"), "(not used of stranded: DGF)"),
    ("-i more", ("Unique35", "DGF", "H3K27ac"), ""),
]


@pytest.mark.parametrize(("words", "tracks", "unused"), TRAININGS)
def test_tracks_of_a_training(work, tmp_path, words, tracks, unused, capsys):  # noqa: PLR0917
    assert run(work, train, f"{words} {SMALL} -o {tmp_path}/m") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("tracks:"))
    assert line == f"tracks: {', '.join(tracks) or 'none'} {unused}".strip()
    assert read_card(tmp_path / "m").config.tracks == tracks
    assert (tmp_path / "m/bigwig.txt").read_text().split() == list(tracks)
    cell = words.split()[1]
    assert run(work, predict, f"-i {cell} -m {tmp_path}/m -f TF --regions chrA -o {tmp_path}/x.bed.gz") == 0


MISTAKES = [
    ("-i more swapped", "-i: cell lines must have the same tracks in the same order: more has Unique35, DGF, H3K27ac; "
     "swapped has H3K27ac, DGF; give the same signal the same name in bigwig.txt, or choose some by name, as with --tracks DGF H3K27ac"),
    ("-i more bare", "more has Unique35, DGF, H3K27ac; bare has none; give the same signal the same name in bigwig.txt, or choose some by name, as with --tracks none"),
    ("-i more swapped --tracks Unique35 DGF", "--tracks: cell line swapped has no track 'Unique35'; it has H3K27ac, DGF"),
    ("-i more --tracks dgf", "--tracks: cell line more has no track 'dgf'; it has Unique35, DGF, H3K27ac"),
    ("-i more --tracks DGF DGF", "tracks: 'DGF' is repeated"),
    ("-i stranded --tracks X_fwd DGF", "track 'X_fwd' needs its other strand 'X_rev'; the tracks are X_fwd, DGF"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_mistakes_name_the_tracks(work, tmp_path, capsys, words, message):
    assert run(work, train, f"{words} {SMALL} -o {tmp_path}/m") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "m").exists()


def test_training_from_a_model_takes_its_tracks(work, tmp_path, capsys):
    start = f"--init-from {work}/DGF-one -f TF -v chrB -t none -e 1 --threads 1 -o {tmp_path}"
    assert run(work, train, f"{start}/m -i more swapped") == 0
    assert "tracks: DGF (not used of more: Unique35, H3K27ac; not used of swapped: H3K27ac)" in capsys.readouterr().out
    assert read_card(tmp_path / "m").config.tracks == ("DGF",)
    assert run(work, train, f"{start}/n -i more --tracks Unique35 DGF") == 2
    assert "its tracks is ('DGF',), requested is ('Unique35', 'DGF')" in capsys.readouterr().err
    assert run(work, train, f"{start}/n -i bare") == 2
    assert "--init-from: cell line bare has no track 'DGF'; it has none" in capsys.readouterr().err


def test_resumed_training_needs_the_same_tracks(work, tmp_path, capsys):
    shutil.copytree(work / "DGF-more", tmp_path / "m")
    words = f"-i more {SMALL} -e 3 -o {tmp_path}/m --resume"
    assert run(work, train, words) == 2
    assert (
        "the training started with tracks = ['DGF'], now it is ['Unique35', 'DGF', 'H3K27ac']"
        in capsys.readouterr().err
    )
    assert run(work, train, f"{words} --tracks DGF") == 0


def test_evaluation_reads_the_one_track_that_it_scores(work, tmp_path, capsys, monkeypatch):
    out = tmp_path / "x.bed.gz"
    assert run(work, predict, f"-i more -m {work}/DGF-one -f TF --regions chrA -o {out}") == 0
    capsys.readouterr()
    opened, array = set(), Store.array
    monkeypatch.setattr(Store, "array", lambda store, path: opened.add(path) or array(store, path))
    words = [
        "--store",
        f"{work}/s.zarr",
        "-i",
        "more",
        "-f",
        "TF",
        str(out),
        "--allow-seen",
        "--json",
        "--track",
        "H3K27ac",
    ]
    assert evaluate.main(words) == 0
    assert "accessibility alone" in json.loads(capsys.readouterr().out)["scores"]
    assert {path.split("/")[3] for path in opened if "/tracks/" in path} == {"H3K27ac"}
