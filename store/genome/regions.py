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


_NUMBERED = re.compile(r"(?:chr)?0*(\d+)|NC_0000(\d\d)\.\d+|CM000(\d{3})\.\d+", re.IGNORECASE)
"""Names of a human autosome: UCSC's and Ensembl's, its RefSeq accession (GRCh37 and 38), its GenBank accession."""
_FIRST_GENBANK = 663  # CM000663 is chromosome 1


def find_synonym(name: str, coordinates: GenomeCoordinates) -> str | None:
    """Return the name in a store of what others call `name`: 11, chr11, NC_000011.9 and CM000673.1 are the same.

    Returns:
        `name` itself where the store has it, None where no name of the store corresponds, or several do.
    """
    if name in coordinates.names:
        return name
    number = _chromosome_number(name)
    found = [other for other in coordinates.names if number and _chromosome_number(other) == number]
    return found[0] if len(found) == 1 else None


def _chromosome_number(name: str) -> int:
    """Return the number of an autosome, 0 for other names."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return 0
    return int(match[3]) - _FIRST_GENBANK + 1 if match[3] else int(match[1] or match[2])


def to_regions(merged: Intervals, coordinates: GenomeCoordinates) -> list[Region]:
    """Convert merged intervals in absolute coordinates to regions."""
    chrom, start = coordinates.from_absolute(merged.starts)
    rows = np.stack([chrom, start, start + merged.stops - merged.starts], 1)
    return [Region(coordinates.names[c], first, stop) for c, first, stop in rows.tolist()]


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
