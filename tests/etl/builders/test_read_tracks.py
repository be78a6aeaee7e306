"""Cell lines whose tracks are made from reads, against those built from bigWigs of the same cuts."""

import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pyBigWig
import pytest
from support.simulated_reads import write_cut_reads
from support.tiny_experiment import LENGTHS, OPTIONS, left, write_tiny

from factornet.cli.etl.inputs import signal as signal_command
from factornet.cli.etl.parser import main
from factornet.etl import Resources, build_cell
from factornet.etl.inputs.bigwig import read_values
from factornet.etl.reads.signal_options import SignalOptions
from factornet.etl.verify.sources import compare_with_sources
from factornet.store.errors import InputError, StoreError
from factornet.store.reader import open_store


@pytest.fixture
def files(tmp_path):
    write_tiny(tmp_path)
    return tmp_path


@pytest.fixture
def counts():
    rng = np.random.default_rng(3)
    return {name: rng.poisson(0.05, length) for name, length in LENGTHS.items()}


def write_bigwig(path, counts):
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(name, count.size) for name, count in counts.items()])
        for name, count in counts.items():
            at = np.flatnonzero(count)
            file.addEntries(name, at.tolist(), values=count[at].astype(float).tolist(), span=1)


def build(files, cell, **more):
    options = replace(OPTIONS, reads=SignalOptions(**{"scale": "none", **more}))
    return build_cell(files / "s.zarr", files / cell, options, Resources(1))


def track(files, cell, name="DGF"):
    store = open_store(files / "s.zarr")
    return {chrom: store.array(f"cells/{cell}/tracks/{name}/{chrom}")[:] for chrom in LENGTHS}


def sheet(files, cell, *rows):
    (files / cell / "bigwig.txt").write_text("".join(f"{row}\n" for row in rows))


def assert_equal(found, expected):
    for name, row in expected.items():
        np.testing.assert_array_equal(found[name], row)


def test_track_of_reads_equals_that_of_a_bigwig(files, counts):
    write_bigwig(files / "A" / "cuts.bw", counts)
    write_cut_reads(files / "B" / "cuts.bam", counts)
    sheet(files, "A", "cuts.bw DGF assay=DNase-seq units=counts")
    sheet(files, "B", "cuts.bam DGF assay=DNase-seq")
    build(files, "A")
    report = build(files, "B")
    assert_equal(track(files, "B"), track(files, "A"))
    assert_equal(track(files, "B"), counts)
    info = open_store(files / "s.zarr").cell("B")
    assert (info.tracks[0].assay, info.tracks[0].units) == ("DNase-seq", "counts")
    assert info.summary["reads"]["DGF"]["used"] == sum(map(np.sum, counts.values()))
    assert any(note.startswith("track DGF: ") and " reads used" in note for note in report.notes)
    assert info.provenance["options"]["reads"]["scale"] == "none"
    assert [i["name"] for i in info.provenance["inputs"]] == ["cuts.bam", "p.bed"]
    assert left(files) == []
    assert build(files, "B").unchanged
    with pytest.raises(StoreError, match=r"reads.scale: none before, cpm now"):
        build(files, "B", scale="cpm")


def test_values_are_compared_with_the_reads(files, counts):
    write_cut_reads(files / "B" / "cuts.bam", counts)
    sheet(files, "B", "cuts.bam DGF assay=DNase-seq")
    build(files, "B")
    store = open_store(files / "s.zarr")
    assert compare_with_sources(store, [files / "B"]) == []
    at = int(np.flatnonzero(counts["chrA"])[0])
    counts["chrA"][at] += 1
    write_cut_reads(files / "B" / "cuts.bam", counts)
    (finding,) = compare_with_sources(store, [files / "B"])
    assert finding.path == "cells/B/tracks/DGF/chrA"
    assert f"row {at} (0-based)" in finding.problem


def test_rows_and_lists_of_one_track_add_up(files, counts):
    halves = [{name: (count + i) // 2 for name, count in counts.items()} for i in (0, 1)]
    for i, half in enumerate(halves):
        write_cut_reads(files / "A" / f"r{i}.bam", half)
        shutil.copy(files / "A" / f"r{i}.bam", files / "B")
    sheet(files, "A", "r0.bam DGF assay=DNase-seq", "r1.bam DGF assay=DNase-seq")
    sheet(files, "B", "r0.bam,r1.bam DGF assay=DNase-seq")
    for cell in ("A", "B"):
        build(files, cell)
        assert_equal(track(files, cell), counts)


def test_stranded_pair_and_aliases(files, counts):
    write_cut_reads(files / "A" / "r.bam", {name.removeprefix("chr"): count for name, count in counts.items()})
    sheet(files, "A", "r.bam DGF_fwd assay=DNase-seq", "r.bam DGF_rev assay=DNase-seq")
    options = replace(OPTIONS, aliases={"A": "chrA", "B": "chrB"}, reads=SignalOptions(scale="none"))
    report = build_cell(files / "s.zarr", files / "A", options, Resources(1))
    assert "track DGF_rev: cuts on the reverse strand; the figures that follow are of both strands" in report.notes
    forward, reverse = track(files, "A", "DGF_fwd"), track(files, "A", "DGF_rev")
    for name, count in counts.items():
        np.testing.assert_array_equal(forward[name] + reverse[name], count)
        assert forward[name].any()
        assert reverse[name].any()


def test_fragments_are_read_under_the_names_of_the_file(files):
    with gzip.open(files / "A" / "f.tsv.gz", "wt") as file:
        file.write("A\t100\t200\tX\t1\nB\t0\t50\tX\t1\nother\t5\t9\tX\t1\n")
    sheet(files, "A", "f.tsv.gz ATAC assay=ATAC-seq")
    options = replace(OPTIONS, aliases={"A": "chrA", "B": "chrB"}, reads=SignalOptions(scale="none"))
    report = build_cell(files / "s.zarr", files / "A", options, Resources(1))
    found = track(files, "A", "ATAC")
    assert [np.flatnonzero(found[name]).tolist() for name in LENGTHS] == [[100, 199], [0, 49]]
    assert any("on other chromosomes (other)" in note for note in report.notes)


def test_scale_takes_the_sequenced_bases_of_an_unknown_assembly(files, counts):
    write_cut_reads(files / "A" / "r.bam", counts)
    sheet(files, "A", "r.bam DGF assay=DNase-seq")
    report = build(files, "A", scale="1x")
    figures = open_store(files / "s.zarr").cell("A").summary["reads"]["DGF"]
    assert figures["effective_genome_size"] == sum(LENGTHS.values())
    assert any("effective genome size: not known for " in note for note in report.notes)
    assert_equal(track(files, "A"), {n: np.float32(c * figures["factor"]) for n, c in counts.items()})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["r.bam DGF"], r"r.bam: the assay of track 'DGF' is not known; write assay=DNase-seq or"),
        (["r.bam DGF assay=ChIP-seq"], r"r.bam: track 'DGF' has reads of assay 'ChIP-seq'; write assay="),
        (["r.bam DGF assay=DNase-seq units=1x"], r"track 'DGF' has units '1x', the scale none gives counts"),
        (["r.bam DGF assay=DNase-seq", "r.bam DGF assay=DNase-seq"], r"bigwig.txt:2: 'DGF' has a file twice"),
        (["r.bam DGF assay=DNase-seq", "s.bw DGF"], r"bigwig.txt:2: 'DGF' is named twice"),
        (["r.bam,s.bw DGF assay=DNase-seq"], r"bigwig.txt:1: 'DGF' has a bigWig and reads"),
        (["r.bam,no.bam DGF"], r"bigwig.txt:1: file 'no.bam' does not exist"),
        (["r.bam DGF assay=DNase-seq", "q.bam DGF assay=ATAC-seq"], r"bigwig.txt:2: 'DGF assay=ATAC-seq' differs from"),
    ],
)
def test_sheets_that_contradict_themselves_are_refused(files, counts, rows, message):
    for name in ("r.bam", "q.bam"):
        write_cut_reads(files / "A" / name, counts)
    sheet(files, "A", *rows)
    with pytest.raises(InputError, match=message):
        build(files, "A")
    assert left(files) == []


def test_reads_of_another_assembly_are_refused(files, counts):
    write_cut_reads(files / "A" / "r.bam", {**counts, "chrB": counts["chrB"][:-7]})
    sheet(files, "A", "r.bam DGF assay=DNase-seq")
    with pytest.raises(InputError, match=r"A/r.bam: chrB has 11993 bases, the store's chrB has 12000"):
        build(files, "A")


def interrupt(*_):
    raise KeyboardInterrupt


def test_interrupted_build_does_not_read_the_reads_again(files, counts, monkeypatch):
    write_cut_reads(files / "A" / "r.bam", counts)
    sheet(files, "A", "r.bam DGF assay=DNase-seq")
    with monkeypatch.context() as patch:
        patch.setattr("factornet.etl.builders.cell_line.summarise", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build(files, "A")
    monkeypatch.setattr("factornet.etl.reads.track_signals.write_signals", lambda *_, **__: 1 / 0)
    assert not build(files, "A").unchanged
    assert_equal(track(files, "A"), counts)
    assert left(files) == []


def test_build_from_reads_without_a_folder(files, counts, capsys, monkeypatch):
    for i in (0, 1):
        write_cut_reads(files / f"r{i}.bam", counts)
    monkeypatch.chdir(files)
    words = "build s.zarr --reads r0.bam r1.bam --cell Th17 --assay dnase --scale none --stranded -p 1".split()
    assert main(words) == 0
    assert "reads used" in capsys.readouterr().out
    found = [track(files, "Th17", f"DGF_{end}") for end in ("fwd", "rev")]
    assert_equal({n: found[0][n] + found[1][n] for n in LENGTHS}, {n: 2 * c for n, c in counts.items()})
    assert main(words) == 0
    assert "already exists, built from the same" in capsys.readouterr().out
    assert main(["info", "s.zarr"]) == 0
    assert "Th17: track DGF_fwd: " in capsys.readouterr().out
    (files / "folder.png").mkdir()
    for wrong, message in (
        ("build s.zarr --reads r0.bam --assay dnase", "give cell-line folders, or --reads FILE... --cell NAME"),
        ("build s.zarr --reads r0.bam --cell X", "--reads needs --assay"),
        ("build s.zarr --reads no.bam --cell X --assay atac", "no.bam: no such file"),
        ("build s.zarr --reads s.zarr/zarr.json --cell X --assay atac", "is no file of reads by its name"),
        ("build s.zarr A --reads r0.bam --cell X --assay atac", "are for a cell line without a folder"),
        ("build s.zarr", "give cell-line folders, or --reads"),
        ("build s.zarr --reads r0.bam --cell X --assay atac --track X_rev", "names in _fwd and _rev are of a pair"),
        ("build s.zarr --reads r0.bam r0.bam --cell X --assay atac", "a file is given twice"),
        ("signal r0.bam --assay dnase -o r0.bam --force", "--output r0.bam: is one of the read files"),
        ("signal r0.bam --assay dnase -o x.txt", "is no name of a bigWig"),
        ("signal r0.bam --assay dnase -o x.bw --track A", "--track names the track of --clusters"),
        ("signal r0.bam --assay dnase -o x --clusters r1.bam", "--clusters needs fragment files"),
        ("signal r0.bam --assay dnase -o x.bw --assembly hg19", "--assembly hg19: is not that of the reads"),
        ("signal r0.bam --assay dnase -o x.bw --picture no/x.png", "--picture no/x.png: its folder does not exist"),
        (
            "signal r0.bam --assay dnase -o x.bw --picture folder.png",
            "folder.png: is a folder; give the name of a file",
        ),
        ("signal f.tsv --assay atac -o x.bw", "give --store, --assembly or --sizes"),
    ):
        assert main(wrong.split()) == 2
        assert message in capsys.readouterr().err


def test_command_signal(files, counts, capsys):
    write_cut_reads(files / "r.bam", counts)
    words = ["signal", str(files / "r.bam"), "-o", str(files / "o.bw"), "--scale", "none"]
    assert main(words) == 2
    assert "--assay is missing" in capsys.readouterr().err
    assert main([*words, "--assay", "dnase", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[str(files / "o.bw")]["scale"] == "none"
    for name, count in counts.items():
        np.testing.assert_array_equal(read_values(files / "o.bw", name, 0, count.size)[0], count)
    assert main([*words, "--assay", "dnase"]) == 2
    assert "o.bw: already exists" in capsys.readouterr().err
    assert main([*words[:-2], "--assay", "dnase", "--force"]) == 2
    assert "needs the effective genome size" in capsys.readouterr().err
    assert sorted(p.name for p in files.glob("*.bw")) == ["o.bw"]


def test_clusters_become_cell_line_folders_that_build_takes(files, capsys):
    rng = np.random.default_rng(1)
    with gzip.open(files / "f.tsv.gz", "wt") as file:
        for start, cell in zip(rng.integers(0, 9000, 500), rng.integers(0, 4, 500), strict=True):
            file.write(f"chrA\t{start}\t{start + 99}\tB{cell}\t1\n")
    (files / "t.csv").write_text("barcode,cluster\n" + "".join(f"B{i},C{i % 2}\n" for i in range(4)))
    (files / "sizes").write_text("".join(f"{name}\t{length}\n" for name, length in LENGTHS.items()))
    words = ["signal", str(files / "f.tsv.gz"), "--clusters", str(files / "t.csv"), "-o", str(files / "cells")]
    words += ["--assay", "atac", "--sizes", str(files / "sizes"), "--scale", "cpm"]
    assert main(words) == 0
    assert (files / "cells/C1/bigwig.txt").read_text() == "ATAC.bw\tATAC\tassay=ATAC-seq\tunits=CPM\n"
    assert main(["build", str(files / "s.zarr"), *(str(files / "cells" / c) for c in ("C0", "C1")), "-p", "1"]) == 0
    found = track(files, "C0", "ATAC")["chrA"].sum() + track(files, "C1", "ATAC")["chrA"].sum()
    assert found == pytest.approx(2e6)
    capsys.readouterr()
    assert main(words) == 2
    assert "C0: has a bigwig.txt" in capsys.readouterr().err

    def fail(path, data):
        raise InputError(path, "cannot be written (No space left on device)")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal_command, "write_atomic", fail)
        (files / "new/C1").mkdir(parents=True)
        (files / "new/C1/chip.txt").write_text("mine")
        assert main([word.replace(str(files / "cells"), str(files / "new")) for word in words]) == 2
    assert [str(p.relative_to(files)) for p in sorted((files / "new").rglob("*"))] == ["new/C1", "new/C1/chip.txt"]


def test_build_into_object_storage_knows_the_blacklist(s3, files, counts, tmp_path, capsys):
    (files / "black.bed").write_text("chrA\t100\t9000\n")
    words = ["genome", s3.url, "--fasta", str(files / "g.fa"), "--blacklist", str(files / "black.bed"), "-p", "1"]
    assert main([*words, "--work", str(tmp_path / "w")]) == 0
    write_cut_reads(files / "r.bam", counts)
    words = ["build", s3.url, "--reads", str(files / "r.bam"), "--cell", "X", "--assay", "dnase", "-p", "1"]
    assert main([*words, "--work", str(tmp_path / "w")]) == 0
    figures = open_store(s3.url).cell("X").summary["reads"]["DGF"]
    assert figures["reads_in_blacklist"] > 100
    assert figures["used"] == figures["cuts"] == sum(map(np.sum, counts.values()))
