"""Annotation features, from a GTF by the rules and from BED files, and the need for bedtools."""

import json

import numpy as np
import pytest

from factornet.cli.etl.parser import main
from factornet.etl.annotation.features import annotation_from_beds, annotation_from_gtf
from factornet.store import InputError, open_store
from factornet.store.annotation_rules import README_RULES, AnnotationRules, published_rules, recorded_rules
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.schema import FEATURES

GENOME = GenomeCoordinates(("chr1", "chr2"), (10_000, 5_000))


def gtf_row(chrom, kind, start, stop, strand, transcript):  # noqa: PLR0917
    return f'{chrom}\tx\t{kind}\t{start + 1}\t{stop}\t.\t{strand}\t.\tgene_id "g"; transcript_id "{transcript}";\n'


@pytest.fixture
def sources(tmp_path):
    """A coding transcript on each strand and a non-coding one that ends with its chromosome."""
    rows = [
        ("chr1", "transcript", 1000, 3000, "+", "a"),
        ("chr1", "exon", 1000, 1500, "+", "a"),
        ("chr1", "exon", 2000, 3000, "+", "a"),
        ("chr1", "CDS", 1200, 1500, "+", "a"),
        ("chr1", "CDS", 2000, 2500, "+", "a"),
        ("chr1", "stop_codon", 2500, 2503, "+", "a"),
        ("chr2", "transcript", 100, 900, "-", "b"),
        ("chr2", "exon", 100, 900, "-", "b"),
        ("chr2", "CDS", 303, 700, "-", "b"),
        ("chr2", "stop_codon", 300, 303, "-", "b"),
        ("chr2", "transcript", 4800, 5000, "-", "c"),
        ("chr2", "exon", 4800, 5000, "-", "c"),
    ]
    (tmp_path / "genes.gtf").write_text("".join(gtf_row(*row) for row in rows))
    (tmp_path / "cpg.bed").write_text("chr1\t900\t1100\nchr1\t1100\t1200\nchr2\t50\t60\n")
    return tmp_path


def on_chromosomes(merged):
    chrom, start = GENOME.from_absolute(merged.starts)
    names = [GENOME.names[i] for i in chrom]
    return list(zip(names, start.tolist(), (start + merged.stops - merged.starts).tolist(), strict=True))


@pytest.mark.parametrize(
    ("rules", "promoters", "utr5"),
    [
        (README_RULES, [("chr1", 700, 1101), ("chr2", 799, 1200), ("chr2", 4899, 5000)], []),
        (published_rules(), [("chr1", 500, 1101), ("chr2", 799, 1400), ("chr2", 4899, 5000)], [("chr2", 4800, 5000)]),
    ],
)
def test_features_of_a_gtf_follow_the_rules(sources, rules, promoters, utr5):
    found = annotation_from_gtf(sources / "genes.gtf", sources / "cpg.bed", GENOME, {}, rules).features
    assert {name: on_chromosomes(merged) for name, merged in found.items()} == {
        "cpg": [("chr1", 900, 1200), ("chr2", 50, 60)],
        "cds": [("chr1", 1200, 1500), ("chr1", 2000, 2503), ("chr2", 300, 700)],
        "intron": [("chr1", 1500, 2000)],
        "promoter": promoters,
        "utr5": [("chr1", 1000, 1200), ("chr2", 700, 900), *utr5],
        "utr3": [("chr1", 2503, 3000), ("chr2", 100, 300)],
    }


def test_features_of_bed_files_are_merged_as_those_of_a_gtf(sources):
    expected = annotation_from_gtf(sources / "genes.gtf", sources / "cpg.bed", GENOME, {}, README_RULES).features
    beds = {name: sources / f"{name}.bed" for name in FEATURES}
    for name, merged in expected.items():
        # Unsorted, each interval in two halves that touch.
        halves = [
            half
            for chrom, start, stop in on_chromosomes(merged)
            for half in ((chrom, (start + stop) // 2, stop), (chrom, start, (start + stop) // 2))
        ]
        beds[name].write_text("".join("\t".join(map(str, half)) + "\n" for half in halves))
    found = annotation_from_beds(beds, GENOME, {}).features
    for name in FEATURES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_bed_file_without_an_interval_is_refused(tmp_path):
    beds = {name: tmp_path / f"{name}.bed" for name in FEATURES}
    for path in beds.values():
        path.write_text("#nothing\n")
    with pytest.raises(InputError, match=r"\.bed: no interval in the file; give the BED file of \w+"):
        annotation_from_beds(beds, GENOME, {})


def test_intervals_past_an_end_are_cut_there_and_counted(tmp_path):
    beds = {name: tmp_path / f"{name}.bed" for name in FEATURES}
    for path in beds.values():
        path.write_text("chr1\t100\t501\n")
    end = GENOME.lengths[1]
    beds["utr3"].write_text(f"chr2\t{end - 100}\t{end + 7}\nchr1\t-3\t9\n")
    annotation = annotation_from_beds(beds, GENOME, {})
    assert on_chromosomes(annotation.features["utr3"]) == [("chr1", 0, 9), ("chr2", end - 100, end)]
    assert "utr3: 2 intervals reached past an end of the chromosome, clipped there" in annotation.notes
    beds["utr3"].write_text(f"chr2\t{end - 100}\t{end + 1001}\n")
    with pytest.raises(InputError, match=r"utr3.bed:1: .* ends past .*another assembly"):
        annotation_from_beds(beds, GENOME, {})


def build_genome_without_programs(folder, monkeypatch, capsys, *options):
    monkeypatch.setenv("PATH", "")
    status = main(["genome", str(folder / "s.zarr"), "--fasta", str(folder / "g.fa"), *map(str, options), "-p", "1"])
    return status, capsys.readouterr().err


def test_gtf_without_bedtools_is_refused_before_the_fasta_is_read(sources, monkeypatch, capsys):
    (sources / "g.fa").write_text("no FASTA\n")
    annotation = ("--gtf", sources / "genes.gtf", "--cpg", sources / "cpg.bed")
    status, message = build_genome_without_programs(sources, monkeypatch, capsys, *annotation)
    assert status == 2
    assert message == (
        "factornet-etl: error: a GTF needs the program bedtools, which is not installed; install it with "
        "`apt-get install bedtools`, `conda install -c bioconda bedtools` or `brew install bedtools`\n"
    )
    assert [p.name for p in sources.glob("s.zarr*")] == []


def test_annotation_from_bed_files_is_built_without_bedtools(sources, monkeypatch, capsys):
    (sources / "g.fa").write_text(">chr1\n" + "A" * 10_000 + "\n>chr2\n" + "C" * 5_000 + "\n")
    beds = [f"{name}={sources / 'cpg.bed'}" for name in FEATURES]
    options = ("--annotation-bed", *beds, "--chroms", "chr1", "chr2")
    assert build_genome_without_programs(sources, monkeypatch, capsys, *options) == (0, "")


def test_genome_and_info_say_what_the_annotation_is(sources, capsys):
    """Bases, rules, and all that was left out, derived or clipped; in JSON too."""
    (sources / "g.fa").write_text(">chr1\n" + "A" * 10_000 + "\n>chr2\n" + "C" * 5_000 + "\n")
    with (sources / "genes.gtf").open("a") as gtf:
        gtf.write(gtf_row("chrM", "exon", 5, 9, "+", "d") + gtf_row("chr1", "gene", 5, 9, "+", "e"))
    files = ("--fasta", "g.fa", "--gtf", "genes.gtf", "--cpg", "cpg.bed")
    options = [f if f.startswith("--") else str(sources / f) for f in files]
    options += ["--chroms", "chr1", "chr2", "-p", "1"]
    notes = [
        "rules: readme (promoters of 300/100 bases, UTRs of coding transcripts)",
        "3 transcripts; none has the tag basic, so all are used",
        "1 line left out, on 1 chromosome that the store lacks: chrM (1)",
        "types of lines that are not used: gene (1)",
        "1 promoter clipped at the end of a chromosome",
    ]
    assert main(["genome", str(sources / "s.zarr"), *options]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    bases = "cpg 310 (2.067%), cds 1,203 (8.020%), intron 500 (3.333%), promoter 903 (6.020%), utr5 400 (2.667%), utr3 697 (4.647%)"
    expected = [f"annotation: {note}" for note in (f"bases (share of the genome): {bases}", *notes)]
    assert [line for line in lines if line.startswith("annotation")] == expected
    assert main(["info", str(sources / "s.zarr")]) == 0
    shown = capsys.readouterr().out
    assert all(f"annotation: {note}\n" in shown for note in notes[1:])
    assert "annotation rules: readme (" in shown
    assert "1,203" in shown
    assert main(["genome", str(sources / "t.zarr"), *options, "--json"]) == 0
    assert [n for n in json.loads(capsys.readouterr().out)["notes"] if n.startswith("annotation")] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), README_RULES),
        (("--annotation-rules", "readme"), README_RULES),
        (("--annotation-rules", "published"), published_rules()),
        (("--annotation-rules", "published", "--promoter-upstream", "1000"), AnnotationRules(1000, 100, "ucsc")),
        (("--promoter-downstream", "0"), AnnotationRules(300, 0)),
    ],
)
def test_rules_are_those_of_the_options(sources, options, expected):
    (sources / "g.fa").write_text(">chr1\n" + "A" * 10_000 + "\n>chr2\n" + "C" * 5_000 + "\n")
    files = ["--fasta", str(sources / "g.fa"), "--gtf", str(sources / "genes.gtf"), "--cpg", str(sources / "cpg.bed")]
    assert main(["genome", str(sources / "s.zarr"), *files, "-p", "1", *options]) == 0
    record = open_store(sources / "s.zarr").info.summary["annotation"]
    assert recorded_rules(record) == expected
    assert record["rules"]["name"] == expected.name
