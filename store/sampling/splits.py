"""Split the genome into training, validation and test intervals."""

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
    """Disjoint parts of the genome, merged intervals on the axis."""

    train: Intervals
    valid: Intervals
    test: Intervals


def split_genome(genome: GenomeCoordinates, *, valid: Iterable[Region], test: Iterable[Region]) -> Split:
    """Validation and test regions, and all the rest to train on.

    Raises:
        UsageError: validation and test overlap, or nothing is left to train on.
    """
    valid_set, test_set = region_intervals(valid, genome), region_intervals(test, genome)
    shared = intervals.intersect(valid_set, test_set)
    if shared.starts.size:
        chrom, position = genome.from_absolute(shared.starts[:1])
        raise UsageError(
            f"validation (-v) and test (-t) regions overlap, first at {genome.names[chrom[0]]}:{position[0]}"
        )
    train = intervals.subtract(genome.whole, intervals.union(valid_set, test_set))
    if train.starts.size == 0:
        raise UsageError("validation (-v) and test (-t) regions leave nothing of the genome to train on")
    return Split(train, valid_set, test_set)


def widened_blacklist(store: Store, length: int) -> Intervals:
    """The blacklist widened by `length` bases, with the first and last `length` bases of every chromosome."""
    coordinates = store.coordinates
    whole = coordinates.whole
    edges = Intervals(
        np.concatenate([whole.starts, np.maximum(whole.stops - length, whole.starts)]),
        np.concatenate([np.minimum(whole.starts + length, whole.stops), whole.stops]),
    )
    return intervals.union(coordinates.widen(store.blacklist(), length), edges)
