"""One ensemble predicts several factors, learnt in cell lines of which each may lack some."""

import json

import numpy as np
import pyBigWig
import pytest

from factornet.cli import evaluate, predict, train
from factornet.model import load_network
from factornet.store import UsageError, open_store, parse_region, split_genome
from factornet.store.sampling.sampler import Sampler
from factornet.store.sampling.segments import SegmentOptions, SegmentSampler

DATA = "--preset blocks -v chr11:200000-900000 -t chr21 chr7 chr2".split()
SMALL = "-k 8 --members 2 --trees 10 -e 1 -lr 0.004 -s 5 --device cpu --threads 1 --no-motif".split()
UNBOUND_SPLIT = "-v chr7 -t chr1 chr11 chr21 chr2:440000-2400000".split()  # GABPA's first peak is at 473,004
UNBOUND = "-f: no bin of the training regions is bound by GABPA in K562, HepG2; choose other regions"
CELLS = ("K562", "HepG2")  # K562 lacks GABPA


@pytest.fixture(scope="module")
def trained(demo_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "m"
    assert train.main(["--store", str(demo_store), *DATA, *SMALL, "-i", *CELLS, "-o", str(folder)]) == 0
    return folder


def test_without_a_factor_all_of_all_cell_lines_are_learnt(trained):
    card = json.loads((trained / "model.json").read_text())
    assert card["config"]["tasks"] == ["CTCF", "MAX", "REST", "GABPA"]
    assert card["training"]["cells"] == list(CELLS)
    assert card["training"]["factor"] is None


def test_what_a_cell_line_lacks_is_said(demo_store, capsys):
    words = ["--store", str(demo_store), *DATA, "-i", *CELLS, "--dry-run"]
    assert train.main(words) == 0
    assert "factors: CTCF, MAX, REST, GABPA; K562 has no GABPA\n" in capsys.readouterr().out


def test_every_factor_is_predicted_and_better_than_chance(trained, demo_store, tmp_path, capsys):
    """Signal and order of the outputs are right: each is better at its own factor than a bin drawn at random."""
    store = ["--store", str(demo_store)]
    words = [
        *store,
        "-i",
        "HepG2",
        "-m",
        str(trained),
        "--regions",
        "chr2",
        "--device",
        "cpu",
        "-o",
        str(tmp_path / "p"),
    ]
    assert predict.main(words) == 0
    capsys.readouterr()
    for factor in ("CTCF", "MAX", "REST", "GABPA"):
        assert evaluate.main([*store, str(tmp_path / "p" / f"{factor}.bw"), "--json", "--replicates", "10"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["factor"] == factor
        assert next(iter(found["scores"].values()))["auroc"] > 0.6, factor
    with pyBigWig.open(str(tmp_path / "p/CTCF.bw")) as ctcf, pyBigWig.open(str(tmp_path / "p/MAX.bw")) as other:
        assert ctcf.intervals("chr2") != other.intervals("chr2")


def test_a_lacking_factor_has_no_say(demo_store):
    """The loss of a segment of K562 does not depend on the output of GABPA, which K562 lacks."""
    store = open_store(demo_store)
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    sampler = SegmentSampler(
        store, cells=CELLS, factors=("CTCF", "GABPA"), regions=split.train, options=SegmentOptions(margin=0)
    )
    segments = sampler.epoch(0, 0)
    rows = np.arange(len(segments))
    _, weight = sampler.bin_targets(segments, rows)
    of_k562 = segments.plan.cell == 0
    assert not weight[of_k562, :, 1].any()
    assert weight[of_k562, :, 0].any()
    assert weight[~of_k562, :, 1].any()


def test_chosen_factors_are_those_of_the_network(demo_store, tmp_path):
    words = ["--store", str(demo_store), *DATA, *SMALL, "--trees", "0", "-i", *CELLS, "-o", str(tmp_path / "m")]
    assert train.main([*words, "-f", "REST", "CTCF", "REST"]) == 0
    network = load_network(tmp_path / "m")
    assert network.config.tasks == ("REST", "CTCF")
    assert network.config.auxiliary == ("GABPA", "MAX")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-f", "CTCF", "NONE"], "-f: no training cell line (K562, HepG2) has a peak of NONE; they have those of CTCF"),
        (["-f", "CTCF", "GABPA", "--preset", "published"], "cell line K562 has no factor 'GABPA'"),
        (["--preset", "published"], "2 cell lines were given: K562, HepG2"),
        (["-f", "CTCF", "MAX", "--preset", "published", "-m"], "-m, -g and -mo need one factor (-f)"),
        (
            ["-f", "CTCF", "MAX", "--motif-name", "CTCF_demo"],
            "--motif-name: names the motif of one factor; 2 are learnt",
        ),
        (["-f", "CTCF", "GABPA", *UNBOUND_SPLIT], UNBOUND),
    ],
)
def test_factors_that_cannot_be_learnt_are_refused(demo_store, tmp_path, capsys, words, message):
    base = ["--store", str(demo_store), *DATA, "-i", *CELLS, "-o", str(tmp_path / "m")]
    assert train.main([*base, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_factors_without_a_bound_bin_to_learn_from_are_left_out(demo_store, capsys):
    words = ["--store", str(demo_store), *DATA, "-i", *CELLS, *UNBOUND_SPLIT, "--dry-run"]
    assert train.main(words) == 0
    shown = capsys.readouterr()
    assert "not learnt, without a bound bin in the training regions: GABPA\n" in shown.err
    assert "factors: CTCF, MAX, REST\n" in shown.out


def test_published_type_learns_several_factors_of_several_cell_lines(demo_store, tmp_path):
    small = "-k 4 -r -1 -d 4 -e 1 --device cpu --threads 1 --preset published".split()
    words = ["--store", str(demo_store), *DATA, *small, "-i", *CELLS, "-f", "MAX", "CTCF", "-o", str(tmp_path / "m")]
    assert train.main(words) == 0
    assert load_network(tmp_path / "m").config.tasks == ("MAX", "CTCF")


def test_windows_of_a_cell_line_without_a_factor_are_refused(demo_store):
    store = open_store(demo_store)
    split = split_genome(store.coordinates, valid=[parse_region("chr11", store.coordinates)], test=[])
    more = {"cells": CELLS, "split": split, "window_length": 600, "factors": ("CTCF", "GABPA")}
    sampler = Sampler(store, **more, may_lack=True)
    assert sampler.lacking == {"K562": ("GABPA",)}
    with pytest.raises(UsageError, match="windows need targets of all factors: K562 lacks GABPA"):
        sampler.epoch(0, 0)
    with pytest.raises(UsageError, match="K562 has no factor 'GABPA'"):
        Sampler(store, **more)
