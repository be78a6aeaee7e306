"""Optional files that are links to nowhere, as where git-annex has not fetched them: said, and never taken as absent."""

import re
import shutil

import pytest
from support.keras_folder import Spec, write_folder

from factornet.cli import etl, evaluate, model, predict, train

CURE = "is a broken link; bring back what it leads to, or remove the link"


@pytest.fixture
def said(capsys):
    """Run a command that fails; return its error, which is one line."""

    def run(command, *words):
        capsys.readouterr()
        assert command.main([*map(str, words)]) == 2
        (line,) = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
        return line

    return run


def break_link(path):
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")
    return path


@pytest.mark.parametrize("name", ["bigwig.txt", "chip.txt", "meta.txt", "sources.json"])
def test_tables_of_a_cell_line(name, store, demo_files, *, tmp_path, said, capsys):
    cell = shutil.copytree(demo_files / "cells/K562", tmp_path / "X")
    (cell / "bigwig.txt").write_text("K562.DGF.bw DGF\n")
    path = break_link(cell / name)
    assert f"{path}: {CURE}" in said(etl, "build", store, cell)
    assert not (store / "cells/X").exists()
    assert etl.main(["plan", str(store), str(cell)]) == 1
    assert f"{path}: {CURE}" in re.sub(r"\s+", " ", "".join(capsys.readouterr()))


def test_files_of_a_model_and_records_of_predictions(demo_store, tmp_path, said):
    store = ["--store", demo_store]
    options = "-f CTCF -k 4 -r -1 -d 4 -e 1 -i GM12878 -v chr11 -t chr21 --device cpu --threads 1".split()
    assert train.main([*map(str, store), *options, "-o", f"{tmp_path}/m"]) == 0
    calibrate = ["calibrate", f"{tmp_path}/m", "--regions", "chr11", "--device", "cpu"]
    assert model.main([*calibrate, *map(str, store)]) == 0
    shutil.copytree(tmp_path / "m", tmp_path / "broken")
    words = [*store, "-i", "K562", "--regions", "chr21:500000-600000", "--device", "cpu"]
    assert predict.main([*map(str, words), "-m", f"{tmp_path}/m", "-o", f"{tmp_path}/o.bed.gz"]) == 0
    for name, command in (
        ("calibration.json", (predict, *words, "-m", tmp_path / "broken", "-o", tmp_path / "b.bed.gz")),
        ("calibration.json", (model, "card", tmp_path / "broken")),
        ("training.json", (model, "card", tmp_path / "broken")),
        ("bigwig.txt", (predict, *words, "-m", tmp_path / "broken", "-o", tmp_path / "b.bed.gz")),
    ):
        path = break_link(tmp_path / "broken" / name)
        assert f"{path}: {CURE}" in said(*command)
        path.unlink()
        if (tmp_path / "m" / name).exists():
            shutil.copy(tmp_path / "m" / name, path)
    assert not (tmp_path / "b.bed.gz").exists()
    path = break_link(tmp_path / "o.bed.gz.json")
    assert f"{path}: {CURE}" in said(evaluate, *store, tmp_path / "o.bed.gz", "-f", "CTCF", "-i", "K562")


@pytest.mark.parametrize("weights", ["best", "final"])
def test_weights_of_an_original_model(weights, tmp_path, said):
    folder = write_folder(tmp_path / "keras", Spec())
    shutil.copy(folder / "best_model.hdf5", folder / "final_model.hdf5")
    path = break_link(folder / f"{weights}_model.hdf5")
    assert f"{path}: {CURE}" in said(model, "import", folder, "-o", tmp_path / "m")
    assert not (tmp_path / "m").exists()
