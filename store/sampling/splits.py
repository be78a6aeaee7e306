"""Split the genome into training, validation and test regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..genome import intervals
from ..genome.intervals import GenomeCoordinates, Intervals
from ..genome.regions import Region, region_intervals
from ..reader import Store


@dataclass(frozen=True)
class Split:
    """Disjoint training, validation and test regions: merged intervals in absolute coordinates."""

    train: Intervals
    valid: Intervals
    test: Intervals


def split_genome(coordinates: GenomeCoordinates, *, valid: Iterable[Region], test: Iterable[Region]) -> Split:
    """Return the validation and test regions, with the rest of the genome for training.

    Raises:
        UsageError: validation and test regions overlap, or nothing is left to train on.
    """
    valid_regions, test_regions = region_intervals(valid, coordinates), region_intervals(test, coordinates)
    overlap = intervals.intersect(valid_regions, test_regions)
    if overlap.starts.size:
        chrom, position = coordinates.from_absolute(overlap.starts[:1])
        raise UsageError(
            f"validation and test regions overlap, first at {coordinates.names[chrom[0]]}:{position[0]}; "
            "choose disjoint regions"
        )
    train = intervals.subtract(coordinates.whole, intervals.union(valid_regions, test_regions))
    if train.starts.size == 0:
        raise UsageError("validation and test regions leave nothing of the genome to train on; choose smaller regions")
    return Split(train, valid_regions, test_regions)


def widened_blacklist(store: Store, window_length: int) -> Intervals:
    """Return the blacklist widened by `window_length` bases, with as many bases at both ends of every chromosome."""
    coordinates = store.coordinates
    widened = coordinates.widen(store.blacklist(), window_length)
    return intervals.union(widened, chromosome_ends(coordinates, window_length))


def chromosome_ends(coordinates: GenomeCoordinates, window_length: int) -> Intervals:
    """Return the first and the last `window_length` bases of every chromosome."""
    whole = coordinates.whole
    return intervals.merge(
        Intervals(
            np.concatenate([whole.starts, np.maximum(whole.stops - window_length, whole.starts)]),
            np.concatenate([np.minimum(whole.starts + window_length, whole.stops), whole.stops]),
        )
    )
