"""Build a cell line repeatedly, killed at random moments; check that no reader ever sees half of one.

    python tests/stress/kill_build.py --runs 200

Used by test_killed_builds.py with few runs. In each run a child process builds, and is killed (SIGKILL) after a random
time; the store must open, and hold the cell line whole or not at all; then a build that is not killed must give the
digest of one that never was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from factornet.etl import CellOptions, GenomeInputs, GenomeOptions, Resources, build_cell, build_genome, write_demo
from factornet.etl.verify.objects import verify_store
from factornet.store import open_store
from factornet.store.format.layout import Layout

_CHILD = """
import sys; from pathlib import Path
from factornet.etl import CellOptions, Resources, build_cell
from factornet.store.format.layout import Layout
print("ready", flush=True)
options = CellOptions(layout=Layout(65536, 65536 * 4))
build_cell(Path(sys.argv[1]), Path(sys.argv[2]), options, Resources(1), force="force" in sys.argv,
    on_report=lambda r: print("shard", flush=True))
"""
_OPTIONS = CellOptions(layout=Layout(65536, 65536 * 4))


@dataclass
class Tally:
    """Counts of what happened."""

    killed: int = 0
    ended: int = 0
    published: int = 0
    resumed: int = 0


def digest(store: Path, cell: str) -> str:
    """Return the digest of a cell line's manifest; empty if there is no such cell line."""
    opened = open_store(store)
    return opened.cell(cell).manifest if cell in opened.cells else ""


def killed_build(store: Path, folder: Path, seconds: float, *, after: int = 0, force: bool) -> tuple[bool, float]:
    """Start a build, and kill it `seconds` after `after` shards are done.

    Returns:
        Whether it was killed before it ended, and the seconds it ran.
    """
    command = [sys.executable, "-c", _CHILD, str(store), str(folder), *(["force"] if force else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        begin = time.perf_counter()
        for _ in range(after):
            child.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
        child.kill()
        child.wait()
        return child.returncode == -signal.SIGKILL, time.perf_counter() - begin


def torture(store: Path, folder: Path, runs: int, seed: int) -> Tally:
    """Run the test on a store that has only a genome."""
    rng, tally, cell = random.Random(seed), Tally(), folder.name
    shards = len(build_cell(store, folder, _OPTIONS, Resources(1)).reports)
    undisturbed = digest(store, cell)
    # Seconds of a child from a cold start: a build in this process ends before a child has written its first shard.
    _, longest = killed_build(store, folder, 600.0, force=True)
    for run in range(runs):
        force = run % 2 == 1
        if not force:
            shutil.rmtree(store / "cells" / cell)
        for _ in range(rng.randint(1, 2)):
            # At any moment; or soon after a shard, or after the last one, when the cell line is published.
            after = rng.choice([0, rng.randint(1, shards), shards])
            seconds = rng.uniform(0, longest * (0.2 if after else 1.1))
            killed, _ = killed_build(store, folder, seconds, after=after, force=force)
            tally.killed += killed
            tally.ended += not killed
            found = digest(store, cell)
            assert found in ((undisturbed,) if force else (undisturbed, "")), f"run {run}: half a cell line"
            if found:
                tally.published += 1
                assert verify_store(store, cells=[cell]).findings == (), f"run {run}: damaged"
        report = build_cell(store, folder, _OPTIONS, Resources(1), force=True)
        tally.resumed += any("were already done" in note for note in report.notes)
        assert digest(store, cell) == undisturbed, f"run {run}: another digest"
        assert not store.with_name(store.name + ".building").exists(), f"run {run}: something left behind"
    return tally


def main() -> None:
    """Run the long test on the demo experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        files = write_demo(Path(work) / "files").directory
        store = Path(work) / "s.zarr"
        build_genome(store, GenomeInputs(files / "genome.fa"), GenomeOptions(assembly="demo"), Resources(1))
        print(torture(store, files / "cells/K562", options.runs, options.seed))


if __name__ == "__main__":
    main()
