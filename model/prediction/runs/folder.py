"""Predict a folder of files, one a factor, and the table of what was done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from ....store.errors import InputError, OutputExistsError, UsageError
from ....store.files.outputs import output_lock
from ....store.text import format_count
from ...model_dir.weights import LoadedModel
from ..predictor import Predictor
from ..sidecar import PredictionRecord, read_record
from .interval_run import IntervalBins, predict_outputs_for_intervals
from .outputs import Output
from .region_bins import RegionBins
from .region_run import OnBins, predict_outputs_in_regions, remove_left_parts
from .report import DOCUMENT, FolderReport, NetworkUse, OutputRow, check_report, read_earlier, write_report
from .workers import RegionWorkers


def make_predictors(
    models: Sequence[LoadedModel], *, factors: Sequence[str] = (), calibrated: bool = True, **shared: Any
) -> tuple[Predictor, ...]:
    """Return a predictor for each factor of each model, in the order of the models and their factors.

    Args:
        models: of which each has its own network.
        factors: those to predict; none stands for all of each model.
        calibrated: whether scores become probabilities where a model has them.
        shared: fields of all predictors: store, cell, device and others.

    Raises:
        UsageError: no model predicts one of the factors, or the cell line lacks inputs of some models, all of which are
            named.
    """
    known = dict.fromkeys(task for model in models for task in model.network.config.tasks)
    if missing := [factor for factor in factors if factor not in known]:
        raise UsageError(f"no model predicts {', '.join(map(repr, missing))}; they predict {', '.join(known)}")
    found, problems = list[Predictor](), dict[str, list[str]]()
    for model in models:
        tasks = [task for task in model.network.config.tasks if task in factors or not factors]
        try:
            for task in tasks:
                calibration = model.calibrations.get(task) if calibrated else None
                found.append(
                    Predictor(network=model.network, source=model, factor=task, calibration=calibration, **shared)
                )
        except UsageError as error:
            if len(models) == 1:
                raise
            problems.setdefault(str(error), []).append(model.name)
    if problems:
        n = sum(map(len, problems.values()))
        of_models = f"{n} of {format_count(len(models), 'model')} cannot predict in {shared['cell']}; leave them out"
        raise UsageError("; ".join([of_models, *(f"{', '.join(names)}: {text}" for text, names in problems.items())]))
    return tuple(found)


def predict_folder(
    folder: Path,
    outputs: Sequence[Output],
    bins: RegionBins | IntervalBins,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: RegionWorkers | None = None,
    on_bins: OnBins = lambda n: None,
    on_kept: OnBins = lambda n: None,
) -> FolderReport:
    """Write files into a folder in one pass over the store, and next to them the table of what was done.

    Each file, and its record, is byte for byte the one that its model writes when it predicts that factor alone.

    Args:
        folder: is created, if its parent exists.
        outputs: files in it.
        bins: regions, or intervals.
        resume: keep files and parts that an interrupted run has finished; regions only.
        overwrite: replace existing files.
        workers: as for `predict_outputs_in_regions`; regions only.
        on_bins, on_kept: as for `predict_outputs_in_regions`.

    Raises:
        InputError: another process writes the folder, or it cannot be written.
        UsageError, StoreError: as for `predict_outputs_in_regions` and `predict_outputs_for_intervals`.
    """
    existed = folder.is_dir()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        hint = "choose a place where folders can be created, or ask for write permission"
        if isinstance(error, FileNotFoundError):
            hint = "create the folder that it is to be in"
        elif isinstance(error, FileExistsError):
            hint = "choose another name"
        raise InputError(folder, f"cannot be created ({error.strerror})", hint=hint) from error
    try:
        with output_lock(folder / DOCUMENT):
            check_report(folder, overwrite=overwrite)
            kept = [o for o in outputs if resume and keep_finished(o, bins, overwrite=overwrite)]
            todo = [o for o in outputs if o not in kept]
            begin, clock = perf_counter(), _Clock(outputs)
            if todo and isinstance(bins, RegionBins):
                predict_outputs_in_regions(
                    todo,
                    bins,
                    resume=resume,
                    overwrite=overwrite,
                    workers=workers,
                    on_bins=on_bins,
                    on_kept=on_kept,
                    on_seconds=clock.add,
                )
            elif todo and isinstance(bins, IntervalBins):
                predict_outputs_for_intervals(todo, bins, overwrite=overwrite, on_bins=on_bins, on_seconds=clock.add)
            report = FolderReport(
                rows=tuple(clock.row(output, kept=output in kept) for output in outputs),
                earlier=read_earlier(folder, {output.path.name for output in outputs}),
                networks=clock.uses(),
                wall_seconds=perf_counter() - begin,
            )
            write_report(folder, report)
    except BaseException:
        if not existed:
            with suppress(OSError):  # finished parts are there
                folder.rmdir()
        raise
    return report


def keep_finished(output: Output, bins: RegionBins | IntervalBins, *, overwrite: bool = False) -> bool:
    """Return whether a file exists and, with its record, is the one that would be written.

    What its run has left beside it, killed once the file was there, is removed: lock and parts.

    Raises:
        InputError: another process writes it.
        OutputExistsError: it is damaged, or nothing records what it is, and `overwrite` is false.
    """
    if not output.path.is_file():
        return False
    with output_lock(output.path):
        try:
            found = read_record(output.path)
        except InputError as error:
            if overwrite:
                return False
            problem = f"already exists, and cannot be kept: {error.problem}"
            raise OutputExistsError(f"{output.path}: {problem}; give another name, or allow to overwrite it") from error
        summary = bins.summary(output.predictors[0].store, output.margin)
        expected = output.record(summary, bins.options(), file_sha256=found.file_sha256)
        if _as_json(found) != _as_json(expected):
            return False
        if isinstance(bins, RegionBins):
            remove_left_parts(output, bins)
    return True


def _as_json(record: PredictionRecord) -> Any:
    return json.loads(json.dumps(record.to_json()))


class _Clock:
    """Adds up what networks score, and how long they take."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        predictors = [p for output in outputs for p in output.predictors]
        self._predictors = {id(p.network): p for p in predictors}
        self._factors: dict[int, dict[str, None]] = {network: {} for network in self._predictors}
        for p in predictors:
            self._factors[id(p.network)][p.factor] = None
        self._scored = dict.fromkeys(self._predictors, 0)
        self._seconds = dict.fromkeys(self._predictors, 0.0)

    def add(self, predictor: Predictor, scored: int, seconds: float) -> None:
        """Count bins that the network of a predictor has scored."""
        self._scored[id(predictor.network)] += scored
        self._seconds[id(predictor.network)] += seconds

    def uses(self) -> tuple[NetworkUse, ...]:
        """Return what each network did."""
        return tuple(
            NetworkUse(
                name=_model_name(p),
                network=p.network_digest,
                factors=tuple(self._factors[network]),
                scored=self._scored[network],
                seconds=self._seconds[network],
            )
            for network, p in self._predictors.items()
        )

    def row(self, output: Output, *, kept: bool) -> OutputRow:
        """Return the row of a file."""
        networks = list(self._predictors)
        return OutputRow(
            file=output.path.name,
            models=tuple(map(_model_name, output.predictors)),
            networks=tuple(networks.index(id(p.network)) for p in output.predictors),
            status="kept" if kept else "predicted",
            record=read_record(output.path),
        )


def _model_name(predictor: Predictor) -> str:
    return predictor.source.name if predictor.source else ""
