"""Tables of scores as FactorNet, ENCODE-DREAM, R, pandas, bedtools and editors write them."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bad_input.changes import bgzip

from factornet.model.prediction import score_table
from factornet.model.prediction.score_table import read_bedgraph, read_score_table
from factornet.store import GenomeCoordinates, InputError

COORDINATES = GenomeCoordinates(("chr1", "chr2"), (1_000_000, 5_030))
ROWS = ["chr1\t0\t200\t0.25", "chr2\t4800\t5000\t0.5", "chr1\t100000\t100200\t1.250e-01"]
TEXT = "".join(row + "\n" for row in ROWS)
EXPECTED = [(0, 0, 200, 0.25), (1, 4800, 5000, 0.5), (0, 100_000, 100_200, 0.125)]


def rows_of(table):
    return list(zip(table.bins.chrom, table.bins.start, table.bins.stop, table.scores, strict=True))


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "x.bed").write_bytes(data)
        return read_score_table(tmp_path / "x.bed", COORDINATES, **options)

    return read


SAME = {
    "FactorNet's": TEXT,
    "gzipped": gzip.compress(TEXT.encode()),
    "bgzipped": bgzip(TEXT.encode(), block=20),
    "gzipped in members": gzip.compress(TEXT[:20].encode()) + gzip.compress(TEXT[20:].encode()),
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CR alone": TEXT.replace("\n", "\r"),
    "byte order mark": "\ufeff" + TEXT,
    "byte order mark, gzipped": gzip.compress(("\ufeff" + TEXT).encode()),
    "spaces": TEXT.replace("\t", "  "),
    "no last newline": TEXT.rstrip(),
    "blank lines": "\n" + TEXT.replace("\n", "\n\n"),
    "track and browser lines": 'track type=bedGraph name="x y"\nbrowser position chr1\n#comment\n' + TEXT,
    "positions as R writes them": TEXT.replace("\t100000\t", "\t1e+05\t"),
    "positions as pandas writes them": TEXT.replace("\t4800\t5000\t", "\t4800.0\t5000.0\t"),
    "quotes of R": TEXT.replace("chr1", '"chr1"').replace("chr2", '"chr2"'),
    "thousands of a spreadsheet, in quotes": TEXT.replace("\t4800\t5000\t", '\t"4,800"\t"5,000"\t'),
    "thousands": TEXT.replace("\t4800\t", "\t4,800\t"),
    "empty columns of a spreadsheet": TEXT.replace("\n", "\t\t\r\n"),
}


@pytest.mark.parametrize("name", SAME)
def test_table_is_read_whoever_wrote_it(read, name):
    table = read(SAME[name])
    assert rows_of(table) == EXPECTED
    assert (table.n_without_score, table.n_past_end, table.n_headings, table.n_more_columns) == (0, 0, 0, 0)
    assert not table.other_chromosomes


@pytest.mark.parametrize(
    "heading",
    ["chrom\tstart\tend\tscore", "#chr start stop x\nchr start stop K562_MAX", "seqnames start end value strand"],
)
def test_heading_is_skipped_and_counted(read, heading):
    table = read(f"{heading}\n{TEXT}")
    assert (rows_of(table), table.n_headings) == (EXPECTED, 1)


def test_heading_below_the_first_line_is_refused(read):
    with pytest.raises(InputError, match=r"x\.bed:4: cannot be read: 'chrom"):
        read(TEXT + "chrom\tstart\tstop\tscore\n")


@pytest.mark.parametrize("missing", ["NA", "nan", "NaN", ".", "N/A", "null", "None"])
def test_line_without_a_score_is_left_out_and_counted(read, missing):
    table = read(f"{TEXT}chr1\t50\t250\t{missing}\n")
    assert (rows_of(table), table.n_without_score) == (EXPECTED, 1)


def test_other_chromosomes_are_counted_by_name(read):
    table = read(TEXT + "chrY\t0\t200\t0.1\nchrM\t0\t200\t0.1\nchrY\t50\t250\t0.1\n")
    assert (rows_of(table), table.other_chromosomes) == (EXPECTED, {"chrY": 2, "chrM": 1})


def test_aliases_name_chromosomes(read):
    table = read(TEXT.replace("chr", ""), aliases={"1": "chr1", "2": "chr2", "X": "chrX"})
    assert rows_of(table) == EXPECTED


def test_bin_that_ends_past_its_chromosome_is_left_out_and_counted(read):
    """The last one of a file that does not cut them: less than a bin past the end."""
    table = read(TEXT + "chr2\t4850\t5050\t0.5\nchr2\t5000\t5200\t0.5\n")
    assert (rows_of(table), table.n_past_end) == (EXPECTED, 2)


@pytest.mark.parametrize(
    "line", ["chr2\t5030\t5230\t0.5", "chr2\t4900\t5230\t0.5", "chr2\t9000\t9200\t0.5", "chr2\t-50\t150\t1"]
)
def test_interval_of_another_assembly_is_refused(read, line):
    with pytest.raises(
        InputError, match=r"x.bed:4: cannot be read.*an interval lies within 0 and the 5,030 bases of chr2"
    ):
        read(TEXT + line + "\n")


def test_more_columns_are_counted(read):
    table = read(TEXT.replace("\n", "\t+\textra\n", 2))
    assert (rows_of(table), table.n_more_columns) == (EXPECTED, 2)


BAD_LINES = {
    "a name for a score": ("chr1\t0\t200\tpeak1\t0.5", r"its score is 'peak1'.*fourth column of a BED file is a name"),
    "infinite": ("chr1\t0\t200\tinf", "a finite number as score"),
    "beyond float32": ("chr1\t0\t200\t1e39", "a finite number as score"),
    "three columns": ("chr1\t0\t200", "3 columns, expected 4 or more"),
    "commas": ("chr1,0,200,0.5", "1 column, expected 4 or more"),
    "a fraction": ("chr1\t0.5\t200\t0.5", "write CHROM START STOP SCORE"),
    "rounded": ("chr1\t1.20E+04\t12200\t0.5", "format positions as whole numbers and save again, a spreadsheet"),
    "rounded stop": ("chr1\t12000\t1.22E+04\t0.5", "format positions as whole numbers and save again"),
    "names of rows": ('"1" "chr1" 0 200 0.5', r"remove the first column, the names of rows \(write.table of R"),
    "decimal comma": ("chr1\t0\t200\t0,5", "its score is '0,5'; write CHROM START STOP SCORE, with a finite number"),
    "per cent": ("chr1\t0\t200\t5.1%", "its score is '5.1%'"),
    "wiggle": (
        "fixedStep chrom=chr1 start=1 step=50",
        "is a wiggle file, no table of scores; convert it with wigToBigWig",
    ),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_other_lines_are_refused_with_their_number(read, name):
    line, message = BAD_LINES[name]
    with pytest.raises(InputError, match=rf"x\.bed:4: .*{message}"):
        read(TEXT + line + "\n")


def zip_of(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.bed", text)
    return file.getvalue()


FOREIGN = {
    "BAM": (gzip.compress(b"BAM\1" + bytes(100)), "is a BAM file"),
    "SAM": ("@HD\tVN:1.6\n", "is a SAM file"),
    "CRAM": (b"CRAM\3\0" + bytes(50), "is a CRAM file"),
    "VCF": ("##fileformat=VCFv4.2\n#CHROM\tPOS\n", "is a VCF file"),
    "VCF, gzipped": (gzip.compress(b"##fileformat=VCFv4.2\n"), "is a VCF file"),
    "FASTA": (">chr1\nACGT\n", "is a FASTA file"),
    "bigBed": (b"\xeb\xf2\x89\x87" + bytes(100), "is a bigBed"),
    "JSON": (json.dumps({"a": 1}), "is a JSON file"),
    "web page": ("\n<!DOCTYPE html>", "is a web page or XML file"),
    "zip": (zip_of(TEXT), "is a zip file"),
    "bzip2": (bz2.compress(TEXT.encode()), "is a bzip2 file"),
    "xz": (lzma.compress(TEXT.encode()), "is an xz file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file"),
    "UTF-16": (TEXT.encode("utf-16"), "is UTF-16 text"),
    "wiggle": ("track type=wiggle_0\nfixedStep chrom=chr1 start=1 step=50\n0.5\n", "is a wiggle file"),
    "not text": (bytes(range(128, 256)), "damaged, or not text"),
    "bgzip cut between two blocks": (
        bgzip(TEXT.encode(), block=20, without_end=True),
        "the empty block in which bgzip",
    ),
    "cut gzip": (gzip.compress(TEXT.encode() * 99)[:-9], "damaged, or not text"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_named(read, name):
    content, message = FOREIGN[name]
    with pytest.raises(InputError, match=message):
        read(content)


def test_own_record_names_the_file_to_give(tmp_path):
    (tmp_path / "x.bed.gz.json").write_text('{"format": "factornet-prediction"}')
    with pytest.raises(InputError, match="is a JSON file, no table of scores; give a bedgraph or a bigWig"):
        read_score_table(tmp_path / "x.bed.gz.json", COORDINATES)
    (tmp_path / "x.bed.gz").touch()
    with pytest.raises(InputError, match=rf"no table of scores; give {tmp_path}/x.bed.gz$"):
        read_score_table(tmp_path / "x.bed.gz.json", COORDINATES)


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "no", "no such file"),
        (tmp_path / "pipe", "is a pipe"),
    ):
        with pytest.raises(InputError, match=message):
            read_score_table(path, COORDINATES)


def test_empty_table_has_no_line(read, tmp_path):
    for content in ("", "#nothing\n", "\n\n"):
        assert rows_of(read(content)) == []
    bins, scores = read_bedgraph(tmp_path / "x.bed", COORDINATES)
    assert (len(bins), scores.dtype) == (0, np.float32)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["chr1", "chr2", "chrY", "#c", "track"]),
            st.sampled_from(["0", "50", "4850", "1e+02", "9" * 30]),
            st.sampled_from(["200", "250", "5030", "5050", "x", "9" * 30]),
            st.sampled_from(["0.5", "1e-3", "NA", "nan", "1e39", "0.1\tmore", "1_0", ""]),
        ),
        max_size=5,
    )
)
def test_lines_parsed_at_once_are_those_parsed_one_by_one(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "x.bed"
    path.write_text(TEXT + "".join("\t".join(row) + "\n" for row in rows))
    found = []
    for at_once in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not at_once:
                patch.setattr(score_table._TableReader, "add_plain", lambda *_: False)
            try:
                table = read_score_table(path, COORDINATES)
                found.append((rows_of(table), table.other_chromosomes, table.n_without_score, table.n_past_end))
            except InputError as error:
                found.append(str(error))
    assert found[0] == found[1]


def test_numbers_of_lines_go_on_after_many(read):
    many = "chr1\t0\t200\t0.25\n" * 40_000
    assert len(read(many).bins) == 40_000
    with pytest.raises(InputError, match=r"x\.bed:40002: cannot be read"):
        read(f"#comment\n{many}chr1\t0\n")
