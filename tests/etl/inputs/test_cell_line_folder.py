"""Sheets of cell-line folders as spreadsheets and people write them, and the names of folders and links."""

import pytest

from factornet.cli.common.arguments import cell_name
from factornet.etl.inputs.cell_line_folder import read_cell_folder
from factornet.store import InputError, UsageError


@pytest.fixture
def folder(tmp_path):
    """A folder with files whose names have spaces, and without sheets."""
    path = tmp_path / "data/HepG2"
    path.mkdir(parents=True)
    for name in ("s.bw", "HepG2 DNase rep1.bw", "p.bed", "my peaks.bed", "my relaxed peaks.bed"):
        (path / name).touch()
    return path


def tracks(folder, text):
    (folder / "bigwig.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(t.path.name, t.name, t.assay, t.units) for t in read_cell_folder(folder).tracks]


def chip(folder, text):
    (folder / "chip.txt").write_text(text)
    found = read_cell_folder(folder).chip
    return [(c.conservative.name, c.factor, c.relaxed.name if c.relaxed else None) for c in found]


PLAIN = [("s.bw", "DNase", "", "")]
SPACES = [("HepG2 DNase rep1.bw", "DNase", "", "")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s.bw\tDNase\n", PLAIN),
        ("s.bw    DNase", PLAIN),
        ("s.bw\t\tDNase\t\t\n", PLAIN),
        ("  s.bw DNase  \n", PLAIN),
        ("s.bw\t DNase \r\n\r\n", PLAIN),
        ("s.bw\tDNase\r", PLAIN),
        ("# file, name\n \t\n#s.bw other\ns.bw\tDNase\n", PLAIN),
        ("\ufeffs.bw\tDNase\n", PLAIN),
        ("\ufeff# a comment\ns.bw\tDNase\n", PLAIN),
        ('"s.bw"\t"DNase"\n', PLAIN),
        ("# M\xfcnchen\ns.bw\tDNase\n".encode("latin-1"), PLAIN),
        ("HepG2 DNase rep1.bw\tDNase\n", SPACES),
        ('"HepG2 DNase rep1.bw"\tDNase\n', SPACES),
        ('"HepG2 DNase rep1.bw" DNase\n', SPACES),
        ("HepG2 DNase rep1.bw\tDNase\tassay=DNase-seq units=1x\n", [(*SPACES[0][:2], "DNase-seq", "1x")]),
        ("HepG2 DNase rep1.bw\tDNase units=1x\n", [(*SPACES[0][:2], "", "1x")]),
        ("s.bw DNase\tunits=1x\n", [(*PLAIN[0][:2], "", "1x")]),
    ],
)
def test_rows_of_bigwig_txt_are_read_as_meant(folder, text, expected):
    assert tracks(folder, text) == expected


@pytest.mark.parametrize(
    ("table", "text", "expected"),
    [
        ("bigwig.txt", "# FILE NAME\n# of 2019, see s.bw\n#\n", ()),
        ("bigwig.txt", "#s.bw DNase\n", ("bigwig.txt:1 (#s.bw DNase)",)),
        ("bigwig.txt", '\n  # "HepG2 DNase rep1.bw"\tDNase\n', ("bigwig.txt:2 (# HepG2 DNase rep1.bw DNase)",)),
        ("bigwig.txt", "#gone.bw DNase\n", ()),
        ("bigwig.txt", "#1.bw DNase\n", ("bigwig.txt:1 (#1.bw DNase; write ./#1.bw if the name begins so)",)),
        ("bigwig.txt", '"#1.bw"\tDNase\n', ("bigwig.txt:1 (#1.bw DNase; write ./#1.bw if the name begins so)",)),
        ("chip.txt", "## p.bed CTCF\n#p.bed\tCTCF\tp.bed\n", ("chip.txt:2 (#p.bed CTCF p.bed)",)),
        ("meta.txt", "#0.5 GEPC1\n# value name\n#1.5\tGEPC2\n", ("meta.txt:1 (#0.5 GEPC1)", "meta.txt:3 (#1.5 GEPC2)")),
    ],
)
def test_rows_behind_a_comment_sign_are_named_and_headings_are_not(folder, table, text, expected):
    (folder / "#1.bw").touch()
    (folder / table).write_text(text)
    found = read_cell_folder(folder)
    assert found.commented == expected
    n = {1: "1 row", 2: "2 rows"}.get(len(expected))
    assert found.notes == ([f"{n} behind a #, not read: {', '.join(expected)}"] if n else [])
    (folder / "bigwig.txt").write_text("./#1.bw DNase\n")
    assert [t.path.name for t in read_cell_folder(folder).tracks] == ["#1.bw"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p.bed\tCTCF\n", ("p.bed", "CTCF", None)),
        ("p.bed CTCF p.bed\n", ("p.bed", "CTCF", "p.bed")),
        ("my peaks.bed\tCTCF\n", ("my peaks.bed", "CTCF", None)),
        ("my peaks.bed\tCTCF\tmy relaxed peaks.bed\n", ("my peaks.bed", "CTCF", "my relaxed peaks.bed")),
        ('"my peaks.bed" CTCF "my relaxed peaks.bed"\n', ("my peaks.bed", "CTCF", "my relaxed peaks.bed")),
        ("p.bed\tCTCF\t\n", ("p.bed", "CTCF", None)),
        ("p.bed CTCF\tmy relaxed peaks.bed\n", None),
    ],
)
def test_rows_of_chip_txt_are_read_as_meant(folder, text, expected):
    if expected is None:
        with pytest.raises(InputError, match=r"chip.txt:1: 5 columns, expected 2 or 3; .*separate the columns by tabs"):
            chip(folder, text)
    else:
        assert chip(folder, text) == [expected]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("HepG2 DNase rep1.bw DNase\n", "bigwig.txt:1: file 'HepG2' does not exist|bigwig.txt:1: 'rep1.bw' is not"),
        ("s.bw,DNase\n", "bigwig.txt:1: 1 column, .*; separate the columns by tabs, not commas or semicolons"),
        ("a b c d DNase\n", "bigwig.txt:1: 5 columns.*if a file name has spaces, separate the columns by tabs"),
        ("no such.bw\tDNase\n", "bigwig.txt:1: file 'no such.bw' does not exist"),
        ("s.bw\tDNase\n".encode("utf-16"), "bigwig.txt: cannot be read as text: it is UTF-16 text, not text; convert"),
        (b"PK\x03\x04", "bigwig.txt: cannot be read as text: it is a zip archive or a workbook"),
        (b"s.bw\tDN\0ase\n", "bigwig.txt: cannot be read as text: not text after line 0"),
    ],
)
def test_rows_of_bigwig_txt_that_cannot_be_read_are_refused(folder, text, problem):
    with pytest.raises(InputError, match=problem):
        tracks(folder, text)


@pytest.mark.parametrize("given", ["data/HepG2", "data/HepG2/", "data/HepG2/.", "data/../data/HepG2", "./data/HepG2"])
def test_linked_folder_has_the_name_of_the_link_everywhere(folder, monkeypatch, given):
    root = folder.parents[1]
    (root / "archive").mkdir()
    folder.rename(root / "archive/ENCSR000AAA")
    folder.symlink_to("../archive/ENCSR000AAA")
    (folder / "bigwig.txt").write_text("s.bw DNase\n")
    monkeypatch.chdir(root)
    assert read_cell_folder(type(folder)(given)).name == cell_name(given) == "HepG2"
    assert cell_name("HepG2") == "HepG2"


def test_working_directory_has_the_name_by_which_it_was_entered(folder, monkeypatch):
    link = folder.with_name("link")
    link.symlink_to("HepG2")
    (folder / "bigwig.txt").write_text("s.bw DNase\n")
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))
    path = type(folder)
    assert read_cell_folder(path()).name == cell_name(".") == cell_name("./") == "link"
    monkeypatch.setenv("PWD", "/")  # of another folder
    assert cell_name(".") == "HepG2"
    monkeypatch.delenv("PWD")
    assert cell_name(".") == "HepG2"
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert read_cell_folder(path("..")).name == cell_name("..") == cell_name("../") == "HepG2"


def test_empty_name_is_not_that_of_the_working_directory():
    assert cell_name("") == cell_name("/") == ""


def test_files_named_nearly_as_an_absent_table_are_noted(folder):
    (folder / "bigwig.txt").write_text("s.bw\tDNase\n")
    for name in ("Meta.txt", "chip.txt.txt", "bigwig (1).txt", "chipping.txt", "meta.bw", "chip_\x1b.txt"):
        (folder / name).write_text("")
    assert read_cell_folder(folder).notes == [
        "no chip.txt; chip.txt.txt is not read, rename it if it is that table",
        "no meta.txt; Meta.txt is not read, rename it if it is that table",
    ]
    (folder / "bigwig.txt").unlink()
    with pytest.raises(UsageError, match=r"holds none of .*; no bigwig.txt; bigwig \(1\).txt is not read"):
        read_cell_folder(folder)


def test_names_that_differ_by_case_only_are_noted(folder):
    (folder / "bigwig.txt").write_text("s.bw\tDGF\ns.bw\tdgf\ns.bw\tDGf2\n")
    (folder / "chip.txt").write_text("p.bed\tCTCF\np.bed\tMAX\np.bed\tctcf\n")
    (folder / "meta.txt").write_text("1\tx\n2\tX\n")
    assert read_cell_folder(folder).notes == [
        "tracks DGF and dgf differ by case only, kept apart",
        "factors CTCF and ctcf differ by case only, kept apart",
        "meta values x and X differ by case only, kept apart",
    ]
