"""Chromosomes on which a factor has no peak, though they are long enough for many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .intervals import GenomeCoordinates

EXPECTED = 20
"""Peaks that a chromosome would have at the density of the others; with fewer, none at all may be chance."""


def chromosomes_without_peaks(chrom: NDArray[np.int64], coordinates: GenomeCoordinates) -> list[str]:
    """Return the chromosomes without a peak that would have 20 or more, were they as dense as those with peaks.

    Files that were cut to some chromosomes look so, and chrY of a female cell line. Bins there count as unbound.

    Args:
        chrom: index of the chromosome of each peak, int64 (peaks,).
        coordinates: the store's chromosomes.
    """
    counts = np.bincount(chrom, minlength=len(coordinates.names))
    lengths = np.asarray(coordinates.lengths, np.float64)
    density = counts.sum() / max(lengths[counts > 0].sum(), 1)
    return [coordinates.names[i] for i in np.flatnonzero((counts == 0) & (density * lengths >= EXPECTED))]
