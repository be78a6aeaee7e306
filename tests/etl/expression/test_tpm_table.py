"""Tables of TPMs as programs write them; replicates; values that are no TPMs."""

import gzip

import numpy as np
import pytest

from factornet.etl.expression.tpm_table import TpmFile, read_samples, read_tpm_table
from factornet.store import InputError

GENES = ("ENSG00000000003", "ENSG00000000005")
PLAIN = "gene_id\tK562_rep1\tK562_rep2\tHepG2\nENSG00000000003.14\t1\t7\t0\nENSG00000000005.5\t15\t3\t1023\n"
EXPECTED = [[2.0, 0.0], [3.0, 10.0]]


def read(tmp_path, text, **more):
    path = tmp_path / "tpm.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_tpm_table([TpmFile(path)], **more)


FORMS = {
    "plain": PLAIN,
    "gzipped": gzip.compress(PLAIN.encode()),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "BOM and comment": "\ufeff# a comment\n" + PLAIN,
    "without the first title (R)": PLAIN.removeprefix("gene_id\t"),
    "quotes (R)": PLAIN.replace("gene_id", '"gene_id"').replace("K562_rep1", '"K562_rep1"').replace("HepG2", '"HepG2"'),
    "with names": "\n".join(
        line.replace("\t", "\tname\t" if i == 0 else f"\tN{i}\t", 1) for i, line in enumerate(PLAIN.splitlines())
    ),
    "GCT": "#1.2\n2\t3\n"
    + PLAIN.replace("gene_id\t", "Name\tDescription\t").replace(".14\t", ".14\tN1\t").replace(".5\t", ".5\tN2\t"),
    "no versions": PLAIN.replace(".14", "").replace(".5\t", "\t"),
    "other replicates": PLAIN.replace("_rep1", ".biorep1").replace("_rep2", " r2"),
    "equal titles": PLAIN.replace("_rep1", "").replace("_rep2", ""),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_forms_of_one_table_are_read_alike(tmp_path, text):
    found = read(tmp_path, text)
    assert (found.genes, found.cells) == (GENES, ("K562", "HepG2"))
    np.testing.assert_allclose(found.values, EXPECTED)
    assert [len(s) for s in found.replicates.values()] == [2, 1]


def test_names_of_genes_are_kept(tmp_path):
    assert read(tmp_path, FORMS["with names"]).names == ("N1", "N2")
    assert read(tmp_path, FORMS["GCT"]).names == ("N1", "N2")
    assert read(tmp_path, PLAIN).names == ("", "")


def test_samples_are_joined_by_a_table(tmp_path):
    path = tmp_path / "samples.tsv"
    path.write_text("# sample, cell line\nK562_rep1\tA\nK562_rep2\tB\nHepG2\tB\n")
    found = read(tmp_path, PLAIN, samples=read_samples(path))
    assert found.cells == ("A", "B")
    np.testing.assert_allclose(found.values, [[1, 1.5], [4, 6]])
    path.write_text("K562_rep1\tA\n")
    with pytest.raises(InputError, match="sample 'K562_rep2' is not in the table of samples; add it, and 1 more"):
        read(tmp_path, PLAIN, samples=read_samples(path))
    for text, problem in (("a\n", "1 columns"), ("a b\na c\n", "'a' is listed twice")):
        path.write_text(text)
        with pytest.raises(InputError, match=problem):
            read_samples(path)


def test_rows_of_one_gene_are_added_up_and_unusual_sums_are_said(tmp_path):
    found = read(tmp_path, PLAIN + "ENSG00000000003.15\t2\t0\t3\nENSG00000000003.9_PAR_Y\t0\t0\t1\n")
    assert found.genes == (GENES[0], f"{GENES[0]}_PAR_Y", GENES[1])
    np.testing.assert_allclose(found.values[0], [2.5, 2])
    assert found.notes[0] == "1 row of genes that have several, added up"
    assert found.notes[1].startswith(
        "the values of 3 of 3 samples do not add up to about a million as TPMs do (18 in K562_r"
    )
    usual = "gene\tA\tB\n" + "".join(f"g{i}\t10000\t10000\n" for i in range(100))
    assert read(tmp_path, usual).notes == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no row of a gene"),
        ("gene\tA\n", "has no row of a gene"),
        ("gene\nx\n", "has no column of a sample"),
        (PLAIN + "x\t1\n", r"tsv:4: 2 columns, the first row has 4"),
        (PLAIN.replace("\t7\t", "\tNA\t"), r"tsv:2: a value is NA; a TPM is a finite number|'NA' is not a number"),
        (PLAIN.replace("\t7\t", "\t\t"), r"tsv:2: '' is not a number"),
        (PLAIN.replace("\t7\t", "\tinf\t"), r"tsv:2: a value is inf"),
        (PLAIN.replace("\t7\t", "\t-0.5\t"), r"tsv:2: a value is -0.5; .* give TPMs, not their logarithms"),
        ("#" + PLAIN, r"tsv:1: the first row has numbers \(1, ...\) in place of the names of samples"),
        (PLAIN.replace("HepG2", ""), r"column 4 has no title"),
        (PLAIN.replace("ENSG00000000003.14", ""), r"tsv:2: '' is not the name of a gene"),
        (PLAIN.replace("\t", ","), "has no column of a sample"),
        (gzip.compress(PLAIN.encode() * 9, mtime=0)[:60], "cut short or damaged"),
    ],
)
def test_table_of_no_tpms_is_refused(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem):
        read(tmp_path, text)


RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"


def quantification(path, *tpms):
    path.write_text(RSEM + "".join(f"{g}.1\t{g}\t9\t8.5\t1.00\t{v}\t0\n" for g, v in tpms))
    return path


def test_files_of_one_sample_are_joined_by_their_genes(tmp_path):
    a = quantification(tmp_path / "a.tsv", (GENES[1], 15), (GENES[0], 1), ("10904", 5))
    b = quantification(tmp_path / "HepG2.tsv", (GENES[0], 0), (GENES[1], 1023))
    c = quantification(tmp_path / "c.tsv", (GENES[0], 7), (GENES[1], 3), ("ENSG1", 0), ("ENSG2", 0))
    found = read_tpm_table([TpmFile(a, "K562_rep1"), TpmFile(b), TpmFile(c, "K562_rep2")])
    assert (found.genes, found.cells) == (GENES, ("K562", "HepG2"))
    np.testing.assert_allclose(found.values, EXPECTED)
    assert found.notes[0] == "3 genes left out, not in all files"
    same = read_tpm_table([TpmFile(a, "K562"), TpmFile(b), TpmFile(c, "K562")])
    np.testing.assert_allclose(same.values, EXPECTED)
    (tmp_path / "t.tsv").write_text(PLAIN)
    assert read_tpm_table([TpmFile(tmp_path / "t.tsv"), TpmFile(b, "A549")]).cells == ("K562", "HepG2", "A549")
    with pytest.raises(InputError, match=r"t.tsv: has 3 samples, and 'x' would name one"):
        read_tpm_table([TpmFile(tmp_path / "t.tsv", "x")])
    other = quantification(tmp_path / "d.tsv", ("ENSG9", 1))
    with pytest.raises(InputError, match=r"a.tsv: has no gene in common with the other files"):
        read_tpm_table([TpmFile(a), TpmFile(other)])


def test_table_with_samples_in_rows_is_refused(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("sample\tENSG00000000003.1\tENSG00000000005\nK562\t1\t2\nHepG2\t3\t4\n")
    with pytest.raises(InputError, match=r"t.tsv:1: the first row has genes \(ENSG00000000003.1, ...\).*transpose"):
        read_tpm_table([TpmFile(path)])


def test_samples_of_the_list_that_the_table_lacks_are_said(tmp_path):
    (tmp_path / "t.tsv").write_text("g\ta\tb\nG1\t400000\t2\nG2\t600000\t1e150\n")
    table = read_tpm_table([TpmFile(tmp_path / "t.tsv")], samples={"a": "K562", "b": "HepG2", "c": "K562", "d": "x"})
    assert table.notes == (
        "the values of 1 of 2 samples do not add up to about a million as TPMs do (1e+150 in b)",
        "2 samples of the list are not in the table: c, ...",
    )
