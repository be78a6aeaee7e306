"""Chromosome aliases from pairs and from tables as UCSC, NCBI, Ensembl and people write them."""

import gzip

import pytest

from factornet.etl.inputs.alias_tables import read_aliases
from factornet.store import InputError, UsageError

UCSC_DATABASE = """# alias\tchrom\tsource
NC_000001.10\tchr1\trefseq
1\tchr1\tassembly,ensembl
CM000663.1\tchr1\tgenbank
NC_000002.11\tchr2\trefseq
2\tchr2\tassembly,ensembl
GL000191.1\tchr1_gl000191_random\tensembl,genbank
"""
UCSC_FILE = """# ucsc\tassembly\tensembl\tgenbank\trefseq
chr1\t1\t1\tCM000663.2\tNC_000001.11
chr2\t2\t2\tCM000664.2\tNC_000002.12
chr1_KI270706v1_random\tHSCHR1_CTG1_UNLOCALIZED\tKI270706.1\tKI270706.1\tNT_187361.1
chrM\tMT\tMT\t\tNC_012920.1
"""
UCSC_OLD_FILE = """# sequenceName\talias names\tUCSC database: mm10
chr1\t1\tCM000994.2\tNC_000067.6
chr2\t2\tCM000995.2\tNC_000068.7
"""
GENARK = """# refseq\tassembly\tgenbank\tncbi\tucsc
NC_060925.1\tchr1\tCP068277.2\t1\tchr1
NC_060926.1\tchr2\tCP068276.2\t2\tchr2
"""
NCBI = """# Assembly name:  GRCh38.p12
# Organism name:  Homo sapiens (human)
#
# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\tGenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name
1\tassembled-molecule\t1\tChromosome\tCM000663.2\t=\tNC_000001.11\tPrimary Assembly\t248956422\tchr1
2\tassembled-molecule\t2\tChromosome\tCM000664.2\t=\tNC_000002.12\tPrimary Assembly\t242193529\tchr2
HG2095_PATCH\tfix-patch\t1\tChromosome\tKN538361.1\t=\tNW_011332688.1\tPATCHES\t305542\tna
"""
NCBI_DATASETS = "\t".join((
    "Assembly Accession", "Chromosome name", "GenBank seq accession", "RefSeq seq accession", "Seq length",
    "Sequence name", "UCSC style name",
)) + "\nGCF_1\t1\tCM000663.2\tNC_000001.11\t9\t1\tchr1\nGCF_1\t2\tCM000664.2\tNC_000002.12\t9\t2\tchr2\n"  # fmt: skip
ENSEMBL_TO_UCSC = "1\tchr1\n2\tchr2\nMT\tchrM\nKI270721.1\t\n"


def read(folder, text, store_names=()):
    (folder / "names.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_aliases([str(folder / "names.txt")], store_names)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (UCSC_DATABASE, "NC_000001.10"),
        (UCSC_DATABASE, "CM000663.1"),
        (UCSC_DATABASE.partition("\n")[2], "NC_000001.10"),
        (UCSC_DATABASE.replace("# ", "#"), "NC_000001.10"),
        (UCSC_FILE, "NC_000001.11"),
        (UCSC_OLD_FILE, "NC_000067.6"),
        (GENARK, "NC_060925.1"),
        (NCBI, "NC_000001.11"),
        (NCBI.replace("\n", "\r\n"), "CM000663.2"),
        (NCBI_DATASETS, "NC_000001.11"),
        (ENSEMBL_TO_UCSC, "1"),
        ("1 chr1\n2   chr2\t\n", "1"),
        ("\ufeff" + ENSEMBL_TO_UCSC, "1"),
        ("# file store\n\n" + ENSEMBL_TO_UCSC, "1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_all_names_of_a_chromosome_become_that_of_ucsc(tmp_path, text, other, packed):
    content = gzip.compress(text.encode()) if packed else text
    for store_names in ((), ("chr1", "chr2")):
        aliases = read(tmp_path, content, store_names)
        assert aliases[other] == "chr1"
        assert (
            {aliases["2"], *(v for k, v in aliases.items() if k.endswith("2.12"))} == {"chr2"} if "2" in aliases else 1
        )
        assert "chr1" not in aliases


@pytest.mark.parametrize(
    "text", [UCSC_DATABASE, UCSC_FILE, UCSC_OLD_FILE, GENARK, NCBI, NCBI_DATASETS, ENSEMBL_TO_UCSC]
)
def test_store_with_names_of_ensembl_is_read_in_the_other_direction(tmp_path, text):
    aliases = read(tmp_path, text, ("1", "2"))
    assert (aliases["chr1"], aliases["chr2"]) == ("1", "2")
    assert not {"1", "2"} & {*aliases}


def test_store_with_names_of_refseq_is_read_too(tmp_path):
    aliases = read(tmp_path, UCSC_FILE, ("NC_000001.11", "NC_000002.12"))
    assert aliases["chr2"] == aliases["2"] == "NC_000002.12"


def test_only_chromosomes_of_the_store_are_taken_from_large_tables(tmp_path):
    for text in (UCSC_DATABASE, UCSC_FILE, NCBI):
        assert {*read(tmp_path, text, ("chr2",)).values()} == {"chr2"}


def test_pairs_are_taken_as_written_whether_the_store_has_them_or_not(tmp_path):
    assert read(tmp_path, "20 chr20\n21 chr21\n", ("chr20",)) == {"20": "chr20", "21": "chr21"}
    assert read_aliases(["20=chr20", "X=chrX"]) == {"20": "chr20", "X": "chrX"}


def test_missing_names_are_no_names(tmp_path):
    aliases = read(tmp_path, UCSC_FILE + "chrEBV\t\tna\tAJ507799.2\t\n")
    assert not {"", "na"} & {*aliases}
    assert aliases["AJ507799.2"] == "chrEBV"
    assert read(tmp_path, NCBI)["KN538361.1"] == "HG2095_PATCH"


@pytest.mark.parametrize(
    ("text", "store_names", "problem"),
    [
        ("1\tchr1\n1\tchr2\n", (), r"names.txt:2: 1 stands for chr1 and chr2; give one alias only"),
        (UCSC_FILE.replace("CM000664.2", "CM000663.2"), (), "names.txt:3: CM000663.2 stands for chr1 and chr2"),
        (UCSC_FILE, ("1", "chr1"), r"names.txt:2: 1 and chr1 are names of one chromosome, and the store has each"),
        ("chr1\t249250621\n", (), r"names.txt:1: 249250621 is no name of a chromosome but likely a length, as in .*chrom.sizes"),
        ("1\tchr1\textra\n", (), "names.txt:1: 3 columns, expected 2; write one pair per line, `20 chr20`, or give UCSC"),
        ("1 chr1\n2 chr2 x\n", (), "names.txt:2: 3 columns, expected 2"),
        ("chr1\t1\tCM000663.2\tNC_000001.11\n", (), "names.txt:1: 4 columns, expected 2"),
        ("1\n", (), "names.txt:1: 1 column, expected 2"),
        (UCSC_DATABASE.partition("\n")[2] + "3\tchr3\n", (), "names.txt:7: 2 columns, expected 3"),
        (ENSEMBL_TO_UCSC.encode("utf-16"), (), "names.txt: it is UTF-16 text, not text"),
    ],
)  # fmt: skip
def test_ambiguous_and_other_tables_are_refused(tmp_path, text, store_names, problem):
    with pytest.raises(InputError, match=problem):
        read(tmp_path, text, store_names)


def test_item_that_is_neither_pair_nor_file_is_refused(tmp_path):
    for item in (str(tmp_path / "gone.txt"), "=chr1", "1="):
        with pytest.raises(UsageError, match="chromosome alias"):
            read_aliases([item])
