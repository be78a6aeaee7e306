"""The table of what a run predicted: predictions.tsv, and predictions.json with all that records say."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ....store.errors import InputError, OutputExistsError
from ....store.files.atomic_write import write_atomic
from ....store.files.outputs import check_output_file, output_lock
from ....store.files.sealed_json import (
    JsonFormat,
    check_format,
    read_json_object,
    read_sealed_json,
    write_sealed_json,
)
from ....store.text import spreadsheet_text
from ..sidecar import PredictionRecord, read_record

_log = logging.getLogger("factornet-predict")
Status = Literal["predicted", "kept", "earlier"]
TABLE = "predictions.tsv"
DOCUMENT = "predictions.json"
_FORMAT = JsonFormat("factornet-predictions", 1, "predict again")


@dataclass(frozen=True, kw_only=True)
class NetworkUse:
    """A model in a run.

    Attributes:
        name: of the model folder.
        network: digest of the network.
        factors: those predicted.
        scored: number of bins that it scored in this run; those of an interrupted one are not in it.
        seconds: that scoring took, without reading and writing.
    """

    name: str
    network: str
    factors: tuple[str, ...]
    scored: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class OutputRow:
    """A file of a run.

    Attributes:
        file: its name.
        models: names of the models whose scores it has.
        networks: their indices in the report; none of an earlier run's.
        status: "predicted" by this run, "kept" from an interrupted one, or of an "earlier" run of other files.
        record: written next to it.
    """

    file: str
    models: tuple[str, ...]
    networks: tuple[int, ...]
    status: Status
    record: PredictionRecord


@dataclass(frozen=True, kw_only=True)
class FolderReport:
    """What a run wrote into a folder.

    Attributes:
        rows: its files.
        earlier: files that earlier runs wrote into the folder.
        networks: its models.
        wall_seconds: from the first model's first window to the last file.
    """

    rows: tuple[OutputRow, ...]
    earlier: tuple[OutputRow, ...] = ()
    networks: tuple[NetworkUse, ...]
    wall_seconds: float

    @property
    def scoring_seconds(self) -> float:
        """Seconds that all models took to score, without reading and writing."""
        return sum(use.seconds for use in self.networks)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "files": [
                {"file": row.file, "models": list(row.models), "status": row.status, "record": row.record.to_json()}
                for row in (*self.rows, *self.earlier)
            ],
            "models": [vars(use) | {"factors": list(use.factors)} for use in self.networks],
            "wall_seconds": self.wall_seconds,
            "scoring_seconds": self.scoring_seconds,
        }

    def table(self) -> str:
        """Return the table: a line of titles, and a line a file, with tabs between the columns."""
        lines = [_COLUMNS, *(self._line(row) for row in (*self.rows, *self.earlier))]
        return "".join("\t".join(map(spreadsheet_text, line)) + "\n" for line in lines)

    def _line(self, row: OutputRow) -> tuple[str, ...]:
        intervals, options, model = row.record.intervals, row.record.options, row.record.model
        used = [self.networks[i] for i in row.networks]
        return (
            row.file,
            row.record.factor,
            row.record.cell,
            ",".join(row.models),
            str(model.get("ensemble", "none")),
            "yes" if options.get("calibrated") else "no",
            str(intervals["n"]),
            str(intervals["not_computed"]["chromosome_ends"]),
            str(intervals["not_computed"]["blacklist"]),
            row.status,
            ",".join(f"{use.seconds:.2f}" for use in used),
            ",".join(str(len(use.factors)) for use in used),
            row.record.file_sha256,
        )


_COLUMNS = (
    "file",
    "factor",
    "cell",
    "models",
    "ensemble",
    "calibrated",
    "intervals",
    "not_computed_chromosome_ends",
    "not_computed_blacklist",
    "status",
    "model_seconds",
    "model_factors",
    "sha256",
)


def check_report(folder: Path, *, overwrite: bool) -> None:
    """Check that both files of a report may be written into a folder: there are none, or those of an earlier run.

    Args:
        folder: the folder.
        overwrite: replace other files of these names.

    Raises:
        UsageError: one is another file and `overwrite` is false, or it is no file.
    """
    for path, is_report in ((folder / DOCUMENT, _is_document), (folder / TABLE, _is_table)):
        check_output_file(path, overwrite=True)
        if path.exists() and not overwrite and not is_report(path):
            raise OutputExistsError(
                f"{path}: exists and is no table of predictions; move it away, or allow to overwrite it"
            )


def _is_document(path: Path) -> bool:
    try:
        check_format(path, read_json_object(path, hint=_FORMAT.hint)[1], _FORMAT)
    except InputError:
        return False
    return True


def _is_table(path: Path) -> bool:
    first = "\t".join(_COLUMNS).encode()
    with path.open("rb") as file:
        return file.read(len(first)) == first


def read_earlier(folder: Path, written: Collection[str]) -> tuple[OutputRow, ...]:
    """Return the files that the report in a folder lists and that are there still, but for those just written.

    A report or a record that is damaged is warned of, and its files are left out.
    """
    path, rows = folder / DOCUMENT, list[OutputRow]()
    if not path.exists():
        return ()
    try:
        content = read_sealed_json(path, _FORMAT, hint=_FORMAT.hint)
        listed = [(str(entry["file"]), tuple(map(str, entry["models"]))) for entry in content["files"]]
    except (InputError, KeyError, TypeError) as error:
        _log.warning(f"{path}: {_problem(error)}; files of earlier runs are not in the new one")
        return ()
    for name, models in listed:
        file = folder / name
        if name in written or file.name != name or not file.is_file():
            continue
        try:
            record = read_record(file)
            if not _has_counts(record):
                raise InputError(file, "its record does not count its intervals")
            rows.append(OutputRow(file=name, models=models, networks=(), status="earlier", record=record))
        except InputError as error:
            _log.warning(f"{error.path}: {error.problem}; {name} of an earlier run is not in {TABLE}")
    return tuple(rows)


def _has_counts(record: PredictionRecord) -> bool:
    missing = record.intervals.get("not_computed")
    return "n" in record.intervals and isinstance(missing, dict) and {"chromosome_ends", "blacklist"} <= set(missing)


def _problem(error: Exception) -> str:
    return error.problem if isinstance(error, InputError) else "damaged"


def write_report(folder: Path, report: FolderReport) -> None:
    """Write both files of a report.

    Raises:
        InputError: one cannot be written.
    """
    write_sealed_json(folder / DOCUMENT, _FORMAT, report.to_json())
    with output_lock(folder / TABLE):  # what a killed run has left of it is removed
        write_atomic(folder / TABLE, report.table().encode())


def predicted_files(folder: Path) -> list[Path]:
    """Return the files that a run wrote into a folder, in the order of its table.

    Raises:
        InputError: the folder has no table, it is damaged, or one of the files is missing.
    """
    path = folder / DOCUMENT
    hint = "name the files of predictions, or predict into the folder again"
    if not path.exists():
        problem = f"a folder without {DOCUMENT}, which factornet-predict writes once all files are there"
        raise InputError(folder, problem, hint="name the files of predictions, or resume it until it is finished")
    try:
        files = [folder / Path(str(row["file"])).name for row in read_sealed_json(path, _FORMAT, hint=hint)["files"]]
    except (KeyError, TypeError) as error:
        raise InputError(path, f"is no table of predictions ({error})", hint=hint) from error
    if not files:
        raise InputError(path, "lists no file", hint=hint)
    if missing := [file.name for file in files if not file.exists()]:
        problem = f"lists {', '.join(missing[:5])}{', ...' * (len(missing) > 5)}, which the folder does not have"
        raise InputError(path, problem, hint=hint)
    return files
