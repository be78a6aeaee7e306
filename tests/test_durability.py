"""Builds that are killed, that meet a faulty disk, that meet each other; and readers of what is being replaced."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import psutil
import pyBigWig
import pytest

from factornet.cli import etl
from factornet.etl import (
    CellOptions,
    GenomeInputs,
    GenomeOptions,
    Resources,
    build_cell,
    build_genome,
    graph,
    provenance,
    publish,
)
from factornet.etl.unpack import unpack_store
from factornet.etl.verify import verify_store
from factornet.store import (
    FactorNetError,
    InputError,
    Plan,
    StoreError,
    StreamSettings,
    UsageError,
    WindowStream,
    exchange,
    open_store,
)
from factornet.store.layout import Layout

sys.path.insert(0, str(Path(__file__).parent))
from kill_build import digest, torture

LENGTHS = {"chrA": 20_000, "chrB": 12_000}
SMALL = Layout(1024, 4096)
OPTIONS = CellOptions(layout=SMALL)


@pytest.fixture
def files(tmp_path) -> Path:
    """A tiny experiment, with a store of its genome."""
    rng = np.random.default_rng(0)
    with (tmp_path / "g.fa").open("w") as fasta:
        for name, size in LENGTHS.items():
            fasta.write(f">{name}\n{''.join(rng.choice(list('ACGT'), size))}\n")
    for cell in ("A", "B"):
        (tmp_path / cell).mkdir()
        write_cell(tmp_path / cell, 1.5)
    build_genome(tmp_path / "s.zarr", GenomeInputs(tmp_path / "g.fa"), GenomeOptions(layout=SMALL), Resources(1))
    return tmp_path


def write_cell(folder, value):
    file = pyBigWig.open(str(folder / "s.bw"), "w")
    file.addHeader(list(LENGTHS.items()))
    for name, size in LENGTHS.items():
        file.addEntries([name], [100], ends=[size - 100], values=[value])
    file.close()
    (folder / "bigwig.txt").write_text("s.bw\tDNase\n")
    (folder / "chip.txt").write_text("p.bed\tTF\n")
    (folder / "meta.txt").write_text(f"{value}\tGEPC1\n")
    (folder / "p.bed").write_text("chrA\t5000\t5200\nchrB\t4000\t4200\n")


def build(files, cell="A", **more):
    return build_cell(files / "s.zarr", files / cell, OPTIONS, Resources(1), **more)


def left(files):
    return [p.name for p in files.glob("s.zarr.*")]


# Killed


def test_killed_at_random_moments(demo_files, tmp_path):
    store = tmp_path / "s.zarr"
    build_genome(store, GenomeInputs(demo_files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
    tally = torture(store, demo_files / "cells/K562", 6, seed=1)
    assert tally.killed > 0


def cut_short(files, monkeypatch, shards, **more):
    """Build until so many shards are done, then stop as if killed (Ctrl-C is treated as a kill is)."""
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == shards:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(files, on_report=on_report, **more)
    return seen


def test_finished_shards_are_not_done_again(files, monkeypatch):
    build(files)
    whole = digest(files / "s.zarr", "A")
    summary = open_store(files / "s.zarr").cell("A").summary
    shutil.rmtree(files / "s.zarr/cells/A")
    cut_short(files, monkeypatch, 5)
    assert open_store(files / "s.zarr").cells == ()
    assert left(files) == ["s.zarr.building"]
    cut_short(files, monkeypatch, 9)  # of which five are those of the first
    ran, run = [], graph.run
    monkeypatch.setattr("factornet.etl.journal.run", lambda t, *a, **k: ran.extend(t) or run(t, *a, **k))
    seen = []
    report = build(files, on_report=seen.append)
    assert len(seen) == len(report.reports)
    assert len(ran) == len(seen) - 9
    assert f"9 of {len(seen)} tasks were done by it" in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert open_store(files / "s.zarr").cell("A").summary == summary
    assert left(files) == []


def journal_of(files):
    return files / "s.zarr.building/cells.A/journal.jsonl"


def test_shards_that_changed_since_are_done_again(files, monkeypatch):
    build(files)
    whole = digest(files / "s.zarr", "A")
    cut_short(files, monkeypatch, 6, force=True)
    shards = [p for p in journal_of(files).parent.rglob("c/*") if p.is_file() and "tracks" in p.parts]
    shards[0].write_bytes(b"x")
    shards[1].unlink()
    with journal_of(files).open("a") as file:
        file.write('{"name": "DNase", "chr')  # the line that was being written
    report = build(files, force=True)
    assert "4 of " in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert verify_store(files / "s.zarr").findings == ()


@pytest.mark.parametrize("change", ["signal", "options", "sheet", "journal"])
def test_inputs_or_options_that_changed_start_anew(files, monkeypatch, change):
    cut_short(files, monkeypatch, 5)
    options = OPTIONS
    if change == "signal":
        write_cell(files / "A", 2.5)
    elif change == "options":
        options = CellOptions(layout=SMALL, allow_missing=True)
    elif change == "sheet":
        (files / "A/bigwig.txt").write_text("s.bw\tATAC\n")
    else:
        journal_of(files).write_text("{")
    report = build_cell(files / "s.zarr", files / "A", options, Resources(1))
    words = {"signal": "inputs (s.bw)", "options": "allow_missing_chroms: False before, True now", "sheet": "ATAC"}
    if change in words:
        assert "since then changed" in report.notes[0]
        assert words[change] in report.notes[0]
    assert verify_store(files / "s.zarr").findings == ()
    ends = {"signal": 2.5, "sheet": 1.5, "options": 1.5, "journal": 1.5}
    store = open_store(files / "s.zarr")
    assert store.track("A", store.cell("A").track_names[0], "chrA")[5000:5001] == ends[change]


def test_a_genome_goes_on_too(files, monkeypatch):
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


def test_a_worker_that_is_killed(files):
    """As the system does for want of memory: said so, and what is done is kept."""
    build(files)
    whole = digest(files / "s.zarr", "A")
    seen = []

    def on_report(report):
        seen.append(report)
        if len(seen) == 1:
            for server in psutil.Process().children():
                if "forkserver" in " ".join(server.cmdline()):
                    for worker in server.children():
                        worker.kill()

    with pytest.raises(UsageError, match=r"a worker process was killed.*run the command again"):
        build_cell(files / "s.zarr", files / "A", OPTIONS, Resources(2), force=True, on_report=on_report)
    assert digest(files / "s.zarr", "A") == whole
    report = build(files, force=True)
    assert "were done by it" in report.notes[0]
    assert digest(files / "s.zarr", "A") == whole
    assert left(files) == []


def test_bad_input_leaves_nothing(files):
    (files / "A/p.bed").write_text("chrA\t5\t1\n")
    with pytest.raises(InputError):
        build(files)
    assert left(files) == []


# Faulty disks


class Faults:
    """Makes the k-th call that changes the disk below a folder fail: opened for writing, renamed, made, synced."""

    def __init__(self) -> None:
        self.below, self.at, self.code, self.calls = "", 0, 0, 0
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if not self.below:
            return
        if event == "open":
            path, mode, flags = arguments
            writing = (mode and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writing or not isinstance(path, (str, bytes, os.PathLike)):
                return
        elif event not in ("os.rename", "os.mkdir", "os.fsync", "exchange"):
            return
        else:
            path = arguments[0]
        if str(path).startswith(self.below):
            self.calls += 1
            if self.calls == self.at:
                raise OSError(self.code, os.strerror(self.code), str(path))

    def during(self, action, *, below, at, code):
        """Whether the action ended well, and the error it raised."""
        self.at, self.code, self.calls, self.below = at, code, 0, str(below)
        try:
            action()
        except FactorNetError as e:
            return e
        finally:
            self.below = ""
        return None


@pytest.fixture(scope="module")
def faults():
    return Faults()


@pytest.mark.parametrize("first", [True, False], ids=["new", "replaced"])
def test_every_call_that_fails(files, faults, monkeypatch, first):
    """The k-th write, rename or sync fails, for every k: an error, and the store is as it was, or has all of the new."""
    sync, swap = publish.sync, publish.exchange

    def audited(path):
        sys.audit("os.fsync", str(path))
        sync(path)

    def audited_swap(a, b):
        sys.audit("exchange", str(a))
        swap(a, b)

    monkeypatch.setattr(publish, "sync", audited)
    monkeypatch.setattr(publish, "exchange", audited_swap)
    store = files / "s.zarr"
    build(files)
    old = digest(store, "A")
    write_cell(files / "A", 2.5)
    build(files, force=True)
    new = digest(store, "A")
    write_cell(files / "A", 1.5)
    build(files, force=True)
    write_cell(files / "A", 2.5)
    if first:
        shutil.rmtree(store / "cells/A")
        old = ""
    faults.during(lambda: build(files, force=True), below=files, at=0, code=0)
    calls = faults.calls
    assert calls > 60
    shutil.rmtree(store / "cells/A")
    outcomes = set()
    long = bool(os.environ.get("FACTORNET_LONG"))  # every call, with both errors
    near = range(calls - 12, calls + 1)  # publishing: every one
    chosen = sorted({*range(1, calls + 1, 1 if long else 7), *near})
    codes = (errno.EIO, errno.ENOSPC)
    for k, code in ((i, c) for i in chosen for c in codes if long or c == codes[i % 2]):
        if not first and not (store / "cells/A").exists():
            write_cell(files / "A", 1.5)
            build(files, force=True)
            write_cell(files / "A", 2.5)
        error = faults.during(lambda: build(files, force=True), below=files, at=k, code=code)
        found = digest(store, "A")
        assert found in (old, new), k
        assert found == new or error is not None, k
        if error is not None:
            assert os.strerror(code) in str(error) or "cannot be" in str(error), (k, str(error))
        assert verify_store(store).findings == (), k
        outcomes.add((found == new, error is None))
        if found == new:
            shutil.rmtree(store / "cells/A")
    assert (False, False) in outcomes
    build(files, force=True)
    assert digest(store, "A") == new
    assert left(files) == []


def test_a_disk_that_takes_no_more(files):
    """Real failing writes, those of zarrs too: files may not grow beyond 300 bytes in the child."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from factornet.cli import etl\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "sys.exit(etl.main(['build', sys.argv[1], sys.argv[2], '-p', '1']))\n"
    )
    command = [sys.executable, "-c", code, str(files / "s.zarr"), str(files / "A")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert open_store(files / "s.zarr").cells == ()
    assert verify_store(files / "s.zarr").findings == ()
    assert left(files) == []


def test_disk_and_memory_are_reckoned_first(files, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(10**6, 10**6, 10**4))
    with pytest.raises(StoreError, match=r"cell line A takes \d+ kB, 10 kB are free.* \d+ kB are missing; make room"):
        build(files)
    with pytest.raises(StoreError, match="the genome takes"):
        build_genome(files / "t.zarr", GenomeInputs(files / "g.fa"), GenomeOptions(), Resources(1))
    monkeypatch.undo()
    monkeypatch.setattr(graph, "available_memory", lambda: 10**8)
    with pytest.raises(UsageError, match=r"needs about 367 MB of memory, 100 MB are free: 267 MB are missing"):
        build(files)
    assert left(files) == []
    assert not (files / "t.zarr").exists()


@pytest.mark.parametrize("tick", [0, 10**18])
@pytest.mark.parametrize("name", ["s.bw", "p.bed"])
def test_inputs_that_change_while_they_are_read(files, name, tick, monkeypatch):
    """Whether they were last changed long before (then their times tell) or a moment before (then their content)."""
    monkeypatch.setattr(provenance, "_TICK", tick)

    def on_report(report):
        file = files / "A" / name
        content, state = file.read_bytes(), file.stat()
        file.write_bytes(content + b"\n" if name == "p.bed" else content[:-4] + b"\0" + content[-3:])
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(InputError, match=rf"{name}: was changed while it was being read.*nothing was published"):
        build(files, on_report=on_report)
    assert open_store(files / "s.zarr").cells == ()
    assert left(files) == []


# Two at once

_CHILD = """
import sys, time; from pathlib import Path
from factornet.etl import CellOptions, Resources, build_cell
from factornet.store.layout import Layout
def wait(report):
    print("shard", flush=True)
    if sys.argv[3] == "wait": sys.stdin.readline()
build_cell(Path(sys.argv[1]), Path(sys.argv[2]), CellOptions(layout=Layout(1024, 4096)), Resources(1), on_report=wait)
"""


def child(files, cell, how):
    command = [sys.executable, "-c", _CHILD, str(files / "s.zarr"), str(files / cell), how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_build_of_one_cell_line_stops_and_names_the_first(files, capsys):
    with child(files, "A", "wait") as first:
        first.stdout.readline()
        with pytest.raises(
            StoreError, match=rf"cells/A: is being built already, by process {first.pid} on .* since 20"
        ):
            build(files)
        build(files, "B")  # another cell line meanwhile
        assert open_store(files / "s.zarr").cells == ("B",)
        first.send_signal(signal.SIGKILL)
        first.wait()
    report = build(files)  # the lock went with its holder, the finished shard did not
    assert "1 of " in report.notes[0]
    assert left(files) == []


def test_two_cell_lines_at_once(files):
    with child(files, "A", "go") as one, child(files, "B", "go") as other:
        one.communicate(timeout=120)
        other.communicate(timeout=120)
    assert (one.returncode, other.returncode) == (0, 0)
    assert open_store(files / "s.zarr").cells == ("A", "B")
    assert verify_store(files / "s.zarr").findings == ()
    assert left(files) == []


def test_only_one_holds_a_lock_however_often_it_changes_hands(files):
    holders, most, errors = [], [0], []

    def work():
        for _ in range(40):
            try:
                with publish.staging(files / "s.zarr", "cells.X"):
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
    assert all("is being built already" in e for e in errors)
    assert left(files) == []


# Replaced while it is read


def plan_of(store, n=400):
    rng = np.random.default_rng(1)
    chrom = rng.integers(0, 2, n)
    start = rng.integers(0, np.array(store.axis.lengths)[chrom] - 200)
    return Plan(("A",), np.zeros(n, np.int64), chrom, start, np.zeros(n, np.int64), np.zeros((n, 0), np.uint8))


def contents(stream):
    return [(b.index.tobytes(), b.codes.tobytes(), b.tracks.tobytes(), b.features.tobytes()) for b in stream]


@pytest.mark.parametrize("atomic", [True, False], ids=["exchange", "two renames"])
def test_readers_go_on_with_the_version_they_began_with(files, monkeypatch, atomic):
    if not atomic:
        monkeypatch.setattr(publish, "exchange", exchange_not_there)
    build(files)
    settings = StreamSettings(100, batch=10, pool_bytes=20_000, slab=2000, meta=True)
    reader = open_store(files / "s.zarr")
    expected = contents(WindowStream(reader, plan_of(reader), settings, seed=(1,)))
    del reader
    store = open_store(files / "s.zarr")
    stream = iter(WindowStream(store, plan_of(store), settings, seed=(1,)))
    seen = contents([next(stream)])
    for value in (2.5, 3.5):
        write_cell(files / "A", value)
        build(files, force=True)
        fresh = open_store(files / "s.zarr")
        assert fresh.meta("A").tolist() == [value]
        assert verify_store(files / "s.zarr").findings == ()
        del fresh
    assert len(list((files / "s.zarr.building/.old/cells.A").iterdir())) == 1, "the old version, for its reader"
    seen += contents(stream)
    assert seen == expected
    assert store.meta("A").tolist() == [1.5]
    assert store.peaks("A", "TF", "conservative").start.tolist() == [5000, 4000]
    stream.close()
    del store, stream
    build(files, force=True)  # removes what nobody reads any more
    assert left(files) == []


def exchange_not_there(a, b):
    raise NotImplementedError


def test_a_process_that_is_sent_the_store_takes_no_other_version(files):
    build(files)
    store = open_store(files / "s.zarr")
    store.cell("A")
    kind, arguments = store.__reduce__()
    write_cell(files / "A", 2.5)
    build(files, force=True)
    with pytest.raises(StoreError, match="was replaced while it was in use"):
        kind(*arguments).meta("A")
    assert store.meta("A").tolist() == [1.5]


def test_killed_between_two_renames_is_healed(files):
    build(files)
    whole = digest(files / "s.zarr", "A")
    aside = files / "s.zarr.building/.old/cells.A"
    (files / "s.zarr.building/.locks").mkdir(parents=True)
    aside.mkdir(parents=True)
    (files / "s.zarr/cells/A").rename(aside / "swap")
    assert digest(files / "s.zarr", "A") == whole
    assert verify_store(files / "s.zarr").findings == ()
    (files / "s.zarr/cells/A").rename(aside / "swap")
    write_cell(files / "A", 2.5)
    with pytest.raises(StoreError, match="is there already"):
        build(files)
    build(files, force=True)
    assert left(files) == []


def test_a_read_only_store_is_read(files):
    build(files)
    for path in [*(files / "s.zarr").rglob("*"), files / "s.zarr"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        store = open_store(files / "s.zarr")
        assert store.meta("A").tolist() == [1.5]
        assert verify_store(files / "s.zarr").findings == ()
        before = {p: p.stat().st_mtime_ns for p in (files / "s.zarr").rglob("*")}
        contents(WindowStream(store, plan_of(store), StreamSettings(100), seed=(1,)))
        assert {p: p.stat().st_mtime_ns for p in (files / "s.zarr").rglob("*")} == before
        assert left(files) == []
    finally:
        for path in [files / "s.zarr", *(p for p in (files / "s.zarr").rglob("*") if p.is_dir())]:
            path.chmod(0o755)


def test_exchange_is_one_step(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(name)
    try:
        exchange.exchange(tmp_path / "a", tmp_path / "b")
    except NotImplementedError:
        pytest.skip("no renameat2 here")
    assert (tmp_path / "a/who").read_text() == "b"
    with pytest.raises(OSError, match="No such file"):
        exchange.exchange(tmp_path / "a", tmp_path / "c")


# Repair


def test_repair_gives_the_same_digests(files, capsys):
    build(files)
    store, whole = files / "s.zarr", digest(files / "s.zarr", "A")
    before = (store / "cells/A/zarr.json").read_bytes()
    assert build(files, repair=True).notes == ("nothing to repair: it is as it was built",)
    for name in ("tracks/DNase/chrA/c/1", "manifest/c/0", "labels/chrB/zarr.json", "peaks/TF/conservative/stop/c/0"):
        data = bytearray((store / "cells/A" / name).read_bytes())
        data[len(data) // 2] ^= 1
        (store / "cells/A" / name).write_bytes(data)
        assert etl.main(["verify", str(store)]) == 1
        assert f"repaired: cells/A/{name} (" in build(files, repair=True).notes[0]
        assert verify_store(store).findings == ()
        assert digest(store, "A") == whole
        assert (store / "cells/A/zarr.json").read_bytes() == before
    (store / "cells/A/stranger").write_text("x")
    build(files, repair=True)
    assert verify_store(store).findings == ()
    assert left(files) == []


def test_repair_from_something_else_is_refused(files, capsys):
    build(files)
    store = files / "s.zarr"
    (store / "cells/A/tracks/DNase/chrA/c/1").unlink()
    sheet = (files / "A/meta.txt").read_text()
    (files / "A/meta.txt").write_text("9 GEPC1\n")
    said = r"changed since it was built: meta.txt \(row 1: 1.5 GEPC1 before, 9.0 GEPC1 now\); put back .*--force"
    with pytest.raises(StoreError, match=said):
        build(files, repair=True)
    (store / "cells/A/meta/c/0").write_bytes(b"")
    with pytest.raises(StoreError, match=r"is not the same \(meta.txt or .* may have changed.*--force"):
        build(files, repair=True)
    (files / "A/meta.txt").write_text(sheet)
    write_cell(files / "A", 2.5)
    status = etl.main(["build", str(store), str(files / "A"), "--repair", "-p", "1"])
    assert status == 2
    assert "changed since it was built: inputs (s.bw); put back what it was built of, or give --force" in (
        capsys.readouterr().err
    )
    node = json.loads((store / "cells/A/zarr.json").read_text())
    node["attributes"]["name"] = "a"
    (store / "cells/A/zarr.json").write_text(json.dumps(node, indent=2))
    with pytest.raises(StoreError, match=r"damaged.*cannot be known what it was built of"):
        build(files, repair=True)


def test_repair_says_what_else_is_damaged(files, capsys):
    """The genome is no part of the cell line that is repaired: it is named, and nothing is called sound."""
    store = files / "s.zarr"
    assert etl.main(["build", str(store), str(files / "A"), "-p", "1"]) == 0
    (store / "genome/sequence/chrA/c/1").unlink()
    (store / "cells/A/labels/chrA/c/0/0").unlink()
    again = ["build", str(store), str(files / "A"), "--repair", "-p", "1"]
    capsys.readouterr()
    for done in ("  repaired: cells/A/labels/chrA/c/0/0 (missing)", "nothing to repair: it is as it was built"):
        assert etl.main(again) == 1
        text = capsys.readouterr().out
        assert done in text
        assert "missing: genome/sequence/chrA/c/1: is missing" in text
        assert "sound" not in text
    assert etl.main([*again, "--json"]) == 1
    assert [f["path"] for f in json.loads(capsys.readouterr().out)["findings_left"]] == ["genome/sequence/chrA/c/1"]


# Built again


def test_the_same_command_again_builds_what_is_missing(files, capsys):
    """As after an interrupt between two cell lines: those that are there are left, the others are built."""
    store, both = files / "s.zarr", [str(files / "A"), str(files / "B")]
    again = ["build", str(store), *both, "-p", "1"]
    assert etl.main(["build", str(store), both[0], "-p", "1"]) == 0
    before = (store / "cells/A/zarr.json").stat()
    capsys.readouterr()
    assert etl.main(again) == 0
    text = capsys.readouterr().out
    assert f"cell line A in {store}: is there already, from the same inputs and options\n" in text
    assert open_store(store).cells == ("A", "B")
    assert etl.main([*again, "--json"]) == 0
    assert [json.loads(line)["unchanged"] for line in capsys.readouterr().out.splitlines()] == [True, True]
    assert (store / "cells/A/zarr.json").stat() == before
    assert build(files).unchanged
    build(files, force=True)
    assert (store / "cells/A/zarr.json").stat().st_ino != before.st_ino


CHANGES = {
    "signal": (lambda a: write_cell(a, 2.5), [], "inputs (s.bw); meta.txt (row 1: 1.5 GEPC1 before, 2.5 GEPC1 now)"),
    "value": (lambda a: (a / "meta.txt").write_text("0.2 GEPC1"), [], "row 1: 1.5 GEPC1 before, 0.2 GEPC1 now"),
    "name": (lambda a: (a / "bigwig.txt").write_text("s.bw ATAC"), [], "bigwig.txt (row 1: DNase before, ATAC now)"),
    "relaxed": (lambda a: (a / "chip.txt").write_text("p.bed TF p.bed"), [], "TF before, TF with relaxed peaks now"),
    "option": (lambda a: None, ["--allow-missing-chroms"], "options (allow_missing_chroms: False before, True now)"),
    "damaged": (lambda a: (a / "../s.zarr/cells/A/zarr.json").unlink(), [], "is there already, and damaged"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_cell_line_of_other_inputs_is_refused_before_any_is_built(files, capsys, case):
    change, more, message = CHANGES[case]
    build(files)
    change(files / "A")
    assert etl.main(["build", str(files / "s.zarr"), str(files / "B"), str(files / "A"), "-p", "1", *more]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "--force to replace it" in said
    assert not (files / "s.zarr/cells/B").exists()


def test_a_damaged_cell_line_does_not_stop_the_build_of_another(files):
    build(files)
    (files / "s.zarr/cells/A/zarr.json").write_text("{}")
    build(files, "B")
    assert open_store(files / "s.zarr").cell("B").name == "B"


def test_one_cell_line_given_twice(files, capsys):
    assert etl.main(["build", str(files / "s.zarr"), str(files / "A"), str(files / "A/."), "-p", "1"]) == 2
    assert "cell line A is given 2 times" in capsys.readouterr().err


def test_a_raw_store_takes_no_cell_lines(files):
    build(files)
    unpack_store(files / "s.zarr", files / "raw.zarr", Resources(1))
    with pytest.raises(StoreError, match="is a raw store; build into the compressed one"):
        build_cell(files / "raw.zarr", files / "B", OPTIONS, Resources(1))
