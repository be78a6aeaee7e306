"""Compare the record of predictions with what they are evaluated on, and with what the model was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...store.genome.intervals import GenomeCoordinates, Intervals, overlaps, subtract, union
from ...store.genome.regions import Region, region_intervals
from ...store.reader import Store
from ..data.inputs import manifest_digests
from ..model_dir.card import TrainingData
from ..prediction.bins import Bins
from ..prediction.sidecar import PredictionRecord

_COUNTS = ("trained", "validated", "elsewhere")


@dataclass(frozen=True, kw_only=True)
class SeenBins:
    """Numbers of bins by what the training of the model did with them.

    Attributes:
        trained: in its training regions, in a cell line that it was trained on.
        validated: in its validation regions, in a cell line that its weights were chosen on.
        elsewhere: other bins whose bases it was trained on or validated with, in other cell lines.
        total: all bins.
        complete: whether all trainings that led to the weights are recorded; if not, there may be more.
    """

    trained: int
    validated: int
    elsewhere: int
    total: int
    complete: bool

    def __add__(self, other: SeenBins) -> SeenBins:
        """Return the numbers of both; they are of different bins."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        return SeenBins(**counts, total=self.total + other.total, complete=self.complete and other.complete)

    @property
    def in_sample(self) -> int:
        """Number of bins whose labels the model, or the choice of its weights, has seen."""
        return self.trained + self.validated


def find_mismatches(record: PredictionRecord, store: Store, cell: str, factor: str, bins: Bins) -> list[str]:
    """Return how predictions differ from what they are evaluated on: factor, cell line, genome.

    A cell line of the same data counts as the same, whatever its name.

    Args:
        record: of the predictions.
        store: holds the labels.
        cell, factor: evaluated.
        bins: predicted bins.
    """
    found = []
    if record.factor != factor:
        found.append(f"of {record.factor}, not of {factor}")
    if not is_same_cell(store, cell, (record.cell,), record.manifests):
        found.append(f"for {record.cell}, not for {cell}")
    for c in np.unique(bins.chrom).tolist():
        chromosome = store.info.chromosomes[c]
        expected = record.chromosomes.get(chromosome.name)
        if expected != chromosome.digest:
            what = (
                f"whose {chromosome.name} has another sequence" if expected else f"without a bin on {chromosome.name}"
            )
            found.append(f"on {record.assembly}, {what}")
            break
    return found


def find_changes(record: PredictionRecord, store: Store, cell: str) -> list[str]:
    """Return groups of the store, such as ``cells/K562``, whose data are no longer those of the prediction."""
    present = manifest_digests(store, (cell,))
    return [group for group, digest in present.items() if record.manifests.get(group, digest) != digest]


def count_seen(trainings: Sequence[TrainingData], store: Store, cell: str, bins: Bins) -> SeenBins | None:
    """Count the bins that a model was trained or validated on, in all trainings that led to its weights.

    Returns None where it is not recorded on what the model was trained.

    Args:
        trainings: of the model, as its card or a record of its predictions has them.
        store: holds the cell line.
        cell: its name.
        bins: to count.
    """
    if not any(training.is_recorded for training in trainings):
        return None
    absolute, coordinates = bins.to_absolute(store.coordinates), store.coordinates
    trained, validated, elsewhere = (np.zeros(len(bins), bool) for _ in range(3))
    for training in trainings:
        used, valid = training_regions(training, coordinates)
        in_used, in_valid = overlaps(absolute, used), overlaps(absolute, valid)
        if is_same_cell(store, cell, training.cells, training.manifests):
            trained |= in_used
        if is_same_cell(store, cell, training.valid_cells, training.manifests):
            validated |= in_valid
        elsewhere |= in_used | in_valid
    validated &= ~trained
    elsewhere &= ~(trained | validated)
    numbers = (int(rows.sum()) for rows in (trained, validated, elsewhere))
    complete = all(training.is_recorded for training in trainings)
    counts = dict(zip(_COUNTS, numbers, strict=True))
    return SeenBins(**counts, total=len(bins), complete=complete)


def training_regions(training: TrainingData, coordinates: GenomeCoordinates) -> tuple[Intervals, Intervals]:
    """Return training and validation regions in absolute coordinates, as far as the store has their chromosomes."""
    lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
    regions = [Region(name, 0, lengths[name]) for name in training.chromosomes if name in lengths]
    whole, valid, test = (
        region_intervals(part, coordinates)
        for part in (regions, _parse(training.valid, lengths), _parse(training.test, lengths))
    )
    return subtract(whole, union(valid, test)), valid


def _parse(texts: Iterable[str], lengths: Mapping[str, int]) -> Iterator[Region]:
    """Yield regions, ``chrom:start-stop``, cut to the lengths of the store's chromosomes."""
    for text in texts:
        match = re.fullmatch(r"(.+):([0-9]{1,18})-([0-9]{1,18})", text)
        if match and match[1] in lengths:
            stop = min(int(match[3]), lengths[match[1]])
            yield Region(match[1], min(int(match[2]), stop), stop)


def is_same_cell(store: Store, cell: str, names: Iterable[str], manifests: Mapping[str, str]) -> bool:
    """Return whether a cell line is among some, by name or by the digest of its data.

    Args:
        store: holds the cell line.
        cell: its name.
        names: names of the others.
        manifests: digest of each of the others' data, by path in their store.
    """
    if cell in names:
        return True
    present = manifest_digests(store, (cell,))[f"cells/{store.cell(cell).name}"]
    return present in {manifests.get(f"cells/{name}") for name in names}
