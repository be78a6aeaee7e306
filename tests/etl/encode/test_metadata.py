"""ENCODE's tables of files: columns by name, old and new; rows that no table has."""

from dataclasses import replace

import pytest
from support.encode_cart import ROWS, ServedCart

from factornet.etl.encode.metadata import parse_metadata, read_file_list
from factornet.store import InputError

TABLE = ServedCart(None, [{**r, "Size": "12", "md5sum": "A" * 32} for r in ROWS]).table("https://encode.example")


def parse(text):
    return parse_metadata("m.tsv", enumerate(text.splitlines(), 1))


def test_row_of_a_table_is_read_by_the_names_of_its_columns():
    files = {f.accession: f for f in parse(TABLE)}
    assert len(files) == 30
    file = files["ENCFF026CTC"]
    assert (file.target, file.biosample, file.treatments, file.size) == ("CTCF", "HepG2", "dexamethasone 100 nM", 12)
    assert (file.md5, file.replicates, file.donors) == ("a" * 32, ("1", "2"), ("ENCDO000AAC",))
    assert file.urls == ("https://encode.example/files/ENCFF026CTC/@@download/ENCFF026CTC.bed.gz",)
    assert files["ENCFF027ZNF"].target == "eGFP-ZNF24"


def test_columns_in_another_order_and_of_older_tables_give_the_same_rows():
    lines = [line.split("\t") for line in TABLE.splitlines()]
    order = sorted(range(len(lines[0])), key=lambda i: lines[0][i][::-1])
    shuffled = "\n".join("\t".join(line[i] for i in order) for line in lines)
    assert parse(shuffled.replace("File assembly", "Assembly").replace("\n", "\r\n")) == parse(TABLE)


@pytest.mark.parametrize(
    ("target", "name"), [("CTCF-human", "CTCF"), ("NKX2-5", "NKX2-5"), ("HLA-DRA-mouse", "HLA-DRA")]
)
def test_organism_is_no_part_of_a_target(target, name):
    assert parse(TABLE.replace("CTCF-human", target))[8].target == name


def test_copies_in_the_cloud_are_further_addresses():
    text = TABLE.replace("s3_uri", "s3_uri").splitlines()
    column = text[0].split("\t").index("s3_uri")
    cells = text[1].split("\t")
    cells[column] = "s3://encode-public/2020/a b.bed.gz"
    cells[column + 1] = "ftp://not.taken/x"
    assert parse("\n".join((text[0], "\t".join(cells))))[0].urls[1:] == ()
    cells[column] = "s3://encode-public/2020/a.bed.gz"
    found = parse("\n".join((text[0], "\t".join(cells))))[0].urls
    assert found[1:] == ("https://encode-public.s3.amazonaws.com/2020/a.bed.gz",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "m.tsv: is empty; give the metadata.tsv"),
        (TABLE.splitlines()[0], "m.tsv: lists no file"),
        ("chrom\tstart\n", "m.tsv:1: has no column 'File accession'; its first columns are chrom, start"),
        (TABLE.replace("md5sum", "MD5"), "m.tsv:1: has no column 'md5sum'"),
        (TABLE + "ENCFF999AAA\tbed\n", "m.tsv:32: 2 columns, the heading has 41"),
        (TABLE + TABLE.splitlines()[3], "m.tsv:32: ENCFF003DNA is listed twice, before in line 4"),
        (TABLE.replace("ENCFF009CTC\t", "../../x\t"), "m.tsv:10: file accession '../../x' has other characters"),
    ],
)
def test_table_that_encode_does_not_write_is_refused(text, problem):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("quote", [lambda c: f'"{c}"', lambda c: f'"{c}"' if "," in c else c])
def test_quotes_of_spreadsheets_and_r_are_no_part_of_a_cell(quote):
    text = TABLE.replace("Richard Myers, HAIB", 'Richard ""Rick"" Myers, HAIB')
    quoted = "\n".join("\t".join(map(quote, line.split("\t"))) for line in text.splitlines())
    plain = [replace(f, lab='Richard "Rick" Myers, HAIB') for f in parse(TABLE)]
    assert parse(quoted) == tuple(plain)


def test_repeated_heading_is_named_as_such():
    title = TABLE.splitlines()[0]
    with pytest.raises(InputError, match=r"m.tsv:32: repeats the heading.*a table, and a folder, for each"):
        parse(f"{TABLE}{title}\n")


def test_text_of_strangers_is_printable():
    assert all(f.biosample == r"Hep\x1b[31mG2" for f in parse(TABLE.replace("\tHepG2\t", "\tHep\x1b[31mG2\t"))[:4])


def test_list_of_files_is_told_from_a_table(tmp_path):
    path = tmp_path / "files.txt"
    path.write_text('"https://a/metadata/?type=Experiment&x=1"\nhttps://a/files/b.bed.gz\n\n')
    assert read_file_list(path) == ("https://a/metadata/?type=Experiment&x=1", "https://a/files/b.bed.gz")
    path.write_text(TABLE)
    assert read_file_list(path) == ()
    path.write_text("https://a/files/ENCFF001AAA/@@download/ENCFF001AAA.bam\n")
    with pytest.raises(InputError, match=r"files.txt:1: begins with a file, not with the address of a metadata.tsv"):
        read_file_list(path)
    path.write_text("https://a/metadata\nb c\n")
    with pytest.raises(InputError, match=r"files.txt:2: 'b c' is not an address"):
        read_file_list(path)
