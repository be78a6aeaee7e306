"""The commands that write at one place, a tiny experiment with stores and a model: how each is called, what is left.

Used by pairs_of_commands.py. At the place are the cell lines' folders A, B, C and another version of A; a store s.zarr
with A and B; an exported store e.zarr with A and C; a model m whose training was interrupted after one of two epochs.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from support.forked import COMMANDS as ETL_MODULES
from support.forked import Ended, Forked
from support.tiny_experiment import LENGTHS, write_cell

from factornet.etl.verify.objects import verify_store
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.prediction.sidecar import read_record, sidecar_path
from factornet.store import open_store
from factornet.store.errors import FactorNetError

from .written_outputs import MODULES as MODEL_MODULES
from .written_outputs import normal, seen

MODULES = (*ETL_MODULES, *MODEL_MODULES)
_GENOME = "--chroms chrA chrB --force -p 1"
_TRAIN = "-f TF -i A -v chrB -t chrA:0-500 -L 200 -k 4 -w 8 -r 2 -d 4 --threads 1 --device cpu --store s.zarr"
_PREDICT = "--store s.zarr -f TF -i A -m m --device cpu -b in.bed -o p.bed.gz"
COMMANDS = {
    "genome": f"etl genome s.zarr --fasta new.fa {_GENOME}",
    "build": "etl build s.zarr A C -p 1",
    "build --force": "etl build s.zarr new/A --force -p 1",
    "rm": "etl rm s.zarr A",
    "import": "etl import e.zarr s.zarr",
    "export": "etl export s.zarr e.zarr",
    "unpack": "etl unpack s.zarr r.zarr -p 1",
    "build --repair": "etl build s.zarr A --repair -p 1",
    "train": f"train {_TRAIN} -e 2 -s 2 -oc m",
    "train --resume": f"train {_TRAIN} -e 2 -s 1 -o m --resume",
    "predict": f"predict {_PREDICT}",
}
"""Name in the table -> module and arguments, run in the folder of the place."""


def places_of(first: str, second: str) -> list[str]:
    """Return the places at which two commands are run, so that each has something to do.

    "full" has it all; in "damaged", an object of cell line A in s.zarr is damaged; in "bare", s.zarr has no cell line,
    so that its genome can be replaced; in "one", it has only A.
    """
    if "build --repair" in (first, second):
        return ["damaged"]
    if "genome" not in (first, second):
        return ["full"]
    other = second if first == "genome" else first
    if other == "rm":
        return ["full", "one"]
    return ["full"] if other.startswith(("train", "predict")) else ["full", "bare"]


def run(server: Forked, name: str, place: Path) -> Ended:
    """Run a command of the table."""
    return _run(server, COMMANDS[name], place)


def _run(server: Forked, command: str, place: Path) -> Ended:
    module, *arguments = command.split()
    return server.run(module if "." in module else f"factornet.cli.{module}", arguments, place, limit=240)


def main(arguments: list[str]) -> int:
    """Train, and be interrupted after the first epoch."""
    from factornet.cli import train

    def interrupt(text: str, **_: Any) -> None:
        if text.startswith("epoch   1"):
            raise KeyboardInterrupt

    with mock.patch.object(train, "print_line", interrupt):
        return train.main(arguments)


@dataclass(frozen=True)
class Known:
    """What may be found at a place.

    Attributes:
        manifests: cell line -> digests of the manifests of its versions.
        genomes: digests of the genome's versions.
        scores: SHA-256 of predictions -> digest of the manifest of the cell line.
    """

    manifests: Mapping[str, set[str]]
    genomes: set[str]
    scores: Mapping[str, str]


def prepare(server: Forked, place: Path, kept: Path) -> Known:
    """Build all places at the path `place`, in turn, and keep a copy of each below `kept`."""
    rng = random.Random(1)
    place.mkdir()
    for name in ("g.fa", "new.fa"):
        lines = (f">{c}\n{''.join(rng.choices('ACGT', k=size))}\n" for c, size in LENGTHS.items())
        (place / name).write_text("".join(lines))
    for folder, value in (("A", 2.0), ("B", 3.0), ("C", 4.0), ("new/A", 5.0)):
        (place / folder).mkdir(parents=True)
        write_cell(place / folder, value)
        peaks = [(c, at) for c, size in LENGTHS.items() for at in range(1000, size - 2000, 1500)]
        (place / folder / "p.bed").write_text("".join(f"{c}\t{at}\t{at + 200}\n" for c, at in peaks))
    (place / "in.bed").write_text("".join(f"chrA\t{at}\t{at + 200}\n" for at in range(600, 18_000, 50)))

    def do(command: str, status: int = 0) -> None:
        ended = _run(server, command, place)
        assert ended.status == status, (command, ended)

    do(f"etl genome s.zarr --fasta g.fa {_GENOME}")
    shutil.copytree(place, kept / "bare")
    do("etl build s.zarr A C -p 1")
    do("etl export s.zarr e.zarr")
    shutil.copytree(place / "e.zarr", kept / "bare/e.zarr")
    manifests = {cell: {open_store(place / "s.zarr").cell(cell).manifest} for cell in "AC"}
    do("etl rm s.zarr C")
    shutil.copytree(place, kept / "one")
    do("etl build s.zarr B -p 1")
    do(f"stress.places_of_commands {_TRAIN} -e 2 -s 1 -o m", status=130)
    shutil.copytree(place, kept / "full")
    shutil.copytree(place, kept / "damaged")
    damaged = max((kept / "damaged/s.zarr/cells/A/tracks").rglob("*"), key=lambda p: p.is_file() * p.stat().st_size)
    damaged.write_bytes(bytes([damaged.read_bytes()[0] ^ 1]) + damaged.read_bytes()[1:])
    genomes = {_genome(place / "s.zarr")}
    manifests["B"] = {open_store(place / "s.zarr").cell("B").manifest}
    scores = {}

    def predict() -> None:
        do(COMMANDS["predict"])
        scores[_sha(place / "p.bed.gz")] = open_store(place / "s.zarr").cell("A").manifest
        (place / "p.bed.gz").unlink()

    predict()
    for command in (COMMANDS["train --resume"], f"train {_TRAIN} -e 1 -s 2 -oc m", COMMANDS["train"]):
        do(command)
        predict()
    shutil.rmtree(place / "m")
    shutil.copytree(kept / "full/m", place / "m")
    do(COMMANDS["build --force"])
    predict()
    manifests["A"].add(open_store(place / "s.zarr").cell("A").manifest)
    do("etl rm s.zarr A B")
    do(COMMANDS["genome"])
    genomes.add(_genome(place / "s.zarr"))
    for cell in "AC":  # of the other genome
        do(f"etl build s.zarr {cell} -p 1")
        manifests[cell].add(open_store(place / "s.zarr").cell(cell).manifest)
    do(COMMANDS["build --force"])
    manifests["A"].add(open_store(place / "s.zarr").cell("A").manifest)
    return Known(manifests, genomes, scores)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _genome(store: Path) -> str:
    return str(json.loads((store / "zarr.json").read_bytes())["attributes"]["genome_manifest"])


State = Mapping[str, Any]
"""Name of a store, model or prediction at a place -> what it holds."""


def state_of(place: Path, known: Known) -> tuple[State, list[str]]:
    """Verify all outputs at a place; return what they hold, and what is wrong with them."""
    state, wrong = dict[str, Any](), list[str]()
    parts: dict[str, Callable[[Path, Known, list[str]], Any]] = {
        **dict.fromkeys(("s.zarr", "e.zarr", "r.zarr"), _store),
        **{"m": _model, "p.bed.gz": _prediction},
    }
    for name, read in parts.items():
        if (place / name).exists():
            try:
                state[name] = read(place / name, known, wrong)
            except FactorNetError as e:
                state[name] = "broken"
                wrong.append(f"{name}: {e}")
    if sidecar_path(place / "p.bed.gz").exists() and "p.bed.gz" not in state:
        wrong.append("a record of predictions without predictions")
    return state, wrong


def _store(path: Path, known: Known, wrong: list[str]) -> Any:
    store = open_store(path)
    cells = {cell: store.cell(cell).manifest for cell in store.cells}
    if store.info.encoding == "raw":
        cells = dict.fromkeys(cells, "raw")  # its arrays are other objects
    else:
        wrong += [
            f"{path.name}: {c} of unknown inputs" for c, digest in cells.items() if digest not in known.manifests[c]
        ]
        if _genome(path) not in known.genomes:
            wrong.append(f"{path.name}: genome of unknown inputs")
    wrong += [f"{path.name}: {f.path} {f.problem}" for f in verify_store(path).findings]
    return {"genome": "raw" if "raw" in cells.values() else _genome(path), **cells}


def _model(path: Path, known: Known, wrong: list[str]) -> Any:
    from factornet.model import load_network

    report = verify_model(path)
    wrong += [f"m/{f.path} {f.kind}: {f.problem}" for f in report.faults]
    others = [f for f in report.files if f.kind in ("temporary", "foreign") and ".m.replaced" not in f.path]
    wrong += [f"m/{f.path} {f.kind}" for f in others]
    if report.stage == "ended" or report.epochs:
        load_network(path)
    files = {name: content for name, content in normal(seen(path)).items() if name != "training.png"}
    return report.stage, report.epochs, hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]


def _prediction(path: Path, known: Known, wrong: list[str]) -> Any:
    record, digest = read_record(path), _sha(path)
    if digest not in known.scores:
        wrong.append("p.bed.gz: wrong scores")
    elif record.manifests["cells/A"] != known.scores[digest]:
        wrong.append("p.bed.gz: its record names another version of the cell line")
    return "whole"


def left_over(place: Path) -> list[str]:
    """Return temporary files and locks at a place."""
    found = set()
    for path in place.rglob("*"):
        with suppress(ValueError):
            hidden = [part for part in path.relative_to(place).parts if part[0] == "." or part.endswith(".building")]
            if hidden:
                found.add(str(path.relative_to(place)))
    return sorted(found)
