"""Bad annotation, regions, models and motifs; rows as in `cases`."""

from __future__ import annotations

from support.bad_input.case import (
    AGAIN,
    ANEW,
    ASSEMBLY,
    BLACKLIST,
    CPG,
    GTF,
    HTML,
    MEME,
    MODEL,
    REGIONS,
    WEIGHTS,
    bad,
    odd,
)
from support.bad_input.changes import (
    Change,
    bgzipped,
    cut,
    edit,
    line,
    packed,
    remove,
    swap,
    write,
)


def _as_spreadsheet(line: bytes) -> bytes:
    """Return a line of a BED file as spreadsheets write it: text in quotes, separators of thousands, decimals."""
    chrom, start, stop, *more = line.decode().split("\t")
    return "\t".join((f'"{chrom}"', f'"{int(start):,}"', f"{stop}.0", *more)).encode() + b"\r\n"


def _moved(name: str) -> Change:
    """Move another file of the folder here."""
    return lambda path: path.with_name(name).rename(path) and None


_BGZIP = r"cut short: the empty block in which bgzip files end is missing at byte \d+"
_GZ = r"gzip data is cut short or damaged"
ROWS = {
    ("genome", GTF): (
        odd("CRLF", swap("\n", "\r\n")),
        bad("eight columns", line(9, "chr7\tx\texon\t5\t9\t.\t+\t."), r"gtf:9: 8 columns, expected 9", "give a GTF"),
        bad("GFF3", swap('transcript_id "', "transcript_id="), r"gtf:\d+: cannot be read as GTF", "give a GTF with transcript_id"),
        bad("no strand", swap("\t+\t", "\t.\t"), r"gtf:\d+: cannot be read as GTF", "strand"),
        bad("a strand too many", swap("\t+\t", "\t+-\t"), r"gtf:\d+: cannot be read as GTF", "strand"),
        bad("past the end", swap("\t4085\t4087\t", "\t149999\t150001\t"), r"gtf:\d+: chr7:149998-150001 is not an interval", ASSEMBLY),
        bad("start after stop", swap("\t4085\t4087\t", "\t4087\t4085\t"), r"gtf:\d+: chr7:4086-4085 is not an interval", "a start lies before its end; correct or remove the line"),
        bad("names without chr", swap("chr", ""), "no transcript on a chromosome of the store; the file has 21, 7", "give the chromosome alias 21=chr21"),
        bad("0 bytes", write(""), "no transcript on a chromosome of the store; the file has none", "chromosome aliases NAME_IN_FILE=NAME_IN_STORE"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged after line \d+", AGAIN),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN),
        bad("missing", remove, "no such file", "correct the path"),
    ),
    ("genome", CPG): (
        odd("as BED", edit(lambda b: b.replace(b"585\t", b""))),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged", AGAIN),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN),
        odd("as BED, names without chr", edit(lambda b: b.replace(b"585\tchr", b"")), options=("--chrom-alias", "7=chr7", "21=chr21")),
        bad("not a table", line(2, "chr7 5 9"), r"txt:2: cannot be read as CpG islands", "cpgIslandExt"),
        bad("past the end", line(2, "585\tchr7\t5\t150001"), r"txt:2: chr7:5-150001 is not an interval", ASSEMBLY),
        bad("start after stop", line(2, "585\tchr7\t50\t5"), r"txt:2: chr7:50-5 is not an interval", "a start lies before its end"),
        bad("0 bytes", write(""), "no CpG island on a chromosome of the store; the file has none", "chromosome aliases NAME_IN_FILE=NAME_IN_STORE"),
    ),
    ("genome", BLACKLIST): (
        bad("0 bytes", write(""), "no interval in the file", "build without a blacklist"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged", AGAIN),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN),
        odd("10 bases past the end", line(1, "chr7\t5\t150010"), "1 interval reached past an end", same=False),
        bad("far past the end", line(1, "chr7\t5\t151001"), r"bed:1: .*ends past", ASSEMBLY),
        bad("names without chr", swap("chr", ""), "the file has 7, the store chr7, chr21", "give the chromosome alias 7=chr7"),
    ),
    ("genome", "aliases.txt"): (
        bad("not text", write(b"7 chr7\n\xff\xfe"), r"txt:2: 1 column, expected 2", "20 chr20", "--chrom-alias", "aliases.txt"),
        bad("UTF-16", edit(lambda b: b.decode().encode("utf-16")), "it is UTF-16 text, not text", "iconv -f UTF-16", "--chrom-alias", "aliases.txt"),
        bad("one name of two chromosomes", line(2, "7 chr21"), r"txt:2: 7 stands for chr7 and chr21", "give one alias only", "--chrom-alias", "aliases.txt"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged", AGAIN, "--chrom-alias", "aliases.txt"),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN, "--chrom-alias", "aliases.txt"),
        bad("three columns", line(2, "21 chr21 x"), r"txt:2: 3 columns, expected 2", "20 chr20", "--chrom-alias", "aliases.txt"),
    ),
    ("predict", REGIONS): (
        odd("CRLF", swap("\n", "\r\n")),
        bad("a chromosome that the store lacks", line(2, "chrY\t5\t90"), r"1 of \d+ intervals on chromosomes that the store lacks: chrY \(1\)", "remove lines that shall have no score"),
        bad("names without chr", swap("chr", ""), "the file has 7, 21, the store chr7, chr21", "give the chromosome alias 7=chr7"),
        bad("past the end", line(2, "chr7\t149900\t150001"), r"bed:2: .*ends past", ASSEMBLY),
        bad("start after stop", line(2, "chr7\t90\t50"), r"bed:2: chr7:90-50 is not an interval", "0-based"),
        bad("0 bytes", write(""), "no interval in the file", "give a BED file"),
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged after line \d+", AGAIN),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN),
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
        bad("gz cut", packed(then=lambda b: b[: len(b) // 2]), r"gzip data is cut short or damaged", AGAIN),
        bad("bgzipped, cut between two blocks", bgzipped(without_end=True), _BGZIP, AGAIN),
        bad("no motif", edit(lambda b: b.split(b"MOTIF")[0]), "holds no motif", ANEW),
        bad("not text", write(b"MEME version 4\n\xff\xfe"), "not text at byte 15", "MEME"),
        bad("missing", remove, "no such file", "correct the path"),
    ),
}  # fmt: skip
