"""GTFs as GENCODE, Ensembl, RefSeq, UCSC, iGenomes, StringTie, Augustus and others wrote the same transcripts."""

from dataclasses import dataclass

import numpy as np
import pytest

from factornet.etl.annotation.features import annotation_from_gtf
from factornet.store.annotation_rules import README_RULES, published_rules
from factornet.store.genome.intervals import GenomeCoordinates
from factornet.store.schema import FEATURES

GENOME = GenomeCoordinates(("chr1", "chrX"), (60_000, 30_000))


@dataclass(frozen=True)
class Transcript:
    """A transcript; `coding` is the coding span with the stop codon, exons ascend."""

    gene: str
    name: str
    chrom: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    coding: tuple[int, int] | None = None
    basic: bool = True

    @property
    def ordered(self):
        """Exons with their numbers, in the order of transcription."""
        exons = self.exons if self.strand == "+" else self.exons[::-1]
        return list(enumerate(exons, 1))

    @property
    def stop(self):
        """The three bases of the stop codon."""
        first, last = self.coding
        return (last - 3, last) if self.strand == "+" else (first, first + 3)

    def coding_parts(self, *, stop: bool):
        """Coding parts by exon number, with the stop codon or without."""
        first, last = self.coding
        if not stop:
            first, last = (first, last - 3) if self.strand == "+" else (first + 3, last)
        parts = [(n, max(a, first), min(b, last)) for n, (a, b) in self.ordered]
        return [part for part in parts if part[1] < part[2]]

    def utr_parts(self):
        first, last = self.coding
        left = [("left", n, a, min(b, first)) for n, (a, b) in self.ordered]
        right = [("right", n, max(a, last), b) for n, (a, b) in self.ordered]
        five = {"left": self.strand == "+", "right": self.strand == "-"}
        return [(five[side], n, a, b) for side, n, a, b in (*left, *right) if a < b]


PLUS = Transcript(
    "ENSG01", "ENST01", "chr1", "+", ((10_000, 11_000), (12_000, 12_500), (19_000, 20_000)), (10_500, 19_200)
)
MINUS = Transcript("ENSG02", "ENST02", "chrX", "-", ((1_000, 1_400), (5_000, 5_600)), (1_200, 5_300))
RNA = Transcript("ENSG03", "ENST03", "chrX", "+", ((20_000, 20_300), (22_000, 22_100)))
SHORT = Transcript("ENSG02", "ENST04", "chrX", "-", ((3_000, 3_200), (7_000, 7_300)), basic=False)
ALL = (PLUS, MINUS, RNA, SHORT)
USED = (PLUS, MINUS, RNA)


def expected(transcripts, rules):
    """Mark bases one by one: the oracle."""
    marks = {
        name: {c: np.zeros(n, bool) for c, n in zip(GENOME.names, GENOME.lengths, strict=True)} for name in FEATURES
    }
    marks["cpg"]["chr1"][500:900] = True
    for t in transcripts:
        tss = t.exons[0][0] if t.strand == "+" else t.exons[-1][1] - 1
        before, after = (rules.upstream, rules.downstream)[:: 1 if t.strand == "+" else -1]
        marks["promoter"][t.chrom][tss - before : tss + after + 1] = True
        for (_, a), (b, _) in zip(t.exons[:-1], t.exons[1:], strict=True):
            marks["intron"][t.chrom][a:b] = True
        for a, b in t.exons if t.coding is None and rules.untranslated == "ucsc" else ():
            marks["utr3" if t.strand == "+" else "utr5"][t.chrom][a:b] = True
        if t.coding is not None:
            for _, a, b in t.coding_parts(stop=True):
                marks["cds"][t.chrom][a:b] = True
            for is_five, _, a, b in t.utr_parts():
                marks["utr5" if is_five else "utr3"][t.chrom][a:b] = True
    return marks


def row(t, kind, start, stop, attributes, *, chrom=None, source="x", strand=None):
    return f"{chrom or t.chrom}\t{source}\t{kind}\t{start + 1}\t{stop}\t.\t{strand or t.strand}\t.\t{attributes}\n"


def span(t):
    return t.exons[0][0], t.exons[-1][1]


def gencode(version):
    """GENCODE: a gene line with a transcript_id of its own (until 19), tags on all lines of a transcript (since 12)."""
    tag = {3: "", 19: ' tag "basic"; tag "CCDS";', 49: ' tag "basic"; tag "GENCODE_Primary"; tag "Ensembl_canonical";'}[
        version
    ]
    text = "##description: evidence-based annotation of the human genome\n##provider: GENCODE\n##format: gtf\n"
    for t in ALL if tag else USED:
        basic = tag if t.basic else ' tag "alternative_5_UTR";'
        ids = f'gene_id "{t.gene}.7"; transcript_id "{t.name}.3"; gene_type "protein_coding"; gene_status "KNOWN"; level 2;'
        gene = f'gene_id "{t.gene}.7"; transcript_id "{t.gene}.7"; gene_type "protein_coding"; level 2;'
        text += row(t, "gene", *span(t), gene if version < 25 else gene.replace(f' transcript_id "{t.gene}.7";', ""))
        text += row(t, "transcript", *span(t), ids + basic)
        for n, (a, b) in t.ordered:
            text += row(t, "exon", a, b, f'{ids} exon_number {n}; exon_id "ENSE{n}";{basic}')
        for n, a, b in t.coding_parts(stop=False) if t.coding else ():
            text += row(t, "CDS", a, b, f"{ids} exon_number {n};{basic}")
        if t.coding:
            text += row(t, "stop_codon", *t.stop, f"{ids} exon_number 1;{basic}")
            text += "".join(row(t, "UTR", a, b, f"{ids} exon_number {n};{basic}") for _, n, a, b in t.utr_parts())
    return text


def ensembl(version):
    """Ensembl: exon, CDS and codons before 75, source as biotype; genes and transcripts since, UTRs by end since 76."""
    text = (
        ""
        if version < 75
        else f"#!genome-build GRCh37.p13\n#!genome-version GRCh37\n#!genebuild-last-updated {version}\n"
    )
    basic_tag = "gencode_basic" if version >= 113 else "basic"
    for t in ALL if version > 75 else USED:
        ids = f'gene_id "{t.gene}"; transcript_id "{t.name}";'
        if version > 75:
            ids = f'gene_id "{t.gene}"; gene_version "4"; transcript_id "{t.name}"; transcript_version "2";'
        tag = f' tag "{basic_tag}"; tag "gencode_primary";' if t.basic and version > 75 else ""
        source = "protein_coding" if version <= 75 else "ensembl_havana"
        if version >= 75:
            text += row(t, "gene", *span(t), f'gene_id "{t.gene}"; gene_name "A";', source=source)
            text += row(t, "transcript", *span(t), f'{ids} gene_name "A";{tag}', source=source)
        lead = " " if version < 75 else ""
        for n, (a, b) in t.ordered:
            text += row(t, "exon", a, b, f'{lead}{ids} exon_number "{n}"; gene_name "A";{tag}', source=source)
            coding = [p for p in t.coding_parts(stop=False) if p[0] == n] if t.coding else []
            for _, c, d in coding:
                text += row(t, "CDS", c, d, f'{lead}{ids} exon_number "{n}"; gene_name "A";{tag}', source=source)
        if t.coding:
            text += row(t, "stop_codon", *t.stop, f'{lead}{ids} exon_number "9";{tag}', source=source)
            for is_five, _, a, b in t.utr_parts() if version >= 75 else ():
                kind = "UTR" if version == 75 else "five_prime_utr" if is_five else "three_prime_utr"
                text += row(t, kind, a, b, f"{ids}{tag}", source=source)
    return text


def tags_on_transcripts_only():
    """As gffread and others convert GENCODE: attributes stay on transcript lines, values are joined by commas."""
    text = ""
    for t in ALL:
        tag = ' tag "CCDS,basic";' if t.basic else ' tag "not_basic";'
        text += row(t, "transcript", *span(t), f'transcript_id "{t.name}"; gene_id "{t.gene}";{tag}')
        text += "".join(row(t, "exon", a, b, f'transcript_id "{t.name}"; gene_id "{t.gene}";') for a, b in t.exons)
        for _, a, b in t.coding_parts(stop=True) if t.coding else ():
            text += row(t, "CDS", a, b, f'transcript_id "{t.name}"; gene_id "{t.gene}";')
    return text


def refseq():
    """NCBI: empty transcript_id on gene lines, quoted exon numbers, stop codon apart from the CDS."""
    text = "#gtf-version 2.2\n#!genome-build GRCh38.p14\n"
    for t in USED:
        text += row(t, "gene", *span(t), f'gene_id "{t.gene}"; transcript_id ""; db_xref "GeneID:1"; gbkey "Gene";')
        ids = f'gene_id "{t.gene}"; transcript_id "{t.name}"; db_xref "GeneID:1"; orig_transcript_id "gnl|x";'
        text += row(t, "transcript", *span(t), f'{ids} gbkey "mRNA"; product "a; b, basic tag";')
        text += "".join(row(t, "exon", a, b, f'{ids} exon_number "{n}";') for n, (a, b) in t.ordered)
        for n, a, b in t.coding_parts(stop=False) if t.coding else ():
            text += row(t, "CDS", a, b, f'{ids} exon_number "{n}";')
        text += row(t, "stop_codon", *t.stop, f'{ids} exon_number "1";') if t.coding else ""
    return text + "###\n"


def ucsc_table_browser():
    """UCSC: exon, CDS and codons only, gene_id = transcript_id, exons ascend on both strands, stop codon in an exon."""
    text = ""
    for t in USED:
        ids = f'gene_id "{t.name}"; transcript_id "{t.name}"; '
        for a, b in t.exons:
            for _, c, d in t.coding_parts(stop=False) if t.coding else ():
                text += row(t, "CDS", c, d, ids, source="hg19_refGene") if a <= c < b else ""
            text += row(t, "exon", a, b, ids, source="hg19_refGene")
        text += row(t, "stop_codon", *t.stop, ids, source="hg19_refGene") if t.coding else ""
    return text


def gene_pred_to_gtf():
    """UCSC's files in bigZips/genes: transcript lines, 5UTR and 3UTR."""
    text = ""
    for t in USED:
        ids = f'gene_id "{t.gene}"; transcript_id "{t.name}";'
        text += row(t, "transcript", *span(t), f'{ids}  gene_name "A";')
        text += "".join(
            row(t, "exon", a, b, f'{ids} exon_number "{n}"; exon_id "{t.name}.{n}";') for n, (a, b) in t.ordered
        )
        if t.coding:
            text += "".join(row(t, "CDS", a, b, f'{ids} exon_number "{n}";') for n, a, b in t.coding_parts(stop=False))
            text += row(t, "stop_codon", *t.stop, ids)
            text += "".join(row(t, "5UTR" if five else "3UTR", a, b, ids) for five, _, a, b in t.utr_parts())
    return text


def sorted_by_position():
    """iGenomes: exon, CDS and codons, sorted by position, lines of transcripts mixed."""
    lines = ucsc_table_browser().splitlines(keepends=True)
    return "".join(sorted(lines, key=lambda line: (line.split("\t")[0], int(line.split("\t")[3]))))


def stringtie():
    """StringTie: exon numbers ascend on both strands; a single exon of unknown strand."""
    text = "# stringtie -o x.gtf x.bam\n# StringTie version 2.2.1\n"
    for t in USED:
        ids = f'gene_id "MSTRG.1"; transcript_id "{t.name}";'
        text += row(t, "transcript", *span(t), ids + ' cov "2.5"; FPKM "1.1"; TPM "3.2";')
        text += "".join(row(t, "exon", a, b, f'{ids} exon_number "{n}";') for n, (a, b) in enumerate(t.exons, 1))
        text += "".join(row(t, "CDS", a, b, ids) for _, a, b in t.coding_parts(stop=True)) if t.coding else ""
    ids = 'gene_id "MSTRG.9"; transcript_id "MSTRG.9.1";'
    unknown = [row(PLUS, kind, 40_000, 40_200, ids, strand=".") for kind in ("transcript", "exon")]
    return text + "".join(unknown)


def augustus():
    """Augustus: the id alone on gene and transcript lines, the stop codon inside the CDS, introns and sites."""
    text = "# This output was generated with AUGUSTUS (version 3.3.3).\n"
    for t in USED:
        gene, name = t.gene, f"{t.gene}.t1"
        ids = f'transcript_id "{name}"; gene_id "{gene}";'
        text += row(t, "gene", *span(t), gene) + row(t, "transcript", *span(t), name)
        for a, b in t.exons:
            text += row(t, "exon", a, b, ids)
        text += row(t, "intron", t.exons[0][1], t.exons[1][0], ids) + row(t, "tss", *span(t), ids)
        text += "".join(row(t, "CDS", a, b, ids) for _, a, b in t.coding_parts(stop=True)) if t.coding else ""
    return text


def cds_and_utrs():
    """Gene finders without exon lines: CDS, stop codon and UTRs make up the exons; RNA has exon lines."""
    text = ""
    for t in USED:
        ids = f'gene_id "{t.gene}"; transcript_id "{t.name}";'
        if t.coding is None:
            text += "".join(row(t, "exon", a, b, ids) for a, b in t.exons)
            continue
        text += "".join(row(t, "CDS", a, b, ids) for _, a, b in t.coding_parts(stop=False)) + row(
            t, "stop_codon", *t.stop, ids
        )
        text += "".join(row(t, "5'-UTR" if five else "3'-UTR", a, b, ids) for five, _, a, b in t.utr_parts())
    return text


def maker():
    """MAKER: exon and CDS, ids with colons, unquoted; types in other case, a track line on top, an empty tenth column."""
    text = 'track name=genes description="MAKER"\n'
    for t in USED:
        ids = f"gene_id maker-{t.gene}-snap; transcript_id maker-{t.name}:mRNA-1"
        text += "".join(row(t, "Exon", a, b, ids).replace("\n", "\t\n") for a, b in t.exons)
        text += "".join(row(t, "cds", a, b, ids) for _, a, b in t.coding_parts(stop=True)) if t.coding else ""
    return text


def in_excel(text):
    """A field with quotes gets more of them; lines end in CRLF behind a byte order mark."""
    quoted = (
        "\t".join(f'"{f.replace(chr(34), 2 * chr(34))}"' if '"' in f else f for f in row.split("\t"))
        for row in text.splitlines()
    )
    return "\ufeff" + "".join(f"{row}\r\n" for row in quoted)


WRITERS = {
    "GENCODE 3c": (gencode(3), "3 transcripts; none has the tag basic, so all are used"),
    "GENCODE 19": (gencode(19), "3 transcripts; those with the tag basic are used, 3 of 4 ids"),
    "GENCODE 49": (gencode(49), "3 transcripts; those with the tag basic are used, 3 of 4 ids"),
    "Ensembl 54": (ensembl(54), "3 transcripts without a transcript line, taken from first to last exon"),
    "Ensembl 75": (ensembl(75), "types of lines that are not used: gene (3)"),
    "Ensembl 87": (ensembl(87), "those with the tag basic are used, 3 of 4 ids"),
    "Ensembl 113": (ensembl(113), "those with the tag basic are used, 3 of 4 ids"),
    "tags on transcripts only": (tags_on_transcripts_only(), "those with the tag basic are used, 3 of 4 ids"),
    "Ensembl 113, saved by a spreadsheet": (in_excel(ensembl(113)), "those with the tag basic are used, 3 of 4 ids"),
    "a note on tags": (refseq().replace("gene_id", 'note "of tag basic"; gene_id', 3), "none has the tag basic"),
    "RefSeq": (refseq(), "none has the tag basic"),
    "UCSC table browser": (ucsc_table_browser(), "3 transcripts without a transcript line"),
    "UCSC genePredToGtf": (gene_pred_to_gtf(), "3 transcripts; none has the tag basic"),
    "iGenomes": (sorted_by_position(), "3 transcripts without a transcript line"),
    "StringTie": (stringtie(), "1 transcript of unknown strand left out"),
    "Augustus": (augustus(), "types of lines that are not used: gene (3), intron (3), tss (3)"),
    "CDS and UTRs": (cds_and_utrs(), "2 transcripts without exon lines, whose exons were derived from CDS and UTRs"),
    "MAKER": (maker(), "3 transcripts without a transcript line"),
}


@pytest.mark.parametrize("rules", [README_RULES, published_rules()], ids=["readme", "published"])
@pytest.mark.parametrize("writer", WRITERS)
def test_features_are_the_same_whoever_wrote_the_gtf(tmp_path, writer, rules):
    text, note = WRITERS[writer]
    (tmp_path / "genes.gtf").write_text(text)
    (tmp_path / "cpg.bed").write_text("chr1\t500\t900\n")
    found = annotation_from_gtf(tmp_path / "genes.gtf", tmp_path / "cpg.bed", GENOME, {}, rules)
    assert any(note in line for line in found.notes), found.notes
    marks = expected(USED, rules)
    for name in FEATURES:
        stored = np.zeros(GENOME.ends[-1], bool)
        for start, stop in zip(*found.features[name], strict=True):
            stored[start:stop] = True
        for chrom, offset, length in zip(GENOME.names, GENOME.offsets, GENOME.lengths, strict=True):
            np.testing.assert_array_equal(stored[offset : offset + length], marks[name][chrom], f"{name} on {chrom}")
