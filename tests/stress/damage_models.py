"""Damage files of models and of interrupted predictions, one at a time; check that their readers find it.

    python tests/stress/damage_models.py --flips 1000 --cuts 200

`tests/model/model_dir/test_flipped_bits.py` runs a few faults. A fault is one flipped bit, or a file cut at a random
place, in any file of a small model that was trained for three epochs, of the state of a training that was paused, of
the record of a run, or of the one file that is handed on; of a prediction that was interrupted after two of its three
regions, or of the finished one; of such predictions by two models into a folder. predictions.tsv is for people and has
no reader: predictions.json has the same. A fault counts as found where every reader of the file refuses it naming the
file, or warns and computes again what was lost, so that the result is the same. "Without effect" counts those found
faults that no reader refuses since what it reads is the same: bytes in the header of a gzip file that mean nothing here.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1]))  # where it runs as a script
from stress.damaged_files import Outcome, Reader, Row, Target, damage_repeatedly, outcome_of, print_rows, refused
from stress.damaged_predictions import folder_targets, predict_folder_in, predict_in, prediction_targets
from support.tiny_experiment import build, write_tiny
from support.tiny_model import tiny_setup, train_tiny

from factornet.model import load_network
from factornet.model.model_dir.packed import pack_model, unpack_model
from factornet.model.model_dir.training_state import load_paused_state, load_training_state
from factornet.model.model_dir.verification.verify import verify_model
from factornet.model.training.history import Callbacks
from factornet.model.training.pausing import TrainingPausedError
from factornet.model.training.setup import prepare_training
from factornet.model.training.trainer import TrainingOptions, train
from factornet.store import InputError
from factornet.store.files.sealed_toml import RUN_FILE, RUN_FORMAT, write_sealed_toml


def model_targets(folder: Path) -> list[Target]:
    """Return all files of a model folder, with what reads them; every one is read by factornet-model verify, too."""
    covers = {f.path: f.covered_by for f in verify_model(folder).files}
    states = sorted(folder.glob("last-*.json"))
    readers: dict[str, tuple[str, Reader]] = {
        name: ("predict", refused(load_network, name))
        for name in ("model.json", "best.safetensors", "chip.txt", "bigwig.txt", "feature.txt", "meta.txt")
    }
    readers["last.safetensors"] = ("predict", refused(_load_last, "last.safetensors"))
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


def _load_last(folder: Path) -> None:
    with _without(folder, "last-"):
        load_network(folder, weights="last")


def _resumes(name: str, *, without: str) -> Reader:
    """The state is refused and named, or the one before it is used with a warning; `without` it, there is no other."""

    def found(folder: Path) -> Outcome:
        with _without(folder, without):
            try:
                return outcome_of(name in load_training_state(folder)[1])
            except InputError as error:
                return outcome_of(name in str(error))

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
            return outcome_of(name in {f.path for f in verify_model(folder).faults})
        except InputError as error:  # a flip in its version makes model.json one of a newer factornet
            return outcome_of(name in str(error))

    return found


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
            return outcome_of(name in str(error))
        return outcome_of(state is None and name in warning)

    return found


def _packed_target(model: Path, folder: Path) -> Target:
    """Pack a model; return the file, which is unpacked."""
    folder.mkdir()
    pack_model(model, folder / "m.factornet")

    def unpack(folder: Path) -> None:
        shutil.rmtree(folder / "unpacked", ignore_errors=True)
        unpack_model(folder / "m.factornet", folder / "unpacked")

    return Target("m.factornet", {"unpack": refused(unpack, "m.factornet")}, "SHA-256 of the whole")


def damage_all(work: Path, store: Path, *, flips: int, cuts: int, seed: int) -> list[Row]:
    """Train a model, predict with it, and damage every file of both; return the counts by file."""
    model, paused, folder = work / "model", work / "paused", work / "predictions"
    pause_in(paused, store)
    train_tiny(store, model, tensorboard=True)
    prediction = predict_in(folder, model, store)
    run = predict_folder_in(work / "by_two", model, store)
    places = [
        (model, model_targets(model)),
        (paused, paused_targets(paused)),
        (folder, prediction_targets(folder, prediction)),
        (work / "by_two", folder_targets(work / "by_two", run)),
        (work / "packed", [_packed_target(model, work / "packed")]),
    ]
    rows, left = list[Row](), {"flips": flips, "cuts": cuts}
    n = sum(len(targets) for _, targets in places)
    for number, (place, targets) in enumerate(places):
        share = {kind: round(m * len(targets) / n) for kind, m in left.items()}
        rows += damage_repeatedly(place, targets, **share, seed=seed + number)
        left = {kind: m - share[kind] for kind, m in left.items()}
        n -= len(targets)
    assert verify_model(model).faults == verify_model(paused).faults == ()
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
