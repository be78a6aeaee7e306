"""factornet-evaluate of a folder that factornet-predict wrote, here and on workers."""

import json
import shutil
from pathlib import Path

import pytest
from support.schedulers import running_scheduler

from factornet.cli import evaluate, predict
from factornet.model import FactorNet, ModelCard, NetworkConfig, save_weights
from factornet.model.model_dir.card import write_card

TASKS = ("CTCF", "REST", "MAX", "NANOG")  # the demo has labels of the first three


@pytest.fixture(scope="module")
def predicted(demo_store, tmp_path_factory):
    """A folder with the predictions of four factors; not to be changed."""
    folder = tmp_path_factory.mktemp("predicted")
    config = NetworkConfig(tasks=TASKS, tracks=("DGF",), kernels=4, recurrent=3, dense=4)
    (folder / "model").mkdir()
    write_card(folder / "model", ModelCard(config=config))
    save_weights(folder / "model", FactorNet(config, seed=1).state_dict(), "best")
    words = ["--store", demo_store, "-i", "K562", "-m", folder / "model", "--regions", "chr21", "-o", folder / "out/"]
    assert predict.main([str(word) for word in words] + ["--format", "bed.gz"]) == 0
    return folder / "out"


@pytest.fixture
def command(demo_store, capsys):
    def run(*arguments):
        capsys.readouterr()
        status = evaluate.main([str(a) for a in (*arguments, "--store", demo_store, "--replicates", 50)])
        return status, capsys.readouterr()

    return run


def labelled(content):
    return [group["factor"] for group in content["comparisons"]]


def test_factors_with_labels_are_evaluated_and_the_others_are_named(command, predicted):
    status, shown = command(predicted)
    assert status == 0, shown.err
    assert "1 file left out, without labels in the store: NANOG in K562" in shown.err
    assert [f"{task} in K562: " in shown.out for task in TASKS] == [True, True, True, False]


def test_workers_find_the_same(command, predicted):
    status, alone = command(predicted, "--json")
    assert (status, labelled(json.loads(alone.out))) == (0, ["CTCF", "REST", "MAX"])
    status, shown = command(predicted, "--json", "--workers", 2)
    assert (status, shown.out) == (0, alone.out), shown.err


@pytest.mark.slow
def test_workers_of_a_scheduler_find_the_same_from_relative_paths(command, predicted, tmp_path, monkeypatch):
    status, alone = command(predicted, "--json", "--baselines", "--fit-cells", "HepG2", "--fit-regions", "chr2",
                            "--motifs", (motifs := _motifs(tmp_path)))  # fmt: skip
    assert status == 0, alone.err
    monkeypatch.chdir(predicted.parent)
    with running_scheduler(tmp_path / "log", workers=2, folder=Path(__file__).parents[2]) as (address, workers):
        arguments = (predicted.name, "--json", "--baselines", "--fit-cells", "HepG2", "--fit-regions", "chr2")
        status, shown = command(*arguments, "--motifs", motifs, "--scheduler", address)
        assert status == 0, shown.err
        workers[0].kill()
    assert shown.out.replace('"out/', f'"{predicted}/') == alone.out


def _motifs(folder):
    path = folder / "motifs.meme"
    matrix = "\n".join("0.7 0.1 0.1 0.1" for _ in range(6))
    motifs = (f"MOTIF {task}\nletter-probability matrix: alength= 4 w= 6\n{matrix}\n" for task in TASKS)
    path.write_text("MEME version 4\n\nALPHABET= ACGT\n\n" + "\n".join(motifs))
    return path


@pytest.mark.parametrize("workers", [(), ("--workers", 2)])
def test_what_cannot_be_evaluated_does_not_stop_the_rest(command, predicted, tmp_path, workers):
    folder = shutil.copytree(predicted, tmp_path / "out")
    cut = (folder / "REST.bed.gz").read_bytes()
    (folder / "REST.bed.gz").write_bytes(cut[:-50])
    status, shown = command(folder, "--json", *workers)
    content = json.loads(shown.out)
    assert (status, labelled(content)) == (2, ["CTCF", "MAX"])
    (line,) = [text for text in shown.err.splitlines() if "error" in text]
    assert "1 of 3 factors in cell lines could not be evaluated: REST in K562: " in line
    assert "is the record of other bytes" in line
    assert "; predict it again, or give its factor and cell line with -f and -i" in line
    assert [(f["factor"], "other bytes" in f["error"]) for f in content["failed"]] == [("REST", True)]


def test_table_that_is_damaged_or_lists_missing_files_is_refused(command, predicted, tmp_path):
    folder = shutil.copytree(predicted, tmp_path / "out")
    (folder / "MAX.bed.gz").unlink()
    status, shown = command(folder)
    assert (status, "predictions.json: lists MAX.bed.gz, which the folder does not have" in shown.err) == (2, True)
    text = (folder / "predictions.json").read_text()
    (folder / "predictions.json").write_text(text.replace("MAX", "MAZ", 1))
    status, shown = command(folder)
    assert (status, "damaged or changed" in shown.err, shown.err.count("\n")) == (2, True, 1)


def test_folder_without_any_label_is_refused(command, predicted, tmp_path, demo_store):
    folder = tmp_path / "out"
    words = ["--store", demo_store, "-i", "K562", "-m", predicted.parent / "model", "-f", "NANOG", "--regions", "chr21"]
    assert predict.main([*map(str, words), "-o", f"{folder}/"]) == 0
    status, shown = command(folder)
    assert (status, "the store has labels of none of its files: NANOG in K562" in shown.err) == (2, True)
