"""``factornet-etl expression``, from tables to models that refuse the components of other loadings."""

import json
import os
import shlex
import shutil

import numpy as np
import pytest
from support.keras_folder import GEPC, Spec, write_folder

from factornet.cli import etl, predict, train
from factornet.store import open_store
from factornet.store.files.outputs import output_lock

CELLS = ("GM12878", "HepG2", "K562", "A549", "MCF-7")


def write_table(path, cells, *, seed=1, genes=300):
    """Write TPMs of cell lines, two replicates each; equal for equal names of cell lines."""
    base = np.random.default_rng(seed).gamma(0.4, 1.0, genes)
    columns = []
    for cell in cells:
        rng = np.random.default_rng([seed, *map(ord, cell)])
        own = base * rng.lognormal(0, 1, genes)
        columns += [own * rng.lognormal(0, 0.05, genes) for _ in range(2)]
    tpm = np.stack(columns, axis=1)
    tpm *= 1e6 / tpm.sum(axis=0)
    lines = ["gene\t" + "\t".join(f"{c}_rep{i}" for c in cells for i in (1, 2))]
    lines += [f"ENSG{i:011d}.{seed}\t" + "\t".join(f"{v:.3f}" for v in row) for i, row in enumerate(tpm)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def cells(demo_files, tmp_path):
    """A copy of the demo, whose cell lines have components of the original FactorNet's names."""
    shutil.copytree(demo_files, tmp_path / "demo")
    return tmp_path / "demo/cells"


def run(command, words, **paths):
    return command.main(shlex.split(words.format(**paths)))


def test_components_are_written_into_folders_and_other_cell_lines_projected(cells, tmp_path, capsys):
    write_table(tmp_path / "tpm.tsv", CELLS)
    words = "expression {d}/tpm.tsv -o {d}/l.json -n 3 --folders {c}/GM12878 {c}/HepG2"
    assert run(etl, words, d=tmp_path, c=cells) == 2
    assert "GM12878/meta.txt: already has components (GEPC1, ...); --force replaces them" in capsys.readouterr().err
    assert not (tmp_path / "l.json").exists()
    assert run(etl, words + " --force", d=tmp_path, c=cells) == 0
    out = capsys.readouterr().out
    assert "300 genes, 10 samples of 5 cell lines" in out
    assert "  K562: mean of K562_rep1, K562_rep2" in out
    assert "l.json: 3 components of 300 genes" in out
    write_table(tmp_path / "new.tsv", ("HepG2", "K562", "Th17"))
    words = "expression {d}/new.tsv --project {d}/l.json --folders {c}/HepG2 {c}/K562 --json"
    assert run(etl, words, d=tmp_path, c=cells) == 2  # K562 has the original's
    (cells / "K562/meta.txt").unlink()
    assert run(etl, words, d=tmp_path, c=cells) == 0
    content = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert list(content["values"]) == ["HepG2", "K562", "Th17"]
    assert (content["missing"], content["unused"]) == (0, 0)
    assert [*content["folders"].values()][1] == "written"
    rows = [line.split("\t") for line in (cells / "K562/meta.txt").read_text().splitlines()]
    assert [name for _, name in rows] == content["names"]
    np.testing.assert_allclose([float(v) for v, _ in rows], content["values"]["K562"], rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{d}/tpm.tsv", "give either -o FILE, to compute components, or --project LOADINGS"),
        ("{d}/tpm.tsv -o {d}/l.json --project {d}/l.json", "give either -o FILE"),
        ("{d}/tpm.tsv --project {d}/l.json -n 3", "-n has no meaning with --project"),
        ("{d}/tpm.tsv --project {d}/k.json --max-missing 1.5", "--max-missing: 1.5 is no share"),
        ("{d}/tpm.tsv -o {d}/l.json", "-n: 8 components need at least 9 cell lines; the table has 5"),
        ("{d}/tpm.tsv -o {d}/l.json -n 2 --folders {c}/x", "x: no such folder"),
        (
            "{d}/tpm.tsv -o {d}/l.json -n 2 --folders {d}/demo",
            "the table has no cell line 'demo'; it has GM12878, HepG2",
        ),
        (
            "{d}/tpm.tsv -o {d}/tpm.tsv -n 2",
            "-o: {d}/tpm.tsv: already exists; give another name, or allow to overwrite",
        ),
        ("{d}/tpm.tsv --project {d}/tpm.tsv", "tpm.tsv:1: not JSON"),
    ],
)
def test_mistakes_are_one_line(cells, tmp_path, capsys, words, said):
    write_table(tmp_path / "tpm.tsv", CELLS)
    assert run(etl, "expression {d}/tpm.tsv -o {d}/k.json -n 2", d=tmp_path) == 0
    assert run(etl, f"expression {words}", d=tmp_path, c=cells) == 2
    assert said.format(d=tmp_path) in capsys.readouterr().err


def test_folders_that_cannot_be_written_are_refused_before_the_loadings_are(cells, tmp_path, capsys, monkeypatch):
    write_table(tmp_path / "tpm.tsv", CELLS)
    words = "expression {d}/tpm.tsv -o {d}/l.json -n 2 --folders {c}/GM12878 {c}/HepG2"
    with output_lock(cells / "HepG2"):
        assert run(etl, words, d=tmp_path, c=cells) == 2
    assert "HepG2: is being written by process" in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda path, mode: path != cells / "HepG2")
    assert run(etl, words, d=tmp_path, c=cells) == 2
    assert f"--folders: {cells}/HepG2: no permission to write its meta.txt" in capsys.readouterr().err
    assert not (tmp_path / "l.json").exists()


def test_model_refuses_components_of_other_loadings_and_says_what_to_do(cells, demo_store, tmp_path, capsys):
    files = cells.parent
    write_table(tmp_path / "tpm.tsv", CELLS)
    write_table(tmp_path / "other.tsv", CELLS, seed=2)
    for name in ("GM12878", "HepG2", "K562"):
        (cells / name / "meta.txt").unlink()
    words = "expression {d}/tpm.tsv -o {d}/l.json -n 2 --folders {c}/GM12878 {c}/HepG2"
    assert run(etl, words, d=tmp_path, c=cells) == 0
    assert run(etl, "expression {d}/other.tsv -o {d}/m.json -n 2 --folders {c}/K562", d=tmp_path, c=cells) == 0
    genome = "genome {d}/s.zarr --assembly demo --fasta {f}/genome.fa --track Unique35={f}/tracks/Unique35.bw -p 1"
    assert run(etl, genome, d=tmp_path, f=files) == 0
    assert run(etl, "build {d}/s.zarr {c}/GM12878 {c}/HepG2 {c}/K562 -p 1", d=tmp_path, c=cells) == 0
    meta = open_store(str(tmp_path / "s.zarr")).cell("HepG2").meta
    small = "-f CTCF -m -v chr11 -t chr21 -k 4 -r 2 -d 4 -n 1 -e 1 -b 100 --threads 1 --device cpu"
    assert run(train, "--store {d}/s.zarr " + small + " -i HepG2 -o {d}/model", d=tmp_path) == 0
    assert json.loads((tmp_path / "model/model.json").read_text())["config"]["meta"] == [*meta]
    assert (tmp_path / "model/meta.txt").read_text().split() == [*meta]
    part = "-f CTCF -m {d}/model --regions chr21:100000-120000 --device cpu -o {d}/p.bed.gz"
    capsys.readouterr()
    assert run(predict, "--store {d}/s.zarr -i K562 " + part, d=tmp_path) == 2
    err = capsys.readouterr().err
    ours, others = (open_store(str(tmp_path / "s.zarr")).cell(c).meta[0].partition("@")[2] for c in ("HepG2", "K562"))
    assert f"components are of the loadings {ours}; those of the cell line are of {others}: project" in err
    assert run(predict, f"--store {demo_store} -i K562 " + part, d=tmp_path) == 2
    assert "those of the cell line are of no known loadings" in capsys.readouterr().err
    assert run(train, "--store {d}/s.zarr " + small + " -i HepG2 K562 -o {d}/both", d=tmp_path) == 2
    assert "must have the same meta values in the same order" in capsys.readouterr().err
    write_folder(tmp_path / "published/MAX", Spec(tracks=(), meta=GEPC, published=True))
    words = "-f MAX -m {d}/published/MAX --regions chr21:100000-120000 --device cpu -o {d}/p.bed.gz -i K562 --store "
    assert run(predict, words + "{d}/s.zarr", d=tmp_path) == 2
    err = capsys.readouterr().err
    assert "no loadings were published. Only FactorNet's 13 cell lines have them" in err
    assert "Choose a model without expression (onePeak, GENCODE)" in err
    words = "expression {d}/tpm.tsv --project {d}/l.json --folders {c}/K562 --force"
    assert run(etl, words, d=tmp_path, c=cells) == 0
    assert run(etl, "build {d}/s.zarr {c}/K562 -p 1 --force", d=tmp_path, c=cells) == 0
    assert run(predict, "--store {d}/s.zarr -i K562 " + part, d=tmp_path) == 0
