"""The script that repeats the challenge, in its small form: two pairs of the demo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = "-v chr11:200000-900000 -k 4 -r -1 -d 4 -e 1 -n 1 -b 50 -s 3 --device cpu --threads 1".split()


def run(store, pairs, out):
    words = ["bash", str(ROOT / "docs/dream.sh"), str(store), str(pairs), str(out), "chr21 chr2", *QUICK]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)


@pytest.mark.slow
def test_pairs_are_trained_predicted_and_scored(demo_store, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("# comment\nCTCF\tGM12878\tK562 HepG2\nMAX\tHepG2\tK562\n")
    ended = run(demo_store, pairs, tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert "CTCF in GM12878" in ended.stdout
    assert "MAX in HepG2" in ended.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {
        "dream.png",
        "dream.txt",
        "CTCF_GM12878.bw",
        "MAX_HepG2.bw",
    }
    again = run(demo_store, pairs, tmp_path / "out")
    assert again.returncode == 0
    assert "epoch" not in again.stdout


def test_table_has_the_13_pairs_and_never_trains_where_it_predicts():
    rows = [line.split("\t") for line in (ROOT / "resources/dream_pairs.tsv").read_text().splitlines()[1:]]
    assert len(rows) == 13
    assert len({(factor, cell) for factor, cell, _ in rows}) == 13
    assert all(cell not in training.split() for _, cell, training in rows)
    files = (ROOT / "resources/factornet-files.tsv").read_text()
    for factor, _, training in rows:
        for cell in training.split():
            assert f"ChIPseq.{cell}.{factor}.conservative" in files, (factor, cell)
