"""Every mistake of a user ends in one line with file, line and hint, and status 2; nothing is published."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from factornet.cli import etl, evaluate, predict, train
from factornet.store import open_store
from factornet.store.text import format_bytes

LENGTHS = {"chrA": 20_000, "chrB": 12_000}


@pytest.fixture
def files(tmp_path) -> Path:
    """A tiny experiment: two chromosomes, one bigWig, peaks of one factor, the cell line's sheets."""
    rng = np.random.default_rng(0)
    with (tmp_path / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            letters = "".join(rng.choice(list("ACGT"), size))
            fasta.write(f">{name}\n" + "".join(letters[i : i + 60] + "\n" for i in range(0, size, 60)))
    cell = tmp_path / "CELL"
    cell.mkdir()
    write_bigwig(cell / "s.bw", LENGTHS)
    (cell / "bigwig.txt").write_text("s.bw\tDNase\n")
    (cell / "chip.txt").write_text("p.bed\tTF\tr.bed\n")
    (cell / "meta.txt").write_text("0.5\tGEPC1\n")
    (cell / "p.bed").write_text("chrA\t5000\t5200\nchrB\t4000\t4200\n")
    (cell / "r.bed").write_text("chrA\t4900\t5300\nchrB\t3900\t4300\n")
    return tmp_path


def write_bigwig(path, lengths):
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(lengths.items()))
    for name, size in lengths.items():
        file.addEntries([name], [100], ends=[size - 100], values=[1.5])
    file.close()


def run(main, arguments, capsys):
    """Status and the one line of an error."""
    status = main([str(a) for a in arguments])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert len(shown.err.strip().splitlines()) == 1, shown.err
    return status, shown.err


def genome(files, *more):
    return ["genome", files / "s.zarr", "--fasta", files / "g.fa", *more, "-p", 1]


@pytest.fixture
def store(files, capsys) -> Path:
    assert etl.main([str(a) for a in genome(files)]) == 0
    capsys.readouterr()
    return files / "s.zarr"


def write(name, content):
    def change(files):
        path = files / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


FASTA_MISTAKES = {
    "empty": (write("g.fa", ""), "the file is empty"),
    "a web page": (write("g.fa", "<html>no</html>\n"), "g.fa:1: not a FASTA"),
    "joined records": (write("g.fa", ">chrA\nACGT>chrB\nACGT\n"), "g.fa:2: byte b'>'"),
    "CR alone": (write("g.fa", ">chrA\rACGT\r"), "g.fa:1: lines end in CR alone"),
    "odd letter": (write("g.fa", ">chrA\nACGT\nAC1T\n"), "g.fa:3: byte b'1'"),
    "record twice": (write("g.fa", ">chrA\nAC\n>chrA\nAC\n"), "g.fa:3: duplicate record 'chrA'"),
    "record empty": (write("g.fa", ">chrA\n>chrB\nAC\n"), "record 'chrA' has no sequence"),
    "ragged lines": (write("g.fa", ">chrA\nACGT\nAC\nACGT\n"), "a line of 2 bases"),
    "cut gzip": (write("g.fa", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x02"), "gzip data is cut short"),
    "missing": (lambda files: (files / "g.fa").unlink(), "g.fa: no such file"),
}


@pytest.mark.parametrize("case", FASTA_MISTAKES)
def test_fasta(files, capsys, case):
    change, message = FASTA_MISTAKES[case]
    change(files)
    status, line = run(etl.main, genome(files), capsys)
    assert status == 2
    assert "g.fa" in line
    assert message in line
    assert [p.name for p in files.glob("s.zarr*")] == [], "nothing may be left behind"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda b: b.replace(b"\n", b"\r\n"), True),
        (lambda b: b.rstrip(b"\n"), True),
        (lambda b: b.replace(b"ACG", b"acg"), True),
        (lambda b: b.replace(b"ACG", b"RYN"), False),
    ],
)
def test_fasta_variants_are_the_same_sequence(files, store, capsys, change, same):
    clean = open_store(store).info.chromosomes
    (files / "g.fa").write_bytes(change((files / "g.fa").read_bytes()))
    assert etl.main([str(a) for a in genome(files, "--force")]) == 0
    assert (open_store(store).info.chromosomes == clean) == same


def damage(name, edit):
    def change(files):
        path = files / "CELL" / name
        path.write_bytes(edit(path.read_bytes()))

    return change


CELL_MISTAKES = {
    "bigWig missing": (lambda f: (f / "CELL/s.bw").unlink(), "bigwig.txt:1: file 's.bw' does not exist"),
    "bigWig empty": (write("CELL/s.bw", b""), "s.bw: the file is empty"),
    "bigWig a page": (write("CELL/s.bw", b"<html></html>"), "s.bw: not a bigWig"),
    "bigBed": (damage("s.bw", lambda b: struct.pack("<I", 0x8789F2EB) + b[4:]), "s.bw: not a bigWig"),
    **{f"bigWig cut to {n}": (damage("s.bw", lambda b, n=n: b[:n]), "s.bw: cut short") for n in (40, 64, 200, -1, -8)},
    "bigWig names": (
        lambda f: write_bigwig(f / "CELL/s.bw", {"A": 20_000, "B": 12_000}),
        "give --chrom-alias A=chrA",
    ),
    "bigWig lengths": (lambda f: write_bigwig(f / "CELL/s.bw", LENGTHS | {"chrA": 19_999}), "chrA has 19999 bases"),
    "bigWig lacks one": (lambda f: write_bigwig(f / "CELL/s.bw", {"chrA": 20_000}), "no signal for chrB"),
    "sheet columns": (write("CELL/bigwig.txt", "s.bw\n"), "bigwig.txt:1: 1 column, expected 2"),
    "track twice": (write("CELL/bigwig.txt", "s.bw A\ns.bw A\n"), "bigwig.txt:2: 'A' is named twice"),
    "strand alone": (write("CELL/bigwig.txt", "s.bw A_fwd\n"), "no partner 'A_rev'"),
    "name with path": (write("CELL/bigwig.txt", "s.bw ../A\n"), "bigwig.txt:1: track '../A' cannot be a name"),
    "long name": (
        write("CELL/bigwig.txt", f"s.bw {'A' * 201}\n"),
        "'AAAAAAAAAAAAAAAAAAAA...' has 201 characters: shorten",
    ),
    "factor twice": (write("CELL/chip.txt", "p.bed TF\np.bed TF\n"), "chip.txt:2: 'TF' is named twice"),
    "peaks missing": (write("CELL/chip.txt", "q.bed TF\n"), "chip.txt:1: file 'q.bed' does not exist"),
    "meta order": (write("CELL/meta.txt", "GEPC1 0.5\n"), "meta.txt:1: 'GEPC1' is not a number"),
    "meta nan": (write("CELL/meta.txt", "nan GEPC1\n"), "meta.txt:1: GEPC1 is nan"),
    "peak past end": (write("CELL/p.bed", "chrA\t1\t21001\n"), "p.bed:1: chrA:1-21001 ends past"),
    "peak negative": (write("CELL/p.bed", "chrA\t-1001\t10\n"), "p.bed:1: chrA:-1001-10 is not an interval"),
    "peak reversed": (write("CELL/p.bed", "chrA\t9\t9\n"), "p.bed:1: chrA:9-9 is not an interval"),
    "peak not integer": (write("CELL/p.bed", "#x\nchrA\t9\tx\n"), "p.bed:2: not a whole number"),
    "peak columns": (write("CELL/p.bed", "chrA 9\n"), "p.bed:1: 2 columns"),
    "peak names": (write("CELL/p.bed", "A\t9\t10\n"), "the file has A, the store chrA, chrB"),
    "peaks cut gzip": (write("CELL/p.bed", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x02"), "p.bed: gzip data"),
    "peaks empty": (write("CELL/p.bed", ""), "p.bed: no peak in the file"),
    "no sheets": (lambda f: [p.unlink() for p in (f / "CELL").glob("*.txt")], "none of bigwig.txt"),
    "no folder": (lambda f: shutil.rmtree(f / "CELL"), "no such cell-line folder"),
}


@pytest.mark.parametrize("case", CELL_MISTAKES)
def test_cell_folder(files, store, capsys, case):
    change, message = CELL_MISTAKES[case]
    change(files)
    status, line = run(etl.main, ["build", store, files / "CELL", "-p", 1], capsys)
    assert status == 2
    assert message in line
    assert open_store(store).cells == ()
    assert [p.name for p in files.glob("s.zarr.*")] == []


def test_infinite_signal_found_by_a_worker(files, store, capsys):
    file = pyBigWig.open(str(files / "CELL/s.bw"), "w")
    file.addHeader(list(LENGTHS.items()))
    file.addEntries(["chrA"], [100], ends=[110], values=[float("inf")])
    file.addEntries(["chrB"], [100], ends=[110], values=[1.0])
    file.close()
    for processes in (1, 2):
        status, line = run(etl.main, ["build", store, files / "CELL", "-p", processes], capsys)
        assert status == 2
        assert "s.bw: infinite value at chrA:100" in line


@pytest.fixture
def built(files, store, capsys) -> Path:
    assert etl.main(["build", str(store), str(files / "CELL"), "-p", "1"]) == 0
    capsys.readouterr()
    return store


def test_store_mistakes(files, built, capsys):
    other = files / "other.zarr"
    other.mkdir()
    for arguments, message in (
        (genome(files), "already exists"),
        (genome(files, "--force"), "holds the cell lines CELL"),
        (["build", built, files / "CELL", "--allow-missing-chroms"], "CELL already exists, built from other inputs or"),
        (["build", files / "none.zarr", files / "CELL"], "no such store"),
        (["info", other], "not a FactorNet store"),
        (["verify", other], "not a FactorNet store"),
        (["info", built / "genome"], f"did you mean {built}?"),
        (["verify", built / "cells" / "CELL"], f"did you mean {built}?"),
        (["info", files / "g.fa"], "is a file, not a store"),
        (["build", built, files / "CELL", "--force", "--max-memory", "10MB"], "less than one worker needs"),
        (["demo", files], "already exists and is not empty"),
    ):
        status, line = run(etl.main, arguments, capsys)
        assert status == 2
        assert message in line
    meta = built / "zarr.json"
    meta.write_text(meta.read_text().replace('"schema_version": 1', '"schema_version": 7'))
    status, line = run(etl.main, ["info", built], capsys)
    assert "schema version 7, this factornet reads versions 1 and 2" in line


def test_force_replaces_a_cell_line(files, built, capsys):
    (files / "CELL/meta.txt").write_text("0.75 GEPC1\n")
    assert etl.main(["build", str(built), str(files / "CELL"), "-p", "1", "--force"]) == 0
    assert open_store(built).meta("CELL").tolist() == [0.75]
    assert [p.name for p in files.glob("s.zarr.*")] == []


TRAIN_MISTAKES = [
    (["-i", "NONE", "-f", "CTCF"], "no cell line 'NONE' in the store; it has GM12878, HepG2, K562"),
    (["-i", "K562", "-f", "NONE"], "cell line K562 has no factor 'NONE'; it has CTCF, MAX, REST"),
    (["-i", "K562", "-f", "CTCF", "-v", "chr99"], "-v: no chromosome 'chr99'"),
    (["-i", "K562", "-f", "CTCF", "-t", "chr1:9-3"], "-t: region 'chr1:9-3'"),
    (["-i", "K562", "-f", "CTCF", "-v", "chr1"], "validation and test regions overlap"),
    (["-i", "K562", "-f", "CTCF", "-v", "chr11:0-5000"], "CTCF has no usable peak"),
    (["-i", "K562", "-f", "CTCF", "--device", "cuda"], "has no CUDA"),
    (
        ["-i", "K562", "-f", "CTCF", "-mo", "--motifs", "JASPAR", "--motif-name", "CTCX"],
        "has no motif for CTCX; close names: CTCF",
    ),
    (["-i", "K562", "-mo"], "-m, -g and -mo need one factor (-f)"),
    (["-i", "K562", "-m"], "-m, -g and -mo need one factor (-f)"),
    (["-i", "K562", "GM12878"], "without a factor, all factors of a single cell line are learnt; 2 cell lines"),
    (["-i", "K562", "-f", "CTCF", "--init-from", "nowhere"], "nowhere: no such folder"),
    (["-i", "K562", "-f", "CTCF", "-p", "1.5"], "dropout must be"),
    (["-i", "K562", "-f", "CTCF", "-L", "20"], "length 20 is too short"),
    (["-i", "K562", "-f", "CTCF", "--resume"], "no such folder"),
    (["-i", "K562", "-f", "CTCF", "-e", "0"], "--epochs"),
    (["-i", "K562", "-f", "CTCF", "-n", "0"], "--negatives"),
    (["-i", "K562", "-f", "CTCF", "-n", "2147483647"], "more windows than the genome has bases"),
]


@pytest.mark.parametrize(("arguments", "message"), TRAIN_MISTAKES)
def test_training_mistakes(demo_store, tmp_path, capsys, arguments, message):
    try:
        status, line = run(train.main, ["--store", demo_store, *arguments, "-o", tmp_path / "m"], capsys)
    except SystemExit as e:  # argparse: usage and one line
        status, line = e.code, capsys.readouterr().err
    assert status == 2
    assert message in line
    assert not (tmp_path / "m").exists()


def test_unknown_motif_and_existing_output(demo_files, demo_store, tmp_path, capsys):
    common = ["--store", demo_store, "-i", "K562", "-f", "REST", "-t", "chr1"]
    motif = ["-mo", "--motifs", demo_files / "motifs.meme", "--motif-name", "NONE"]
    status, line = run(train.main, [*common, *motif, "-o", tmp_path / "m"], capsys)
    assert (status, "--motifs: no motif for NONE among 4; close names: none" in line) == (2, True)
    assert "choose one with --motif-name" in line
    jaspar = ["-mo", "--motifs", "JASPAR", "--motif-name", "CTCX"]
    status, line = run(train.main, [*common, *jaspar, "-o", tmp_path / "m"], capsys)
    assert line.startswith("factornet-train: error: --motifs: JASPAR")
    assert "; or give a file with --motifs FILE, and a name in it with --motif-name" in line
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.json").write_text("{}")
    status, line = run(train.main, [*common, "-o", tmp_path / "full"], capsys)
    assert (status, "full: already holds a model; give another folder, or replace it with -oc" in line) == (2, True)
    (tmp_path / "empty").mkdir()
    status, line = run(train.main, [*common, "-o", tmp_path / "empty"], capsys)
    assert (status, "empty: already exists; give another folder, or replace it with -oc" in line) == (2, True)
    status, line = run(train.main, [*common, "-oc", tmp_path / "full"], capsys)
    assert (status, "not a factornet-model file" in line) == (2, True)
    status, line = run(train.main, common, capsys)
    assert (status, "no model folder: give a new one with -o" in line) == (2, True)


def test_prediction_mistakes(demo_store, tmp_path, capsys):
    (tmp_path / "there.bed.gz").touch()
    (tmp_path / "off.bed").write_text("chr99\t1\t200\n")
    common = ["--store", demo_store, "-f", "CTCF", "-i", "K562"]
    for arguments, message in (
        (["-m", tmp_path / "none", "--regions", "chr1", "-o", tmp_path / "x.bed.gz"], "no such folder"),
        (["-m", tmp_path, "--regions", "chr1", "-o", tmp_path / "there.bed.gz"], "there.bed.gz: already exists"),
        (["-m", tmp_path, "--regions", "chr1", "-o", tmp_path / "no/x.bed.gz"], "x.bed.gz: its folder does not exist"),
    ):
        status, line = run(predict.main, [*common, *arguments], capsys)
        assert status == 2
        assert message in line
    status, line = run(evaluate.main, [tmp_path / "no.bed", "--store", demo_store, "-i", "K562", "-f", "CTCF"], capsys)
    assert (status, "no.bed: no such file" in line) == (2, True)
    (tmp_path / "odd.bed").write_text("chr1\t0\t200\t0.5\nchr1\t0\n")
    status, line = run(evaluate.main, [tmp_path / "odd.bed", "--store", demo_store, "-i", "K562", "-f", "CTCF"], capsys)
    assert (status, "odd.bed:2: cannot be read" in line) == (2, True)


def test_real_command_ends_with_status_2_and_no_traceback(tmp_path):
    program = Path(sys.executable).parent / "factornet-etl"
    done = subprocess.run([program, "info", tmp_path / "none"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("factornet-etl: error: ")
    assert "Traceback" not in done.stderr


def test_build_whose_output_is_closed_is_completed(files, built):
    """`factornet-etl build STORE CELLS | head -1`: all are built."""
    read, write = os.pipe()
    os.close(read)
    arguments = [str(a) for a in ("build", built, files / "CELL", files / "CELL2", "--force", "-p", 1)]
    shutil.copytree(files / "CELL", files / "CELL2")
    program = f"import sys; from factornet.cli.etl import main; sys.exit(main({arguments!r}))"
    done = subprocess.run([sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert open_store(built).cells == ("CELL", "CELL2")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [("info",), ("info", "--json")])
def test_full_disk_of_standard_output_is_named(built, arguments):
    """`factornet-etl info STORE > file`: what is not printed is no success."""
    program = "import sys; from factornet.cli.etl import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, arguments[0], str(built), *arguments[1:]]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    problem = "factornet-etl: error: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, problem)


def test_counts_and_sizes_are_readable(files, built, capsys):
    sizes = [format_bytes(n) for n in (0, 1, 999, 12_345, 4_000_000, 2_500_000_000)]
    assert sizes == ["0 bytes", "1 byte", "999 bytes", "12 kB", "4 MB", "2.50 GB"]
    (built / "cells/CELL/meta/c/0").unlink()
    assert etl.main(["verify", str(built)]) == 1
    shown = capsys.readouterr().out
    assert "in 2 groups" in shown
    assert shown.endswith(": 1 fault\n")
    assert etl.main(["build", str(built), str(files / "CELL"), "-p", "1", "--repair"]) == 0
    assert etl.main(["info", str(built)]) == 0
    assert "1 cell line\n" in capsys.readouterr().out
