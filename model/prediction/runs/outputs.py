"""Files to predict: their names, the models of each, and their records."""

from __future__ import annotations

import glob
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ....store.errors import UsageError
from ....store.files.outputs import check_output_file, output_lock, remove_temporary_files
from ...model_dir.card import TrainingData
from ..predictor import BinSummary, Predictor
from ..sidecar import PredictionRecord, check_sidecar, sidecar_path

Ensemble = Literal["mean", "rank"]

_DIGEST = 16  # letters of a digest in the name of what is kept of a model
_LONGEST = 180  # bytes of a name, so that those of temporary files beside it have at most 255
_UNKNOWN = TrainingData(cells=(), valid_cells=(), valid=(), test=(), chromosomes=(), manifests={})
"""Training of a model that does not record it, among others that do."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file of scores of one factor.

    Attributes:
        path: of the file.
        predictors: what computes its scores: one, or those that an ensemble joins.
        ensemble: how several are joined; None for the scores of the one predictor as they are.
    """

    path: Path
    predictors: tuple[Predictor, ...]
    ensemble: Ensemble | None = None

    @property
    def factor(self) -> str:
        """Predicted factor."""
        return self.predictors[0].factor

    def member_path(self, member: int) -> Path:
        """Return the path next to whose place the scores of a predictor are kept until the file is written."""
        if self.ensemble is None:
            return self.path
        # By digest: the order of the models does not matter when a run is resumed.
        return self.path.with_name(f"{self.path.name}.{self.predictors[member].network_digest[:_DIGEST]}")

    @property
    def margin(self) -> int:
        """Bases around the blacklist within which none of the predictors computes a bin."""
        return min(p.network.config.excluded_margin for p in self.predictors)

    @property
    def member_pattern(self) -> str:
        """Pattern of the names of all paths that `member_path` returns for an ensemble, whatever its models."""
        return f"{glob.escape(self.path.name)}.{'[0-9a-f]' * _DIGEST}"

    def record(self, summary: BinSummary, options: Mapping[str, Any], *, file_sha256: str) -> PredictionRecord:
        """Return the record of the file.

        Args:
            summary: of its bins, counted with `margin`.
            options: settings of the bins, as JSON values.
            file_sha256: digest of the file.
        """
        first = self.predictors[0].record(summary, options, file_sha256=file_sha256)
        if self.ensemble is None:
            return first
        members = [p.describe_model() for p in self.predictors]
        network = hashlib.sha256("".join(sorted(m["network"] for m in members)).encode()).hexdigest()
        name = f"{self.ensemble} of {', '.join(p.source.name if p.source else 'a network' for p in self.predictors)}"
        model: dict[str, Any] = {"name": name, "ensemble": self.ensemble, "network": network, "tasks": [self.factor]}
        model |= {"members": members}
        cards = [p.source.card.trainings if p.source else () for p in self.predictors]
        trainings = tuple(training for found in cards for training in found or (_UNKNOWN,))
        return PredictionRecord(**vars(first) | {"model": model, "trainings": trainings})


def plan_outputs(
    predictors: Sequence[Predictor], folder: Path, *, suffix: str, ensemble: Ensemble | None = None
) -> tuple[Output, ...]:
    """Return one file for each predictor, or with `ensemble` one for each factor, in the order of the predictors.

    A file is named after its factor, ``MAX.bw``; where several models predict the factor and are not joined, after
    the model, too: ``MAX.onePeak_DGF.bw``.

    Args:
        predictors: each of a model folder.
        folder: of the files.
        suffix: of their names, which says their format, such as ``.bw``.
        ensemble: how models of one factor are joined.

    Raises:
        UsageError: two files would have one name, two models of an ensemble are the same, or a name cannot be that of
            a file.
    """
    by_factor: dict[str, list[Predictor]] = {}
    for predictor in predictors:
        by_factor.setdefault(predictor.factor, []).append(predictor)
    if ensemble is not None:
        outputs = [_join(found, folder / f"{_file_name(f)}{suffix}", ensemble) for f, found in by_factor.items()]
    else:
        outputs = [
            Output(
                path=folder / f"{_file_name(_stem(p, alone=len(by_factor[p.factor]) == 1))}{suffix}", predictors=(p,)
            )
            for p in predictors
        ]
    repeated = [path for path, n in Counter(str(o.path).casefold() for o in outputs).items() if n > 1]
    if repeated:
        names = ", ".join(o.path.name for o in outputs if str(o.path).casefold() in repeated)
        raise UsageError(
            f"several models would write {names}; rename one model folder, leave it out, or join models of one factor "
            "in an ensemble"
        )
    return tuple(outputs)


def _stem(predictor: Predictor, *, alone: bool) -> str:
    name = predictor.source.name if predictor.source else ""
    return predictor.factor if alone or not name else f"{predictor.factor}.{name}"


def _file_name(stem: str) -> str:
    """Check that names of a stranger's model make a file name."""
    if stem.startswith(".") or set(stem) & set("/\\\0") or not stem.isprintable() or len(stem.encode()) > _LONGEST:
        raise UsageError(f"{stem!r}: the name of factor and model cannot be that of a file; predict it by itself")
    return stem


def _join(predictors: Sequence[Predictor], path: Path, ensemble: Ensemble) -> Output:
    seen: dict[str, str] = {}
    for p in predictors:
        name = p.source.name if p.source else "a network"
        if p.network_digest in seen:
            raise UsageError(f"{p.factor}: the models {seen[p.network_digest]} and {name} are the same; give it once")
        seen[p.network_digest] = name
    return Output(path=path, predictors=tuple(predictors), ensemble=ensemble)


@contextmanager
def output_locks(paths: Sequence[Path], *, overwrite: bool) -> Iterator[None]:
    """Hold the locks of files of predictions and their sidecar files, which may be replaced.

    Raises:
        InputError: another process writes one of them.
        UsageError: one exists and `overwrite` is false.
    """
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(output_lock(path))
            check_output_file(path, overwrite=overwrite)
            check_sidecar(path)
            remove_temporary_files(path.absolute().parent, sidecar_path(path).name)
        yield
