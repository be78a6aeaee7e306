"""Terminate trainings at random moments, as preemption does, and resume each; compare what they end with.

    python tests/stress/preempt_training.py --moments 20

A training of the demo is run once as it is. Then it is run again, and sent SIGTERM a random time after it has begun, on
the same folder until it has ended, and then from the start again, until `--moments` signals have met it. It must end with
status 143, as paused, unless it has ended before; whatever it leaves must verify; and in the end weights and losses must
be those of the first run, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from factornet.model.model_dir.verification.verify import verify_model

_PAUSED = 128 + signal.SIGTERM


def command(store: Path, folder: Path) -> list[str]:
    """Return the command line of a training of some seconds."""
    words = "-i GM12878 -f CTCF -v chr11:0-400000 -t chr1 chr2 chr21 -k 32 -r 8 -d 16 -e 6 -b 10 --threads 1".split()
    program = "import sys; from factornet.cli.train import main; sys.exit(main())"
    return [sys.executable, "-c", program, "--store", str(store), *words, "-o", str(folder)]


def same_outputs(first: Path, second: Path) -> list[str]:
    """Return which of weights and losses of two model folders differ."""
    names = ("best.safetensors", "last.safetensors")
    different = [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()]
    losses = []
    for folder in (first, second):
        rows = json.loads((folder / "history.json").read_text())
        losses.append([[row[key] for key in ("epoch", "loss", "val_loss", "val_average_precision")] for row in rows])
    return different + (["history.json"] if losses[0] != losses[1] else [])


def preempt(store: Path, folder: Path, seconds: float) -> tuple[int, float, str]:
    """Run a training, terminate it some seconds after it has begun; return status, seconds to its end, its messages."""
    started = _begin(store, folder)
    time.sleep(seconds)
    begin = time.monotonic()
    os.kill(started.pid, signal.SIGTERM)
    _, errors = started.communicate(timeout=120)
    return started.returncode, time.monotonic() - begin, errors.decode()


def _begin(store: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start or resume a training; return it when its first step is near: what is done before is lost to nobody."""
    resume = ["--resume"] if (folder / "model.json").exists() else []
    started = subprocess.Popen([*command(store, folder), *resume], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert started.stdout is not None
    while (line := started.stdout.readline()) and not line.startswith(b"windows:"):
        pass
    return started


def main() -> None:
    """Run the trainings and print each moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20, help="how often a training is terminated")
    parser.add_argument("--store", type=Path, help="store of the demo; default: it is built")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, faults, n, n_paused = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as work:
        store = options.store or _build_demo(Path(work))
        whole, folder = Path(work) / "whole", Path(work) / "model"
        started = _begin(store, whole)
        begin = time.monotonic()
        started.communicate(timeout=600)
        duration = time.monotonic() - begin
        print(f"undisturbed: {duration:.1f} s behind its begin", flush=True)
        while n_paused < options.moments and n < 10 * options.moments and not faults:
            n += 1
            seconds = rng.uniform(0, duration / 2)
            status, took, errors = preempt(store, folder, seconds)
            problems = [f.path for f in verify_model(folder).faults] if (folder / "model.json").exists() else []
            ended = status == 0 or (folder / "last.safetensors").exists()
            if status not in (0, _PAUSED, -signal.SIGTERM) or problems:
                faults += 1
            n_paused += status == _PAUSED
            said = errors.strip().splitlines()[-1] if errors.strip() else "ended before"
            found = problems or "verified"
            print(f"{n}: after {seconds:.2f} s, status {status}, {took:.2f} s later; {found}; {said}", flush=True)
            if ended or n_paused == options.moments:
                faults += _finish(store, folder, whole)
                shutil.rmtree(folder)
    print(f"{n} moments, {n_paused} paused: {faults} faults")
    sys.exit(bool(faults) or n_paused < options.moments)


def _finish(store: Path, folder: Path, whole: Path) -> int:
    """Resume a training to its end; return 1 if it differs from the undisturbed one, else 0."""
    done = subprocess.run([*command(store, folder), "--resume"], capture_output=True, text=True, check=False)
    different = same_outputs(whole, folder) if done.returncode == 0 else [done.stderr]
    print(f"resumed to the end: {'the same bits' if not different else f'DIFFERENT: {different}'}")
    return int(bool(different))


def _build_demo(work: Path) -> Path:
    """Build the store of the demo, of one cell line."""
    files, store = work / "files", work / "demo.zarr"
    genome = ["--assembly", "demo", "--fasta", files / "genome.fa", "--track", f"Unique35={files}/tracks/Unique35.bw"]
    program = "import sys; from factornet.cli.etl import main; sys.exit(main())"
    for words in (["demo", files], ["genome", store, *genome], ["build", store, files / "cells/GM12878"]):
        subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True, capture_output=True)
    return store


if __name__ == "__main__":
    main()
