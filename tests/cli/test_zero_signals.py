"""Inputs that are 0 throughout on a chromosome: named by each command that reads them there, and by no other."""

import gzip
import shutil
from pathlib import Path

import pyBigWig
import pytest

from factornet.cli import etl, evaluate, model, predict, train, visualize

NETWORK = "-f CTCF -k 4 -r -1 -d 4 -e 1 -v chr11 -t chr1 chr21 --gencode --device cpu --threads 1".split()
SIGNAL = "track DGF of HALF is 0 throughout on chr21: if its file lacks that chromosome, build HALF again from a "
ANNOTATION = (
    "the annotation is 0 throughout on chr21: if its file lacks that chromosome, build the genome again from a "
)


def leave_out(path: Path, chrom: str) -> None:
    """Remove the values of a chromosome from a bigWig, whose header keeps its name."""
    with pyBigWig.open(str(path)) as old:
        sizes = old.chroms()
        values = {name: old.intervals(name) for name in sizes if name != chrom}
    with pyBigWig.open(str(path), "w") as new:
        new.addHeader(list(sizes.items()))
        for name, rows in values.items():
            starts, stops, signal = map(list, zip(*rows, strict=True))
            new.addEntries([name] * len(rows), starts, ends=stops, values=signal)


def without_lines_of(source: Path, target: Path, chrom: str) -> None:
    """Copy a gzipped table without the lines that name a chromosome."""
    with gzip.open(source, "rt") as lines, gzip.open(target, "wt") as kept:
        kept.writelines(line for line in lines if chrom not in line.split("\t"))


@pytest.fixture(scope="module")
def work(demo_files, tmp_path_factory) -> Path:
    """A store whose annotation, and whose signal in HALF, have nothing on chr21, and a model that reads both."""
    work = tmp_path_factory.mktemp("zeros")
    for name in ("genes.gtf.gz", "cpgIslandExt.txt.gz"):
        without_lines_of(demo_files / "annotation" / name, work / name, "chr21")
    genome = ["--assembly", "demo", "--fasta", f"{demo_files}/genome.fa", "--gtf", f"{work}/genes.gtf.gz"]
    genome += ["--cpg", f"{work}/cpgIslandExt.txt.gz", "--track", f"Unique35={demo_files}/tracks/Unique35.bw"]
    assert etl.main(["genome", f"{work}/s.zarr", *genome]) == 0
    shutil.copytree(demo_files / "cells/K562", work / "HALF")
    shared = demo_files / "tracks/Unique35.bw"
    (track,) = (work / "HALF").glob("*.bw")
    leave_out(track, "chr21")
    (work / "HALF/bigwig.txt").write_text(f"{shared} Unique35\n{track.name} DGF\n")
    assert etl.main(["build", f"{work}/s.zarr", f"{work}/HALF", f"{demo_files}/cells/GM12878"]) == 0
    assert train.main(["--store", f"{work}/s.zarr", "-i", "GM12878", "-o", f"{work}/model", *NETWORK]) == 0
    assert etl.main(["unpack", f"{work}/s.zarr", f"{work}/raw.zarr"]) == 0
    assert etl.main(["export", f"{work}/s.zarr", f"{work}/s.zip"]) == 0
    return work


@pytest.fixture
def said(work, capsys):
    """Run a command, which succeeds; return which of the two findings it says."""

    def run(command, *options, store="s.zarr"):
        capsys.readouterr()
        assert command.main([*map(str, options), "--store", f"{work}/{store}"]) == 0
        errors = capsys.readouterr().err
        return SIGNAL in errors, ANNOTATION in errors

    return run


def test_genome_and_build_say_it(work, capsys):
    assert etl.main(["info", f"{work}/s.zarr"]) == 0
    assert "not one base of chr21 is annotated" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("store", ["s.zarr", "raw.zarr", "s.zip"])
def test_predict_says_it_of_the_chromosomes_that_it_predicts(work, said, tmp_path, store):
    options = ["-i", "HALF", "-m", work / "model", "--device", "cpu", "--force"]
    bed = tmp_path / "b.bed"
    for at, expected in (("chr21:500000-510000", True), ("chr7:10000-20000", False)):
        bed.write_text(at.replace(":", "\t").replace("-", "\t") + "\n")
        for bins in (["--regions", at], ["-b", bed]):
            for output in ("o.bed.gz", "folder/"):
                found = said(predict, *options, *bins, "-o", f"{tmp_path}/{output}", store=store)
                assert found == (expected, expected), (at, bins, output)
    assert said(predict, *options[2:], "-i", "GM12878", "--regions", "chr21", "-o", tmp_path / "g.bw")[0] is False


def test_visualize_and_calibrate_say_it(work, said, tmp_path):
    bed = next((work / "HALF").glob("ChIPseq.*.CTCF.conservative*"))
    for chrom, expected in (("chr21", True), ("chr7", False)):
        options = ["-i", "HALF", "-m", work / "model", "-b", bed, "-c", chrom, "-oc", tmp_path / "page"]
        assert said(visualize, *options) == (expected, expected)
    folder = shutil.copytree(work / "model", tmp_path / "m")
    for region, expected in (("chr21", True), ("chr11", False)):
        options = ["calibrate", folder, "-i", "HALF", "--regions", region, "--device", "cpu"]
        assert said(model, *options) == (expected, expected)


def test_baselines_say_it_of_what_they_score_and_fit_on(work, said, demo_files, tmp_path):
    assert said(predict, "-i", "HALF", "-m", work / "model", "--regions", "chr21", "-o", tmp_path / "o.bed.gz")[0]
    assert said(evaluate, tmp_path / "o.bed.gz") == (False, False)
    assert said(evaluate, tmp_path / "o.bed.gz", "--track", "DGF") == (True, False)
    assert said(predict, "-i", "GM12878", "-m", work / "model", "--regions", "chr1", "-o", tmp_path / "g.bed.gz")
    fit = ["--baselines", "--motifs", demo_files / "motifs.meme", "--replicates", "10", "--fit-cells", "HALF"]
    assert said(evaluate, tmp_path / "g.bed.gz", *fit, "--fit-regions", "chr21") == (True, False)
    assert said(evaluate, tmp_path / "g.bed.gz", *fit, "--fit-regions", "chr7") == (False, False)


def test_training_says_it_of_training_and_validation_regions(work, said, tmp_path):
    options = ["-f", "CTCF", "-o", tmp_path / "t", "--dry-run", "--device", "cpu"]
    assert said(train, *options, "--gencode", "-i", "HALF", "-v", "chr11", "-t", "chr21") == (False, False)
    assert said(train, *options, "--gencode", "-i", "HALF", "-v", "chr11", "-t", "chr1") == (True, True)
    assert said(train, *options, "--gencode", "-i", "HALF", "-v", "chr21", "-t", "chr1") == (True, True)
    assert said(train, *options, "--gencode", "-i", "GM12878", "-v", "chr11", "-t", "chr1") == (False, True)
    assert said(train, *options, "--no-gencode", "-i", "HALF", "-v", "chr11", "-t", "chr1") == (True, False)
