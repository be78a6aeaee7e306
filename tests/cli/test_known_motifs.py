"""The motif that ``-mo`` and ``--motifs`` take: HOCOMOCO v9 once it was downloaded, a file, or JASPAR."""

from __future__ import annotations

from pathlib import Path

import pytest

from factornet.cli import evaluate, train
from factornet.cli.common.known_motifs import choose_motif, default_motifs
from factornet.etl.download.user_data import MOTIFS, user_data_folder
from factornet.store.errors import UsageError

MATRIX = "letter-probability matrix: alength= 4 w= 3\n0.1 0.7 0.1 0.1\n0.1 0.1 0.7 0.1\n0.1 0.7 0.1 0.1\n\n"


@pytest.fixture
def user_data(tmp_path, monkeypatch):
    """Folder of the user's data, empty."""
    monkeypatch.setenv("FACTORNET_DATA", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def test_default_is_hocomoco_9_once_it_is_downloaded(user_data):
    with pytest.raises(UsageError, match=r"-mo: .*HOCOMOCO v9.*`factornet-etl fetch motifs`, or .*--motifs FILE"):
        default_motifs()
    (user_data / MOTIFS).write_text(f"MEME version 4\n\nMOTIF CTCF_f2 CTCF\n{MATRIX}")
    assert default_motifs() == user_data / MOTIFS
    assert choose_motif(default_motifs(), "CTCF").name == "CTCF_f2"


def test_user_data_folder_is_the_systems_unless_set(monkeypatch):
    monkeypatch.delenv("FACTORNET_DATA", raising=False)
    assert user_data_folder().name == "factornet"


def test_training_without_motifs_is_one_line_with_the_command(user_data, demo_store, tmp_path, capsys):
    options = ["--store", demo_store, "-i", "K562", "-f", "CTCF", "-t", "chr1", "-mo", "-o", tmp_path / "m"]
    assert train.main([*map(str, options)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("factornet-train: error: -mo: the motifs of HOCOMOCO v9")
    assert "`factornet-etl fetch motifs`" in line
    assert not (tmp_path / "m").exists()


def test_training_starts_from_the_downloaded_motif(user_data, demo_store, tmp_path, capsys):
    (user_data / MOTIFS).write_text(f"MEME version 4\n\nMOTIF CTCFL_f1 CTCFL\n{MATRIX}MOTIF CTCF_f2 CTCF\n{MATRIX}")
    options = "-i K562 -f CTCF -t chr1 -mo -e 1 -L 300 -k 2 -r -1 -d 4 --device cpu".split()
    assert train.main(["--store", str(demo_store), *options, "-o", str(tmp_path / "m")]) == 0
    assert "motif CTCF_f2 in kernels 0 and 1" in capsys.readouterr().out


def test_choice_among_several_motifs_is_said(tmp_path, capsys):
    path = tmp_path / "x.meme"
    names = ("CTCF.H13CORE.1.P.C", "CTCFL.H13CORE.0.P.A", "CTCF.H13CORE.0.P.B")
    path.write_text("MEME version 4\n\n" + "".join(f"MOTIF {n}\n{MATRIX}" for n in names))
    assert choose_motif(path, "CTCF").name == names[2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "motifs of CTCF: CTCF.H13CORE.0.P.B, CTCF.H13CORE.1.P.C; CTCF.H13CORE.0.P.B is used (by exact name, human, "
        "quality A to D, JASPAR's CORE, lowest index, newest version); choose another with --motif-name\n"
    )
    assert choose_motif(path, names[0]).name == names[0]
    assert capsys.readouterr().err == ""


def test_jaspar_is_a_word_unless_a_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert choose_motif(Path("JASPAR"), "CTCF").alternate == "CTCF"
    Path("JASPAR").write_text(f"MEME version 4\n\nMOTIF mine CTCF\n{MATRIX}")
    assert choose_motif(Path("JASPAR"), "CTCF").name == "mine"


def test_evaluate_reads_motifs_of_jaspars_format(demo_store, tmp_path, capsys):
    path = tmp_path / "x.jaspar"
    path.write_text(">MA1\tCTCF\nA [ 1 1 1 ]\nC [ 7 1 7 ]\nG [ 1 7 1 ]\nT [ 1 1 1 ]\n")
    (tmp_path / "p.bed").write_text("".join(f"chr21\t{s}\t{s + 200}\t0.{s % 7}\n" for s in range(20000, 200000, 50)))
    options = ["--store", str(demo_store), "-i", "K562", "-f", "CTCF", "--motifs", str(path)]
    assert evaluate.main([str(tmp_path / "p.bed"), *options]) == 0
    assert "motif alone" in capsys.readouterr().out
