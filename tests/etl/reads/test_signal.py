"""Signal of read files against counting them read by read."""

import numpy as np
import pytest
from support.read_signals import LENGTHS, assert_equal, fragments, values, write
from support.simulated_reads import count_slowly, simulate_bam

from factornet.etl.reads import read_set
from factornet.etl.reads.cuts import CutCollection
from factornet.etl.reads.read_filter import EXCLUDABLE, ReadFilter
from factornet.etl.reads.read_set import open_reads
from factornet.etl.reads.signal import KnownGenome, write_clusters
from factornet.etl.reads.signal_options import SignalOptions
from factornet.store.errors import InputError, UsageError
from factornet.store.genome.intervals import Intervals


@pytest.mark.parametrize(
    ("rules", "slow"),
    [
        (ReadFilter(), {}),
        (ReadFilter(min_mapq=10), {"min_mapq": 10}),
        (ReadFilter(exclude=("secondary", "failed")), {"exclude": 256 + 512}),
        (ReadFilter(min_mapq=30, exclude=tuple(EXCLUDABLE)), {"min_mapq": 30, "exclude": 8 + 256 + 512 + 1024 + 2048}),
    ],
)
@pytest.mark.parametrize("assay", ["DNase-seq", "ATAC-seq"])
def test_counts_equal_counting_read_by_read(bam, tmp_path, rules, slow, assay):
    shift = {"DNase-seq": (0, 0), "ATAC-seq": (4, -5)}[assay]
    expected = count_slowly(bam, LENGTHS, shift=shift, **slow)
    options = SignalOptions(assay=assay, rules=rules, scale="none")
    report, found = write([bam], tmp_path, options, strands=("both", "forward", "reverse"))
    assert_equal(found["both"], {name: rows.sum(0) for name, rows in expected.items()})
    assert_equal(found["forward"], {name: rows[0] for name, rows in expected.items()})
    assert_equal(found["reverse"], {name: rows[1] for name, rows in expected.items()})
    figures = report.describe()
    assert figures["cuts"] == sum(rows.sum() for rows in expected.values())
    assert figures["reads"] == figures["used"] + sum(figures["dropped"].values())
    assert figures["used"] == figures["cuts"] + figures["cuts_outside"]


def test_files_of_a_track_add_up(bam, tmp_path):
    other = simulate_bam(tmp_path / "o.bam", LENGTHS, 1_000, seed=2, is_sorted=False)
    found = write([bam, other], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))[1]["both"]
    rows = [count_slowly(file, LENGTHS) for file in (bam, other)]
    assert_equal(found, {name: (rows[0][name] + rows[1][name]).sum(0) for name in LENGTHS})


def test_scale_leaves_out_ignored_chromosomes_and_the_blacklist(bam, tmp_path):
    coordinates = open_reads([bam]).coordinates
    blacklist = Intervals(np.array([1_000, coordinates.offsets[1]]), np.array([4_000, coordinates.offsets[1] + 500]))
    report, found = write([bam], tmp_path, SignalOptions(assay="DNase-seq"), blacklist=blacklist)
    expected, figures = count_slowly(bam, LENGTHS), report.describe()
    left = figures["used"] - figures["reads_in_blacklist"] - figures["reads_on_ignored_chroms"]
    assert figures["scaled_reads"] == left > 0
    assert figures["reads_on_ignored_chroms"] == sum(expected[name].sum() for name in ("chrX", "chrM"))
    assert figures["factor"] == pytest.approx(40_000 / (left * figures["read_length"]), rel=1e-12)
    expected["chr1"][:, 1_000:4_000] = expected["chr2"][:, :500] = 0
    assert_equal(found["both"], {name: np.float32(rows.sum(0) * figures["factor"]) for name, rows in expected.items()})
    assert figures["cuts"] + figures["cuts_in_blacklist"] == figures["used"]


def test_counts_per_million(bam, tmp_path):
    report, _ = write([bam], tmp_path, SignalOptions(assay="DNase-seq", scale="cpm", ignore=()))
    assert report.scale.factor == 1e6 / report.summary.filtered.used


@pytest.mark.parametrize(
    ("options", "genome_size", "message"),
    [
        (SignalOptions(assay="DNase-seq"), None, "needs the effective genome size"),
        (SignalOptions(assay="DNase-seq", ignore=tuple(LENGTHS)), 9, "no read is left to scale by"),
        (SignalOptions(), 9, "the assay of the reads is not known"),
    ],
)
def test_missing_figures_are_named(bam, tmp_path, options, genome_size, message):
    with pytest.raises(UsageError, match=message):
        write([bam], tmp_path, options, sequenced=genome_size)
    assert list(tmp_path.iterdir()) == []


def test_no_read_left_is_an_error(bam, tmp_path):
    options = SignalOptions(assay="DNase-seq", rules=ReadFilter(min_mapq=255, proper_pairs=True, exclude=("failed",)))
    only = simulate_bam(tmp_path / "o.bam", LENGTHS, 100, seed=2, unusual=False)
    with pytest.raises(InputError, match=r"o.bam: no read to use of 100 \(100 mapping quality below 255\)"):
        write([only], tmp_path, options)


def test_more_cuts_than_memory_holds_are_kept_in_a_file(bam, tmp_path, monkeypatch):
    monkeypatch.setattr("factornet.etl.reads.cuts._MOST_BUFFERED", 100)
    wrote = []
    monkeypatch.setattr(CutCollection, "_write", lambda self, write=CutCollection._write: wrote.append(write(self)))
    monkeypatch.setattr("factornet.etl.reads.files.alignment_file._PIECE", 4096)
    found = write([bam], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))[1]["both"]
    assert_equal(found, {name: rows.sum(0) for name, rows in count_slowly(bam, LENGTHS).items()})
    assert len(wrote) > 20


def cuts_of(rows, barcodes=None):
    found = {name: np.zeros(length, int) for name, length in LENGTHS.items()}
    for chrom, start, stop, barcode, _ in rows:
        if chrom in found and (barcodes is None or barcode in barcodes):
            found[chrom][start] += 1
            found[chrom][stop - 1] += 1
    return found


def test_both_ends_of_fragments_are_cuts(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("factornet.etl.reads.files.fragment_file._ROWS", 700)
    file = fragments(tmp_path / "f.tsv.gz", rows)
    report, found = write([file], tmp_path, SignalOptions(assay="ATAC-seq", scale="none"), lengths=LENGTHS)
    assert_equal(found["both"], cuts_of(rows))
    assert report.summary.other_chroms["chrUn_1"] == sum(row[0] == "chrUn_1" for row in rows)
    assert any("on other chromosomes (chrUn_1)" in note for note in report.notes())
    assert report.summary.templates.sum() == sum(row[0] != "chrUn_1" for row in rows)


def test_read_length_of_fragments_is_assumed_and_said(rows, tmp_path):
    file = fragments(tmp_path / "f.tsv.gz", rows)
    report, _ = write([file], tmp_path, SignalOptions(assay="ATAC-seq"), lengths=LENGTHS)
    assert report.scale.read_length == 50
    assert any("50 bases, assumed, as fragments do not tell it" in note for note in report.notes())


def test_clusters_in_one_pass_equal_separate_files(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("factornet.etl.reads.files.fragment_file._ROWS", 700)
    file = fragments(tmp_path / "f.tsv.gz", rows)
    clusters = {f"BC#{i}-1": f"C{i % 3}" for i in range(8)}  # barcode 8 is of none
    outputs = {f"C{i}": {"both": tmp_path / f"C{i}.bw"} for i in range(3)}
    options = SignalOptions(assay="ATAC-seq")
    reads = open_reads([file], LENGTHS)
    reports = write_clusters(reads, options, outputs, clusters, KnownGenome("hg38"), scratch=tmp_path)
    for name in outputs:
        own = {barcode for barcode, cluster in clusters.items() if cluster == name}
        alone = fragments(tmp_path / "alone.tsv.gz", [row for row in rows if row[3] in own])
        report, found = write([alone], tmp_path, options, lengths=LENGTHS, assembly="hg38")
        assert_equal(values(tmp_path / f"{name}.bw"), found["both"])
        expected = {**report.describe(), "files": ["f.tsv.gz"], "other_barcodes": reports[name].summary.other_barcodes}
        assert reports[name].describe() == expected
    assert reports["C0"].summary.other_barcodes == sum(row[3] == "BC#8-1" for row in rows)


def test_files_of_two_assemblies_are_refused(bam, tmp_path):
    other = simulate_bam(tmp_path / "o.bam", {**LENGTHS, "chr2": 12_345}, 100, seed=1)
    with pytest.raises(InputError, match=r"o.bam: chr2 has 12345 bases, in .*r.bam 12000; are the files of the same"):
        open_reads([bam, other])


def test_median_length_is_that_of_all_reads():
    rng = np.random.default_rng(1)
    for n in (1, 2, 3, 10, 11):
        lengths = rng.integers(20, 40, n)
        summary = read_set.ReadSummary()
        summary.lengths.update(lengths.tolist())
        assert summary.read_length == int(np.median(lengths))
        summary.first_lengths.update([7, 9])
        assert summary.read_length == 8
    assert read_set.ReadSummary().read_length is None


def test_leftovers_of_a_killed_run_do_not_matter(bam, tmp_path, monkeypatch):
    """A file of cuts that a killed run left must neither be read nor stay in the way."""
    monkeypatch.setattr("factornet.etl.reads.cuts._MOST_BUFFERED", 100)
    for name in ("cuts", ".both.bw.cuts"):
        (tmp_path / name).write_bytes(b"\0" * 4_000)
    found = write([bam], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))[1]["both"]
    assert_equal(found, {name: rows.sum(0) for name, rows in count_slowly(bam, LENGTHS).items()})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".both.bw.cuts", "both.bw", "cuts"]


def test_files_given_twice_and_filters_of_fragments_are_refused(bam, rows, tmp_path):
    with pytest.raises(UsageError, match="a file is given twice, and would be counted twice"):
        open_reads([bam, bam.parent / "." / bam.name])
    file = fragments(tmp_path / "f.tsv.gz", rows)
    with pytest.raises(UsageError, match="fragments have no mapping quality and no flags"):
        write([file], tmp_path, SignalOptions(rules=ReadFilter(min_mapq=5), scale="none"), lengths=LENGTHS)
    with pytest.raises(UsageError, match="shifts must be at most 1,000,000 bases"):
        SignalOptions(shift=(2**40, 0))


def test_barcodes_of_several_files_are_refused(rows, tmp_path):
    files = [
        fragments(tmp_path / f"{name}.tsv.gz", rows[half])
        for name, half in (("a", slice(900)), ("b", slice(900, None)))
    ]
    outputs = {"C": {"both": tmp_path / "C.bw"}}
    with pytest.raises(InputError, match=r"b.tsv.gz: barcode BC#\d-1 is in .*a.tsv.gz, too"):
        write_clusters(
            open_reads(files, LENGTHS), SignalOptions(), outputs, {"BC#1-1": "C"}, KnownGenome("hg38"), scratch=tmp_path
        )
    bare = fragments(tmp_path / "bare.tsv.gz", [row[:3] for row in rows])
    with pytest.raises(InputError, match=r"bare.tsv.gz: has no barcodes"):
        write_clusters(
            open_reads([bare], LENGTHS),
            SignalOptions(),
            outputs,
            {"BC#1-1": "C"},
            KnownGenome("hg38"),
            scratch=tmp_path,
        )


def test_fragments_on_other_chromosomes_only_name_them(rows, tmp_path):
    file = fragments(tmp_path / "f.tsv.gz", [(row[0].removeprefix("chr"), *row[1:]) for row in rows])
    with pytest.raises(InputError, match=r"no read to use of 6,000 \(all on .*give the chromosome alias .*1=chr1"):
        write([file], tmp_path, SignalOptions(scale="none"), lengths=LENGTHS)


def test_cuts_on_chromosomes_that_the_store_lacks_are_counted_apart(bam, tmp_path, monkeypatch):
    whole, found = write([bam], tmp_path, SignalOptions(assay="DNase-seq", scale="none"))
    elsewhere = int(found["both"]["chrM"].sum())
    for most_buffered in (1 << 20, 100):
        monkeypatch.setattr("factornet.etl.reads.cuts._MOST_BUFFERED", most_buffered)
        options = SignalOptions(assay="DNase-seq", scale="none")
        report, again = write([bam], tmp_path, options, chroms=("chr1", "chr2", "chrX"))
        assert_equal(again["both"], found["both"])
        figures = report.describe()
        assert figures["cuts_not_in_store"] == {"chrM": elsewhere}
        assert figures["cuts"] == whole.describe()["cuts"] - elsewhere > 0
    assert f"cuts not counted, on chromosomes that the store lacks: {elsewhere:,} on chrM" in report.notes()
    assert not any("store lacks" in note for note in whole.notes())
    with pytest.raises(InputError, match=r"no read to use of .*all on chr1, chr2, chrX, chrM"):
        write([bam], tmp_path, SignalOptions(assay="DNase-seq", scale="none"), chroms=("chr7",))
