"""Write the cuts of reads as bigWigs, scaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...store.genome.bigwig_file import open_bigwig_file
from ...store.genome.intervals import GenomeCoordinates
from .cuts import CutArray, CutCollection, count_runs
from .scale import Scale

Strand = Literal["both", "forward", "reverse"]
_STRANDS: Mapping[Strand, tuple[bool, ...]] = {"both": (False, True), "forward": (False,), "reverse": (True,)}
_ENTRIES = 1 << 18  # added at once
_LEVEL = 1  # of compression: entries of single bases become 2 % larger than at 6, in a fifth of the time
_ZOOM = 1024  # bases in a window of the first zoom level


def strand_of(track: str) -> Strand:
    """Return which strand's cuts a track has, by its name: ``_fwd`` and ``_rev`` are a stranded pair."""
    return "forward" if track.endswith("_fwd") else "reverse" if track.endswith("_rev") else "both"


def write_cuts(
    path: Path,
    cuts: CutCollection,
    coordinates: GenomeCoordinates,
    scale: Scale,
    *,
    strand: Strand = "both",
    cluster: int = 0,
) -> None:
    """Write cuts as a bigWig: count times the scale's factor at each base with a cut; other bases are gaps.

    Args:
        path: of the file.
        cuts: by (cluster, chromosome, is_reverse).
        coordinates: chromosomes, by number.
        scale: of the counts.
        strand: whose cuts.
        cluster: whose cuts.

    Raises:
        InputError: the file cannot be written, or what is read back is not what was written.
    """
    lengths = dict(zip(coordinates.names, coordinates.lengths, strict=True))
    with open_bigwig_file(path, lengths, window=_ZOOM, level=_LEVEL) as file:
        for chrom in range(len(coordinates.names)):
            starts, stops, counts = count_runs(_merged(cuts.sorted((cluster, chrom, s)) for s in _STRANDS[strand]))
            for at in range(0, starts.size, _ENTRIES):
                rows = slice(at, at + _ENTRIES)
                values = (counts[rows] * scale.factor).astype(np.float32)
                first, last = starts[rows].astype(np.int64), stops[rows].astype(np.int64)
                file.add(np.full(first.size, chrom, np.int64), first, last, values)


def _merged(parts: Iterable[CutArray]) -> NDArray[np.int32]:
    found = np.concatenate(list(parts))
    found.sort()
    return found
