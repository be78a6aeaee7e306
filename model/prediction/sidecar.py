"""Record next to a file of predictions what they are: ``x.bed.gz.json`` for ``x.bed.gz``.

The files of predictions stay byte for byte the original FactorNet's format, which has no place for it. The record holds
the digest of its file, so that it is never taken for that of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from ... import __version__
from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import replacing, write_atomic
from ...store.files.digest import file_digest
from ...store.files.limited_read import is_there
from ...store.files.sealed_json import (
    JsonFormat,
    check_format,
    read_json_object,
    read_sealed_json,
    write_sealed_json,
)
from ...store.text import format_foreign
from ..model_dir.card import TrainingData

_HINT = "remove it, or predict again"
_FORMAT = JsonFormat("factornet-prediction", 1, _HINT)


@dataclass(frozen=True, kw_only=True)
class PredictionRecord:
    """Content of a sidecar file.

    Attributes:
        factor: predicted factor.
        cell: cell line that it was predicted in.
        model: model folder and weights: names and digests.
        trainings: data that the network was trained on (`ModelCard.trainings`); empty where they are not recorded.
        assembly: name of the genome assembly.
        chromosomes: refget digests of the chromosomes predicted.
        manifests: digests of the genome and of the cell line, by path in the store.
        intervals: number of intervals, and how many of them were not computed, by reason; their score is 0.
        options: other settings that scores depend on.
        library_version: version of factornet that predicted.
        file_sha256: digest of the file of predictions.
    """

    factor: str
    cell: str
    model: Mapping[str, Any]
    trainings: tuple[TrainingData, ...]
    assembly: str
    chromosomes: Mapping[str, str]
    manifests: Mapping[str, str]
    intervals: Mapping[str, Any]
    options: Mapping[str, Any]
    library_version: str = __version__
    file_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return vars(self) | {"trainings": [training.to_json() for training in self.trainings]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return what `to_json` returned.

        Raises:
            TypeError, KeyError: a value is missing or of another type.
        """
        values = {field.name: content[field.name] for field in fields(cls)}
        texts = ("factor", "cell", "assembly", "library_version", "file_sha256")
        for name, value in values.items():
            kind = str if name in texts else list if name == "trainings" else dict
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be of type {kind.__name__}")
        tasks = values["model"].get("tasks", [])
        listed = [*values["chromosomes"].values(), *values["manifests"].values()]
        if not isinstance(tasks, list) or not all(isinstance(text, str) for text in [*tasks, *listed]):
            raise TypeError("tasks must be a list of names, chromosomes and manifests digests by name")
        return cls(**values | {"trainings": tuple(map(TrainingData.from_json, values["trainings"]))})


class NoRecordError(InputError):
    """It is not known what predictions are: they have no sidecar file, or one of other predictions."""


def sidecar_path(predictions: Path) -> Path:
    """Return the path of the record of a file of predictions."""
    return predictions.with_name(predictions.name + ".json")


def check_sidecar(predictions: Path) -> None:
    """Check that a file at the sidecar's path may be replaced: it is a record of predictions.

    Raises:
        UsageError: it is another file.
    """
    path = sidecar_path(predictions)
    if not (path.exists() or path.is_symlink()):
        return
    try:
        check_format(path, read_json_object(path, hint=_HINT)[1], _FORMAT)
    except InputError as e:
        raise UsageError(
            f"{path}: exists and is no record of predictions ({e.problem}); move it away: what is predicted "
            "is recorded there"
        ) from e


@contextmanager
def replacing_with_sidecar(path: Path, record: Callable[..., PredictionRecord]) -> Iterator[Path]:
    """Replace a file of predictions as `replacing` does, and its sidecar file just before.

    Args:
        path: of the file of predictions.
        record: returns the record, given the digest of the finished file as `file_sha256`.

    Raises:
        OSError, InputError: as for `replacing`, and for the sidecar file. It is then as it was before, unless the file
            has been replaced already.
    """
    sidecar, digest = sidecar_path(path), ""
    old = sidecar.read_bytes() if sidecar.exists() else None
    try:
        with replacing(path) as part:
            yield part
            # Before the file, which therefore never appears without its record; one of another digest is not used.
            digest = file_digest(part)
            write_sealed_json(sidecar, _FORMAT, record(file_sha256=digest).to_json())
    except BaseException:
        with suppress(OSError, InputError):
            if not (digest and path.is_file() and file_digest(path) == digest):
                _restore(sidecar, old)
        raise


def _restore(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    elif path.read_bytes() != old:
        write_atomic(path, old)


def read_record(predictions: Path, *, check: bool = True) -> PredictionRecord:
    """Read the record of a file of predictions.

    Args:
        predictions: the file.
        check: whether to read it too, and compare its digest with the recorded one.

    Raises:
        NoRecordError: there is none, or that of other predictions.
        InputError: it is damaged, or has a newer version.
    """
    path = sidecar_path(predictions)
    if not is_there(path):
        raise NoRecordError(predictions, f"no {path.name} records which model predicted it, and from what data")
    content = read_sealed_json(path, _FORMAT, hint=_HINT)
    try:
        record = PredictionRecord.from_json(content)
    except (KeyError, TypeError) as e:
        raise InputError(path, f"is no record of predictions ({format_foreign(str(e))})", hint=_HINT) from e
    if check and file_digest(predictions) != record.file_sha256:
        problem = f"{path.name} next to it is the record of other bytes: the file was damaged, changed or replaced"
        raise NoRecordError(predictions, problem, hint="predict it again")
    return record
