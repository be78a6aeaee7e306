"""Write scores as bigWig, and read them back: pyBigWig reports no error where the disk is full."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import named_write_errors, replacing
from ...store.genome.bigwig_format import check_structure, check_zoom_levels, read_blocks
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from .bins import Bins
from .writers import Replace, ScoreWriter, not_read_back

_ENTRIES = 65536  # entries added at once
_ENTRY = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("stop", "<u4"), ("value", "<f4")])


class _BigwigWriter:
    def __init__(self, file: Any, coordinates: GenomeCoordinates, *, span: int) -> None:
        self._file, self._names, self._span = file, coordinates.names, span
        self._lengths = np.array(coordinates.lengths, np.int64)
        self.sha256, self.covered = hashlib.sha256(), 0

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _ENTRIES):
            entries = bins.take(slice(i, i + _ENTRIES))
            names = [self._names[c] for c in entries.chrom.tolist()]
            starts = np.maximum(entries.middle - self._span // 2, 0)
            stops = np.minimum(starts + self._span, self._lengths[entries.chrom])
            values = scores[i : i + _ENTRIES]
            self.sha256.update(_pack(entries.chrom, starts, stops, values))
            self.covered += int((stops - starts).sum())
            with _write_errors():
                self._file.addEntries(
                    names, starts.tolist(), ends=stops.tolist(), values=values.astype(np.float64).tolist()
                )


@contextmanager
def open_bigwig(
    path: Path,
    coordinates: GenomeCoordinates,
    *,
    chroms: list[int],
    span: int,
    single: bool = False,
    replace: Replace = replacing,
) -> Iterator[ScoreWriter]:
    """Open a bigWig. Overlapping bins share the genome: each gets `span` bases around its middle.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        chroms: chromosomes of the bins, indices in rising order; bins must be added in genome order.
        span: bases per score; at most the distance between any two middles.
        single: whether there is one bin only, of which zoom levels cannot be made.
        replace: how the file is replaced.

    Raises:
        InputError: it cannot be written, or what is read back is not what was written.
    """
    with named_write_errors(path), replace(path) as part:
        part.touch()  # raises where it cannot be created; pyBigWig crashes the process (bwFinalize of no file)
        with _write_errors():
            file = pyBigWig.open(str(part), "w")
        try:
            with _write_errors():
                header = [(coordinates.names[c], coordinates.lengths[c]) for c in chroms]
                file.addHeader(header, maxZooms=0 if single else 10)
            writer = _BigwigWriter(file, coordinates, span=span)
            yield writer
        finally:
            with _write_errors(), _discarding_stderr():
                file.close()
        _read_back(part, path, writer, [(c, coordinates.names[c], coordinates.lengths[c]) for c in chroms])


@contextmanager
def _discarding_stderr() -> Iterator[None]:
    """Discard what libBigWig prints where it cannot finish a file: reading it back says more, and names the file."""
    try:
        saved = os.dup(2)
    except OSError:  # this process has no standard error
        yield
        return
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def _write_errors() -> Iterator[None]:
    """Turn RuntimeError, which pyBigWig raises where a write failed, into OSError."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"pyBigWig: {error}") from error


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
    return open_bigwig(path, coordinates, chroms=chroms, span=span, single=len(bins) < 2, replace=replace)


def write_bigwig(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as bigWig; each gets as many bases as there are between the closest two middles.

    Raises:
        UsageError: there is no interval, or two have the same middle.
        InputError: as for `open_bigwig`.
    """
    order = bins.genome_order()
    with open_bigwig_of(path, bins, coordinates) as file:
        file.add(bins.take(order), scores[order])
