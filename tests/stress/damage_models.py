"""Damage files of a model and of an interrupted prediction, one at a time; check that their readers find it.

    python tests/stress/damage_models.py --flips 1000 --cuts 200

`tests/model/model_dir/test_flipped_bits.py` runs a few faults. A fault is one flipped bit, or a file cut at a random
place, in any file of a small model that was trained for three epochs, of the state of a training that was paused, of
the record of a run, or of a prediction that was interrupted after two
of its three regions, or of the finished one. A fault counts as found where every reader of the file refuses it naming
the file, or warns and computes again what was lost, so that the result is the same. "Without effect" counts those
found faults that no reader refuses since what it reads is the same: bytes in the header of a gzip file that mean nothing here.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))  # where it runs as a script
from support.tiny_experiment import build, write_tiny
from support.tiny_model import tiny_setup, train_tiny

from factornet.model import Predictor, load_network, predict_regions, read_bedgraph
from factornet.model.model_dir.training_state import load_paused_state, load_training_state
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.training.history import Callbacks
from factornet.model.training.pausing import TrainingPausedError
from factornet.model.training.setup import prepare_training
from factornet.model.training.trainer import TrainingOptions, train
from factornet.store import InputError, Store, open_store, parse_region
from factornet.store.files.sealed_toml import RUN_FILE, RUN_FORMAT, write_sealed_toml

Outcome = Literal["found", "missed", "harmless"]
Reader = Callable[[Path], Outcome]
"""Reads a damaged file as a command does; "harmless" is damage that changes nothing of what is read."""


@dataclass(frozen=True)
class Target:
    """A file to be damaged.

    Attributes:
        path: of the file, in the folder that is copied.
        readers: its readers by the name of a command.
        covered_by: what covers it.
        silent_cuts: positions at which a cut leaves what a killed writer leaves, too; no cut is made there.
    """

    path: str
    readers: Mapping[str, Reader]
    covered_by: str
    silent_cuts: frozenset[int] = frozenset()


@dataclass
class Row:
    """Faults made in one file, how many of them were harmless, and descriptions of those that a reader missed."""

    target: Target
    flips: int = 0
    cuts: int = 0
    harmless: int = 0
    missed: list[str] = field(default_factory=list)

    def found(self, kind: str) -> int:
        """Return the number of faults of a kind that all readers found."""
        missed = {m.partition(":")[0] for m in self.missed if m.startswith(kind)}
        return int(getattr(self, f"{kind}s")) - len(missed)


def damage_repeatedly(folder: Path, targets: list[Target], *, flips: int, cuts: int, seed: int) -> list[Row]:
    """Apply faults one at a time, in turn to each file, each undone before the next; return the counts by file."""
    rng, rows = np.random.default_rng(seed), [Row(target) for target in targets]
    for number in range(flips + cuts):
        kind, turn = ("flip", number) if number < flips else ("cut", number - flips)
        row = rows[turn % len(rows)]
        path = folder / row.target.path
        content = path.read_bytes()
        at, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        while kind == "cut" and at in row.target.silent_cuts:
            at = int(rng.integers(len(content)))
        changed = bytearray(content) if kind == "flip" else content[:at]
        if kind == "flip":
            changed[at] ^= bit
        setattr(row, f"{kind}s", getattr(row, f"{kind}s") + 1)
        for name, reader in row.target.readers.items():
            path.write_bytes(changed)
            outcome = reader(folder)
            row.harmless += outcome == "harmless"
            if outcome == "missed":
                row.missed.append(f"{kind} {number} at byte {at:,} of {len(content):,}: {name}")
        path.write_bytes(content)
    return rows


def print_rows(rows: list[Row]) -> None:
    """Print the counts as a table, and each fault that was not found."""
    table = [("file", "who reads it", "what covers it", "flips found/made", "cuts found/made", "without effect")]
    for row in rows:
        counts = (f"{row.found('flip')}/{row.flips}", f"{row.found('cut')}/{row.cuts}")
        table.append(
            (row.target.path, ", ".join(row.target.readers), row.target.covered_by, *counts, str(row.harmless or ""))
        )
    total = [f"{sum(r.found(k) for r in rows)}/{sum(getattr(r, f'{k}s') for r in rows)}" for k in ("flip", "cut")]
    table.append(("all", "", "", *total, str(sum(row.harmless for row in rows))))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    for row in rows:
        for missed in row.missed:
            print(f"not found: {row.target.path}: {missed}")


# A model folder


def model_targets(folder: Path) -> list[Target]:
    """Return all files of a model folder, with what reads them; every one is read by factornet-model verify, too."""
    covers = {f.path: f.covered_by for f in verify_model(folder).files}
    states = sorted(folder.glob("last-*.json"))
    readers: dict[str, tuple[str, Reader]] = {
        name: ("predict", _refused(load_network, name))
        for name in ("model.json", "best.safetensors", "chip.txt", "bigwig.txt", "feature.txt", "meta.txt")
    }
    readers["last.safetensors"] = ("predict", _refused(_load_last, "last.safetensors"))
    for path in folder.glob("last-*"):
        newest = path.name.startswith(states[-1].stem)
        readers[path.name] = ("resume", _resumes(path.name, without="" if newest else states[-1].stem))
    targets = []
    for name, covered_by in covers.items():
        used = dict([readers[name]]) if name in readers else {}
        silent = _ends_of_records(folder / name) if name.startswith("tensorboard/") else frozenset()
        targets.append(Target(name, used | {"verify": _verifies(name)}, covered_by, silent))
    return targets


def _ends_of_records(path: Path) -> frozenset[int]:
    data, ends = path.read_bytes(), [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 16 + int.from_bytes(data[ends[-1] : ends[-1] + 8], "little"))
    return frozenset(ends)


def _refused(read: Callable[[Path], object], name: str) -> Reader:
    def found(folder: Path) -> Outcome:
        try:
            read(folder)
        except InputError as error:
            return _outcome(name in str(error))
        return "missed"

    return found


def _outcome(found: bool) -> Outcome:
    return "found" if found else "missed"


def _load_last(folder: Path) -> None:
    with _without(folder, "last-"):
        load_network(folder, weights="last")


def _resumes(name: str, *, without: str) -> Reader:
    """The state is refused and named, or the one before it is used with a warning; `without` it, there is no other."""

    def found(folder: Path) -> Outcome:
        with _without(folder, without):
            try:
                return _outcome(name in load_training_state(folder)[1])
            except InputError as error:
                return _outcome(name in str(error))

    return found


@contextmanager
def _without(folder: Path, prefix: str) -> Iterator[None]:
    """Move the files whose names begin with a prefix out of a folder for a while."""
    files = [path for path in folder.iterdir() if prefix and path.name.startswith(prefix)]
    aside = folder.with_name(f"{folder.name}.aside")
    aside.mkdir(exist_ok=True)
    for path in files:
        path.rename(aside / path.name)
    try:
        yield
    finally:
        for path in files:
            (aside / path.name).rename(path)


def _verifies(name: str) -> Reader:
    def found(folder: Path) -> Outcome:
        try:
            return _outcome(name in {f.path for f in verify_model(folder).faults})
        except InputError as error:  # a flip in its version makes model.json one of a newer factornet
            return _outcome(name in str(error))

    return found


# A paused training


def pause_in(folder: Path, store: Path) -> None:
    """Train two epochs, pause within the third, and record a run."""
    asked = 0

    def pause() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2 * _QUESTIONS

    setup = tiny_setup(store)
    network = prepare_training(setup, folder, resume=False, overwrite=False)
    options, device = TrainingOptions(batch_size=4, epochs=3), torch.device("cpu")
    with suppress(TrainingPausedError):
        train(network, setup.sampler, folder, options, device=device, callbacks=Callbacks(pause=pause))
    assert list(folder.glob("paused-*.json")), "it has paused"
    content = {"command": "factornet-train", "options": {"epochs": 3}}
    write_sealed_toml(folder / RUN_FILE, RUN_FORMAT, content)


_QUESTIONS = 2  # after the step of an epoch, and in its validation


def paused_targets(folder: Path) -> list[Target]:
    """Return the files of the state within an epoch, which resuming and verification read, and the record of a run."""
    covers = {f.path: f.covered_by for f in verify_model(folder).files}
    targets = [Target(RUN_FILE, {"verify": _verifies(RUN_FILE)}, covers[RUN_FILE])]
    for path in sorted(folder.glob("paused-*")):
        readers = {"resume": _pause_is_refused(path.name), "verify": _verifies(path.name)}
        targets.append(Target(path.name, readers, covers[path.name]))
    return targets


def _pause_is_refused(name: str) -> Reader:
    """The epoch is trained from its begin, with a warning that names the file; or a newer version is refused."""

    def found(folder: Path) -> Outcome:
        try:
            state, warning = load_paused_state(folder)
        except InputError as error:
            return _outcome(name in str(error))
        return _outcome(state is None and name in warning)

    return found


# A prediction


class StopPredictionError(Exception):
    """Stands for a kill in the middle of a prediction."""


@dataclass(frozen=True)
class Prediction:
    """A prediction of three regions: its arguments, and the bytes of its file."""

    predictor: Predictor
    store: Store

    def run(self, output: Path, *, resume: bool = False, stop_after: int | None = None) -> None:
        """Predict to a file; raise `StopPredictionError` once that many regions are finished."""
        regions = [
            parse_region(text, self.store.coordinates)
            for text in ("chrA:2000-6000", "chrA:9000-9800", "chrB:3000-5000")
        ]
        calls = 0

        def on_bins(_: int) -> None:
            nonlocal calls
            calls += 1
            if stop_after is not None and calls > stop_after:
                raise StopPredictionError

        predict_regions(self.predictor, regions, output, stride=50, resume=resume, on_bins=on_bins, overwrite=True)


def predict_in(folder: Path, model: Path, store: Path) -> Prediction:
    """Predict x.bed.gz into a folder, and interrupt the prediction of y.bed.gz after two regions."""
    opened = open_store(store)
    device = torch.device("cpu")
    predictor = Predictor(network=load_network(model), store=opened, cell="A", factor="TF", device=device)
    prediction = Prediction(predictor, opened)
    folder.mkdir()
    prediction.run(folder / "x.bed.gz")
    try:
        prediction.run(folder / "y.bed.gz", stop_after=2)
    except StopPredictionError:
        return prediction
    raise AssertionError("the prediction was not interrupted")


def prediction_targets(folder: Path, prediction: Prediction) -> list[Target]:
    """Return the files of a finished and of an interrupted prediction, with what reads them."""
    whole = (folder / "x.bed.gz").read_bytes()
    scores = read_bedgraph(folder / "x.bed.gz", prediction.store.coordinates)[1]

    def evaluate(folder: Path) -> Outcome:
        try:
            read = read_bedgraph(folder / "x.bed.gz", prediction.store.coordinates)[1]
        except InputError as error:
            return _outcome("x.bed.gz" in str(error))
        return "harmless" if np.array_equal(read, scores) else "missed"  # time and system in a header of gzip

    parts = folder / ".y.bed.gz.parts"
    covers = {"settings.json": "SHA-256 of its text", "digests.json": "SHA-256 of its text"}
    targets = [
        Target(
            str(path.relative_to(folder)),
            {"resume": _resumed(path.name, prediction, whole)},
            covers.get(path.name, "SHA-256 in digests.json"),
        )
        for path in sorted(parts.iterdir())
    ]
    return [Target("x.bed.gz", {"evaluate": evaluate}, "CRC-32 of gzip"), *targets]


def _resumed(name: str, prediction: Prediction, whole: bytes) -> Reader:
    """The resumed prediction refuses the file, or warns, computes again, and ends in the same bytes."""

    def found(folder: Path) -> Outcome:
        copy = folder.with_name("resumed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        with _warnings() as texts:
            try:
                prediction.run(copy / "y.bed.gz", resume=True)
            except InputError as error:
                return _outcome(name in str(error))
        return _outcome(any(name in text for text in texts) and (copy / "y.bed.gz").read_bytes() == whole)

    return found


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect warnings of predictions in place of printing them."""
    texts: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger, handler = logging.getLogger("factornet-predict"), Collect(logging.WARNING)
    logger.addHandler(handler)
    propagated, logger.propagate = logger.propagate, False
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def damage_all(work: Path, store: Path, *, flips: int, cuts: int, seed: int) -> list[Row]:
    """Train a model, predict with it, and damage every file of both; return the counts by file."""
    model, paused, folder = work / "model", work / "paused", work / "predictions"
    pause_in(paused, store)
    train_tiny(store, model, tensorboard=True)
    prediction = predict_in(folder, model, store)
    groups = {
        model: model_targets(model),
        paused: paused_targets(paused),
        folder: prediction_targets(folder, prediction),
    }
    n_files, rows = sum(map(len, groups.values())), list[Row]()
    for number, (where, targets) in enumerate(groups.items()):
        n_left = n_files - len(rows)
        n_flips = round((flips - sum(row.flips for row in rows)) * len(targets) / n_left)
        n_cuts = round((cuts - sum(row.cuts for row in rows)) * len(targets) / n_left)
        rows += damage_repeatedly(where, targets, flips=n_flips, cuts=n_cuts, seed=seed + number)
    assert verify_model(model).faults == ()
    assert verify_model(paused).faults == ()
    return rows


def main() -> None:
    """Build a tiny store, train on it, and damage the model and the predictions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        write_tiny(Path(work))
        build(Path(work))
        rows = damage_all(Path(work), Path(work) / "s.zarr", flips=options.flips, cuts=options.cuts, seed=options.seed)
    print_rows(rows)
    sys.exit(any(row.missed for row in rows))


if __name__ == "__main__":
    main()
