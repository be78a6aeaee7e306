"""Genome coordinates, interval algebra, the parser of regions, and bigWigs, reading and writing.

    bigwig_encoder  encode a bigWig in Python
    bigwig_file     write a bigWig of any signal, and read it back before it counts
    bigwig_format   parse and check a bigWig in Python
    bigwig_header   read the header and the chromosome list of a bigWig
    intervals       all chromosomes on one line: interval algebra then needs no chromosome names
    peak_coverage   chromosomes on which a factor has no peak
    regions         parse regions such as chr20 or chr20:45,000,000-63,025,520 (0-based, half-open); their names

May import `store.errors` and `store.files` only.
"""

from .intervals import GenomeCoordinates, IntArray, Intervals, merge, overlaps
from .regions import Region, find_synonym, parse_region, region_intervals, to_regions

__all__ = [
    "GenomeCoordinates",
    "IntArray",
    "Intervals",
    "Region",
    "find_synonym",
    "merge",
    "overlaps",
    "parse_region",
    "region_intervals",
    "to_regions",
]
