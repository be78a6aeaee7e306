"""Builds that are killed, that resume, and that run at the same time."""

import shutil
import signal
import subprocess
import sys
import threading

import pytest
from stress.kill_build import digest, torture
from support.processes import worker_processes
from support.tiny_experiment import OPTIONS, SMALL, build, left, write_cell

from factornet.cli import etl
from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome
from factornet.etl.publish import transaction
from factornet.etl.publish.transaction import InterruptedBuildError
from factornet.etl.shards import executor
from factornet.etl.verify.objects import verify_store
from factornet.store import FactorNetError, InputError, StoreError, UsageError, open_store

# Killed


def test_build_killed_at_random_moments_leaves_all_or_nothing(demo_files, tmp_path):
    store = tmp_path / "s.zarr"
    build_genome(store, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    tally = torture(store, demo_files / "cells/K562", 3, seed=1)
    assert tally.killed > 0


def interrupt_build(files, shards, **more):
    """Build until so many shards are done, then interrupt, which keeps as much as a kill does."""
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(files, on_report=on_report, **more)
    return seen


def test_resumed_build_skips_finished_shards(files, monkeypatch):
    build(files)
    whole = digest(files / "s.zarr", "A")
    summary = open_store(files / "s.zarr").cell("A").summary
    shutil.rmtree(files / "s.zarr/cells/A")
    interrupt_build(files, 5)
    assert open_store(files / "s.zarr").cells == ()
    assert left(files) == ["s.zarr.building"]
    interrupt_build(files, 9)  # five of them are those of the first build
    ran, run = [], executor.run
    monkeypatch.setattr("factornet.etl.shards.journal.run", lambda t, *a, **k: ran.extend(t) or run(t, *a, **k))
    seen = []
    report = build(files, on_report=seen.append)
    assert len(seen) == len(report.reports)
    assert len(ran) == len(seen) - 9
    assert f"9 of {len(seen)} tasks were already done" in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert open_store(files / "s.zarr").cell("A").summary == summary
    assert left(files) == []


def journal_of(files):
    return files / "s.zarr.building/cells.A/journal.jsonl"


def test_resumed_build_rewrites_shards_that_changed(files):
    build(files)
    whole = digest(files / "s.zarr", "A")
    interrupt_build(files, 6, force=True)
    shards = [p for p in journal_of(files).parent.rglob("c/*") if p.is_file() and "tracks" in p.parts]
    shards[0].write_bytes(b"x")
    shards[1].unlink()
    with journal_of(files).open("a") as file:
        file.write('{"name": "DNase", "chr')  # the line that was being written
    report = build(files, force=True)
    assert "4 of " in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert verify_store(files / "s.zarr").findings == ()


@pytest.mark.parametrize("change", ["signal", "options", "sheet", "units", "journal"])
def test_build_of_changed_inputs_or_options_is_not_resumed(files, change):
    interrupt_build(files, 5)
    options = OPTIONS
    if change == "signal":
        write_cell(files / "A", 2.5)
    elif change == "options":
        options = CellOptions(layout=SMALL, allow_missing=True)
    elif change == "sheet":
        (files / "A/bigwig.txt").write_text("s.bw\tATAC\n")
    elif change == "units":
        (files / "A/bigwig.txt").write_text("s.bw\tDNase\tunits=1x\n")
    else:
        journal_of(files).write_text("{")
    report = build_cell(files / "s.zarr", files / "A", options, Resources(1))
    words = {
        "signal": "inputs (s.bw)",
        "options": "allow_missing_chroms: False before, True now",
        "sheet": "ATAC",
        "units": "1x",
    }
    if change in words:
        assert "did not resume an interrupted build, changed since then: " in report.notes[0]
        assert words[change] in report.notes[0]
    assert verify_store(files / "s.zarr").findings == ()
    ends = {"signal": 2.5, "sheet": 1.5, "units": 1.5, "options": 1.5, "journal": 1.5}
    store = open_store(files / "s.zarr")
    assert store.track("A", store.cell("A").track_names[0], "chrA")[5000:5001] == ends[change]


def test_genome_build_is_resumed_too(files):
    inputs, options = GenomeInputs(files / "g.fa"), GenomeOptions(layout=SMALL)
    whole = open_store(files / "s.zarr").info
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_genome(files / "s.zarr", inputs, options, Resources(1), force=True, on_report=on_report)
    report = build_genome(files / "s.zarr", inputs, options, Resources(1), force=True)
    assert any("4 of " in note for note in report.notes)
    assert open_store(files / "s.zarr").info == whole
    assert left(files) == []


def test_killed_worker_is_reported_and_the_build_resumes(files):
    """The system kills a worker when memory runs out."""
    build(files)
    whole = digest(files / "s.zarr", "A")
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == 1:
            for worker in worker_processes():
                worker.kill()

    with pytest.raises(InterruptedBuildError, match=r"a worker process was killed.*run the same command again"):
        build_cell(files / "s.zarr", files / "A", OPTIONS, Resources(2), force=True, on_report=on_report)
    assert digest(files / "s.zarr", "A") == whole
    report = build(files, force=True)
    assert "were already done" in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert left(files) == []


def test_build_of_bad_input_leaves_nothing(files):
    (files / "A/p.bed").write_text("chrA\t5\t1\n")
    with pytest.raises(InputError):
        build(files)
    assert left(files) == []


def test_interrupted_build_is_no_usage_error_and_ends_a_command_with_status_2(files, monkeypatch, capsys):
    """The parameters are not at fault: it is a class of its own, and finished shards are kept."""
    assert issubclass(InterruptedBuildError, FactorNetError)
    assert not issubclass(InterruptedBuildError, UsageError)
    command = ["build", str(files / "s.zarr"), str(files / "A"), "-p", "2"]

    def kill_workers(line, size):
        for worker in worker_processes():
            worker.kill()

    monkeypatch.setattr("factornet.cli.common.progress.Throughput.add", kill_workers)
    assert etl.main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("factornet-etl: error: a worker process was killed")
    assert error.count("\n") == 1
    assert open_store(files / "s.zarr").cells == ()
    assert left(files) == ["s.zarr.building"]
    monkeypatch.undo()
    assert etl.main(command) == 0
    assert "tasks were already done" in capsys.readouterr().out
    assert left(files) == []


# Two at once

_CHILD = """
import sys, time; from pathlib import Path
from factornet.etl import CellOptions, Resources, build_cell
from factornet.store.format.layout import Layout
def wait(report):
    print("shard", flush=True)
    if sys.argv[3] == "wait": sys.stdin.readline()
build_cell(Path(sys.argv[1]), Path(sys.argv[2]), CellOptions(layout=Layout(1024, 4096)), Resources(1), on_report=wait)
"""


def child(files, cell, how):
    command = [sys.executable, "-c", _CHILD, str(files / "s.zarr"), str(files / cell), how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_second_build_of_a_cell_line_is_refused_naming_the_first(files, capsys):
    with child(files, "A", "wait") as first:
        first.stdout.readline()
        with pytest.raises(StoreError, match=rf"cells/A: is being built by process {first.pid} on .* since 20"):
            build(files)
        build(files, "B")  # another cell line meanwhile
        assert open_store(files / "s.zarr").cells == ("B",)
        first.send_signal(signal.SIGKILL)
        first.wait()
    report = build(files)  # the lock is released with its holder, the finished shard is kept
    assert "1 of " in report.notes[0]
    assert left(files) == []


def test_two_cell_lines_are_built_at_once(files):
    with child(files, "A", "go") as one, child(files, "B", "go") as other:
        one.communicate(timeout=120)
        other.communicate(timeout=120)
    assert (one.returncode, other.returncode) == (0, 0)
    assert open_store(files / "s.zarr").cells == ("A", "B")
    assert verify_store(files / "s.zarr").findings == ()
    assert left(files) == []


def test_lock_has_one_holder_however_often_it_changes_hands(files):
    holders, most, errors = [], [0], []

    def work():
        for _ in range(40):
            try:
                with transaction.staging(files / "s.zarr", "cells.X"):
                    holders.append(1)
                    most[0] = max(most[0], len(holders))
                    holders.pop()
            except StoreError as e:
                errors.append(str(e))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert most[0] == 1
    assert all("is being built by" in e for e in errors)
    assert left(files) == []
