"""Genome coordinates, interval algebra, and the parser of regions such as ``chr20:0-45000000``.

May import `store.errors` only.
"""

from .intervals import GenomeCoordinates, IntArray, Intervals, merge, overlaps
from .regions import Region, parse_region, region_intervals

__all__ = [
    "GenomeCoordinates",
    "IntArray",
    "Intervals",
    "Region",
    "merge",
    "overlaps",
    "parse_region",
    "region_intervals",
]
