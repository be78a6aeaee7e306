"""CpG islands as UCSC, the table browser, BED files, makeCGI and R write them."""

import gzip

import pandas as pd
import pytest

from factornet.etl.annotation.cpg_islands import read_cpg_islands
from factornet.store import InputError
from factornet.store.genome.intervals import GenomeCoordinates

GENOME = GenomeCoordinates(("chr1", "chr2"), (60_000, 30_000))
ISLANDS = [("chr1", 28_735, 29_810), ("chr1", 500, 901), ("chr2", 0, 300)]
NAMES = ["bin", "chrom", "chromStart", "chromEnd", "name", "length", "cpgNum", "gcNum", "perCpg", "perGc", "obsExp"]
FROM_0, FROM_1 = (
    f"CpG islands: positions count {how}, as the column of lengths shows"
    for how in ("from 0, ends exclusive", "from 1, ends inclusive")
)


def table(*, first_column=True, header="", space="\t"):
    """UCSC's cpgIslandExt; the name of an island has a space."""
    rows = [
        ("585", c, a, b, f"CpG:{' ' if space == chr(9) else '_'}{n}", b - a, n, n, 12.5, 66.0, 0.85)
        for n, (c, a, b) in enumerate(ISLANDS)
    ]
    text = "".join(space.join(map(str, row if first_column else row[1:])) + "\n" for row in rows)
    names = NAMES if first_column else NAMES[1:]
    return (header + space.join(names) + "\n" if header else "") + text


def bed(*more, space="\t", above=""):
    return above + "".join(space.join(map(str, (*island, *more))) + "\n" for island in ISLANDS)


def make_cgi(*, header=True):
    """makeCGI (Wu et al. 2010), as rafalab's model-based-cpg-islands-hg19.txt: from 1, lengths count the end."""
    text = "chr\tstart\tend\tlength\tCpGcount\tGCcontent\tpctGC\tobsExp\n" if header else ""
    return text + "".join(f"{c}\t{a + 1}\t{b}\t{b - a}\t32\t403\t0.559\t0.572\n" for c, a, b in ISLANDS)


def granges(*, index, sep=",", quote=True, base=1):
    """as.data.frame(GRanges), written by write.csv or write.table of R."""
    frame = pd.DataFrame(
        [(c, a + base, b, b - a, "*") for c, a, b in ISLANDS], columns=["seqnames", "start", "end", "width", "strand"]
    )
    frame.index += 1
    text = frame.to_csv(index=index, sep=sep, quoting=2 if quote else 0)
    return text if sep == "," else text.removeprefix(f'""{sep}')  # write.table writes no name for the row names


FILES = {
    "cpgIslandExt.txt": (table(), ()),
    "without bin": (table(first_column=False), ()),
    "table browser": (table(header="#"), ()),
    "table browser, without bin": (table(header="#", first_column=False), ()),
    "table browser, selected fields": ("#hg19.cpgIslandExt.name\thg19.cpgIslandExt.chrom\thg19.cpgIslandExt.chromStart\t"
    "hg19.cpgIslandExt.chromEnd\n" + "".join(f"CpG: 1\t{c}\t{a}\t{b}\n" for c, a, b in ISLANDS), ()),
    "header without #": (table(header=" ").replace(" bin", "bin"), ()),
    "UCSC's table, spaces": (table(space=" "), ()),
    "UCSC's table, spaces and header": (table(space=" ", header="#"), ()),
    "UCSC's table, two spaces in names": (table(header="#").replace("\t", " "), ()),
    "BED3": (bed(), ()),
    "BED4": (bed("CpG:_116"), ()),
    "BED4 of the table browser": (bed("CpG: 116", above='track name="tb_cpgIslandExt" description="x"\n'), ()),
    "BED6": (bed("CpG", 0, "+"), ()),
    "BED, browser and track lines": (bed(above="browser position chr1:1-9\ntrack name=cpg\n# islands\n\n"), ()),
    "BED, spaces": (bed(space=" "), ()),
    "BED with names of columns": (bed(above="#chrom\tstart\tend\n"), ()),
    "BED, names with commas, spaces": (bed("a,b,c", space=" "), ()),
    "CRLF": (bed().replace("\n", "\r\n"), ()),
    "makeCGI": (make_cgi(), (FROM_1,)),
    "makeCGI without its header": (make_cgi(header=False), (FROM_1,)),
    "R, write.csv": (granges(index=True), (FROM_1,)),
    "R, write.csv without row names": (granges(index=False), (FROM_1,)),
    "R, write.table": (granges(index=True, sep="\t"), (FROM_1,)),
    "R, write.table, spaces": (granges(index=True, sep=" "), (FROM_1,)),
    "R, write.table without quotes": (granges(index=False, sep="\t", quote=False), (FROM_1,)),
    "pandas, from 0": (granges(index=False, base=0), (FROM_0,)),
    "csv of BED": (bed(space=","), ()),
    "positions as pandas writes them": (bed().replace("\t500\t", "\t500.0\t"), ()),
    "thousands of a spreadsheet": (bed().replace("\t500\t", '\t"500"\t'), ()),
    "track line in the middle": (bed().replace("chr2", "track name=x\nchr2", 1), ()),
}  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_islands_are_the_same_whoever_wrote_them(tmp_path, kind, compressed):
    text, notes = FILES[kind]
    path = tmp_path / "cpg"
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    found = read_cpg_islands(path, GENOME, {})
    rows = [(GENOME.names[c], a, b) for c, a, b in found.table.itertuples(index=False)]
    assert (rows, found.notes) == (ISLANDS, notes)


@pytest.mark.parametrize("first_column", [False, True])
def test_chromosomes_named_by_numbers(tmp_path, first_column):
    """The bin is not taken for a chromosome, nor the other way round."""
    (tmp_path / "cpg").write_text(table(first_column=first_column).replace("chr", ""))
    genome = GenomeCoordinates(("1", "2"), GENOME.lengths)
    assert len(read_cpg_islands(tmp_path / "cpg", genome, {}).table) == 3
    assert len(read_cpg_islands(tmp_path / "cpg", GENOME, {"1": "chr1", "2": "chr2"}).table) == 3
    (tmp_path / "cpg").write_text(bed("100").replace("chr", ""))
    with pytest.raises(InputError, match=r"no CpG island .*; the file has 1, 2; .*alias 1=chr1"):
        read_cpg_islands(tmp_path / "cpg", GENOME, {})


def test_positions_as_r_and_spreadsheets_write_them(tmp_path):
    (tmp_path / "cpg").write_text('chr1\t1e+05\t100500\nchr1\t"120,000"\t"120,500"\n')
    found = read_cpg_islands(tmp_path / "cpg", GenomeCoordinates(("chr1",), (200_000,)), {})
    assert found.table.to_numpy().tolist() == [[0, 100_000, 100_500], [0, 120_000, 120_500]]


def test_islands_on_other_chromosomes_are_counted(tmp_path):
    (tmp_path / "cpg").write_text(table() + table().replace("chr1", "chrUn").replace("chr2", "chrM"))
    (note,) = read_cpg_islands(tmp_path / "cpg", GENOME, {}).notes
    assert note == "3 CpG islands left out, on 2 chromosomes that the store lacks: chrUn (2), chrM (1)"


COUNTS = "give a BED file without header .* or one with a column length or width"
REFUSED = {
    "a header that does not say": ("chr\tstart\tend\n" + bed(), rf"cpg:1: a table with the columns chr, start, end: .*; {COUNTS}"),
    "lengths of another kind": (make_cgi().replace("\t401\t", "\t999\t"), rf"cpg:3: the length of chr1:501-901, 999 bases, is neither .*; {COUNTS}"),
    "both counts": (make_cgi() + "chr2\t500\t600\t100\n", "cpg:5: chr2:500-600, 100 bases: counts from 0, ends exclusive, unlike"),
    "no island": ("#chrom\n", "no CpG island on a chromosome of the store; the file has none"),
    "text": ("CpG islands of the human genome\n", "cpg:1: cannot be read as CpG islands"),
    "a row of another form": (table() + "chr1 5 9\n", "cpg:4: cannot be read as CpG islands"),
    "two columns": ("chr1\t5\n", "cpg:1: cannot be read as CpG islands"),
    "a web page": ("<!DOCTYPE html>\n<html>\n", "cpg:1: cannot be read as CpG islands"),
    "past the end": ("chr2\t5\t30001\n", "cpg:1: chr2:5-30001 is not an interval"),
    "positions from 1 that start at 0": ("chr\tstart\tend\tlength\nchr1\t0\t99\t100\n", "cpg:2: chr1:-1-99 is not an interval"),
    "a fraction": ("chr1\t5.5\t9.0\n", "cpg:1: cannot be read as CpG islands"),
    "rounded": ("chr1\t1.20E+04\t1.25E+04\n", "cpg:1: cannot be read .*; format positions as whole numbers and save again"),
    "before the chromosome": ("chr1\t-5\t99\n", "cpg:1: chr1:-5-99 is not an interval of .*another assembly"),
    "no base": ("chr1\t500\t500\n", "cpg:1: chr1:500-500 is not an interval of .*; a start lies before its end"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_table_that_cannot_be_read_is_refused(tmp_path, what):
    text, message = REFUSED[what]
    (tmp_path / "cpg").write_text(text)
    with pytest.raises(InputError, match=message):
        read_cpg_islands(tmp_path / "cpg", GENOME, {})
