"""Each file of the corpus is read correctly, or refused with file, location, problem and hint; see corpus.py."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.bad_input.case import Case
from support.bad_input.cases import CASES
from support.bad_input.corpus import GENOME, MAIN, arguments_of, write_case, write_corpus, write_experiment
from support.forked import Forked

from factornet.etl.verify.objects import verify_store
from factornet.store import open_store


@dataclass(frozen=True)
class Base:
    """The clean experiment, the initial store of each command, and the digest of its result on clean files."""

    files: Path
    stores: dict[str, Path]
    digests: dict[str, str]


@pytest.fixture(scope="module")
def forked():
    with Forked() as server:
        yield server


@pytest.fixture(scope="module")
def base(tmp_path_factory, forked) -> Base:
    root = tmp_path_factory.mktemp("corpus")
    files = write_experiment(root / "clean")
    made = root / "made"
    shutil.copytree(files, made)

    def run(*arguments, module="etl"):
        ended = forked.run(f"factornet.cli.{module}", arguments, made)
        assert ended.status == 0, ended.err

    run("genome", "s.zarr", *GENOME)
    stores = {"genome": shutil.copytree(made / "s.zarr", root / "genome.zarr")}
    run("build", "s.zarr", "OTHER", "BARE", "-p", "1")
    stores |= dict.fromkeys(("build", "predict", "train"), shutil.copytree(made / "s.zarr", root / "cells.zarr"))
    run("build", "s.zarr", "CELL", "-p", "1")
    predict = next(c for c in CASES if c.command == "predict")
    run(*arguments_of(predict), module="predict")
    return Base(files, stores, {command: digest_of(command, made) for command in ("genome", "build", "predict")})


def digest_of(command: str, folder: Path) -> str:
    """Return the digest of the arrays or predictions that a command has written."""
    if command == "predict":
        return hashlib.sha256((folder / "out.bed.gz").read_bytes()).hexdigest()
    store = open_store(folder / "s.zarr")
    return store.info.genome_manifest if command == "genome" else store.cell("CELL").manifest


NO_FIGURES = (
    "warning: the scale of Unique35, DGF cannot be compared with that of training: the model records no figures\n"
)
"""The model of the corpus was not trained."""


def case_title(case: Case) -> str:
    return f"{case.command} {case.file}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=case_title)
def test_file_is_accepted_or_refused_as_expected(case, base, forked, tmp_path):
    folder = write_case(case, base.files, tmp_path / "case")
    store = shutil.copytree(base.stores[case.command], folder / "s.zarr")
    ended = forked.run(f"factornet.cli.{MAIN[case.command]}", arguments_of(case), folder)
    assert not ended.hung
    assert not ended.signal
    assert "Traceback" not in ended.err
    if case.refused:
        assert ended.status == 2, ended.out
        check_message(case, ended.err)
        check_untouched(store, base.stores[case.command])
    else:
        assert (ended.status, ended.err) == (0, NO_FIGURES if case.command == "predict" else "")
        assert re.search(case.notes, ended.out), ended.out
        if case.same:
            assert digest_of(case.command, folder) == base.digests[case.command]
        assert verify_store(store).findings == ()


def check_message(case: Case, text: str) -> None:
    """Check that the message is one line with file, location and problem, followed by the hint."""
    (line,) = text.strip().splitlines()
    assert line.startswith("factornet-")
    message = line.partition(": error: ")[2]
    problem = re.search(case.problem, message)
    assert problem, f"{message!r} does not match {case.problem!r}"
    assert (case.named or Path(case.file).name) in message
    assert re.search(case.hint, message[problem.end() :]), f"{message!r} does not end with {case.hint!r}"


def check_untouched(store: Path, before: Path) -> None:
    """Check that the store is valid and unchanged, and that no temporary files are left."""
    assert verify_store(store).findings == ()
    old, new = open_store(before), open_store(store)
    assert new.cells == old.cells
    assert new.info.genome_manifest == old.info.genome_manifest
    assert [p.name for p in store.parent.glob("s.zarr?*")] == []
    assert not (store.parent / "out.bed.gz").exists()
    assert not (store.parent / "new").exists()


def test_corpus_has_enough_cases_with_unique_titles_and_hints():
    assert sum(c.refused for c in CASES) >= 60
    assert sum(not c.refused for c in CASES) >= 20
    assert len({case_title(c) for c in CASES}) == len(CASES)
    assert all(c.hint for c in CASES if c.refused)


def test_training_names_the_track_that_one_cell_line_lacks(base, forked, tmp_path):
    shutil.copytree(base.stores["train"], tmp_path / "s.zarr")
    arguments = "--store s.zarr -i OTHER BARE -f CTCF -v chr21 -t chr7:0-9000 -o new".split()
    ended = forked.run("factornet.cli.train", arguments, tmp_path)
    assert ended.status == 2
    assert re.search(r"BARE.*Unique35|OTHER.*DGF", ended.err)


def test_commands_that_crash_or_hang_are_detected(forked, tmp_path):
    """The cases above would fail like these."""
    (tmp_path / "crashes.py").write_text("import os, signal\ndef main(_): os.kill(os.getpid(), signal.SIGSEGV)")
    (tmp_path / "hangs.py").write_text("import time\ndef main(_): time.sleep(60)")
    assert forked.run("crashes", [], tmp_path).signal == "SIGSEGV"
    assert forked.run("hangs", [], tmp_path, limit=0.5).hung
    assert "Traceback" in forked.run("is_not_there", [], tmp_path).err


def test_corpus_is_written_to_a_folder(tmp_path):
    cases = [c for c in CASES if c.file == "CELL/signal.bw"][:9]
    write_corpus(tmp_path, cases)
    rows = json.loads((tmp_path / "cases.json").read_text())
    assert [r["name"] for r in rows] == [c.name for c in cases]
    for row, case in zip(rows, cases, strict=True):
        changed = [p for p in (tmp_path / row["folder"]).rglob("*") if p.is_file()]
        assert [p.relative_to(tmp_path / row["folder"]).as_posix() for p in changed] == [case.file]
        assert row["outcome"] == "refused"
