"""Leave-one-cell-line-out cross-validation: parts that are resumed and shared, honest scores, a final model with them."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from factornet.cli import crossval, model
from factornet.cli.crossvalidation.parts import Part, check_cells, plan_parts, read_scores, write_scores
from factornet.cli.etl import main as etl
from factornet.model.data import signals
from factornet.store import InputError, Store, UsageError, open_store

QUICK = "-k 4 -r -1 -d 4 -e 1 -n 1 -b 50 -s 3 --device cpu --threads 1 -v chr11:200000-900000 -t chr21".split()
CODE = "import sys; from factornet.cli.entry_points import crossval; sys.exit(crossval())"


@pytest.fixture(scope="module")
def words(demo_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossval") / "cv"
    return ["--store", str(demo_store), "-f", "CTCF", "-i", "K562", "HepG2", "-o", str(folder), "--", *QUICK]


@pytest.fixture(scope="module")
def done(words):
    """The folder, after two processes have shared the parts."""
    processes = [
        subprocess.Popen([sys.executable, "-c", CODE, *words], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    return Path(words[words.index("-o") + 1])


@pytest.mark.slow
def test_two_processes_share_the_parts(done, words, capsys):
    assert crossval.main([*words[: -len(QUICK) - 1], "--json", "--", *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["elsewhere"], found["unfinished"]) == ([], [])
    assert set(found["scores"]["CTCF"]) == {"K562", "HepG2"}
    for scores in found["scores"]["CTCF"].values():
        low, high = scores["intervals"]["average_precision"]
        assert low <= scores["average_precision"] <= high
    for cell, other in (("K562", "HepG2"), ("HepG2", "K562")):
        part = done / "CTCF" / cell
        assert read_json(part / "model" / "model.json")["training"]["cells"] == [other]
        record = read_json(part / f"CTCF_{cell}.bw.json")
        assert (record["cell"], record["factor"]) == (cell, "CTCF")


@pytest.mark.slow
def test_final_model_is_of_all_cell_lines_with_their_scores_on_its_card(done, words, capsys):
    assert crossval.main(words) == 0
    text = capsys.readouterr().out
    final = done / "CTCF" / "model"
    content = read_json(final / "model.json")
    assert content["training"]["cells"] == ["K562", "HepG2"]
    scores = content["provenance"]["cross_validation"]
    assert set(scores) == {"K562", "HepG2"}
    for cell, found in scores.items():
        assert cell in text
        assert f"{found['average_precision']:.4f}" in text
    assert model.main(["verify", str(final)]) == 0
    assert model.main(["info", str(final)]) == 0
    assert "cross_validation" in capsys.readouterr().out


@pytest.mark.slow
def test_parts_that_are_done_are_not_done_again(done, words, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.suffix in (".bw", ".safetensors")}
    assert len(before) > 6
    assert crossval.main(words) == 0
    assert "+ factornet-train" not in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def read_json(path):
    return json.loads(path.read_text())


@pytest.mark.slow
def test_predictions_of_another_cell_line_are_not_scored_as_its_own(done, words, tmp_path, capsys):
    folder = tmp_path / "cv"
    shutil.copytree(done, folder)
    (folder / "CTCF" / "scores.json").unlink()
    for suffix in ("", ".json"):
        a, b = (folder / "CTCF" / cell / f"CTCF_{cell}.bw{suffix}" for cell in ("K562", "HepG2"))
        a.rename(tmp_path / "x"), b.rename(a), (tmp_path / "x").rename(b)
    assert crossval.main([str(folder) if word == str(done) else word for word in words]) == 2
    assert "CTCF_K562.bw: are predictions of CTCF in HepG2, not of CTCF in K562" in capsys.readouterr().err


@pytest.mark.slow
def test_a_store_whose_data_changed_is_refused(done, words, demo_store, tmp_path, capsys):
    path = tmp_path / "other.zarr"
    shutil.copytree(demo_store, path)
    assert etl(["rm", str(path), "HepG2"]) == 0
    text = (done / "crossval.json").read_bytes()
    others = [str(path) if word == str(demo_store) else word for word in words]
    others[others.index("HepG2")] = "GM12878"
    assert crossval.main(others) == 2
    assert "cells/HepG2 was " in capsys.readouterr().err
    assert (done / "crossval.json").read_bytes() == text


def test_scores_of_another_factor_are_refused(tmp_path):
    write_scores(tmp_path / "scores.json", "MAX", {"K562": {}})
    assert read_scores(tmp_path / "scores.json", "MAX") == {"K562": {}}
    with pytest.raises(InputError, match="has the scores of MAX, not of CTCF"):
        read_scores(tmp_path / "scores.json", "CTCF")


def result(parts, elsewhere, capsys, **options):
    """What is printed at the end, without and with --json."""
    shown = argparse.Namespace(**{"plot": None, "no_final": False, "output": parts[0].folder.parents[1], **options})
    assert crossval._print_result(parts, elsewhere, argparse.Namespace(**vars(shown), json=False)) == 0
    text = capsys.readouterr().out
    assert crossval._print_result(parts, elsewhere, argparse.Namespace(**vars(shown), json=True)) == 0
    return text, json.loads(capsys.readouterr().out)


def test_what_is_left_to_other_processes_is_said(tmp_path, capsys):
    """Status 0 alone would say that all scores and models are there."""
    parts = [Part(tmp_path / "MAX" / cell, "MAX", cell, ("other",)) for cell in ("K562", "HepG2")]
    (tmp_path / "MAX").mkdir()
    text, found = result(parts, parts[1:], capsys)
    assert "1 part left to other processes: repeat the command once they are done, for all scores and models" in text
    assert found == {"scores": {}, "elsewhere": ["MAX without HepG2"], "unfinished": ["MAX"]}
    text, found = result(parts, [], capsys)
    assert "scores of MAX: left to another process, which may end it: repeat the command" in text
    row = {"average_precision": 0.5, "positives": 9, "intervals": {}, **dict.fromkeys(crossval._MEASURES, 0.5)}
    write_scores(tmp_path / "MAX" / "scores.json", "MAX", {"K562": row, "HepG2": row})
    text, found = result(parts, [], capsys)
    assert "model of all cell lines, MAX: left to another process, which may end it: repeat the command" in text
    assert (found["elsewhere"], found["unfinished"]) == ([], ["MAX"])
    text, found = result(parts, [], capsys, no_final=True)
    assert "left to" not in text
    assert found["unfinished"] == []


@pytest.mark.slow
def test_other_options_are_refused_in_the_same_folder(done, words, capsys):
    assert crossval.main([*words, "-e", "2"]) == 2
    assert "began with other settings: training was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["-f", "NONE"], "NONE is in none of K562, HepG2"),
        (["-i", "K562"], "CTCF is only in K562 of K562; leaving one out needs two"),
        (["-i", "K562", "Jurkat"], "has no cell line Jurkat"),
    ],
)
def test_what_cannot_be_left_out_is_refused(words, tmp_path, capsys, change, message):
    options = words[: words.index("--")]
    options[options.index("-o") + 1] = str(tmp_path / "cv")
    assert crossval.main([*options, *change, "--", *QUICK]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (["-i", "K562"], "-i: is chosen by factornet-crossval"),
        ([*QUICK, "-iK562"], "-i: is chosen by factornet-crossval"),
        ([*QUICK, "-vi", "K562"], "-vi: is chosen by factornet-crossval"),
        ([*QUICK, "-t", "none"], "no test regions"),
    ],
)
def test_training_options_are_checked_before_anything_is_written(words, tmp_path, capsys, training, message):
    options = words[: words.index("--")]
    options[options.index("-o") + 1] = str(tmp_path / "cv")
    assert crossval.main([*options, "--", *training]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        ("no/x.png", "--plot {0}/no/x.png: its folder does not exist"),
        ("cv/x.txt", "--plot {0}/cv/x.txt: a picture is named *.png"),
        ("", "{0}: a picture is named"),
    ],
)
def test_plot_that_cannot_be_written_is_refused_before_training(words, tmp_path, capsys, plot, message):
    own = [str(tmp_path / "cv") if word == words[words.index("-o") + 1] else word for word in words]
    at = own.index("--")
    assert crossval.main([*own[:at], "--plot", str(tmp_path / plot), *own[at:]]) == 2
    assert message.format(tmp_path) in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_cell_lines_that_could_not_be_predicted_are_refused_before_training(demo_store, words, capsys, monkeypatch):
    """Their units were compared once a model was trained, and --ignore-units behind -- did not reach the prediction."""
    own, store = signals.track_signals, open_store(demo_store)
    parts = plan_parts(store, Path("cv"), factors=["CTCF"], cells=[])
    assert check_cells(store, parts, ["DGF"], meta=False, ignore_units=False) == []
    with pytest.raises(UsageError, match="no track 'ATAC'"):
        check_cells(store, parts, ["ATAC"], meta=False, ignore_units=False)

    assert check_cells(store, parts, None, meta=True, ignore_units=False) == []
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "tracks_of", lambda self, cell: store.cell(cell).tracks[: 1 + (cell != "K562")])
        with pytest.raises(
            UsageError, match=r"cell line K562 has no track .* a model of .* sees .* leave the cell line"
        ):
            check_cells(store, [p for p in parts if p.held_out == "K562"], None, meta=False, ignore_units=False)

    def in_other_units(store, cells, tracks):
        found = own(store, cells, tracks)
        for cell, signal in found["DGF"].items():
            signal["units"] = "fold-change" if cell == "HepG2" else "1x"
        return found

    monkeypatch.setattr(signals, "track_signals", in_other_units)
    with pytest.raises(UsageError, match=r"HepG2 has the units fold-change, training had 1x .* with --ignore-units"):
        check_cells(store, parts, ["DGF"], meta=False, ignore_units=False)
    assert "fold-change" in check_cells(store, parts, ["DGF"], meta=False, ignore_units=True)[0]


@pytest.mark.parametrize(
    ("factor", "cell", "message"),
    [
        ("crossval.json", "K562", "the factor crossval.json has the name of a file or folder of the cross-validation"),
        ("Run.toml", "K562", "the factor Run.toml has the name of a file or folder"),
        ("CTCF", "model", "the cell line model has the name of a file or folder"),
        ("CTCF", "scores.json", "the cell line scores.json has the name of a file or folder"),
        ("-h", "K562", "the factor -h has the name of an option"),
        ("F" * 175, "K562", "together make a name of 183 bytes, more than the 180 of a file's"),
    ],
)
def test_names_that_files_of_the_folder_have_are_refused(tmp_path, factor, cell, message):
    """A cell line named model would be trained in the folder of the model of all cell lines."""
    cells = {name: SimpleNamespace(factor_names=(factor, "MAX")) for name in (cell, "HepG2")}
    store = SimpleNamespace(location="hg19.zarr", cells=tuple(cells), cell=cells.__getitem__)
    with pytest.raises(UsageError, match=re.escape(message)):
        plan_parts(cast("Store", store), tmp_path, factors=[factor], cells=[])


def test_a_folder_with_other_files_is_left_alone(words, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    options = words[: words.index("--")]
    options[options.index("-o") + 1] = str(tmp_path)
    assert crossval.main([*options, "--", *QUICK]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt"]
