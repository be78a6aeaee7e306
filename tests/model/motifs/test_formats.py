"""Motifs in the formats of JASPAR, TRANSFAC, HOCOMOCO, HOMER, CIS-BP and UniPROBE; against Biopython's readers."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs as biopython

from factornet.model.motifs.formats import read_motifs
from factornet.store.errors import InputError

COUNTS = np.array([[1, 2, 3, 4], [10, 0, 0, 0], [0, 5, 5, 0]])  # positions x ACGT
EXPECTED = (COUNTS / 10).tolist()


def lines(rows: np.ndarray, begin: str = "", end: str = "") -> str:
    return "".join(f"{begin}{' '.join(map(str, row))}{end}\n" for row in rows.tolist())


JASPAR = ">MA0001.1\tAGL3\n" + "".join(f"{base}  [{' '.join(f'{n:5d}' for n in COUNTS[:, i])} ]\n" for i, base in enumerate("ACGT"))  # fmt: skip
PFM = ">MA0001.1 AGL3\n" + "".join("".join(f"{n:7.2f}" for n in COUNTS[:, i]) + "\n" for i in range(4))
PCM = ">AGL3_HUMAN.H11MO.0.A\n" + "".join("\t".join(f"{n:.4f}" for n in row) + "\n" for row in COUNTS)
HOMER = ">ASTCATH\tAGL3(MADS)/x-ChIP\t6.05\t-2e3\t0\tT:1.0(3%)\n" + lines(COUNTS / 10)
UNIPROBE = "AGL3_primary\n" + "".join(f"{base}:\t" + "\t".join(map(str, COUNTS[:, i] / 10)) + "\n" for i, base in enumerate("ACGT"))  # fmt: skip
TRANSFAC = (
    "VV  TRANSFAC MATRIX TABLE, Release 2018\nXX\n//\nAC  M00001\nXX\nID  V$AGL3_01\nXX\nDT  19.10.1992 (created); ewi.\n"
    "XX\nNA  AGL3\nXX\nBF  T00526; MyoD; Species: mouse, Mus musculus.\nP0      A      C      G      T\n"
    "01      1      2      3      4      N\n02     10      0      0      0      A\n03      0      5      5      0      S\n"
    "XX\nBA  5 functional elements in 3 genes\n//\n"
)
JASPAR_TRANSFAC = (
    "AC MA0001.1\nXX\nID AGL3\nXX\nDE MA0001.1 AGL3 ; From JASPAR\nPO\tA\tC\tG\tT\n01\t1.0\t2.0\t3.0\t4.0\n"
    "02\t10.0\t0.0\t0.0\t0.0\n03\t0.0\t5.0\t5.0\t0.0\nXX\nCC tax_group:plants\nXX\n//\n"
)
CISBP = "Pos\tA\tC\tG\tT\n" + "".join(
    f"{i}\t" + "\t".join(map(str, row / 10)) + "\n" for i, row in enumerate(COUNTS, 1)
)


@pytest.mark.parametrize(
    ("text", "name", "alternate"),
    [
        (JASPAR, "MA0001.1", "AGL3"),
        (JASPAR.replace("[", "").replace("]", ""), "MA0001.1", "AGL3"),
        (JASPAR.replace("  [", " | ").replace("]", ""), "MA0001.1", "AGL3"),
        (JASPAR.replace("\n", "\r\n"), "MA0001.1", "AGL3"),
        ("".join(JASPAR.splitlines(keepends=True)[i] for i in (0, 4, 2, 3, 1)), "MA0001.1", "AGL3"),
        (PFM, "MA0001.1", "AGL3"),
        (PFM.split("\n", 1)[1], "AGL3.x", ""),
        (PCM, "AGL3_HUMAN.H11MO.0.A", ""),
        (PCM.replace(">", "> "), "AGL3_HUMAN.H11MO.0.A", ""),
        (HOMER, "ASTCATH", "AGL3(MADS)/x-ChIP"),
        (UNIPROBE, "AGL3_primary", ""),
        (TRANSFAC, "M00001", "AGL3"),
        (JASPAR_TRANSFAC, "MA0001.1", "AGL3"),
        (CISBP, "AGL3.x", ""),
        ("TF\tT025\nTF Name\tAGL3\nGene\tENSG01\nMotif\tM0001_2.00\nFamily\tMADS\n" + CISBP, "M0001_2.00", "AGL3"),
    ],
)
def test_formats(tmp_path, text, name, alternate):
    for suffix, content in ((".txt", text.encode()), (".txt.gz", gzip.compress(text.encode()))):
        path = tmp_path / f"AGL3.x{suffix}"
        path.write_bytes(content)
        [motif] = read_motifs(path).values()
        assert (motif.name, motif.alternate) == (name, alternate)
        np.testing.assert_allclose(motif.probabilities, EXPECTED)


@pytest.mark.parametrize("text", [JASPAR, PFM, PCM, HOMER, UNIPROBE, TRANSFAC, JASPAR_TRANSFAC])
def test_several_motifs_in_a_file(tmp_path, text):
    other = text
    for old, new in (("MA0001.1", "MA2"), ("M00001", "M2"), ("AGL3_", "AGL4_"), ("ASTCATH", "ASTC")):
        other = other.replace(old, new)
    (tmp_path / "m").write_text(f"{text}\n{other}")
    motifs = read_motifs(tmp_path / "m")
    assert len(motifs) == 2
    assert all(np.allclose(m.probabilities, EXPECTED) for m in motifs.values())
    (tmp_path / "m").write_text(text + text)
    with pytest.raises(InputError, match="is listed twice"):
        read_motifs(tmp_path / "m")


def test_4_by_4_numbers_are_told_apart_by_their_sums(tmp_path):
    positions = np.array([[1, 2, 3, 4], [10, 0, 0, 0], [0, 5, 5, 0], [2, 2, 2, 4]])
    path = tmp_path / "m"
    for rows in (positions, positions.T):
        path.write_text(">a\n" + lines(rows))
        np.testing.assert_allclose(read_motifs(path)["a"].probabilities, positions / 10)
    path.write_text(">a\n" + lines(np.full((4, 4), 5)))
    with pytest.raises(InputError, match="of 4 x 4 numbers, lines may be bases or positions"):
        read_motifs(path)
    path.write_text(JASPAR.replace("]", " 0 ]").replace("A  [", "A  [10"))  # 4 x 5, labelled
    with pytest.raises(InputError, match="rows have 4 to 5 numbers"):
        read_motifs(path)


ENCODE_MOTIFS = ">CTCF_known1 CTCF_1\n" + "".join(
    f"{letter} {' '.join(map(str, row))}\n"
    for letter, row in (("N", (0.3, 0.3, 0.2, 0.2)), ("C", (0.1, 0.7, 0.1, 0.1)), ("G", (0, 0.1, 0.9, 0)), ("A", (0.8, 0.1, 0.1, 0)))
)  # fmt: skip


@pytest.mark.parametrize("letters", ["NCGA", "TCGA"])
def test_letters_of_positions_are_no_bases_of_rows(tmp_path, letters):
    text = ENCODE_MOTIFS if letters == "NCGA" else ENCODE_MOTIFS.replace("N 0.3 0.3 0.2 0.2", "T 0.2 0.1 0.1 0.6")
    (tmp_path / "m").write_text(text)
    (motif,) = read_motifs(tmp_path / "m").values()
    first = [0.3, 0.3, 0.2, 0.2] if letters == "NCGA" else [0.2, 0.1, 0.1, 0.6]
    np.testing.assert_allclose(motif.probabilities, [first, [0.1, 0.7, 0.1, 0.1], [0, 0.1, 0.9, 0], [0.8, 0.1, 0.1, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\n0.2 -1.3 0.5 0.1\n0.1 0.1 0.1 0.1\n", r"1: motif a: has numbers below 0.*-1.3: log odds \(a .pwm file\?\)"),
        (JASPAR.replace("T  [", "U  ["), "motif MA0001.1: is of RNA"),
        (JASPAR.replace("T  [", "A  ["), "lines are of the bases ACGA, not one each"),
        (JASPAR.rsplit("\n", 2)[0] + "\n", "lines are of the bases ACG"),
        (">a\n1 2 3\n4 5 6\n", "2 lines of 3 numbers are no matrix"),
        (">a\n1 2 3 4\n1 2 3\n", "rows have 3 to 4 numbers"),
        (">a\n1 2 3 4\n0 0 0 0\n", "a position has no counts"),
        (">a\n1 2 3 nan\n", "a position has no counts"),
        (TRANSFAC.replace("G      T\n", "G      U\n"), "13: columns are 'ACGU', not ACGT"),
        ("chr7\t10\t20\n", "1: not a MEME file: expected 'MEME version', got 'chr7"),
        (">chr1\nACGTACGT\n", "1: not a MEME file"),
        ("", "1: not a MEME file"),
        ("<html></html>", r"\(XML or HTML\)"),
    ],
)  # fmt: skip
def test_files_that_are_no_motifs_say_what_they_are(tmp_path, text, message):
    (tmp_path / "m").write_text(text)
    with pytest.raises(InputError, match=message):
        read_motifs(tmp_path / "m")


@pytest.mark.parametrize(("text", "kind"), [(JASPAR, "jaspar"), (PFM, "pfm"), (TRANSFAC, "transfac")])
def test_equal_biopythons_reader(tmp_path, text, kind):
    (tmp_path / "m").write_text(text)
    text = text.split("\n", 1)[1] if kind == "pfm" else text
    [other] = biopython.parse(io.StringIO(text), kind)
    [motif] = read_motifs(tmp_path / "m").values()
    counts = np.array([other.counts[base] for base in "ACGT"], float).T
    np.testing.assert_allclose(motif.probabilities, counts / counts.sum(1, keepdims=True))


def test_file_without_a_name_of_its_own_is_named_after_the_file(tmp_path: Path):
    (tmp_path / "MA0001.1.pfm").write_text(PFM.split("\n", 1)[1])
    assert [*read_motifs(tmp_path / "MA0001.1.pfm")] == ["MA0001.1"]
