"""Write scores as bigWig, and read them back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import named_write_errors, replacing
from ...store.genome.bigwig_encoder import BigwigEncoder
from ...store.genome.bigwig_format import check_structure, check_zoom_levels, read_blocks
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from .bins import Bins
from .writers import Replace, ScoreWriter, not_read_back

_ENTRIES = 65536  # entries added at once
_ZOOM = 16  # bins in a window of the first zoom level
_ENTRY = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("stop", "<u4"), ("value", "<f4")])


class _BigwigWriter:
    def __init__(self, file: BigwigEncoder, coordinates: GenomeCoordinates, *, chroms: list[int], span: int) -> None:
        self._file, self._span = file, span
        self._lengths = np.array(coordinates.lengths, np.int64)
        self._numbers = np.full(len(coordinates.names), -1)  # in the file
        self._numbers[chroms] = np.arange(len(chroms))
        self.sha256, self.covered = hashlib.sha256(), 0

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _ENTRIES):
            entries = bins.take(slice(i, i + _ENTRIES))
            first = entries.middle - self._span // 2
            starts, stops = np.maximum(first, 0), np.minimum(first + self._span, self._lengths[entries.chrom])
            values = scores[i : i + _ENTRIES]
            self.sha256.update(_pack(entries.chrom, starts, stops, values))
            self.covered += int((stops - starts).sum())
            self._file.add(self._numbers[entries.chrom], starts, stops, values)


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
    with named_write_errors(path), replace(path) as part:
        with part.open("wb") as file:
            encoder = BigwigEncoder(file, lengths, window=_ZOOM * span)
            writer = _BigwigWriter(encoder, coordinates, chroms=chroms, span=span)
            yield writer
            encoder.finish()
        _read_back(part, path, writer, [(c, coordinates.names[c], coordinates.lengths[c]) for c in chroms])


def _read_back(part: Path, path: Path, writer: _BigwigWriter, chroms: list[tuple[int, str, int]]) -> None:
    """Compare the entries of a file with those that were added, and its zoom levels with their number of bases."""
    sha256 = hashlib.sha256()
    try:
        check_structure(part)
        for chrom, name, length in chroms:
            for block in read_blocks(part, name, 0, length):
                sha256.update(_pack(np.full(block.starts.size, chrom), block.starts, block.stops, block.values))
        check_zoom_levels(part, writer.covered)
    except (InputError, KeyError) as error:
        raise not_read_back(path, f" ({error.problem if isinstance(error, InputError) else error})") from error
    if sha256.digest() != writer.sha256.digest():
        raise not_read_back(path)


def _pack(chrom: Any, starts: Any, stops: Any, values: NDArray[np.float32]) -> bytes:
    entries = np.empty(values.size, _ENTRY)
    for name, column in zip(("chrom", "start", "stop", "value"), (chrom, starts, stops, values), strict=True):
        entries[name] = column
    return entries.tobytes()


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


def write_bigwig(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as bigWig; each gets as many bases as there are between the closest two middles.

    Raises:
        UsageError: there is no interval, or two have the same middle.
        InputError: as for `open_bigwig`.
    """
    order = bins.genome_order()
    with open_bigwig_of(path, bins, coordinates) as file:
        file.add(bins.take(order), scores[order])
