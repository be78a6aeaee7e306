"""Write scores as bigWig: each bin's as the value of the bases around its middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...store.errors import UsageError
from ...store.files.atomic_write import replacing
from ...store.genome.bigwig_file import BigwigFile, Replace, open_bigwig_file
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from .bins import Bins
from .writers import ScoreWriter

_ENTRIES = 65536  # entries added at once
_ZOOM = 16  # bins in a window of the first zoom level


class _BigwigWriter:
    def __init__(self, file: BigwigFile, coordinates: GenomeCoordinates, *, chroms: list[int], span: int) -> None:
        self._file, self._span = file, span
        self._lengths = np.array(coordinates.lengths, np.int64)
        self._numbers = np.full(len(coordinates.names), -1)  # in the file
        self._numbers[chroms] = np.arange(len(chroms))

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _ENTRIES):
            entries = bins.take(slice(i, i + _ENTRIES))
            first = entries.middle - self._span // 2
            starts, stops = np.maximum(first, 0), np.minimum(first + self._span, self._lengths[entries.chrom])
            self._file.add(self._numbers[entries.chrom], starts, stops, scores[i : i + _ENTRIES])


@contextmanager
def open_bigwig(
    path: Path,
    coordinates: GenomeCoordinates,
    *,
    chroms: list[int],
    span: int,
    replace: Replace = replacing,
) -> Iterator[ScoreWriter]:
    """Open a bigWig. Overlapping bins share the genome: each gets `span` bases around its middle.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        chroms: chromosomes of the bins, indices in rising order; bins must be added in genome order.
        span: bases per score; at most the distance between any two middles.
        replace: how the file is replaced.

    Raises:
        InputError: it cannot be written, or what is read back is not what was written.
    """
    lengths = {coordinates.names[c]: coordinates.lengths[c] for c in chroms}
    with open_bigwig_file(path, lengths, window=_ZOOM * span, replace=replace) as file:
        yield _BigwigWriter(file, coordinates, chroms=chroms, span=span)


def open_bigwig_of(
    path: Path, bins: Bins, coordinates: GenomeCoordinates, *, replace: Replace = replacing
) -> AbstractContextManager[ScoreWriter]:
    """Open a bigWig for these bins, to be added in genome order.

    Each score gets as many bases as there are between the closest two middles, at most 200 (50 for the usual stride).

    Raises:
        UsageError: there is no interval, or two have the same middle.
        InputError: as for `open_bigwig`.
    """
    if not len(bins):
        raise UsageError(f"{path}: a bigWig cannot be empty, but there is no interval; write .bed.gz")
    sorted_bins = bins.take(bins.genome_order())
    gaps = np.diff(sorted_bins.middle)[np.diff(sorted_bins.chrom) == 0]
    if (gaps == 0).any():
        raise UsageError(
            f"{path}: a bigWig has one value per base, but two intervals have the same middle; write .bed.gz"
        )
    span = int(min(gaps.min() if gaps.size else BIN, BIN))
    chroms: list[int] = np.unique(bins.chrom).tolist()
    return open_bigwig(path, coordinates, chroms=chroms, span=span, replace=replace)


def write_bigwig(path: str | Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as bigWig; each gets as many bases as there are between the closest two middles.

    Raises:
        UsageError: there is no interval, or two have the same middle.
        InputError: as for `open_bigwig`.
    """
    order = bins.genome_order()
    with open_bigwig_of(Path(path), bins, coordinates) as file:
        file.add(bins.take(order), scores[order])
