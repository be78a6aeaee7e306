"""Factors without a peak on a chromosome: named by each command that makes, shows or uses the labels there."""

import gzip
import shutil

import numpy as np
import pytest

from factornet.cli import etl, evaluate, model, predict, train
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.genome.peak_coverage import EXPECTED, chromosomes_without_peaks

NETWORK = "-f CTCF -k 4 -r -1 -d 4 -e 1 --device cpu --threads 1".split()
NOTE = "no peak on chr21 of CTCF, CTCF (relaxed): every bin there counts as unbound; if the file lacks that chromosome"
WARNING = "no peak of CTCF in PART on chr21: every bin there counts as unbound; use other regions, or build again"


@pytest.fixture(scope="module")
def work(demo_files, demo_store, tmp_path_factory):
    """The demo with a cell line whose peaks of CTCF have none on chr21, as those of a challenge that withholds it."""
    work = tmp_path_factory.mktemp("peaks")
    shutil.copytree(demo_store, work / "s.zarr")
    shutil.copytree(demo_files / "cells/K562", work / "PART")
    (work / "PART/bigwig.txt").write_text(f"{demo_files}/tracks/Unique35.bw Unique35\nK562.DGF.bw DGF\n")
    for path in (work / "PART").glob("*.CTCF.*"):
        with gzip.open(path, "rt") as lines:
            kept = [line for line in lines if not line.startswith("chr21\t")]
        path.write_bytes(gzip.compress("".join(kept).encode()))
    assert etl.main(["build", f"{work}/s.zarr", f"{work}/PART"]) == 0
    return work


@pytest.fixture
def run(work, capsys):
    """Run a command of the store; return status and what it printed, with lines and boxes joined."""

    def do(command, *words):
        capsys.readouterr()
        status = command.main([*map(str, words)])
        printed = capsys.readouterr()
        return status, " ".join((printed.out + printed.err).split())

    return do


def test_build_plan_and_info_say_it_once(work, run):
    shutil.copytree(work / "PART", work / "NEW")
    for words in (["plan", work / "s.zarr", work / "NEW"], ["build", "--force", work / "s.zarr", work / "PART"]):
        status, shown = run(etl, *words)
        assert (status, shown.count("no peak on"), shown.count(NOTE)) == (0, 1, 1), shown
    status, shown = run(etl, "info", work / "s.zarr")
    assert (status, shown.count("no peak on"), shown.count(f"PART: {NOTE}")) == (0, 1, 1), shown


def test_commands_that_use_the_labels_say_it_where_they_use_them(work, run, tmp_path):
    store = ["--store", work / "s.zarr", "-i", "PART"]
    for split, expected in (("-v chr11 -t chr21", 0), ("-v chr11 -t chr1", 1), ("-v chr21 -t chr1", None)):
        status, shown = run(train, *store, *NETWORK, *split.split(), "-o", tmp_path / "t", "--dry-run")
        if expected is None:  # nothing to validate on
            assert (status, "no usable peak of cell line PART in the validation regions" in shown) == (2, True)
        else:
            assert (status, shown.count(WARNING)) == (0, expected), shown
    assert run(train, *store, *NETWORK, "-v", "chr11", "-t", "chr1", "chr21", "-o", work / "model")[0] == 0
    folder = shutil.copytree(work / "model", tmp_path / "m")
    for regions, expected in ((["chr11"], 0), (["chr11", "chr21"], 1)):
        status, shown = run(model, "calibrate", folder, *store, "--regions", *regions, "--device", "cpu")
        assert (status, shown.count(WARNING)) == (0, expected), shown
    for regions, expected in ((["chr1"], 0), (["chr1", "chr21"], 1), (["chr21"], 1)):
        output = tmp_path / f"{len(regions)}{regions[-1]}.bed.gz"
        assert run(predict, *store, "-f", "CTCF", "-m", folder, "--regions", *regions, "-o", output)[0] == 0
        status, shown = run(evaluate, output, *store[:2], "--replicates", "10")
        assert (status, shown.count(WARNING)) == (2 if regions == ["chr21"] else 0, expected), shown


def test_only_chromosomes_long_enough_for_many_peaks_are_named():
    coordinates = GenomeCoordinates(("a", "b", "short", "enough", "few"), (10_000, 10_000, 1_900, 2_000, 100))
    density = EXPECTED / 2_000
    chrom = np.repeat([0, 1], int(density * 10_000))
    assert chromosomes_without_peaks(chrom, coordinates) == ["enough"]
    assert chromosomes_without_peaks(chrom[:0], coordinates) == []
    assert chromosomes_without_peaks(np.arange(5), coordinates) == []
