"""Motifs read from MEME files: minimal ones, and those that MEME, DREME and STREME write; against Biopython's reader."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from Bio import motifs as biopython

from factornet.model import read_meme
from factornet.model.motifs import motif_text
from factornet.model.motifs.formats import read_motifs
from factornet.store.errors import InputError

HEADER = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
MATRIX = "letter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n  0.1 0.2\t0.3 0.4\n  1 0 0 0\n"
ROWS = [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]]
DNA_ALPHABET = (
    'ALPHABET "DNA" DNA-LIKE\nA "Adenine" CC0000 ~ T "Thymine" 008000\nC "Cytosine" 0000CC ~ G "Guanine" FFB300\n'
    'N "Any base" = ACGT\nX = ACGT\n. = ACGT\nV "Not T" = ACG\nR "Purine" = AG\nU = T\nEND ALPHABET\n'
)
STARS, DASHES = "*" * 80, "-" * 80


def write(folder: Path, text: str) -> Path:
    path = folder / "motifs.meme"
    path.write_text(text)
    return path


def full_meme(motif_line: str, matrix: str) -> str:
    """Return the text that MEME writes about one motif, with the sections that hold numbers."""
    section = f"{DASHES}\n\tMotif CGC MEME-1"
    return (
        f"{STARS}\nMEME - Motif discovery tool\n{STARS}\nMEME version 5.0.4 (Release date: Wed Jan 23 14:05:40 2019)\n\n"
        f"{STARS}\nTRAINING SET\n{STARS}\nPRIMARY SEQUENCES= x.fa\nCONTROL SEQUENCES= --none--\nALPHABET= ACGT\n"
        "Sequence name            Weight Length  Sequence name            Weight Length\n"
        "-------------            ------ ------  -------------            ------ ------\n"
        "SEQ1;                    1.0000     10  SEQ2;                    1.0000     10\n"
        f"{STARS}\ncommand: meme x.fa -dna\nmodel:  mod=         zoops    nmotifs=         1\nstrands: + -\n"
        "width:  minw=            4    maxw=           10\nnsites: minsites=        2    maxsites=      326\n"
        "Letter frequencies in dataset:\nA 0.448 C 0.0519 G 0.0519 T 0.448\n"
        "Background letter frequencies (from file dataset with add-one prior applied):\n"
        f"A 0.448 C 0.0519 G 0.0519 T 0.448\nBackground model order: 0\n{STARS}\n\n"
        f"{STARS}\n{motif_line}\n{STARS}\n{section} Description\n{DASHES}\n"
        "Simplified        A  53\npos.-specific     C  ::\n\n         bits    4.3\n"
        f"{section} sites sorted by position p-value\n{DASHES}\n632521          +      7  1.71e-06  ATTTTG CG ATTT\n"
        f"{section} block diagrams\n{DASHES}\nSEQUENCE NAME            POSITION P-VALUE  MOTIF DIAGRAM\n"
        f"632521                            1.7e-06  6_[+1]_4\n{section} in BLOCKS format\n{DASHES}\n"
        f"BL   MOTIF CGC width=2 seqs=326\n632521                   (    7) CG  1\n//\n\n"
        f"{section} position-specific scoring matrix\n{DASHES}\n"
        "log-odds matrix: alength= 4 w= 2 n= 3586 bayes= 3.32193 E= 3.6e-179\n    20   -176    194    -73\n"
        f"   -82   -250    147     40\n{section} position-specific probability matrix\n{DASHES}\n{matrix}{DASHES}\n"
        f"{section} regular expression\n{DASHES}\n[AT]G\n{DASHES}\nTime 14.73 secs.\n{STARS}\n"
        f"Stopped because requested number of motifs (1) found.\n{STARS}\n"
    )


DREME = (
    "# DREME 4.10.0\n# command:           dreme -p x.fa\n# positives:         1000\n#\n\nMEME version 4.10.0\n\n"
    f"{DNA_ALPHABET}\nstrands: + -\n\nBackground letter frequencies (from dataset):\nA 0.221 C 0.245 G 0.221 T 0.312\n\n"
    "MOTIF CGC DREME-1\n\n#             Word    RC Word        Pos        Neg    P-value    E-value\n"
    "# BEST         CG        CG        432        101   1.7e-068   1.3e-063\n"
    f"{MATRIX}\n\nMOTIF TTC DREME-2\n\n#             Word\n{MATRIX}\n\nTime 12.34 secs.\n"
)
STREME = (
    f"{STARS}\nSTREME - Sensitive, Thorough, Rapid, Enriched Motif Elicitation\n{STARS}\n"
    f"MEME version 5.5.3 (Release date: Sat May 27 2023)\n\n{STARS}\nREFERENCE\n{STARS}\n"
    "If you use this program in your research, please cite:\n\nTimothy L. Bailey,\n"
    f"Bioinformatics, Mar. 24, 2021.\n{STARS}\n\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
    f"A 0.27 C 0.23 G 0.23 T 0.27 \n\nMOTIF 1-CGC STREME-1\n{MATRIX}\nMOTIF 2-TTC STREME-2\n{MATRIX}\n{STARS}\n"
    f"Stopped because 3 consecutive motifs exceeded the p-value threshold (0.05).\n{STARS}\n\nTime\t1.2 secs.\n"
)


def test_read_meme(tmp_path):
    second = MATRIX.replace("w= 2", "w= 3") + "0.25 0.25 0.25 0.25\n"
    text = f"{HEADER}MOTIF CTCF_f2 CTCF\n\n{MATRIX}\nURL http://x\n\nMOTIF lone\n{second}MOTIF Z\n{MATRIX}"
    motifs = read_meme(write(tmp_path, text))
    assert list(motifs) == ["CTCF_f2", "lone", "Z"]
    assert motifs["CTCF_f2"].alternate == "CTCF"
    assert motifs["lone"].alternate == ""
    assert motifs["CTCF_f2"].probabilities.tolist() == [[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]]
    assert len(motifs["lone"]) == 3


def test_read_meme_accepts_windows_line_ends(tmp_path):
    path = tmp_path / "motifs.meme"
    path.write_bytes((HEADER + "MOTIF a\n" + MATRIX).replace("\n", "\r\n").encode())
    assert len(read_meme(path)["a"]) == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "not a MEME file: expected 'MEME version', got ''"),
        ("\n<html>\n", 2, "not a MEME file.*'<html>'"),
        (HEADER, None, "holds no motif"),
        (HEADER.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), 3, "not ACGT"),
        (HEADER.replace("ACGT", "ACGU") + "MOTIF a\n" + MATRIX, 3, r"alphabet is 'ACGU' \(RNA\).*write T for U"),
        (
            "MEME version 4\nBackground letter frequencies\nA 0.3 C 0.2\nG 0.2 U 0.3\nMOTIF a\n" + MATRIX,
            2,
            r"'ACGU' \(RNA\)",
        ),
        (
            "MEME version 5\n"
            + DNA_ALPHABET.replace("END", 'm "5-Methyl" 66F ~ 1 "G:5-Methyl" 66A\nEND')
            + "MOTIF a\n",
            2,
            "alphabet is '1ACGTm'",
        ),
        ("MEME version 4\nMOTIF a\nletter-probability matrix: alength= 20 w= 1\n", 3, "a matrix of 20 letters, not 4"),
        (HEADER + "MOTIF a\nletter-probability matrix:\n\nMOTIF b\n", 10, "matrix ends after 0 rows, got 'MOTIF b'"),
        (HEADER + "MOTIF a\nletter-probability matrix:\n 3 1 0 0\n", 9, "whose sum is 4; these may be counts"),
        (
            HEADER + "MOTIF a\nlog-odds matrix: alength= 4 w= 1\n -10 20 -30 -10\n",
            7,
            "motif a has no letter-probability matrix, only log odds",
        ),
        ("MOTIF a\n" + MATRIX, 1, "not a MEME file: .*write the line 'MEME version 4'"),
        (
            "<?xml version='1.0'?>\n<MEME version='5.1'/>\n",
            1,
            r"XML or HTML\); convert it, or, .* give the text: meme.txt",
        ),
        (HEADER + "MOTIF\n", 7, "without a name"),
        (HEADER + MATRIX, 7, "without a MOTIF line"),
        (HEADER + "MOTIF a\nMOTIF b\n", 7, "motif a has no letter-probability matrix"),
        (HEADER + "MOTIF a\n", 7, "motif a has no letter-probability matrix"),
        (HEADER + f"MOTIF a\n{MATRIX}\nMOTIF a\n", 12, "motif a is listed twice"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3"), 8, "width 3 ends after 2 rows"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3") + "\n", 11, "width 3 ends after 2 rows"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3") + "MOTIF b\n", 11, "ends after 2 rows, got 'MOTIF b'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 1"), 10, "whose width is too small: '1 0 0 0'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= x"), 8, "without a width"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 0"), 8, "without a width"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("0.4", "0.5"), 9, "sum to 1, got '0.1 0.2\\\\t0.3 0.5'"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "2 -1 0 0"), 10, "four probabilities"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1 0 0"), 10, "four probabilities"),
        (HEADER + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "nan 0 0 0"), 10, "four probabilities"),
    ],
)
def test_read_meme_error_has_the_line(tmp_path, text, line, words):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        read_meme(path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_read_meme_of_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_meme(tmp_path / "absent.meme")
    (tmp_path / "binary.meme").write_bytes(b"\x1f\x8b\x08\x00\xff")
    with pytest.raises(InputError, match="not text at byte 1"):
        read_meme(tmp_path / "binary.meme")
    (tmp_path / "binary.meme").write_bytes(gzip.compress(HEADER.encode())[:-9])
    with pytest.raises(InputError, match="gzip data is cut short or damaged"):
        read_meme(tmp_path / "binary.meme")
    (tmp_path / "binary.meme").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(InputError, match="not text at byte"):
        read_meme(tmp_path / "binary.meme")


@pytest.mark.parametrize(
    "header",
    [
        "letter-probability matrix:",
        "letter-probability matrix: ",
        "letter-probability matrix: alength= 4",
        "letter-probability matrix: alength=4 w=2 nsites=20 E=0",
        "letter-probability matrix: w = 2",
        "letter-probability matrix: nsites= 0 E= 4.1e-009",
        "letter-probability matrix: E= w= 2",
        "letter-probability matrix: alength= 4 w= 2 nsites= 326.5 E= 3.6e-179 ",
        "  letter-probability matrix: alength= 4 w= 2 bayes= 1",
        "letter-probability matrix",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "URL http://x/1.2\n", "MOTIF b\n" + MATRIX, "Time 1.2 secs.\n"])
def test_settings_of_a_matrix_are_optional_and_spaced_at_will(tmp_path, header, end):
    rows = MATRIX.split("\n", 1)[1]
    path = write(tmp_path, f"{HEADER}MOTIF a\n{header}\n{rows}{end}")
    assert read_meme(path)["a"].probabilities.tolist() == ROWS


@pytest.mark.parametrize(
    "header",
    [
        "MEME version 3.0\n",
        "MEME version 4.4\n",
        "MEME version 4.12.0 (Release date: x)\r\n",
        "\n\n  MEME version 5\n",
        "MEME version 5.5.3\nALPHABET=ACGT\n",
        "MEME version 5\nALPHABET = ACGT\n",
        "MEME version 4\nALPHABET= acgt\nstrands: +\n",
        "MEME version 5\n" + DNA_ALPHABET,
        "MEME version 5\n" + DNA_ALPHABET.replace("END ALPHABET\n", "\nstrands: + -\n"),
        f"MEME version 5\n{STARS}\nALPHABET\n{STARS}\nA ~ T # comment\nC ~ G\nN=ACGT\n{STARS}\nstrands: + -\n",
        "MEME version 4\nBackground letter frequencies (from file `bkg.txt'):\nA 0.3 C 0.2\nG 0.2 T 3.0e-1\n",
        "MEME version 4\nBackground letter frequencies\nA 0.303 C 0.183 G 0.209 T 0.306 \n\n",
    ],
)
def test_headers_of_all_versions_are_read(tmp_path, header):
    assert read_meme(write(tmp_path, f"{header}\nMOTIF a x\n{MATRIX}"))["a"].probabilities.tolist() == ROWS


@pytest.mark.parametrize(
    ("line", "name", "alternate"),
    [
        ("MOTIF CGC MEME-1\twidth =   2  sites =  20  llr = 300  E-value = 4.1e-009", "CGC", "MEME-1"),
        ("MOTIF  1 MEME\twidth =   2   sites =  33   llr = 352   E-value = 1.1e-022", "1", "MEME"),
        ("MOTIF  1\twidth =    2   sites =  33   llr = 352   E-value = 1.1e-022", "1", ""),
    ],
)
def test_full_output_of_meme(tmp_path, line, name, alternate):
    path = write(tmp_path, full_meme(line, MATRIX))
    [motif] = read_meme(path).values()
    assert (motif.name, motif.alternate) == (name, alternate)
    assert motif.probabilities.tolist() == ROWS


@pytest.mark.parametrize(("text", "program"), [(DREME, "DREME"), (STREME, "STREME")])
def test_output_of_dreme_and_streme(tmp_path, text, program):
    motifs = read_meme(write(tmp_path, text))
    assert [m.alternate for m in motifs.values()] == [f"{program}-1", f"{program}-2"]
    assert all(m.probabilities.tolist() == ROWS for m in motifs.values())


def test_names_with_spaces_and_other_words(tmp_path):
    names = ["MA0065.2 Pparg::Rxra", "a1 my own factor", "M1_2.00 (CTCF)_(Homo_sapiens)_(DBD_1.00)", "tab\tthe name "]
    motifs = read_meme(write(tmp_path, HEADER + "".join(f"MOTIF {n}\n{MATRIX}\nURL http://x\n\n" for n in names)))
    assert [f"{m.name} {m.alternate}" for m in motifs.values()] == [n.replace("\t", " ").strip() for n in names]


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress((HEADER + "MOTIF a\n" + MATRIX).encode()),
        (HEADER + "MOTIF a\n" + MATRIX).replace("\n", "\r\n").encode("utf-8-sig"),
        (HEADER + "MOTIF a\n" + MATRIX).replace("\n", "\r\r\n").encode(),
        (HEADER + "MOTIF a\n" + MATRIX).replace("\n", "\r").encode(),
        (HEADER + "MOTIF a\n" + MATRIX).encode("utf-16"),
        ("# by Jos\u00e9\n" + HEADER + "MOTIF a\n" + MATRIX).encode(),
    ],
    ids=["gzip", "bom and crlf", "crcrlf", "cr", "utf-16", "utf-8"],
)
def test_encodings_and_line_ends(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    assert read_motifs(tmp_path / "m")["a"].probabilities.tolist() == ROWS


def test_text_of_another_encoding_is_refused_with_the_cure(tmp_path):
    (tmp_path / "m").write_bytes(("# by Jos\u00e9\n" + HEADER + "MOTIF a\n" + MATRIX).encode("latin-1"))
    with pytest.raises(InputError, match="m: not text at byte 8; give a file of motifs in MEME format, saved as UTF-8"):
        read_motifs(tmp_path / "m")


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_archive_is_named_with_the_cure(tmp_path, suffix):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.meme").write_text(HEADER + "MOTIF a\n" + MATRIX)
    kind = {"tar.gz": "gztar"}.get(suffix, suffix)
    path = shutil.make_archive(str(tmp_path / "all"), kind, tmp_path / "d")
    with pytest.raises(InputError, match=rf"all.{suffix}: is a {suffix[:3]} archive, not text; unpack it"):
        read_motifs(path)


def test_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(motif_text, "_MAX_SIZE", 100_000)
    (tmp_path / "m").write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(InputError, match="m: has more than 100 kB, too much for motifs"):
        read_motifs(tmp_path / "m")


def test_files_of_single_motifs_joined_are_one(tmp_path):
    path = write(tmp_path, "".join(f"{HEADER}MOTIF {name}\n{MATRIX}URL x\n\n" for name in "abc"))
    assert [*read_motifs(path)] == ["a", "b", "c"]


def test_rows_within_the_tolerance_are_kept_as_they_are(tmp_path):
    rows = "0.24 0.24 0.25 0.25\n0.26 0.26 0.25 0.25\n"
    path = write(tmp_path, f"{HEADER}MOTIF a\nletter-probability matrix:\n{rows}")
    assert read_meme(path)["a"].probabilities.sum(1).tolist() == pytest.approx([0.98, 1.02])
    path = write(tmp_path, f"{HEADER}MOTIF a\nletter-probability matrix:\n0.24 0.24 0.24 0.25\n")
    with pytest.raises(InputError, match=r"sum to 1, got '0\.24 0\.24 0\.24 0\.25'"):
        read_meme(path)


@pytest.mark.realdata
def test_every_motif_equals_biopythons(realdata):
    path = realdata / "annotation/HOCOMOCOv9.meme"
    with path.open() as file:
        expected = {m.name.split()[0]: m for m in biopython.parse(file, "minimal")}
    found = read_motifs(path)
    assert len(found) == len(expected) == 428
    for name, motif in found.items():
        counts = np.array([expected[name].counts[base] for base in "ACGT"]).T
        np.testing.assert_allclose(motif.probabilities, counts / counts.sum(1, keepdims=True), atol=0.004)


def test_minimal_file_equals_biopythons(tmp_path):
    header = HEADER + "Background letter frequencies\nA 0.3 C 0.2 G 0.2 T 0.3\n\n"
    path = write(tmp_path, header + "MOTIF a x\n" + MATRIX + "\nMOTIF b\n" + MATRIX.replace("0.1 0.2", "0.2 0.1"))
    with path.open() as file:
        expected = biopython.parse(file, "minimal")
    for motif, other in zip(read_meme(path).values(), expected, strict=True):
        np.testing.assert_allclose(motif.probabilities, np.array([other.pwm[base] for base in "ACGT"]).T)
