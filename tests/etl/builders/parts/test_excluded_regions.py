"""What a build of a genome records and says of its blacklist and of the gaps of the assembly."""

import dataclasses
import json

import numpy as np
import pytest
from support.tiny_experiment import LENGTHS, SMALL

from factornet.cli.etl.info import _print_gaps
from factornet.cli.etl.parser import main
from factornet.etl import GenomeInputs, GenomeOptions, Resources, build_genome, unpack_store, verify_store
from factornet.etl.builders.parts import excluded_regions
from factornet.store import open_store

GAPS = {"chrA": [(0, 1000), (4090, 4300), (9000, 9199), (19_800, 20_000)], "chrB": [(5000, 9000)]}
"""Runs of N, of which one is too short; others cross the border of a shard and end with the chromosome."""


def write_genome(folder, gaps=GAPS):
    rng = np.random.default_rng(0)
    with (folder / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            letters = rng.choice(list("ACGTacgt"), size)
            for start, stop in gaps.get(name, []):
                letters[start:stop] = "N"
            fasta.write(f">{name}\n{''.join(letters)}\n")
    return folder / "g.fa"


def build(folder, *, gaps=GAPS, blacklist=None, store="s.zarr", workers=1):
    inputs = GenomeInputs(write_genome(folder, gaps), blacklist=blacklist)
    return build_genome(folder / store, inputs, GenomeOptions(layout=SMALL), Resources(workers))


def recorded(store):
    found, coordinates = store.assembly_gaps(), store.coordinates
    chrom, start = coordinates.from_absolute(found.starts)
    sizes = found.stops - found.starts
    return [(coordinates.names[c], s, s + n) for c, s, n in zip(chrom, start.tolist(), sizes.tolist(), strict=True)]


EXPECTED = [("chrA", 0, 1000), ("chrA", 4090, 4300), ("chrA", 19_800, 20_000), ("chrB", 5000, 9000)]


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_of_n_are_recorded_and_said(tmp_path, capsys, workers):
    report = build(tmp_path, workers=workers)
    store = open_store(tmp_path / "s.zarr")
    assert recorded(store) == EXPECTED
    note = "runs of N: 4 of at least 200 bases, 5,410 bases (16.91% of the genome); no window of training touches them"
    assert note in report.notes
    assert store.info.summary["assembly_gaps"] == {"min_bases": 200, "runs": 4, "bases": 5410, "excluded": True}
    assert main(["info", str(tmp_path / "s.zarr")]) == 0
    line = "runs of N: 4 of at least 200 bases, 5,410 bases; no window of training touches them"
    assert line in capsys.readouterr().out.splitlines()
    assert main(["info", str(tmp_path / "s.zarr"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)["genome"]["summary"]
    assert summary["assembly_gaps"]["runs"] == 4


def test_raw_and_exported_stores_have_the_runs_of_n(tmp_path):
    build(tmp_path)
    unpack_store(tmp_path / "s.zarr", tmp_path / "raw.zarr", Resources(1))
    assert recorded(open_store(tmp_path / "raw.zarr")) == EXPECTED
    assert main(["export", str(tmp_path / "s.zarr"), str(tmp_path / "s.zip")]) == 0
    assert recorded(open_store(tmp_path / "s.zip")) == EXPECTED
    for name in ("s.zarr", "raw.zarr"):
        assert not verify_store(tmp_path / name).findings


def test_genome_without_runs_of_n_has_no_table(tmp_path, capsys):
    report = build(tmp_path, gaps={"chrA": [(500, 600)]})
    assert "runs of N: 0 of at least 200 bases, 0 bases (0.00% of the genome)" in report.notes
    store = open_store(tmp_path / "s.zarr")
    assert recorded(store) == []
    assert not (tmp_path / "s.zarr/genome/assembly_gaps").exists()
    assert not verify_store(tmp_path / "s.zarr").findings


def test_masked_repeats_are_not_taken_for_gaps(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(excluded_regions, "_MASKED_RUNS", 3)
    report = build(tmp_path)
    [note] = [n for n in report.notes if n.startswith("runs of N: 4")]
    assert "repeats seem to be masked, so windows may be drawn from them" in note
    store = open_store(tmp_path / "s.zarr")
    assert recorded(store) == []
    assert store.info.summary["assembly_gaps"]["excluded"] is False
    assert main(["info", str(tmp_path / "s.zarr")]) == 0
    assert "5,410 bases; not excluded, too many" in capsys.readouterr().out


def test_store_without_the_record_is_read_and_said(tmp_path, capsys):
    build(tmp_path)
    store = open_store(tmp_path / "s.zarr")
    old = dataclasses.replace(store.info, summary={"tracks": {}})
    assert "assembly_gaps" not in old.to_attributes()["summary"]
    _print_gaps(old.summary)
    assert capsys.readouterr().out.startswith("runs of N: not recorded; windows of training are drawn from those")


def test_blacklist_is_counted_with_its_share_and_what_is_left_out(tmp_path):
    bed = tmp_path / "b.bed"
    bed.write_text("chrA\t100\t500\nchrA\t400\t700\nchrB\t0\t100\nchrY\t1\t2\nchrM\t1\t2\nchrM\t5\t9\n")
    notes = build(tmp_path, blacklist=bed).notes
    assert "blacklist: 3 intervals, 700 bases (2.19% of the genome)" in notes
    assert "blacklist: 3 intervals left out, on chromosomes that the store lacks (chrY, chrM)" in notes
    bed.write_text(f"chrA\t100\t500\nchrB\t11900\t{LENGTHS['chrB'] + 20}\nchrA\t-5\t1\n")
    notes = build(tmp_path, blacklist=bed, store="t.zarr").notes
    assert "blacklist: 3 intervals, 501 bases (1.57% of the genome)" in notes
    assert "blacklist: 2 intervals reached past an end of the chromosome, clipped there" in notes
    assert not any("left out" in n for n in notes)
    assert "no blacklist given: no region of the genome is excluded" in build(tmp_path, store="u.zarr").notes
