"""The corpus of bad input: what is wrong with a file, and the expected outcome; one row per case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from support.bad_input.changes import (
    Change,
    both,
    copy_of,
    cut,
    dangling,
    edit,
    explicit_gaps,
    flip,
    flips,
    folder,
    in_members,
    line,
    longer,
    packed,
    poke,
    remove,
    renamed,
    rewrite,
    shuffled,
    sibling,
    stale_index,
    swap,
    value,
    without,
    write,
    zeros,
)

Command = Literal["genome", "build", "predict", "train"]
HTML = "<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
FASTA, SIGNAL, PEAKS, RELAXED = "genome.fa", "CELL/signal.bw", "CELL/CTCF.conservative.bed", "CELL/CTCF.relaxed.bed"
BIGWIG, CHIP, META = "CELL/bigwig.txt", "CELL/chip.txt", "CELL/meta.txt"
GTF, CPG, BLACKLIST = "annotation/genes.gtf", "annotation/cpg.txt", "annotation/blacklist.bed"
REGIONS, MEME, MODEL, WEIGHTS = "regions.bed", "motifs.meme", "model/model.json", "model/best.safetensors"
ANEW = "download or create the file again"
AGAIN, RECREATE = "download (it|the file) again", "download or recreate the file"
ASSEMBLY = "another assembly"
TREE, DATA, INDEX = 8, 16, 24
"""Bytes of a bigWig's header with the offsets of its chromosome list, data and index."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One changed file.

    Attributes:
        name: of the case.
        command: the command that reads the file.
        file: path in the experiment.
        change: function that is applied to the clean file.
        problem: pattern of problem and location in the message; empty where the file must be accepted.
        hint: pattern of the remedy that the message must give.
        options: additional options of the command.
        named: file that the message must name; `file` where empty.
        same: whether an accepted file must give arrays with the digests of the clean file.
        notes: pattern of the report on an accepted file.
    """

    name: str
    command: Command
    file: str
    change: Change
    problem: str = ""
    hint: str = ""
    options: tuple[str, ...] = ()
    named: str = ""
    same: bool = True
    notes: str = ""

    @property
    def refused(self) -> bool:
        """Whether the command must exit with status 2."""
        return bool(self.problem)


def bad(
    name: str, change: Change, problem: str, hint: str, *options: str, named: str = ""
) -> tuple[str, Change, dict[str, object]]:
    """Return a row of a file to be refused."""
    return name, change, {"problem": problem, "hint": hint, "options": options, "named": named}


def odd(
    name: str, change: Change, notes: str = "", *, same: bool = True, options: tuple[str, ...] = ()
) -> tuple[str, Change, dict[str, object]]:
    """Return a row of a file to be accepted."""
    return name, change, {"notes": notes, "same": same, "options": options}


def _as_spreadsheet(line: bytes) -> bytes:
    """Return a line of a BED file as spreadsheets write it: text in quotes, separators of thousands, decimals."""
    chrom, start, stop, *more = line.decode().split("\t")
    return "\t".join((f'"{chrom}"', f'"{int(start):,}"', f"{stop}.0", *more)).encode() + b"\r\n"


def _moved(name: str) -> Change:
    """Move another file of the folder here."""
    return lambda path: path.with_name(name).rename(path) and None


_GZ = r"gzip data is cut short or damaged"
_JOIN = edit(lambda b: b.replace(b"\n>chr21", b">chr21"))
_ROWS = {
    ("genome", FASTA): (
        odd("no final newline", edit(bytes.rstrip)),
        odd("CRLF", swap("\n", "\r\n")),
        odd("lower case", swap("ACG", "acg")),
        odd("IUPAC codes", edit(lambda b: b.replace(b"N", b"R", 50).replace(b"n", b"y", 50))),
        odd("gzipped", packed()),
        odd("gzipped in two members", in_members(999)),
        odd("blank line at the end", edit(lambda b: b + b"\n")),
        odd("descriptions", swap(">chr7", ">chr7 Homo sapiens")),
        odd("one line a record", edit(lambda b: b.replace(b"\n", b"").replace(b"7", b"7\n").replace(b">chr21", b"\n>chr21\n"))),
        odd("stale .fai", stale_index),
        odd("a record more", edit(lambda b: b + b">chrUn\nACGT\n"), "1 record of the FASTA left out: chrUn"),
        bad("joined without newline", _JOIN, r"genome\.fa:2501: byte b'>'", "are two records joined without a newline"),
        bad("CR alone", swap("\n", "\r"), r"fa:1: lines end in CR alone", "convert the line endings"),
        bad("ragged: a short line", line(9, "ACGT"), r"fa:9: .*4 bases", "one width"),
        bad("ragged: a long line", line(9, "A" * 99), r"fa:9: .*99 bases", "one width"),
        bad("blank line inside", line(9, ""), r"fa:9: .*0 bases", "one width"),
        bad("CRLF in places", swap("\n", "\r\n", 9), r"fa:10: a line of 60 bases ending in b'\\n', the first of record 'chr7' has 60", "one width"),
        bad("duplicate record", swap(">chr21", ">chr7"), r"fa:2502: duplicate record 'chr7'", "name of its own"),
        bad("empty record", swap(">chr21", ">chr3\n>chr21"), r"fa:2502: record 'chr3' has no sequence", AGAIN),
        bad("empty last record", edit(lambda b: b + b">chr3\n"), r"record 'chr3' has no sequence", AGAIN),
        bad("record without a name", swap(">chr21", ">"), r"fa:2502: a record without a name", "name of its own"),
        bad("0 bytes", write(""), "the file is empty", AGAIN),
        bad("a web page", write(HTML), r"fa:1: not a FASTA: it begins with b'<!DOC", "first line must be `>name`"),
        bad("gz cut at 10 %", both(packed(), cut(0.1)), _GZ, AGAIN),
        bad("gz cut at 50 %", both(packed(), cut(0.5)), _GZ, AGAIN),
        bad("gz cut at 99 %", both(packed(), cut(0.99)), _GZ, AGAIN),
        bad("gz with a bit flipped", packed(then=lambda b: flip(b, 0.5)), _GZ, AGAIN),
        bad("gz with more behind it", packed(then=lambda b: b + b"more"), _GZ, AGAIN),
        bad("a digit", line(9, "AC1T"), r"fa:9: byte b'1' in record 'chr7'", "only IUPAC letters"),
        bad("an alignment", line(9, "AC-T"), r"fa:9: byte b'-' in record 'chr7'", "only IUPAC letters"),
        bad("a hole of zeros", edit(lambda b: b[:9000] + bytes(4096) + b[13096:]), r"fa:149: byte b'\\x00'", "only IUPAC letters"),
        bad("UTF-16", edit(lambda b: b.decode().encode("utf-16")), r"fa:1: not a FASTA", "first line"),
        bad("plain, cut at 80 %", cut(0.8), r"genes\.gtf:63: chr21:41748-69466 is not an interval of the chromosome's 49998 bases", "was the FASTA cut short", named="genes.gtf"),
        bad("names without chr", swap(">chr", ">"), r"no record for chr7, chr21; it has 7, 21", "give the chromosome alias 7=chr7", "--chroms", "chr7", "chr21"),
        odd("names without chr, aliases", swap(">chr", ">"), options=("--chrom-alias", "aliases.txt")),
        bad("another assembly", edit(bytes), r"chr7 has 150000 bases, in hg19 it has 159138663", "correct the assembly", "--assembly", "hg19"),
        bad("missing", remove, "no such file", "correct the path"),
        bad("a folder", folder, "no such file", "correct the path"),
    ),
    ("build", SIGNAL): (
        *(bad(f"cut to {n} bytes", cut(n), r"(the file is empty|cut short)", RECREATE) for n in (0, 40, 64, 200)),
        *(bad(f"cut at {n} %", cut(n / 100), r"byte \d+", RECREATE) for n in (25, 50, 90)),
        *(bad(f"lacks the last {n}", cut(-n), r"no bigWig end mark at byte \d+", RECREATE) for n in (8, 1)),
        bad("a web page", write(HTML), "not a bigWig but a web page: it begins with", RECREATE),
        bad("a bigBed", poke("I", 0x8789F2EB, 0), "not a bigWig but a bigBed", "give the signal"),
        bad("gzipped", packed(), "not a bigWig but a gzip file", "decompress it"),
        bad("a wig", write("track type=wiggle_0\nfixedStep chrom=chr7 start=1 step=1\n1\n"), "not a bigWig but a text file: it begins", "convert it with wigToBigWig"),
        bad("magic number in the other byte order", edit(lambda b: b[3::-1] + b[4:]), "bigWig version 1024; versions 1 to 4 are read", RECREATE),
        odd("version 3, without an end mark", both(poke("H", 3, 4), cut(-4))),
        *(bad(f"version 3, cut at {n} %", both(poke("H", 3, 4), cut(n / 100)), r"(byte \d+|zoom level)", RECREATE) for n in (25, 50, 95)),
        bad("version 5", poke("H", 5, 4), "bigWig version 5; versions 1 to 4 are read", RECREATE),
        bad("names without chr", renamed({"chr7": "7", "chr21": "21"}), r"has 7, 21, the store chr7, chr21", "give the chromosome alias 7=chr7"),
        odd("names without chr, aliases", renamed({"chr7": "7", "chr21": "21"}), options=("--chrom-alias", "7=chr7", "21=chr21")),
        bad("two names for one", rewrite(lambda n, e: n.update({"7": n["chr7"]})), "with the aliases, (7 and chr7|chr7 and 7) are both chr7", "give one alias only", "--chrom-alias", "7=chr7"),
        bad("another assembly", longer("chr7", 7), "chr7 has 150007 bases, the store's chr7 has 150000", ASSEMBLY),
        bad("a chromosome missing", without("chr21", header=True), "no signal for chr21; the file has chr7", "or allow missing chromosomes"),
        odd("a chromosome missing, allowed", without("chr21", header=True), "track DGF: no signal on chr21, taken as 0", same=False, options=("--allow-missing-chroms",)),
        odd("a chromosome empty", without("chr21", header=False), "track DGF: not one value on chr21, taken as 0", same=False),
        odd("NaN for gaps", explicit_gaps),
        bad("inf", value(float("inf")), r"infinite value at chr7:\d+", "replace it with a number or a gap"),
        bad("-inf", value(float("-inf")), r"infinite value at chr7:\d+", "replace it with a number or a gap"),
        bad("1e38", value(1e38), r"value 1e\+38, which is no signal, at chr7:\d+", "replace it with a number or a gap"),
        odd("negative", value(-2.5), r"track DGF: 10 bases have a negative value \(lowest -2.5\)", same=False),
        bad("chromosomes out of the file", poke("Q", 2**40, TREE), r"header points to byte 1099511627776", RECREATE),
        bad("data out of the file", poke("Q", 2**63, DATA), r"header points to byte 9223372036854775808", RECREATE),
        bad("index out of the file", poke("Q", 2**64 - 1, INDEX), r"header points to byte 18446744073709551615", RECREATE),
        bad("index in the header", poke("Q", 0, INDEX), r"header points to byte 0", RECREATE),
        bad("summary out of the file", poke("Q", 2**33, 44), r"header points to byte 8589934592", RECREATE),
        bad("zoom levels beyond number", poke("H", 65535, 6), r"zoom", RECREATE),
        bad("zoom level out of the file", poke("Q", 2**40, 72), r"zoom level 0 points past the end, at byte 64", RECREATE),
        bad("blocks of 4 GB", poke("I", 2**32 - 1, 52), r"data blocks of up to 4294967295 bytes announced, at byte 52", RECREATE),
        bad("blocks said to be unpacked", poke("I", 0, 52), r"a data block .*at byte \d+", RECREATE),
        bad("blocks larger than said", poke("I", 100, 52), r"100 allowed, at byte \d+", RECREATE),
        bad("no list of chromosomes", zeros(0, 4, pointer=TREE), r"no chromosome list at byte \d+", RECREATE),
        bad("keys of 4 GB", poke("I", 2**32 - 1, 8, pointer=TREE), r"no chromosome list at byte \d+", RECREATE),
        bad("a chromosome more announced", poke("Q", 3, 16, pointer=TREE), r"3 chromosomes expected, 2 found", RECREATE),
        bad("a chromosome's name damaged", swap("chr21", "chr2!"), r"no signal for chr21; the file has", "complete file"),
        bad("no index", zeros(0, 48, pointer=INDEX), r"no index at byte \d+", RECREATE),
        bad("an index block zeroed", zeros(48, 64, pointer=INDEX), r"0 found in the index at byte \d+", RECREATE),
        bad("an entry of the index lost", poke("H", 1, 50, pointer=INDEX), r"expected, 1 found in the index at byte \d+", RECREATE),
        bad("a block moved in the index", poke("I", 140_000, 56, pointer=INDEX), r"(a data block covers|the index has) .*at byte \d+", RECREATE),
        bad("a block out of the file", poke("Q", 2**50, 68, pointer=INDEX), r"a data block should be at byte 1125899906842624", RECREATE),
        bad("a bit of the data flipped", flips(0, 1), r"at byte \d+", RECREATE),
        *(bad(f"random flips {n}", flips(n, 20), r"at byte \d+", RECREATE) for n in range(1, 7)),
        bad("a page of zeros", zeros(512, 4096, pointer=DATA), r"cannot be decompressed .* at byte \d+", RECREATE),
        bad("missing", remove, r"bigwig\.txt:2: file 'signal\.bw' does not exist", "correct the row"),
        bad("dangling link", dangling, r"bigwig\.txt:2: file 'signal\.bw' is a broken symbolic link", "correct the row"),
    ),
    ("genome", "Unique35.bw"): (
        bad("shared, cut in half", cut(0.5), "cut short", RECREATE),
        bad("shared, a chromosome missing", without("chr7", header=True), "no signal for chr7", "or allow missing chromosomes"),
        odd("shared, negative", value(-1.0), r"track Unique35: 10 bases have a negative value", same=False),
    ),
    ("build", PEAKS): (
        odd("CRLF", swap("\n", "\r\n")),
        odd("spaces for tabs", swap("\t", "  ")),
        odd("comments, track and browser lines", edit(lambda b: b'#x\ntrack name="y" z\nbrowser position chr7\n\n' + b)),
        odd("extra columns", edit(lambda b: b.replace(b"\n", b"\tmore\t1\n"))),
        odd("unsorted", shuffled),
        odd("gzipped", packed()),
        odd("no final newline", edit(bytes.rstrip)),
        odd("duplicated", edit(lambda b: b + b.split(b"\n")[0] + b"\n"), "factor CTCF: 1 duplicate peak, kept", same=False),
        odd("overlapping", line(3, "chr7\t97500\t97700"), '"conservative": 7', same=False),
        odd("no summit", edit(lambda b: b.replace(b"\t112\n", b"\t-1\n")), '"conservative": 7', same=False),
        odd("summit beyond its peak", edit(lambda b: b.replace(b"\t112\n", b"\t999\n", 1)), "factor CTCF: 1 summit outside the peak, stored as none", same=False),
        odd("a chromosome that the store lacks", edit(lambda b: b + b"chrY\t5\t90\n"), r"peaks dropped, 1 on chrY \(not in the store\)"),
        odd("outside every relaxed peak", edit(lambda b: b + b"chr7\t700\t900\n"), "factor CTCF: 1 of 8 conservative peaks overlap no relaxed peak", same=False),
        odd("another cell line's file", both(copy_of("../OTHER/CTCF.conservative.bed"), sibling("CTCF.relaxed.bed", copy_of("../OTHER/CTCF.relaxed.bed"))), "is identical to a file of cell line OTHER", same=False),
        bad("another cell line's, with our relaxed", copy_of("../OTHER/CTCF.conservative.bed"), r"\d+ of 11 peaks overlap no peak of CTCF\.relaxed\.bed, the first is chr\d+:\d+", "of this cell line"),
        odd("past the end by a few bases", line(3, "chr7\t149800\t150021"), "factor CTCF: 1 peak reached past an end of the chromosome, clipped there", same=False),
        odd("past the end, read with relaxed peaks", both(line(3, "chr7\t149800\t150021"), sibling("CTCF.relaxed.bed", edit(lambda b: b + b"chr7\t149700\t150021\n"))), "factor CTCF: 1 relaxed peak reached past an end", same=False),
        odd("start below 0 by a few bases", line(3, "chr7\t-5\t200"), "factor CTCF: 1 peak reached past an end of the chromosome, clipped there", same=False),
        bad("past the end", line(3, "chr7\t149900\t151001"), r"bed:3: chr7:149900-151001 ends past the chromosome's 150000", f"{ASSEMBLY}.*bedClip"),
        bad("all of it past the end", line(3, "chr7\t150000\t150100"), r"bed:3: chr7:150000-150100 ends past the chromosome's 150000", f"{ASSEMBLY}.*bedClip"),
        bad("start below 0", line(3, "chr7\t-1001\t100"), r"bed:3: chr7:-1001-100 is not an interval", "bedClip.*0-based and half-open"),
        bad("start at stop", line(3, "chr7\t50\t50"), r"bed:3: chr7:50-50 is not an interval", "0-based and half-open"),
        bad("start after stop", line(3, "chr7\t90\t50"), r"bed:3: chr7:90-50 is not an interval", "0-based and half-open"),
        bad("a fraction", line(3, "chr7\t50.5\t90"), r"bed:3: not a whole number .*50\.5", "whole numbers"),
        bad("with thousands", line(3, "chr7\t1_000\t2_000"), r"bed:3: not a whole number .*1_000", "whole numbers"),
        odd("a heading", edit(lambda b: b"chrom\tstart\tend\n" + b)),
        odd("headings in the middle", edit(lambda b: b.replace(b"\n", b"\nchr\tstart\tend\tname\n", 3))),
        odd("no summit number", edit(lambda b: b.replace(b"\t112\n", b"\tx\n")), "factor CTCF: column 10 of 2 peaks is no summit, stored as none", same=False),
        odd("a byte order mark", edit(lambda b: b"\xef\xbb\xbf" + b)),
        odd("a comment in Latin-1", edit(lambda b: b"# Universit\xe4t\n" + b)),
        odd("CR alone", swap("\n", "\r")),
        odd("trailing tabs and spaces", edit(lambda b: b.replace(b"\n", b"\t\t \n"))),
        odd("quoted, decimals, thousands", edit(lambda b: b"".join(_as_spreadsheet(x) for x in b.splitlines()))),
        bad("rounded by a spreadsheet", line(3, "chr7\t1.20E+05\t120300"), r"bed:3: not a whole number .*1\.20E\+05", "a spreadsheet may have rounded them.*whole numbers"),
        bad("a heading of other columns", line(1, "name\tscore\tvalue"), r"bed:1: not a whole number .*score", "whole numbers"),
        bad("UTF-16", edit(lambda b: b.decode().encode("utf-16")), "it is UTF-16 text, not text", "iconv -f UTF-16"),
        bad("a workbook", write(b"PK\x03\x04\x14\x00"), "a workbook of a spreadsheet, not text", "save it as text"),
        bad("a bigBed", write(b"\xeb\xf2\x89\x87\x04\x00"), "it is a bigBed, not text", "bigBedToBed"),
        bad("row names of R", edit(lambda b: b"".join(b"%d\t%s" % x for x in enumerate(b.splitlines(keepends=True)))), r"bed:1: not a whole number .*chr", "remove the first column .cut -f 2-. if it is .* a row name"),
        bad("two columns", line(3, "chr7\t5"), r"bed:3: 2 columns, expected 3 or more", "CHROM START STOP"),
        bad("commas for tabs", swap("\t", ","), r"bed:1: 1 column, expected 3 or more", "CHROM START STOP"),
        bad("names without chr", swap("chr", ""), r"the file has (7, 21|21, 7), the store chr7, chr21", "give the chromosome alias (7=chr7|21=chr21)"),
        bad("0 bytes", write(""), "no peak in the file", "give the peaks of CTCF"),
        bad("comments alone", write("#nothing\n"), "no peak in the file", "give the peaks of CTCF"),
        bad("a web page", write(HTML), r"bed:1: 2 columns", "CHROM START STOP"),
        bad("not text", write(b"chr7\t1\t9\n\xff\xfe\x00"), r"not text after line \d", "give a BED"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged after line \d+", AGAIN),
        bad("missing", remove, r"chip\.txt:1: file 'CTCF\.conservative\.bed' does not exist", "correct the row"),
        bad("dangling link", dangling, r"chip\.txt:1: file 'CTCF\.conservative\.bed' is a broken symbolic link", "correct the row"),
    ),
    ("build", RELAXED): (
        bad("relaxed, 0 bytes", write(""), "no peak in the file", "relaxed peaks are optional"),
        bad("relaxed, past the end", line(2, "chr21\t99900\t101001"), r"bed:2: .*ends past", ASSEMBLY),
        odd("relaxed, a chromosome that the store lacks", edit(lambda b: b + b"21\t5\t90\nchrY\t5\t90\n"), r"factor CTCF: relaxed peaks dropped, 1 on 21, 1 on chrY \(not in the store\); if these are the same chromosomes, give the chromosome alias 21=chr21"),
    ),
    ("build", CHIP): (
        bad("columns in wrong order", line(1, "CTCF CTCF.conservative.bed CTCF.relaxed.bed"), r"txt:1: file 'CTCF' does not exist", "CONSERVATIVE FACTOR"),
        bad("sets swapped with the factor last", line(1, "CTCF.conservative.bed CTCF.relaxed.bed CTCF"), r"txt:1: file 'CTCF' does not exist", "CONSERVATIVE FACTOR"),
        bad("a factor twice", line(2, "MAX.conservative.bed CTCF"), r"txt:2: 'CTCF' is named twice", "keep one row"),
        bad("a file name with spaces", line(2, "MAX conservative.bed MAX x y"), r"txt:2: 5 columns, expected 2 or 3", "if a file name has spaces, separate the columns by tabs or put it in quotes"),
        bad("one column", line(2, "MAX.conservative.bed"), r"txt:2: 1 column, expected 2 or 3", "write CONSERVATIVE"),
        bad("a factor with a path", line(2, "MAX.conservative.bed ../MAX"), r"txt:2: factor '\.\./MAX' cannot be a name", "use letters"),
        bad("a folder for a file", line(2, ". MAX"), r"txt:2: file '\.' is not a file", "correct the row"),
    ),
    ("build", BIGWIG): (
        odd("a byte order mark", edit(lambda b: b"\xef\xbb\xbf" + b)),
        odd("CRLF", swap("\n", "\r\n")),
        odd("CR alone", swap("\n", "\r")),
        odd("quotes", edit(lambda b: b.replace(b"signal.bw", b'"signal.bw"'))),
        odd("comments and blank lines", edit(lambda b: b" # Universit\xe4t\n\n" + b + b"\t\n")),
        odd("a file name with spaces", both(sibling("K562 DNase rep1.bw", _moved("signal.bw")), swap("signal.bw", "K562 DNase rep1.bw"))),
        odd("a file name with spaces, in quotes", both(sibling("K562 DNase rep1.bw", _moved("signal.bw")), swap("signal.bw\t", '"K562 DNase rep1.bw" '))),
        bad("UTF-16", edit(lambda b: b.decode().encode("utf-16")), "cannot be read as text: it is UTF-16", "iconv -f UTF-16.*write FILE NAME"),
        bad("columns in wrong order", line(2, "DGF\tsignal.bw"), r"txt:2: file 'DGF' does not exist", "write|FILE NAME"),
        bad("a track twice", line(2, "signal.bw\tUnique35"), r"txt:2: 'Unique35' is named twice", "keep one row"),
        bad("_fwd without _rev", line(2, "signal.bw\tDGF_fwd"), r"'DGF_fwd' has no partner 'DGF_rev'", "add it"),
        bad("_rev without _fwd", line(2, "signal.bw\tDGF_rev"), r"'DGF_rev' has no partner 'DGF_fwd'", "add it"),
        bad("a name with a path", line(2, "signal.bw\t../../DGF"), r"txt:2: track '\.\./\.\./DGF' cannot be a name", "use letters"),
        bad("a name with spaces", line(2, "signal.bw\tDGF of K562"), r"txt:2: 'of' is not assay=", "write FILE NAME"),
        odd("units and assay", line(2, "signal.bw\tDGF\tunits=1x\tassay=DNase-seq"), same=False),
        bad("an unknown key", line(2, "signal.bw DGF unit=1x"), r"txt:2: 'unit=1x' is not assay=\.\.\. or units=", "write FILE NAME"),
        bad("units twice", line(2, "signal.bw DGF units=1x units=1x"), r"txt:2: 'units=1x' is not .* each once", "write FILE NAME"),
        bad("no units after all", line(2, "signal.bw DGF units="), r"txt:2: units = ''", "use letters"),
        bad("units with a slash", line(2, "signal.bw DGF units=reads/kb"), r"txt:2: units = 'reads/kb'", "use letters"),
        bad("a name in Greek", line(2, "signal.bw\tΔGF"), r"txt:2: track 'ΔGF' cannot be a name", "use letters"),
        bad("shared, of other content", line(1, "signal.bw\tUnique35"), r"track 'Unique35' is shared by all", "name this one differently"),
        bad("not text", write(b"\xff\xfes\x00i\x00"), "cannot be read as text", "write FILE NAME"),
    ),
    ("build", META): (
        bad("columns in wrong order", line(2, "GEPC2\t0.2"), r"txt:2: 'GEPC2' is not a number", "write VALUE NAME"),
        bad("a decimal comma", line(2, "0,2\tGEPC2"), r"txt:2: '0,2' is not a number", "write VALUE NAME"),
        bad("with thousands", line(2, "1_0\tGEPC2"), r"txt:2: '1_0' is not a number", "write VALUE NAME"),
        bad("nan", line(2, "nan\tGEPC2"), r"txt:2: GEPC2 is nan", "give a finite number"),
        bad("too large for a float32", line(2, "1e39\tGEPC2"), r"txt:2: GEPC2 is 1e39", "give a finite number"),
        bad("a name twice", line(2, "0.2\tGEPC1"), r"txt:2: 'GEPC1' is named twice", "keep one row"),
    ),
    ("genome", GTF): (
        odd("CRLF", swap("\n", "\r\n")),
        bad("eight columns", line(9, "chr7\tx\texon\t5\t9\t.\t+\t."), r"gtf:9: 8 columns, expected 9", "give a GTF"),
        bad("GFF3", swap('transcript_id "', "transcript_id="), r"gtf:\d+: cannot be read as GTF", "give a GTF with transcript_id"),
        bad("no strand", swap("\t+\t", "\t.\t"), r"gtf:\d+: cannot be read as GTF", "strand"),
        bad("a strand too many", swap("\t+\t", "\t+-\t"), r"gtf:\d+: cannot be read as GTF", "strand"),
        bad("past the end", swap("\t4085\t4087\t", "\t149999\t150001\t"), r"gtf:\d+: chr7:149998-150001 is not an interval", ASSEMBLY),
        bad("start after stop", swap("\t4085\t4087\t", "\t4087\t4085\t"), r"gtf:\d+: chr7:4086-4085 is not an interval", ASSEMBLY),
        bad("names without chr", swap("chr", ""), "no transcript on a chromosome of the store; the file has 21, 7", "give the chromosome alias 21=chr21"),
        bad("0 bytes", write(""), "no transcript on a chromosome of the store; the file has none", "chromosome aliases NAME_IN_FILE=NAME_IN_STORE"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged after line \d+", AGAIN),
        bad("missing", remove, "no such file", "correct the path"),
    ),
    ("genome", CPG): (
        odd("as BED", edit(lambda b: b.replace(b"585\t", b""))),
        odd("as BED, names without chr", edit(lambda b: b.replace(b"585\tchr", b"")), options=("--chrom-alias", "7=chr7", "21=chr21")),
        bad("not a table", line(2, "chr7 5 9"), r"txt:2: cannot be read as CpG islands", "cpgIslandExt"),
        bad("past the end", line(2, "585\tchr7\t5\t150001"), r"txt:2: chr7:5-150001 is not an interval", ASSEMBLY),
        bad("start after stop", line(2, "585\tchr7\t50\t5"), r"txt:2: chr7:50-5 is not an interval", ASSEMBLY),
        bad("0 bytes", write(""), "no CpG island on a chromosome of the store; the file has none", "chromosome aliases NAME_IN_FILE=NAME_IN_STORE"),
    ),
    ("genome", BLACKLIST): (
        bad("0 bytes", write(""), "no interval in the file", "build without a blacklist"),
        bad("past the end", line(1, "chr7\t5\t150001"), r"bed:1: .*ends past", ASSEMBLY),
        bad("names without chr", swap("chr", ""), "the file has 7, the store chr7, chr21", "give the chromosome alias 7=chr7"),
    ),
    ("genome", "aliases.txt"): (
        bad("not text", write(b"7 chr7\n\xff\xfe"), r"txt:2: 1 column, expected 2", "20 chr20", "--chrom-alias", "aliases.txt"),
        bad("UTF-16", edit(lambda b: b.decode().encode("utf-16")), "it is UTF-16 text, not text", "iconv -f UTF-16", "--chrom-alias", "aliases.txt"),
        bad("one name of two chromosomes", line(2, "7 chr21"), r"txt:2: 7 stands for chr7 and chr21", "give one alias only", "--chrom-alias", "aliases.txt"),
        bad("three columns", line(2, "21 chr21 x"), r"txt:2: 3 columns, expected 2", "20 chr20", "--chrom-alias", "aliases.txt"),
    ),
    ("predict", REGIONS): (
        odd("CRLF", swap("\n", "\r\n")),
        bad("a chromosome that the store lacks", line(2, "chrY\t5\t90"), "intervals on chrY, which the store lacks", "chromosome aliases NAME_IN_FILE=NAME_IN_STORE"),
        bad("names without chr", swap("chr", ""), "the file has 7, 21, the store chr7, chr21", "give the chromosome alias 7=chr7"),
        bad("past the end", line(2, "chr7\t149900\t150001"), r"bed:2: .*ends past", ASSEMBLY),
        bad("start after stop", line(2, "chr7\t90\t50"), r"bed:2: chr7:90-50 is not an interval", "0-based"),
        bad("0 bytes", write(""), "no interval in the file", "give a BED file"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged after line \d+", AGAIN),
        bad("missing", remove, "no such file", "correct the path"),
    ),
    ("predict", MODEL): (
        bad("cut", cut(0.5), r"json:\d+: not JSON", "copy or train it again"),
        bad("missing", remove, "holds no model.json, so no model", "factornet-train makes"),
        bad("not a model", write('{"format": "other"}'), "not a factornet-model file: its format is 'other'", "factornet-train makes"),
        bad("edited by hand", swap('"DGF"', '"DNase"'), "damaged or changed: its self_digest is not that of its content", "copy or train it again"),
    ),
    ("predict", WEIGHTS): (
        bad("missing", remove, "no such weights; the folder has none", "copy or train it again"),
        *(bad(f"cut at {n} %", cut(n / 100), "damaged", "copy or train it again") for n in (1, 50, 99)),
        bad("a web page", write(HTML), "damaged", "copy or train it again"),
    ),
    ("train", MEME): (
        bad("a web page", write(HTML), r"meme:1: not a MEME file", "convert it"),
        bad("0 bytes", write(""), r"meme:1: not a MEME file", "convert it"),
        bad("cut inside a matrix", cut(0.75), r"meme:\d+: matrix of width \d+ ends after \d+ rows", ANEW),
        bad("a row that sums to 2", edit(lambda b: b.replace(b"0.020000", b"1.020000", 1)), r"meme:\d+: expected four probabilities", ANEW),
        bad("no motif", edit(lambda b: b.split(b"MOTIF")[0]), "holds no motif", ANEW),
        bad("not text", write(b"MEME version 4\n\xff\xfe"), "not text at byte 15", "MEME"),
        bad("missing", remove, "no such file", "correct the path"),
    ),
}  # fmt: skip

CASES = tuple(
    Case(name=name, command=command, file=file, change=change, **more)  # type: ignore[arg-type]
    for (command, file), rows in _ROWS.items()
    for name, change, more in rows
)
