"""The task of a worker: open the store and the models once, and write the scores of one part of a region.

WorkerRun      what all parts of a run need: store, cell line, models, device; opened once a process
RegionTask     one part: the scores of all predictors, one temporary file each, next to its place
RegionResult   names and digests of these files, which the main process takes over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self
from uuid import uuid4

import torch

from ....store.errors import InputError, UsageError
from ....store.files.digest import file_digest
from ....store.genome.regions import Region
from ....store.machine import peak_memory
from ....store.reader import Store
from ...data.device import choose_device
from ...keras.open_model import open_models
from ...model_dir.calibration import Calibration
from ...model_dir.weights import LoadedModel, WeightsKind
from ..bins import pieces_of_region
from ..predictor import Predictor
from .region_files import RegionFile, write_region


@dataclass(frozen=True)
class ModelReference:
    """A model folder, and the network that the main process found in it.

    Attributes:
        folder: absolute path.
        weights: "best" or "last".
        network: digest of the network (`Predictor.network_digest`).
    """

    folder: Path
    weights: WeightsKind
    network: str


@dataclass(frozen=True)
class PredictorReference:
    """A predictor: index of its model in the run, and what else it has of its own."""

    model: int
    factor: str
    calibration: Calibration | None
    prevalence: float | None


@dataclass(frozen=True, kw_only=True)
class WorkerRun:
    """What workers open once for all parts of a run.

    Attributes:
        token: of this run; workers tell runs apart by it.
        store: with an absolute path; workers refuse other versions of the cell line than the main process reads.
        cell: cell line.
        device: name; "cuda" stands for a GPU of the worker's own, where it has several.
        batch_size, amp: as for `Predictor`.
        threads: of a worker, to compute on a CPU.
        models: folders.
        predictors: of these models.
    """

    token: str
    store: Store = field(compare=False)
    cell: str = field(compare=False)
    device: str = field(compare=False)
    batch_size: int = field(compare=False)
    amp: bool = field(compare=False)
    threads: int = field(compare=False)
    models: tuple[ModelReference, ...] = field(compare=False)
    predictors: tuple[PredictorReference, ...] = field(compare=False)

    @classmethod
    def of(cls, predictors: Sequence[Predictor], *, threads: int) -> Self:
        """Describe predictors of one cell line of one store, on one device.

        Raises:
            UsageError: the network of one is of no model folder.
        """
        first, models = predictors[0], dict[int, ModelReference]()
        for p in predictors:
            models.setdefault(id(p.network), _reference(p))
        order = list(models)
        return cls(
            token=uuid4().hex,
            store=first.store.for_workers(),
            cell=first.cell,
            device=str(first.device),
            batch_size=first.batch_size,
            amp=first.amp,
            threads=threads,
            models=tuple(models.values()),
            predictors=tuple(
                PredictorReference(order.index(id(p.network)), p.factor, p.calibration, p.prevalence)
                for p in predictors
            ),
        )


def _reference(predictor: Predictor) -> ModelReference:
    source = predictor.source
    if source is None or source.folder is None:
        raise UsageError(f"{predictor.factor}: workers load networks from model folders; save this one in a folder")
    return ModelReference(source.folder, source.weights, predictor.network_digest)


@dataclass(frozen=True)
class RegionResult:
    """What a worker has written.

    Attributes:
        index: of the part.
        files: temporary files, in the order of the parts of the task.
        digests: their SHA-256.
        scored: a predictor of each network, the number of bins that it scored, and the seconds.
        peak_rss: largest resident size of the worker so far, in bytes.
    """

    index: int
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    scored: tuple[tuple[int, int, float], ...]
    peak_rss: int


@dataclass(frozen=True, kw_only=True)
class RegionTask:
    """Write the scores of one part of a region next to their place.

    Attributes:
        index: of the part.
        region: the part.
        stride: bases between the starts of bins.
        part_bins: largest number of bins in a part.
        predictors: indices in the run.
        parts: one for each of them, with absolute paths, in folders that exist.
    """

    index: int
    region: Region
    stride: int
    part_bins: int
    predictors: tuple[int, ...]
    parts: tuple[RegionFile, ...]

    def __call__(self, run: WorkerRun) -> RegionResult:
        """Write the files and return what they are; `run` has store and models.

        Raises:
            InputError: a model cannot be loaded, or is not the one of the main process; a file cannot be written.
            UsageError: this worker has not the device of the run.
            StoreError: as for `predict_together`, or another version of the cell line is found.
        """
        torch.set_num_threads(run.threads)
        of_run = _open_predictors(run)
        predictors = [of_run[k] for k in self.predictors]
        files = [RegionFile(_temporary(part.path), part.kind) for part in self.parts]
        scored: dict[int, tuple[int, float]] = {}

        def add(k: int, n: int, seconds: float) -> None:
            before = scored.get(k, (0, 0.0))
            scored[k] = (before[0] + n, before[1] + seconds)

        coordinates = run.store.coordinates
        pieces = pieces_of_region(self.region, coordinates, stride=self.stride, bins=self.part_bins)
        write_region(predictors, pieces, files, on_scored=add)
        return RegionResult(
            index=self.index,
            files=tuple(file.path for file in files),
            digests=tuple(file_digest(file.path) for file in files),
            scored=tuple((self.predictors[k], *counted) for k, counted in scored.items()),
            peak_rss=peak_memory(),
        )


def _temporary(part: Path) -> Path:
    """Return a name of its own for what a worker writes: two may compute a part, if one was thought lost.

    It is one of those that `remove_temporary_files` removes.
    """
    return part.with_name(f".{part.name}.{uuid4().hex[:8]}.part")


@lru_cache(maxsize=1)  # those of an earlier run make room
def _open_predictors(run: WorkerRun) -> tuple[Predictor, ...]:
    """Load the models of a run in this process, on its device."""
    device = worker_device(run.device)
    kinds = {reference.weights for reference in run.models}
    loaded = {
        kind: iter(open_models([r.folder for r in run.models if r.weights == kind], weights=kind)) for kind in kinds
    }
    models: list[LoadedModel] = [next(loaded[reference.weights]) for reference in run.models]
    predictors = tuple(
        Predictor(
            network=models[p.model].network,
            source=models[p.model],
            store=run.store,
            cell=run.cell,
            factor=p.factor,
            device=device,
            batch_size=run.batch_size,
            amp=run.amp,
            calibration=p.calibration,
            prevalence=p.prevalence,
        )
        for p in run.predictors
    )
    digests = {p.model: predictor.network_digest for p, predictor in zip(run.predictors, predictors, strict=True)}
    for i, reference in enumerate(run.models):
        if digests[i] != reference.network:
            problem = f"a worker finds the network {digests[i][:16]}, the run began with {reference.network[:16]}"
            raise InputError(reference.folder, problem, hint="predict again once the model is no longer written")
    return predictors


def worker_device(name: str) -> torch.device:
    """Return the device of this worker; the GPUs of a machine are dealt out to the workers that are numbered on it.

    Raises:
        UsageError: as for `choose_device`.
    """
    device = choose_device(name)
    if device.type != "cuda" or device.index is not None:
        return device
    from distributed import get_worker

    number = get_worker().name  # an address or a text, for workers that have only their own GPU to see
    return torch.device("cuda", number % torch.cuda.device_count() if isinstance(number, int) else 0)
