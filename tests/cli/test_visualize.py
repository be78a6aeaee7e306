"""The command that shows the motifs of a model's kernels: its files, its page, mistakes of its users."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from factornet.cli import visualize
from factornet.model import FactorNet, ModelCard, NetworkConfig, read_meme, save_weights
from factornet.model.model_dir.lifecycle import create_model
from factornet.model.motifs.pwm import inject_motif
from factornet.store import GenomeCoordinates, UsageError


class Page(HTMLParser):
    """References, element names and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.references, self.tags, self.anchors, self.text = [], set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "srcset", "data", "action"):
                self.references.append(value)
            if name == "id":
                self.anchors.append(value)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def model(demo_files, tmp_path_factory) -> Path:
    """A model folder: CTCF's motif in kernels 0 and 1, the others drawn at random; kernel 5 is never active."""
    folder = tmp_path_factory.mktemp("model") / "CTCF"
    config = NetworkConfig(
        tasks=("CTCF",), tracks=("Unique35", "DGF"), kernels=6, kernel_width=26, recurrent=4, dense=4
    )
    network = FactorNet(config, seed=1)
    inject_motif(network, read_meme(demo_files / "motifs.meme")["CTCF_demo"])
    with torch.no_grad():
        network.motifs.bias[5] = -1e6
    create_model(folder, ModelCard(config=config))
    save_weights(folder, network.state_dict(), "best")
    return folder


@pytest.fixture
def arguments(demo_files, demo_store, model):
    """The original's example command with --store added, less the output."""
    bed = demo_files / "cells/HepG2/ChIPseq.HepG2.CTCF.conservative.train.narrowPeak.gz"
    return ["--store", demo_store, "-i", demo_files / "cells/HepG2", "-b", bed, "-m", model]


def run(arguments):
    return visualize.main([str(a) for a in arguments])


def test_command_writes_files_table_page_and_pictures(demo_files, arguments, tmp_path, capsys):
    out = tmp_path / "new/out"
    assert run([*arguments, "-oc", out]) == 0
    assert "of chr11" in capsys.readouterr().out
    files = {"motifs.txt", "motifs2.txt", "kernels.csv", "index.html", "run.toml"}
    files |= {f"{t}_meansignal{n}.npy" for t in ("Unique35", "DGF") for n in ("", "2")}
    assert {p.name for p in out.iterdir()} == files
    assert "known motifs" not in (out / "index.html").read_text()
    more = ["--motifs", demo_files / "motifs.meme", "--pictures", "png", "svg", "--json"]
    assert run([*arguments, *more, "-oc", out]) == 0
    shown = capsys.readouterr()
    assert "4 known motifs are few" in shown.err
    result = json.loads(shown.out)
    assert result["sequences"] > 20
    first = [r for r in result["kernels"] if r["layer"] == 1]
    top = first[:2]
    assert {r["kernel"] for r in top} == {0, 1}
    assert {r["match"] for r in top} == {"CTCF_demo"}
    assert top[0]["p_value"] < 1e-4
    assert 5 not in [r["kernel"] for r in first]
    with (out / "kernels.csv").open() as file:
        assert [int(r["kernel"]) for r in csv.DictReader(file)] == [r["kernel"] for r in result["kernels"]]
    assert len(read_meme(out / "motifs.txt")) == len(first) == 5
    assert np.load(out / "DGF_meansignal.npy").shape == (6, 26)
    assert np.load(out / "DGF_meansignal.npy")[5].max() == 0
    pictures = {f"layer{r['layer']}-kernel{r['kernel']}.{x}" for r in result["kernels"] for x in ("png", "svg")}
    assert {p.name for p in (out / "logos").iterdir()} == pictures
    check_page((out / "index.html").read_text(), result["kernels"])


def check_page(text, kernels):
    page = Page(text)
    assert page.references, "links within the page"
    assert all(r.startswith("#") and r[1:] in page.anchors for r in page.references)
    assert not page.tags & {"script", "link", "iframe", "img", "object", "base"}
    assert not any(word in text for word in ("http:", "https:", "url(", "@import", "nan"))
    assert {f"layer{r['layer']}-kernel{r['kernel']}" for r in kernels} < set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    for words in (
        "Motifs detected by the kernels of CTCF",
        "HepG2",
        "chr11",
        "Never above 0, so without sites: kernel 5.",
    ):
        assert words in page.text


def test_chromosome_and_alias_select_sequences(arguments, demo_files, tmp_path, capsys):
    (tmp_path / "x.bed").write_text("7\t500000\t500200\nchr2\t600000\t600100\nchrUn\t1\t2\n")
    changed = [*arguments[:4], "-b", tmp_path / "x.bed", *arguments[6:]]
    assert run([*changed, "-c", "chr7", "--chrom-alias", "7=chr7", "-o", tmp_path / "o", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sequences"] == 1
    assert run([*changed, "--chrom", "chr2", "-o", tmp_path / "p", "--json"]) == 0


MISTAKES = [
    (["-c", "chr99"], "no chromosome 'chr99'; there are chr2, chr7"),
    (["-b", "chr7.bed"], "chr7.bed: no interval on chr11, those of the file are on chr7; choose another with -c"),
    (["-b", "none.bed"], "none.bed: no such file"),
    (["-i", "NONE"], "no cell line 'NONE' in the store; it has GM12878, HepG2, K562"),
    (["-m", "none"], "none: no such folder"),
    (["-o", "there"], "there: already exists; give another name, or replace its files with -oc"),
    (["-o", "chr7.bed"], "chr7.bed: already exists"),
    (["--motifs", "chr7.bed"], "chr7.bed:1: not a MEME file"),
    (["--store", "none.zarr"], "none.zarr: no such store"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes_end_in_one_line(arguments, tmp_path, capsys, monkeypatch, changes, message):  # noqa: PLR0917
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("chr7.bed").write_text("chr7\t500000\t500200\n")
    status = run([*arguments, "-o", "out", *changes])  # of an option given twice, the last one counts
    shown = capsys.readouterr()
    assert status == 2
    assert len(shown.err.strip().splitlines()) == 1, shown.err
    assert message in shown.err
    assert not Path("out").exists()


def test_output_folder_that_is_a_file_is_refused(arguments, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run([*arguments, "-oc", tmp_path / "file"]) == 2
    assert "file: not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        (("chrA", "chrB"), "choose one of chrA, chrB with -c"),
        (("1", "11"), "it is named 11 there: choose it with -c 11"),
        (("NC_000001.11", "NC_000011.10"), "it is named NC_000011.10 there: choose it with -c NC_000011.10"),
        (("I", "II", "III", "IV", "V", "X", "MtDNA"), "choose one of I, II, III, IV, V, X and 1 more with -c"),
    ],
)
def test_store_without_the_default_chromosome_needs_one(tmp_path, names, cure):
    coordinates = GenomeCoordinates(names, (1000,) * len(names))
    with pytest.raises(UsageError, match=re.escape(f"the store has no chr11; {cure}")):
        visualize.read_sequences(tmp_path / "x.bed", coordinates, None, {})
