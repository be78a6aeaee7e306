"""The files of finished and of interrupted predictions, by one model and by several, and what reads them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from factornet.model import Predictor, load_network, predict_regions, read_bedgraph
from factornet.model.keras.open_model import open_models
from factornet.model.prediction.runs.folder import make_predictors, predict_folder
from factornet.model.prediction.runs.outputs import plan_outputs
from factornet.model.prediction.runs.region_bins import RegionBins
from factornet.model.prediction.runs.report import predicted_files
from factornet.model.prediction.sidecar import read_record
from factornet.store import InputError, Store, open_store, parse_region

from .damaged_files import Outcome, Reader, Target, outcome_of, refused

_SEAL = "SHA-256 of its text"


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
            return outcome_of("x.bed.gz" in str(error))
        return "harmless" if np.array_equal(read, scores) else "missed"  # time and system in a header of gzip

    def resume(copy: Path) -> bool:
        prediction.run(copy / "y.bed.gz", resume=True)
        return (copy / "y.bed.gz").read_bytes() == whole

    return [
        Target("x.bed.gz", {"evaluate": evaluate}, "CRC-32 of gzip"),
        Target("x.bed.gz.json", {"evaluate": refused(_read_record_of("x.bed.gz"), "x.bed.gz")}, _SEAL),
        *_part_targets(folder / ".y.bed.gz.parts", resume),
    ]


def _read_record_of(name: str) -> Callable[[Path], object]:
    return lambda folder: read_record(folder / name)


def _part_targets(parts: Path, resume: Callable[[Path], bool]) -> list[Target]:
    """Return the files of an interrupted run of an output; `resume` completes it and compares the outputs."""
    names = [str(path.relative_to(parts.parent)) for path in sorted(parts.iterdir())]
    covers = [_SEAL if name.endswith(".json") else "SHA-256 in digests.json" for name in names]
    return [Target(n, {"resume": _resumed(Path(n).name, resume)}, by) for n, by in zip(names, covers, strict=True)]


def _resumed(name: str, resume: Callable[[Path], bool]) -> Reader:
    """The resumed prediction refuses the file, or warns, computes again, and ends in the same bytes."""

    def found(folder: Path) -> Outcome:
        copy = folder.with_name("resumed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        with _warnings() as texts:
            try:
                same = resume(copy)
            except InputError as error:
                return outcome_of(name in str(error))
        return outcome_of(any(name in text for text in texts) and same)

    return found


# Predictions by several models


def predict_folder_in(folder: Path, model: Path, store: Path) -> Callable[[Path], None]:
    """Predict into a folder by two models, and interrupt another such run after one of two regions.

    Returns what resumes it.
    """
    folder.mkdir()
    opened, second = open_store(store), folder.with_name("second")
    shutil.copytree(model, second, dirs_exist_ok=True)
    shared = {"store": opened, "cell": "A", "device": torch.device("cpu")}
    regions = tuple(parse_region(text, opened.coordinates) for text in ("chrA:2000-6000", "chrB:3000-5000"))
    bins = RegionBins(regions=regions, stride=50)

    def run(out: Path, stop_after: int = 1000) -> None:
        calls = 0

        def on_bins(_: int) -> None:
            nonlocal calls
            calls += 1
            if calls > stop_after:
                raise StopPredictionError

        predictors = make_predictors(open_models([model, second], weights="best"), **shared)
        outputs = plan_outputs(predictors, out, suffix=".bw")
        predict_folder(out, outputs, bins, resume=True, on_bins=on_bins)

    run(folder / "whole")
    try:
        run(folder / "cut", 2)
    except StopPredictionError:
        return run
    raise AssertionError("the prediction was not interrupted")


def folder_targets(folder: Path, run: Callable[[Path], None]) -> list[Target]:
    """Return the files of a finished and of an interrupted prediction by two models, with what reads them."""
    whole = {path.name: path.read_bytes() for path in (folder / "whole").glob("*.bw")}
    assert len(whole) == 2

    def resume(copy: Path) -> bool:
        run(copy / "cut")
        return whole == {path.name: path.read_bytes() for path in (copy / "cut").glob("*.bw")}

    targets = [
        Target("whole/predictions.json", {"evaluate": refused(_files_of, "predictions.json")}, _SEAL),
        *(
            Target(f"whole/{name}{end}", {"evaluate": refused(_read_record_of(f"whole/{name}"), name)}, by)
            for name in whole
            for end, by in (("", "SHA-256 in its record"), (".json", _SEAL))
        ),
    ]
    for parts in sorted((folder / "cut").glob(".*.parts")):
        of_one = _part_targets(parts, resume)
        targets += [replace(target, path=f"cut/{target.path}") for target in of_one]
    return targets


def _files_of(folder: Path) -> object:
    return predicted_files(folder / "whole")


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
