"""Lines of one transcript id at several places, transcripts that lack lines, and lines that cannot be used."""

import numpy as np
import pytest

from factornet.etl.annotation.features import annotation_from_gtf
from factornet.etl.annotation.gtf import read_gtf
from factornet.etl.annotation.transcripts import assemble_transcripts
from factornet.store import InputError
from factornet.store.annotation_rules import README_RULES
from factornet.store.genome.intervals import GenomeCoordinates

GENOME = GenomeCoordinates(("chr1", "chr2", "big"), (60_000, 60_000, 100_000_000))


def line(kind, start, stop, name="NM_1", *, chrom="chr1", strand="+", more="", gene=None):
    ids = f'gene_id "{name if gene is None else gene}"; transcript_id "{name}";{more}'
    return f"{chrom}\tx\t{kind}\t{start + 1}\t{stop}\t.\t{strand}\t.\t{ids}\n"


def exons(*spans, numbers=None, **row):
    numbered = [f' exon_number "{n}";' for n in numbers] if numbers else [""] * len(spans)
    return "".join(line("exon", a, b, more=more, **row) for (a, b), more in zip(spans, numbered, strict=True))


def assemble(tmp_path, text):
    (tmp_path / "genes.gtf").write_text(text)
    return assemble_transcripts(read_gtf(tmp_path / "genes.gtf", GENOME, {}), GENOME, tmp_path / "genes.gtf")


def places(transcripts):
    """Return the spans and the exons of each transcript."""
    spans = transcripts.spans.sort_values(["chrom", "start"])
    found = transcripts.exons.groupby("transcript", sort=False)
    groups = [[(int(a), int(b)) for a, b in zip(g.start, g.stop, strict=True)] for _, g in found]
    return [(int(a), int(b)) for a, b in zip(spans.start, spans.stop, strict=True)], sorted(groups)


A, B = ((1_000, 1_500), (2_000, 2_500)), ((9_000, 9_500), (10_000, 10_500))
TWO = ([(1_000, 2_500), (9_000, 10_500)], [list(A), list(B)])
ONE = ([(1_000, 10_500)], [[*A, *B]])
FAR = ((1_000, 1_500), (55_000, 56_000))

SEVERAL_PLACES = {
    "transcript lines": line("transcript", 1_000, 2_500) + line("transcript", 9_000, 10_500) + exons(*A, *B),
    "exon numbers": exons(*A, *B, numbers=(1, 2, 1, 2)),
    "exon numbers, sorted": "".join(sorted(exons(*A, *B, numbers=(1, 2, 1, 2)).splitlines(True), reverse=True)),
    "exon numbers on -": exons(*A, *B, numbers=(2, 1, 2, 1), strand="-"),
    "exon numbers as StringTie's on -": exons(*A, *B, numbers=(1, 2, 1, 2), strand="-"),
    "codons": exons(*A, *B)
    + "".join(line("start_codon", a, a + 3) for a in (1_100, 9_100))
    + "".join(line("stop_codon", a, a + 3) for a in (2_100, 10_100)),
    "codons on -": exons(*A, *B, strand="-")
    + "".join(line("stop_codon", a, a + 3, strand="-") for a in (1_100, 9_100))
    + "".join(line("start_codon", a, a + 3, strand="-") for a in (2_100, 10_100)),
    "two genes of one transcript id": exons(*A, gene="tRNA1") + exons(*B, gene="tRNA2"),
}


@pytest.mark.parametrize("how", SEVERAL_PLACES)
def test_id_at_several_places_of_a_strand_has_no_intron_between_them(tmp_path, how):
    found = assemble(tmp_path, SEVERAL_PLACES[how])
    assert places(found) == TWO
    repeated = "1 transcript id of several places, each taken as a transcript" in found.notes
    assert repeated == (how != "two genes of one transcript id")


@pytest.mark.parametrize(
    "text",
    [
        exons(*A, *B),
        exons(*A, *B, numbers=(1, 2, 3, 4)),
        exons(*A, *B, numbers=(4, 3, 2, 1), strand="-"),
        exons(*A, *B, numbers=(1, 2, 4, 5)),  # of which one was removed
        exons(*A, *B, numbers=(1, 3, 2, 4)),  # in no order
        line("transcript", 1_000, 10_500) + exons(*A, *B, numbers=(1, 2, 1, 2)),
        exons(*A, *B) + line("start_codon", 1_100, 1_103) + line("stop_codon", 10_100, 10_103),
        exons(*A, *B) + line("start_codon", 1_498, 1_500) + line("start_codon", 2_000, 2_001),
        exons(*A, *B) * 2,  # the file twice
    ],
)
def test_exons_of_one_transcript_stay_together(tmp_path, text):
    found = assemble(tmp_path, text)
    (span,), (joined,) = places(found)
    assert (span, sorted(set(joined))) == (ONE[0][0], ONE[1][0])


def test_exons_further_apart_than_any_intron_are_of_two_transcripts(tmp_path):
    assert len(places(assemble(tmp_path, exons(*FAR)))[1]) == 2  # more than half a chromosome
    assert len(places(assemble(tmp_path, exons(*FAR, numbers=(1, 2))))[1]) == 1  # but not where they say so
    for gap, expected in ((1_900_000, 1), (2_000_001, 2)):
        text = exons((1_000, 2_000), (2_000 + gap, 4_000 + gap), chrom="big")
        assert len(places(assemble(tmp_path, text))[1]) == expected


def test_id_on_other_chromosomes_and_strands_is_of_other_transcripts(tmp_path):
    """PAR genes of RefSeq on X and Y, and UCSC's table browser."""
    found = assemble(tmp_path, exons(*A) + exons(*A, chrom="chr2") + exons(*B, strand="-"))
    assert len(found.spans) == 3
    assert {len(group) for _, group in found.exons.groupby("transcript")} == {2}
    assert "1 transcript id of several places, each taken as a transcript" in found.notes


def test_suffixes_of_repeated_ids_are_part_of_them(tmp_path):
    """RefSeq's _1, UCSC's _dup1, GENCODE's _PAR_Y."""
    text = exons(*A) + "".join(exons(*B, name=f"NM_1{suffix}") for suffix in ("_1", "_dup1", "_PAR_Y"))
    assert len(assemble(tmp_path, text).spans) == 4


def test_single_exons_of_one_id_are_transcripts_of_their_own(tmp_path):
    """As NCBI writes tRNAs: one id for all, without a gene, each exon number 1."""
    text = exons(*A, *B, numbers=(1, 1, 1, 1), name="unknown_transcript_1", gene="")
    found = assemble(tmp_path, text)
    assert len(found.spans) == 4
    assert {len(group) for _, group in found.exons.groupby("transcript")} == {1}


def test_cds_without_exons_becomes_exons(tmp_path):
    """CDS and stop codon touch: no intron is between them."""
    text = line("CDS", 1_000, 1_500) + line("CDS", 2_000, 2_497) + line("stop_codon", 2_497, 2_500)
    found = assemble(tmp_path, text)
    assert places(found) == ([(1_000, 2_500)], [list(A)])
    assert "1 transcript without exon lines, whose exons were derived from CDS and UTRs" in found.notes
    assert "1 transcript without a transcript line, taken from first to last exon" in found.notes


def test_transcript_without_exons_has_its_promoter_only(tmp_path):
    found = assemble(tmp_path, line("transcript", 1_000, 2_500))
    assert places(found) == ([(1_000, 2_500)], [])
    assert "1 transcript without exon or CDS lines, of which only the promoter is known" in found.notes


def test_what_is_left_out_is_counted(tmp_path):
    text = exons(*A) + exons(*A, chrom="chrM") + exons(*A, chrom="chrUn_1")[:0] + line("exon", 5, 9, chrom="chrUn_1")
    text += line("CDS", 5, 9, "", gene="g") + line("gene", 5, 9) * 3 + line("Selenocysteine", 5, 9)
    text += line("transcript", 30, 60, "S.1", strand=".") + line("exon", 30, 60, "S.1", strand=".")
    notes = assemble(tmp_path, text).notes
    assert notes == (
        "1 transcript; none has the tag basic, so all are used",
        "3 lines left out, on 2 chromosomes that the store lacks: chrM (2), chrUn_1 (1)",
        "1 line with an empty transcript_id left out",
        "types of lines that are not used: gene (3), Selenocysteine (1)",
        "1 transcript of unknown strand left out",
        "1 transcript without a transcript line, taken from first to last exon",
    )


def test_promoters_clipped_and_long_introns_are_counted(tmp_path):
    (tmp_path / "cpg.bed").write_text("chr1\t5\t9\nchrM\t5\t9\n")
    text = line("transcript", 100, 56_000) + exons((100, 200), (55_000, 56_000)) + exons((59_990, 60_000), name="b")
    (tmp_path / "genes.gtf").write_text(text)
    annotation = annotation_from_gtf(tmp_path / "genes.gtf", tmp_path / "cpg.bed", GENOME, {}, README_RULES)
    assert annotation.notes[-3:] == (
        "1 CpG island left out, on 1 chromosome that the store lacks: chrM (1)",
        "2 promoters clipped at the end of a chromosome",
        "warning: 1 intron longer than any known one, the longest is chr1:200-55000",
    )
    np.testing.assert_array_equal(annotation.features["promoter"].starts, [0, 59_690])


GFF3 = "chr1\tHAVANA\texon\t10\t90\t.\t+\t.\tID=exon:ENST01:1;Parent=ENST01;gene_id=ENSG01;transcript_id=ENST01;tag=basic\n"
REFUSED = {
    "GENCODE's GFF3": ("##gff-version 3\n" + GFF3, "2: cannot be read as GTF, it is GFF3: .*gffread -T"),
    "Ensembl's GFF3": (GFF3.replace("gene_id=", "x="), "1: .*it is GFF3"),
    "a GFF3 of genes": (GFF3.replace("exon\t", "gene\t"), r"no line of type transcript, exon or CDS; the file has gene \(1\)"),
    "genes only": (line("gene", 5, 9) * 2, r"no line of type transcript, exon or CDS; the file has gene \(2\)"),
    "spaces for tabs": (line("exon", 5, 9).replace("\t", " "), "1: 1 column, expected 9; give a GTF, its columns separated by tabs"),
    "commas for tabs": (line("exon", 5, 9).replace("\t", ","), "1: 1 column, expected 9"),
    "a BED file": ("chr1\t5\t9\tNM_1\n", "1: 4 columns, expected 9"),
    "no transcript_id": (line("exon", 5, 9).replace("transcript_id", "transcript"), "1: cannot be read as GTF"),
    "orig_transcript_id only": (line("exon", 5, 9).replace("transcript_id", "orig_transcript_id"), "1: cannot be read as GTF"),
    "a position as 1e+06": (line("exon", 5, 9).replace("\t9\t", "\t1e+06\t"), "1: cannot be read as GTF"),
    "exons without strand": (exons(*A, strand="."), "2: .*an exon without strand, of a transcript of several; give a GTF with"),
    "no strand at all": (line("exon", 5, 9, strand="."), "1: .*no transcript has a strand"),
    "start behind the end": (line("exon", 90, 9), "1: chr1:90-9 is not an interval .*; a start lies before its end"),
    "no ids": (line("exon", 5, 9, name=""), "no transcript; 1 line with an empty transcript_id; give a GTF whose exons"),
    "from 0": (line("exon", -1, 9), "1: chr1:-1-9 is not an interval"),
    "another assembly": (line("exon", 5, 60_001), "1: chr1:5-60001 is not an interval of the chromosome's 60000 bases"),
    "other names": (exons(*A, chrom="1"), "no transcript on a chromosome of the store; the file has 1; .*alias 1=chr1"),
    "accessions": (exons(*A, chrom="NC_000001.10"), "no transcript on a chromosome of the store; the file has NC_000001.10"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_file_that_is_no_gtf_of_the_genome_is_refused(tmp_path, what):
    text, message = REFUSED[what]
    with pytest.raises(InputError, match=r"genes\.gtf:?" + r"(?: |)" + message):
        assemble(tmp_path, text)
