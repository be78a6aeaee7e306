"""Verify a model folder: read every file in it, and compare it with what covers it and with the other files.

Files are replaced one at a time, in a fixed order: training state, history.json and history.csv, training.json and, at
the end of the training, last.safetensors, training.png, training.json. What a kill between two of them leaves is
unfinished, and a resumed training writes it; every other difference is damage. The training states, which hold the
whole history, decide.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ....store.errors import InputError
from ....store.files.atomic_write import TEMPORARY_NAME
from ....store.files.digest import file_digest
from ....store.files.limited_read import read_cure
from ....store.files.outputs import lock_path, read_output_lock
from ....store.files.sealed_json import read_json_object
from ....store.files.sealed_toml import RUN_FILE, RUN_FORMAT, check_sealed_toml
from ....store.text import format_count
from ...network.block_config import BlockConfig
from ..calibration import FILE as CALIBRATION
from ..calibration import HINT as CALIBRATION_HINT
from ..calibration import check_calibration
from ..card import (
    DAMAGED_HINT,
    LIST_HINT,
    NO_MODEL_HINT,
    ModelCard,
    check_list,
    is_keras_model,
    lists_of_names,
    read_model_json,
)
from ..findings import READ_HINT, Checks, ModelReport, Stage
from ..history import BETTER_BY, RECORD, TABLES, History, Rows, best_epoch
from ..lifecycle import backup_path, is_event_file, is_model_file
from ..mean_signal import FILE as MEAN_SIGNAL
from ..mean_signal import read_mean_signal
from ..tensor_file import read_epoch, unpack_tensors
from ..training_state import PAUSED_HINT, check_record, paused_records, read_training_state, tensor_files
from ..weights import check_tensors, training_records, weights_sizes
from .event_file import check_event_file
from .verify_history import check_history, check_picture, check_table

_ATTEMPTS, _PAUSE = 3, 0.2  # a running training may replace files between two reads; seconds between two attempts
_COPY_HINT = "copy the folder again"
_LAST_HINT = "resume the training: it writes these weights again; or copy the folder again"
_STATE_HINT = "copy the folder again; while the other state is sound, the training resumes from that, and replaces it"
_EVENT_HINT = f"remove it: {RECORD} has the same values"
_TENSOR_FILE = re.compile(r"(last-\d{6}|paused-\d{9})(\.optimizer)?\.safetensors")
_TEXT_COVER, _WEIGHTS_COVER = "SHA-256 of its text", "SHA-256 in its header, with that of model.json"
_MEANS_COVER = f"{_WEIGHTS_COVER}, and SHA-256 of its values in model.json"
_MEANS_HINT = "resume the training: it is made again from the store; or copy the folder again"
_EVENTS_COVER = "CRC-32C of each record; a loss of the last records is not found"


def verify_model(folder: str | Path) -> ModelReport:
    """Read every file of a model folder and compare it with what covers it.

    A folder whose training runs, was interrupted, or has not finished its first epoch is verified as far as it is
    written. Where a training runs, only faults that are found in each of several attempts count: it may replace files
    between two reads.

    Raises:
        InputError: no such folder, no model in it, the original FactorNet's, whose files have no digests, or a
            model.json of a newer version; or the folder cannot be read.
    """
    try:
        return _verify_folder(Path(folder))
    except OSError as error:
        where = error.filename or str(folder)
        raise InputError(where, f"cannot be read ({error.strerror})", hint=read_cure(error, READ_HINT)) from error


def _verify_folder(folder: Path) -> ModelReport:
    _check_is_model(folder)
    report, lasting = _verify(folder), None
    for _ in range(_ATTEMPTS - 1):
        if not (report.faults and report.stage == "in training"):
            return report
        lasting = _faults(report) if lasting is None else lasting & _faults(report)
        time.sleep(_PAUSE)
        report = _verify(folder)
    return report if lasting is None else _without_passing_faults(report, lasting)


def _faults(report: ModelReport) -> set[tuple[str, str]]:
    return {(f.path, f.kind) for f in report.faults}


def _without_passing_faults(report: ModelReport, lasting: set[tuple[str, str]]) -> ModelReport:
    """Return the report with those faults only that were found before, too."""
    if report.stage != "in training":
        return report
    passing = {f.path for f in report.faults if (f.path, f.kind) not in lasting}
    problem = "replaced by the training while it was read"
    files = (
        replace(f, kind="unfinished", problem=problem, remedy="") if f.path in passing else f for f in report.files
    )
    return replace(report, files=tuple(files))


def _check_is_model(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(folder, "is not a folder" if folder.exists() else "no such folder", hint=NO_MODEL_HINT)
    next(folder.iterdir(), None)  # raises where it cannot be read, in which patterns match nothing
    path = folder / "model.json"
    parts = ("*.safetensors", "last-*.json", RECORD)  # of a model that has lost its model.json
    if not os.path.lexists(path) and not any(True for pattern in parts for _ in folder.glob(pattern)):
        raise InputError(folder, "holds no model.json, so no model", hint=NO_MODEL_HINT)
    try:
        content = read_json_object(path, hint=DAMAGED_HINT)[1]
    except InputError:
        return  # reported with the other files
    if is_keras_model(content):
        problem = "is the original FactorNet's (Keras), whose files have no digests, so that they cannot be verified"
        raise InputError(path, problem, hint="factornet-model import makes a folder that can be")


@dataclass(frozen=True)
class _Saved:
    """The newest valid training state: its history and its file of weights; nothing where there is none."""

    rows: Rows = ()
    weights: Path | None = None


def _verify(folder: Path) -> ModelReport:
    checks, history, saved = Checks(folder), None, _Saved()
    card = checks.run("model.json", _TEXT_COVER, partial(read_model_json, folder), remedy=_COPY_HINT)
    if card is not None:
        _check_lists(checks, card)
        saved = _check_states(checks, card, training_records(folder), _STATE_HINT)
        _check_paused(checks, card, saved)
        if card.training or training_records(folder) or checks.exists(RECORD):
            history = check_history(checks, card, saved.rows)
            for name in TABLES:
                check_table(checks, name, history, saved.rows)
            check_picture(checks, card, history, saved.rows)
            _check_number_of_states(checks, history, saved.rows)
        _check_weights(checks, card, history, saved)
        _check_mean_signal(checks, card)
        ends_calibrated = isinstance(card.config, BlockConfig) and history is not None and bool(history.ended)
        if ends_calibrated and not checks.exists(CALIBRATION):
            checks.add(CALIBRATION, "unfinished", _TEXT_COVER, problem="not written yet")
        elif checks.exists(CALIBRATION):
            checks.run(
                CALIBRATION, _TEXT_COVER, partial(check_calibration, folder, card.digest), remedy=CALIBRATION_HINT
            )
    if checks.exists(RUN_FILE):
        check = partial(check_sealed_toml, folder / RUN_FILE, RUN_FORMAT)
        checks.run(RUN_FILE, _TEXT_COVER, check, remedy=RUN_FORMAT.hint)
    _check_events(checks)
    _check_others(checks)
    n_epochs = max(len(history.epochs) if history else 0, len(saved.rows))
    stage, note = _stage(checks, card, history, n_epochs)
    files = tuple(sorted(checks.findings.values(), key=lambda f: f.path))
    return ModelReport(folder=str(folder), stage=stage, note=note, epochs=n_epochs, files=files)


def _check_lists(checks: Checks, card: ModelCard) -> None:
    """Check the lists of names, which are written after model.json as a training begins."""
    begins = bool(card.training) and not any(checks.folder.glob("[!.]*.safetensors"))
    begins = begins and not checks.exists(RECORD)
    for name, text in lists_of_names(card.config).items():
        if begins and not checks.exists(name):
            checks.add(name, "unfinished", "model.json", problem="not written yet")
        else:
            checks.run(name, "model.json", partial(check_list, checks.folder / name, text), remedy=LIST_HINT)


def _check_paused(checks: Checks, card: ModelCard, saved: _Saved) -> None:
    """Check the states within an epoch; say which are of an epoch that has ended, or older than another."""
    records = paused_records(checks.folder)
    newest = _check_states(checks, card, records, PAUSED_HINT)
    for record in records:
        is_newest = newest.weights is not None and newest.weights.stem == record.stem
        if not is_newest or len(newest.rows) < len(saved.rows):
            for path in (record, *tensor_files(record, card.config)):
                if checks.kind(path.name) == "ok":
                    covered_by, problem = checks.findings[path.name].covered_by, "older than another training state"
                    checks.add(path.name, "unfinished", covered_by, problem=f"{problem}: a resumed training removes it")


def _check_states(checks: Checks, card: ModelCard, records: Sequence[Path], hint: str) -> _Saved:
    """Check training states, the newest first; return the newest valid one."""
    newest = _Saved()
    for record in records:
        files = tensor_files(record, card.config)
        covers = {record: _TEXT_COVER} | dict.fromkeys(files, f"SHA-256 in its header and in {record.name}")
        try:
            state = read_training_state(record, card)
        except InputError as error:
            # Each of its files by itself, then the one that does not match the others.
            checks.run(record.name, _TEXT_COVER, partial(check_record, record, card), remedy=hint)
            for path, sizes in files.items():
                check = partial(unpack_tensors, path, card.digest, sizes=sizes)
                checks.run(path.name, covers[path], check, remedy=hint)
            if all(checks.kind(path.name) == "ok" for path in covers):
                name = Path(error.path).name
                checks.add(name, "damaged", covers[record], problem=error.problem, remedy=hint)
        else:
            newest = newest if newest.weights else _Saved(state.history, record.with_suffix(".safetensors"))
            for path, covered_by in covers.items():
                checks.add(path.name, "ok", covered_by)
    return newest


def _check_number_of_states(checks: Checks, history: History | None, rows: Rows) -> None:
    """Report a training state that must exist, as the others and the history say."""
    records = training_records(checks.folder)
    if any(f.kind != "ok" for name, f in checks.findings.items() if name.startswith("last-")):
        return  # it is there, and damaged
    n_epochs, later = len(history.epochs) if history else 0, (*TABLES, "training.png", "last.safetensors")
    problem = ""
    if n_epochs > len(rows):
        problem = f"{RECORD} has {format_count(n_epochs, 'epoch')}, the newest training state {len(rows) or 'none'}"
    elif not records and any(map(checks.exists, later)):
        problem = "there is no training state"
    elif len(records) == 1 and len(rows) > 1:
        problem = f"two training states are kept, but only {records[0].name} exists"
    if problem:
        checks.add("last-*.json", "missing", problem=problem, remedy=_STATE_HINT)


def _check_weights(checks: Checks, card: ModelCard, history: History | None, saved: _Saved) -> None:
    """Check best.safetensors and last.safetensors, where they exist or must exist."""
    imported = card.provenance.get("weights")
    expected = set(imported) if isinstance(imported, dict) else set()
    expected |= {"best"} if saved.rows or history else set()
    expected |= {"last"} if history and history.ended else set()
    remedies = {"best.safetensors": DAMAGED_HINT, "last.safetensors": _LAST_HINT if saved.weights else DAMAGED_HINT}
    for name, remedy in remedies.items():
        if name == "best.safetensors" and not checks.exists(name) and history is None and len(saved.rows) == 1:
            checks.add(name, "unfinished", _WEIGHTS_COVER, problem="not written yet")
        elif checks.exists(name) or Path(name).stem in expected:
            checks.run(name, _WEIGHTS_COVER, partial(_check_tensor_file, checks.folder / name, card), remedy=remedy)
    if checks.kind("best.safetensors") == "ok":
        _check_best_epoch(checks, card, history, saved.rows)
    if history is None or not history.ended or saved.weights is None or len(saved.rows) != len(history.epochs):
        return
    name = "last.safetensors"
    if checks.kind(name) == "ok" and file_digest(checks.folder / name) != file_digest(saved.weights):
        problem = f"not the weights after the last epoch, which are in {saved.weights.name}"
        checks.add(name, "damaged", _WEIGHTS_COVER, problem=problem, remedy=_LAST_HINT)


def _check_mean_signal(checks: Checks, card: ModelCard) -> None:
    """Check the mean signal, which is written after model.json as a training begins, and again as it is resumed."""
    if not (isinstance(card.config, BlockConfig) and card.config.mean_tracks):
        return
    begins = not any(checks.folder.glob("last-*.json")) and not paused_records(checks.folder)
    if not checks.exists(MEAN_SIGNAL) and begins and not checks.exists(RECORD):
        checks.add(MEAN_SIGNAL, "unfinished", _WEIGHTS_COVER, problem="not written yet")
    else:
        checks.run(MEAN_SIGNAL, _MEANS_COVER, partial(read_mean_signal, checks.folder, card), remedy=_MEANS_HINT)


def _check_best_epoch(checks: Checks, card: ModelCard, history: History | None, rows: Rows) -> None:
    """Check that the best weights are those of the best epoch.

    They are written between its training state and training.json; before both by earlier versions.
    """
    name = "best.safetensors"
    known = max((history.epochs if history else (), rows), key=len)
    epoch = read_epoch(checks.folder / name, sizes=weights_sizes(card.config))
    best = best_epoch(known, card.select)
    ahead = epoch == len(known) + 1 and not (history and history.ended)
    behind = len(history.epochs) if history else len(rows) - 1
    if epoch not in (0, best) and behind < len(rows) and epoch == best_epoch(rows[:behind], card.select):
        checks.add(name, "unfinished", _WEIGHTS_COVER, problem=f"those of epoch {epoch}, which {best} is better than")
    elif epoch not in (0, best) and not ahead:
        problem = (
            f"the weights after epoch {epoch}, but that with the best {BETTER_BY[card.select]} is {best or 'not known'}"
        )
        checks.add(name, "damaged", _WEIGHTS_COVER, problem=problem, remedy=DAMAGED_HINT)


def _check_tensor_file(path: Path, card: ModelCard) -> None:
    check_tensors(path, unpack_tensors(path, card.digest, sizes=weights_sizes(card.config)), card.config)


def _check_events(checks: Checks) -> None:
    """Check the event files of TensorBoard."""
    folder = checks.folder / "tensorboard"
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        checks.add("tensorboard/", "unchecked", _EVENTS_COVER, problem=problem, remedy=READ_HINT)
        return
    for path in paths:
        name = f"tensorboard/{path.name}"
        if is_event_file(path.name):
            checks.run(name, _EVENTS_COVER, partial(check_event_file, path, hint=_EVENT_HINT), remedy=_EVENT_HINT)
        else:
            checks.add(name, "foreign")


def _check_others(checks: Checks) -> None:
    """Name what is left: files that cannot be checked without model.json, those of killed runs, and the user's."""
    orphan = "of a training state whose .json, which is written last and removed first, does not exist"
    for path in sorted(checks.folder.iterdir()):
        if path.name in checks.findings or (path.name == "tensorboard" and path.is_dir()):
            continue
        if re.fullmatch(TEMPORARY_NAME, path.name):
            checks.add(path.name, "temporary", problem="left by a killed run, or being written")
        elif is_model_file(path.name) and checks.kind("model.json") != "ok":
            checks.add(path.name, "unchecked", problem="cannot be checked without model.json", remedy=_COPY_HINT)
        elif _TENSOR_FILE.fullmatch(path.name):
            checks.add(path.name, "temporary", problem=orphan)
        else:
            checks.add(f"{path.name}/" if path.is_dir() else path.name, "foreign")
    lock, backup = lock_path(checks.folder), backup_path(checks.folder)
    state = read_output_lock(checks.folder)
    if state is not None and not state.held:
        checks.add(f"../{lock.name}", "temporary", problem=f"lock of a run that was killed: {state.holder}")
    if os.path.lexists(backup):
        problem = "the model that this one replaces, kept until this one is complete"
        checks.add(f"../{backup.name}/", "temporary", problem=problem)


def _stage(checks: Checks, card: ModelCard | None, history: History | None, n_epochs: int) -> tuple[Stage, str]:
    """Return how far the training has come, and a sentence on it."""
    lock, epochs = read_output_lock(checks.folder), format_count(n_epochs, "complete epoch")
    stage: Stage = "unknown"
    note = f"whether its training has ended is not known without {RECORD}"
    if lock is not None and lock.held:
        stage, note = "in training", f"in training, with {epochs}: it is being written by {lock.holder}"
    elif card is None:
        note = "nothing is known of its training without model.json"
    elif history is not None and history.ended:
        stage, note = "ended", f"the training has ended, with {epochs}: {history.ended}"
    elif checks.kind(RECORD) not in ("damaged", "missing", "unchecked"):
        stage, note = "interrupted", f"the training was interrupted, with {epochs}: resume it"
        if not (card.training or n_epochs):
            stage, note = "weights only", "its weights were not trained here"
    return stage, note
