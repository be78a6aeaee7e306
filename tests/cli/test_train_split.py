"""Which regions training validates on and holds out: defaults that a store lacks are never dropped in silence."""

import argparse
import json
import shlex
from types import SimpleNamespace

import pytest
from support.tiny_experiment import SMALL, write_cell

from factornet.cli import train
from factornet.cli.training.split import split_from_args
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.model import read_card
from factornet.store import GenomeCoordinates, UsageError
from factornet.store.genome.regions import find_synonym, to_regions
from factornet.store.sampling.split_summary import summarize_split

UCSC = tuple(f"chr{n}" for n in (*range(1, 23), "X"))
ENSEMBL = tuple(str(n) for n in (*range(1, 23), "X"))
REFSEQ = tuple(f"NC_{n:06}.{10 if n < 20 else 11}" for n in range(1, 24))
GENBANK = tuple(f"CM{662 + n:06}.1" for n in range(1, 24))


def split_of(names, valid=None, test=None):
    """Return the chromosomes to validate on and to hold out."""
    coordinates = GenomeCoordinates(tuple(names), (1000,) * len(names))
    store = SimpleNamespace(location="s.zarr", coordinates=coordinates)
    split = split_from_args(argparse.Namespace(valid=valid, test=test), store)
    return [[region.chrom for region in to_regions(part, coordinates)] for part in (split.valid, split.test)]


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        (UCSC, {}, [["chr11"], ["chr1", "chr8", "chr21"]]),
        (("chr11", "chr1", "chr2"), {}, [["chr11"], ["chr1"]]),
        (("chr11", "chr2"), {"test": ["none"]}, [["chr11"], []]),
        (("chr11", "chr2"), {"test": []}, [["chr11"], []]),
        (UCSC, {"test": ["none"]}, [["chr11"], []]),
        (ENSEMBL, {"valid": ["11"], "test": ["1", "8", "21"]}, [["11"], ["1", "8", "21"]]),
        (("chr20",), {"valid": ["chr20:0-500"], "test": ["none"]}, [["chr20"], []]),
        (("none", "chr11"), {"valid": ["chr11"], "test": ["none:0-10"]}, [["chr11"], ["none"]]),
    ],
)
def test_regions_that_are_held_out(names, given, expected):
    assert split_of(names, **given) == expected


REFUSED = [
    (ENSEMBL, {}, "has no chr11 (named 11 there), the default of -v and no chr1, chr8, chr21 (named 1, 8, 21 there), "
     "the default of -t; give -v 11 -t 1 8 21, or -t none to hold out nothing"),
    (ENSEMBL, {"valid": ["11"]}, "has no chr1, chr8, chr21 (named 1, 8, 21 there), the default of -t; give -t 1 8 21, or "
     "-t none to hold out nothing"),
    (ENSEMBL, {"test": ["1"]}, "has no chr11 (named 11 there), the default of -v; give -v 11"),
    (("1", "2", "11"), {"valid": ["11"]}, "has no chr1, chr8, chr21 (named 1 there), the default of -t; give -t 1, or"),
    (REFSEQ, {}, "give -v NC_000011.10 -t NC_000001.10 NC_000008.10 NC_000021.11, or -t none"),
    (GENBANK, {}, "give -v CM000673.1 -t CM000663.1 CM000670.1 CM000683.1, or -t none"),
    (("Chr1", "Chr2", "CHR11"), {}, "give -v CHR11 -t Chr1, or -t none"),
    (("chr01", "chr02", "chr11"), {}, "has no chr1, chr8, chr21 (named chr01 there), the default of -t; give -t chr01, or"),
    (("chr11", "chr1", "8"), {}, "has no chr8, chr21 (named chr1, 8 there), the default of -t; give -t chr1 8, or"),
    (("chr11", "chr2"), {}, "has no chr1, chr8, chr21, the default of -t; give -t with some of chr11, chr2, or -t none"),
    (("chr20",), {}, "has no chr11, the default of -v and no chr1, chr8, chr21, the default of -t; give -v with some of "
     "chr20 -t with some of chr20, or -t none to hold out nothing"),
    (("I", "II", "III", "IV", "V", "X", "MtDNA"), {"valid": ["I"]}, "some of I, II, III, IV, V, X and 1 more, or -t none"),
    (UCSC, {"valid": ["none"]}, "-v: training ends by the loss on validation regions; give at least one"),
    (UCSC, {"test": ["none", "chr1"]}, "-t: no chromosome 'none'"),
    (UCSC, {"test": ["1"]}, "-t: no chromosome '1'"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "given", "message"), REFUSED)
def test_defaults_that_the_store_lacks_are_refused_with_the_cure(names, given, message):
    with pytest.raises(UsageError) as caught:
        split_of(names, **given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("chr11", ("chr1", "11"), "11"),
        ("chr11", ("chr11", "11"), "chr11"),
        ("chr11", ("11", "chr011"), None),
        ("chr11", ("NC_060935.1", "111", "chr11_random", "chr11_KI270721v1_random", "HSCHR11_CTG1"), None),
        ("chr1", ("NC_000011.9", "CM000673.1", "NC_000067.6"), None),
        ("chr1", ("NC_000001.11",), "NC_000001.11"),
        ("chrA", ("a",), None),
    ],
)
def test_synonyms_of_chromosomes(name, names, expected):
    assert find_synonym(name, GenomeCoordinates(names, (10,) * len(names))) == expected


@pytest.fixture
def named(tmp_path):
    """Return a function that builds the tiny experiment with chromosomes of other names."""

    def store_of(*names):
        lengths = dict(zip(names, (20_000, 12_000), strict=True))
        (tmp_path / "g.fa").write_text("".join(f">{name}\n{'ACGTTGCA' * (n // 8)}\n" for name, n in lengths.items()))
        (tmp_path / "A").mkdir()
        write_cell(tmp_path / "A", 1.5, lengths)
        inputs, options = GenomeInputs(tmp_path / "g.fa"), GenomeOptions(layout=SMALL)
        build_genome(tmp_path / "s.zarr", inputs, options, Resources(1))
        build_cell(tmp_path / "s.zarr", tmp_path / "A", CellOptions(layout=SMALL), Resources(1))
        return tmp_path / "s.zarr"

    return store_of


def run(store, more):
    words = f"--store {store} -f TF -i A -k 2 -r 0 -d 2 -e 1 -L 400 --device cpu {more}"
    return train.main(shlex.split(words))


def test_store_of_ensembl_names_never_trains_on_its_test_set(named, tmp_path, capsys):
    store, folder = named("11", "1"), tmp_path / "m"
    assert run(store, f"-o {folder}") == 2
    assert "give -v 11 -t 1, or -t none to hold out nothing" in capsys.readouterr().err
    assert not folder.exists()
    assert run(store, f"-o {folder} -v 1 -t 11:10000-20000") == 0
    shown = capsys.readouterr().out
    assert "no test regions" not in shown
    assert read_card(folder).training["test"] == ["11:10000-20000"]


def test_split_is_printed_and_recorded(named, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    store, folder = named("chrA", "chrB"), tmp_path / "m"
    assert run(store, f"-o {folder} -v chrB -t none") == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines() if "│" in line
    ]
    expected = {
        "train": {"bases": 20_000, "share": 0.625, "positives": {"A": 1}},
        "valid": {"bases": 12_000, "share": 0.375, "positives": {"A": 1}},
        "test": {"bases": 0, "share": 0.0, "positives": {"A": 0}},
        "unused": {"positives": {"A": 0}},
    }
    assert rows == [
        ["regions", "all others", "chrB", "none", ""],
        ["bases", "20,000 (62.5%)", "12,000 (37.5%)", "0 (0.0%)", ""],
        ["peaks of A", "1 (50.0%)", "1 (50.0%)", "0 (0.0%)", "0 (0.0%)"],
    ]
    assert read_card(folder).training["split"] == {"positives_are": "peaks", **expected}
    for more in ("--dry-run", f"-oc {folder}"):
        assert run(store, f"{more} -v chrB -t none --json") == 0
        shown = capsys.readouterr()
        found = json.loads(shown.out)
        assert found["split"] == {"positives_are": "peaks", **expected}
        assert (found["valid"], found["test"], found["tracks"]) == (["chrB:0-12000"], [], ["DNase"])
        assert ("no test regions: nothing is held out" in shown.err) == (more != "--dry-run")
    assert run(store, "--dry-run -v chrB -t none") == 0
    assert "no test regions: nothing is held out to test this model on" in capsys.readouterr().out


def test_default_that_the_store_has_in_part_is_said(demo_store, capsys):
    words = f"--store {demo_store} -f CTCF -i K562 -k 2 -r 0 -d 2 --device cpu --dry-run"
    assert train.main(shlex.split(words)) == 0
    assert "held out by default: chr1, chr21; the store has no chr8" in capsys.readouterr().out
    assert train.main(shlex.split(f"{words} -t chr1 chr21")) == 0
    assert "held out by default" not in capsys.readouterr().out


def test_resume_does_not_compare_summaries_of_the_split(named, tmp_path, monkeypatch):
    """Models of earlier versions have none."""
    store, folder = named("chrA", "chrB"), tmp_path / "m"
    with monkeypatch.context() as patch:
        patch.setattr(
            "factornet.model.training.setup.summarize_split", lambda sampler: summarize_split(sampler) | {"other": 1}
        )
        assert run(store, f"-o {folder} -v chrB -t none --json") == 0
    assert run(store, f"-o {folder} --resume -v chrB -t none -e 2") == 0
