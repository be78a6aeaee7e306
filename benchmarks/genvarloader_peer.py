"""Windows per second against GenVarLoader, the fastest loader that a user could pick, on the same data in one run.

The same FASTA, bigWigs and windows: L 1000, sequence and 2 tracks, batches of 256 in random order; both must read the
same bits. GenVarLoader lives in an environment of its own (`make bench-peers`), in which `genvarloader_side.py` takes
its turns. It must write a dataset before it can read regions that are new: the other row has the seconds until the
first batch of an epoch of them, for us from a compressed store (or, in the last row, a raw one), ready as it is for any
region. Prediction before the first run: 3 x the rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Self

from raw import unpack
from rows import finish, make_parser, make_row, measure_pairs, skipped

from data import BATCH, CHROM, LENGTH, TRACKS, Sources, build_store, random_plan, read_all, write_sources
from factornet.store import SamplingPlan, Store, StreamSettings, WindowStream, open_store

DEFAULT_PEER = Path(__file__).parent.parent / "build" / "gvl-venv" / "bin" / "python"
RATE, FIRST, FIRST_RAW = (
    "loader_raw_vs_genvarloader",
    "first_batch_compressed_vs_genvarloader",
    "first_batch_raw_vs_genvarloader",
)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--windows", type=int, default=100_000, help="windows an epoch (100000)")
    parser.add_argument("--python", type=Path, default=DEFAULT_PEER, help="the Python that has genvarloader")
    options = parser.parse_args()
    lack = why_not(options.python)
    if lack:
        finish([skipped(name, lack) for name in (RATE, FIRST, FIRST_RAW)], options.json)
        return
    with tempfile.TemporaryDirectory() as folder, Peer(options.python) as peer:
        sources = write_sources(Path(folder))
        compressed = build_store(sources)
        raw = unpack(compressed, Path(folder, "raw.zarr"))
        plan, repeats = random_plan(options.windows), options.repeats
        write = peer_writer(peer, sources, plan)
        rows = [
            make_row(FIRST, measure_pairs(first_batch(compressed, plan), write, repeats), "s"),
            make_row(FIRST_RAW, measure_pairs(first_batch(raw, plan), write, repeats), "s"),
        ]
        ours, theirs = rates(raw, peer, plan)
        rows.insert(0, make_row(RATE, measure_pairs(ours, theirs, repeats), "windows/s"))
    finish(rows, options.json)


def why_not(python: Path) -> str:
    """Why there is no peer to compare with; empty where there is."""
    hint = "get it by `make bench-peers`"
    if not python.is_file():
        return f"GenVarLoader is not installed; {hint}"
    found = subprocess.run([python, "-c", "import genvarloader"], capture_output=True, text=True, check=False)
    if found.returncode:
        return f"GenVarLoader cannot be imported ({found.stderr.strip().splitlines()[-1]}); {hint}"
    return ""


class Peer:
    """The other side: a process that answers one request at a time."""

    def __init__(self, python: Path) -> None:
        side = Path(__file__).with_name("genvarloader_side.py")
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", "LOGURU_LEVEL": "WARNING"}
        self._process = subprocess.Popen(
            [python, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Its answer to a request."""
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"GenVarLoader's process ended with status {self._process.wait()}; its message is above")
        return json.loads(answer)


def first_batch(store: Store, plan: SamplingPlan) -> Callable[[int], float]:
    """Seconds from a path to the first batch."""

    def measure(repeat: int) -> float:
        begin = perf_counter()
        stream = iter(
            WindowStream(open_store(store.path), plan, StreamSettings(LENGTH, batch_size=BATCH), seed=(repeat,))
        )
        next(stream)
        seconds = perf_counter() - begin
        stream.close()
        return seconds

    return measure


def peer_writer(peer: Peer, sources: Sources, plan: SamplingPlan) -> Callable[[int], float]:
    """Seconds from the windows, as a BED file, to its first batch."""
    bed = sources.folder / "windows.bed"
    bed.write_text("".join(f"{CHROM}\t{s}\t{s + LENGTH}\n" for s in plan.window_starts(LENGTH).tolist()))
    bigwigs = {name: str(path) for name, path in zip(TRACKS, sources.bigwigs, strict=True)}
    folder, common = str(sources.folder / "windows.gvl"), {"length": LENGTH, "batch": BATCH}
    request = {"do": "write", "folder": folder, "bed": str(bed), "fasta": str(sources.fasta), "bigwigs": bigwigs}
    return lambda _: peer.ask(**request, **common)["seconds"]


def rates(store: Store, peer: Peer, plan: SamplingPlan) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Windows a second of both; the peer's dataset is written already."""
    sums = set()

    def ours(repeat: int) -> float:
        begin = perf_counter()
        sums.add(read_all(WindowStream(store, plan, StreamSettings(LENGTH, batch_size=BATCH), seed=(repeat,))))
        return len(plan) / (perf_counter() - begin)

    def theirs(repeat: int) -> float:
        answer = peer.ask(do="epoch", seed=repeat, batch=BATCH)
        sums.add(answer["checksum"])
        assert len(sums) == 1, f"the two loaders read different windows: {sums}"
        return len(plan) / answer["seconds"]

    return ours, theirs


if __name__ == "__main__":
    main()
