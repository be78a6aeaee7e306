"""A plan names every problem of the inputs in one run, in the words of the build, and writes nothing."""

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyBigWig
import pysam
import pytest
from support.tiny_experiment import LENGTHS, OPTIONS, SMALL, write_cell, write_tiny

from factornet.cli.etl import main
from factornet.etl import CellOptions, Resources, build_cell
from factornet.etl.builders.planning.plan import plan_build
from factornet.etl.reads.signal_options import SignalOptions
from factornet.store import FactorNetError, open_store

READS = CellOptions(layout=SMALL, reads=SignalOptions())


def write_bigwig(path, lengths, value=1.0):
    """Write a constant signal; the first 100 bases of the first chromosome that have one have another value."""
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(lengths.items()))
    for name, size in lengths.items():
        values = [value, 1.0] if name == next(iter(lengths)) else [1.0, 1.0]
        file.addEntries([name] * 2, [100, 200], ends=[200, size - 100], values=values)
    file.close()


def write_bam(path):
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": name, "LN": size} for name, size in LENGTHS.items()]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for i in range(200):
            read = pysam.AlignedSegment(bam.header)
            read.query_name, read.query_sequence, read.flag = f"r{i}", "ACGT" * 9, 0
            read.reference_id, read.reference_start, read.mapping_quality = 0, 100 + i, 60
            read.cigartuples = [(0, 36)]
            bam.write(read)


@dataclass(frozen=True)
class Mistake:
    """A mistake: rows of a sheet that name files, what is wrong with the files, and how messages name it."""

    sheet: str
    row: str
    named: str
    mended: str = ""  # the row without the mistake; empty: without the row


MISTAKES = [
    Mistake("bigwig.txt", "missing.bw\tgone", "bigwig.txt:2: file 'missing.bw' does not exist"),
    Mistake("bigwig.txt", "other.bw\tother", "other.bw: no chromosome of the store; the file has A, B"),
    Mistake("bigwig.txt", "longer.bw\tlonger", "longer.bw: chrA has 21000 bases, the store's chrA has 20000"),
    Mistake("bigwig.txt", "cut.bw\tcut", "cut.bw: "),
    Mistake("bigwig.txt", "infinite.bw\tinfinite", "infinite.bw: infinite value at chrA:100"),
    Mistake("bigwig.txt", "half.bw\thalf", "half.bw: no signal for chrB"),
    Mistake("bigwig.txt", "good.bw\tonly_fwd", "track 'only_fwd' has no partner 'only_rev'"),
    Mistake("bigwig.txt", "good.bw\ts/lash", "bigwig.txt:9: "),
    Mistake("bigwig.txt", "one.bam\tcuts\tassay=DNase-seq", "'cuts units=cpm' differs from the row before"),
    Mistake("bigwig.txt", "two.bam\tcuts\tunits=cpm", ""),  # the row that differs
    Mistake("bigwig.txt", "cut.bam\tcutreads\tassay=DNase-seq", "cut.bam: cannot be read as BAM, CRAM or SAM"),
    Mistake("bigwig.txt", "whole.bam\tunknown", "the assay of track 'unknown' is not known"),
    Mistake("bigwig.txt", "good.bw\tterm\tunit=1x", "'unit=1x' is not assay=... or units=..."),
    Mistake("chip.txt", "far.bed\tFAR", "far.bed:1: chrA:19000-22000 ends past the chromosome's 20000 bases"),
    Mistake("chip.txt", "p.bed\tTF", "chip.txt:3: 'TF' is named twice"),
    Mistake("chip.txt", "p.bed TWO r.bed more", "chip.txt:4: 4 columns, expected 2 or 3"),
    Mistake("chip.txt", "p.bed\tGONE\tlink.bed", "chip.txt:5: file 'link.bed' is a broken symbolic link"),
    Mistake("chip.txt", "damaged.bed.gz\tGZ", "damaged.bed.gz: gzip data is cut short or damaged"),
    Mistake("chip.txt", "p.bed\tCELL\telsewhere.bed", "p.bed: 2 of 2 peaks overlap no peak of elsewhere.bed"),
    Mistake("chip.txt", "empty.bed\tNONE", "empty.bed: no peak in the file"),
    Mistake("meta.txt", "nan\tGEPC2", "meta.txt:2: GEPC2 is nan"),
    Mistake("meta.txt", "one\tGEPC3", "meta.txt:3: 'one' is not a number"),
]


def write_mistakes(cell: Path) -> None:
    write_cell(cell, 1.5)
    write_bigwig(cell / "good.bw", LENGTHS)
    write_bigwig(cell / "other.bw", {"A": 20_000, "B": 12_000})
    write_bigwig(cell / "longer.bw", {"chrA": 21_000, "chrB": 12_000})
    write_bigwig(cell / "infinite.bw", LENGTHS, float("inf"))
    write_bigwig(cell / "half.bw", {"chrA": 20_000})
    (cell / "cut.bw").write_bytes((cell / "good.bw").read_bytes()[:-40])
    for name in ("one.bam", "two.bam", "whole.bam"):
        write_bam(cell / name)
    (cell / "cut.bam").write_bytes((cell / "whole.bam").read_bytes()[:-60])
    (cell / "far.bed").write_text("chrA\t19000\t22000\n")
    (cell / "elsewhere.bed").write_text("chrA\t100\t300\n")
    (cell / "empty.bed").touch()
    (cell / "link.bed").symlink_to("nowhere.bed")
    (cell / "damaged.bed.gz").write_bytes(gzip.compress(b"chrA\t5000\t5200\n" * 200)[:-20])
    for sheet in ("bigwig.txt", "chip.txt", "meta.txt"):
        with (cell / sheet).open("a") as file:
            file.writelines(m.row + "\n" for m in MISTAKES if m.sheet == sheet)


@pytest.fixture
def experiment(tmp_path):
    write_tiny(tmp_path)
    shutil.rmtree(tmp_path / "A")
    (tmp_path / "A").mkdir()
    write_mistakes(tmp_path / "A")
    return tmp_path


def snapshot(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_all_mistakes_of_a_folder_are_named_in_one_run(experiment, capsys):
    before = snapshot(experiment)
    assert main(["plan", str(experiment / "s.zarr"), str(experiment / "A")]) == 1
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if line.startswith("problem ")]
    expected = [m.named for m in MISTAKES if m.named]
    for named in expected:
        assert sum(named in line for line in lines) == 1, (named, lines)
    assert len(lines) == len(expected) >= 12
    assert f"{len(expected)} problems to solve first" in shown.out
    assert snapshot(experiment) == before


def test_problems_are_those_that_the_build_ends_with(experiment):
    """Mended one after the other, each error of the build is one of the plan's; then the build succeeds."""
    store, cell = experiment / "s.zarr", experiment / "A"
    planned = [str(p) for p in plan_build(open_store(store), [cell], OPTIONS, Resources(1)).all_problems]
    left, met = {m.row: m for m in MISTAKES}, []
    while left:
        with pytest.raises(FactorNetError) as caught:
            build_cell(store, cell, OPTIONS, Resources(1))
        met.append(str(caught.value))
        mistake = next(m for m in left.values() if m.named and m.named in met[-1])
        del left[mistake.row]
        if mistake.row.startswith("one.bam"):
            del left["two.bam\tcuts\tunits=cpm"]
            remove_row(cell / "bigwig.txt", "two.bam\tcuts\tunits=cpm")
        # Rows stay at their lines, so that messages do.
        remove_row(cell / mistake.sheet, mistake.row)
    assert met == list(dict.fromkeys(met))
    assert set(met) <= set(planned)
    assert len(met) == len(planned)
    build_cell(store, cell, OPTIONS, Resources(1))
    (plan,) = plan_build(open_store(store), [cell], OPTIONS, Resources(1)).cells
    assert (plan.action, plan.problems) == ("unchanged", ())


def remove_row(sheet: Path, row: str) -> None:
    """Blank the last line with this text."""
    lines = sheet.read_text().splitlines()
    at = len(lines) - 1 - lines[::-1].index(row)
    lines[at] = ""
    sheet.write_text("\n".join(lines) + "\n")


def test_plan_says_what_is_built_and_what_it_takes(tmp_path, capsys):
    write_tiny(tmp_path)
    store, cells = str(tmp_path / "s.zarr"), [str(tmp_path / c) for c in ("A", "B")]
    assert main(["plan", store, *cells, "-p", "1", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["ok"], plan["workers"], plan["memory"]) == (True, 1, 700 * 2**20)
    assert [(c["name"], c["action"], c["tracks"], c["factors"]) for c in plan["cells"]] == [
        (name, "build", ["DNase"], ["TF"]) for name in "AB"
    ]
    assert 0 < plan["cells"][0]["size"] <= plan["cells"][0]["largest_size"] <= plan["free"]
    assert plan["seconds"] > 0
    # The files of B are those of A.
    assert plan["n_notes"] == len(plan["notes"]) + sum(len(cell["notes"]) for cell in plan["cells"]) == 2
    assert main(["build", store, cells[0]]) == 0
    (tmp_path / "B" / "meta.txt").unlink()
    (tmp_path / "B" / "bigwig.txt").write_text("s.bw\tDNase units=CPM\n")
    capsys.readouterr()
    assert main(["plan", store, *cells, "--quick", "-p", "1"]) == 0
    text = capsys.readouterr().out
    assert "A: already exists, built from the same inputs and options: nothing to do" in text
    assert "B: will be built: 1 track (DNase), 1 factor (TF), 0 meta values" in text
    assert "track DNase: units are not stated alike: not stated in A, CPM in B" in text
    assert "meta values differ between cell lines (1 in A, 0 in B)" in text
    assert text.splitlines()[-1] == "no problems; 4 notes above"


def test_existing_cell_lines_cell_lines_given_twice_and_stores_are_checked(tmp_path, capsys):
    write_tiny(tmp_path)
    store, cell = tmp_path / "s.zarr", tmp_path / "A"
    build_cell(store, cell, CellOptions(), Resources(1))
    (cell / "p.bed").write_text("chrA\t6000\t6200\n")
    assert main(["plan", str(store), str(cell), str(cell), str(tmp_path / "none"), "--max-memory", "1MB"]) == 1
    text = capsys.readouterr().out
    assert "cell line A already exists, built from other inputs or options; changed since then: inputs (p.bed)" in text
    assert "problem 1: max_memory of 1 MB is less than one worker needs" in text
    assert "cell line A is given 2 times" in text
    assert "none: no such cell-line folder" in text
    assert main(["plan", str(store), str(cell), "--force"]) == 0
    assert "A: will be replaced" in capsys.readouterr().out


def test_reads_need_no_folder(tmp_path, capsys):
    write_tiny(tmp_path)
    write_bam(tmp_path / "x.bam")
    words = ["plan", str(tmp_path / "s.zarr"), "--reads", str(tmp_path / "x.bam"), "--cell", "T", "--assay", "dnase"]
    assert main(words) == 0
    assert "T: will be built: 1 track (DGF), no factors, 0 meta values" in capsys.readouterr().out
