"""Parse regions such as ``chr20`` or ``chr20:45,000,000-63,025,520`` (0-based, half-open)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from .intervals import GenomeCoordinates, Intervals, merge

_POSITION = "[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4}"
"""A number as people write it: 45000000 or 45,000,000."""


@dataclass(frozen=True)
class Region:
    """Part of a chromosome, 0-based and half-open."""

    chrom: str
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.stop}"


def parse_region(text: str, coordinates: GenomeCoordinates) -> Region:
    """Parse a region; a bare chromosome name means the whole chromosome.

    Raises:
        UsageError: unknown chromosome, not of the form ``name:start-stop``, empty, or past the chromosome's end.
    """
    if text in coordinates.names:
        return Region(text, 0, coordinates.lengths[coordinates.index(text)])
    chrom, colon, span = text.rpartition(":")
    if not colon:
        raise UsageError(
            f"no chromosome {text!r}; give one of {', '.join(coordinates.names)}, or a region such as chr20:0-45000000"
        )
    length = coordinates.lengths[coordinates.index(chrom)]
    match = re.fullmatch(rf"({_POSITION})-({_POSITION})", span)
    if match is None:
        raise UsageError(
            f"region {text!r} has no start and stop after the colon; write {chrom}:START-STOP, such as "
            f"{chrom}:0-{length}"
        )
    start, stop = (int(position.replace(",", "")) for position in match.groups())
    if start >= stop:
        raise UsageError(
            f"region {text!r} does not start before it stops; write {chrom}:START-STOP (0-based, half-open)"
        )
    if stop > length:
        raise UsageError(f"region {text!r} ends past the chromosome; {chrom} has {length} bases")
    return Region(chrom, start, stop)


def region_intervals(regions: Iterable[Region], coordinates: GenomeCoordinates) -> Intervals:
    """Convert regions to merged intervals in absolute coordinates."""
    regions = list(regions)
    chrom = np.array([coordinates.index(r.chrom) for r in regions], np.int64)
    return merge(
        Intervals(
            coordinates.to_absolute(chrom, np.array([r.start for r in regions], np.int64)),
            coordinates.to_absolute(chrom, np.array([r.stop for r in regions], np.int64)),
        )
    )
