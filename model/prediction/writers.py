"""Write scores piecewise, as FactorNet's gzipped bedGraph or as bigWig; read the bedGraph back."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from ...store.errors import InputError, UsageError
from ...store.files.atomic_write import replacing
from ...store.genome.intervals import GenomeCoordinates
from ...store.schema import BIN
from .bins import Bins

_LINES = 65536  # bins formatted at once


class ScoreWriter(Protocol):
    """An open file that scores are appended to.

    The functions of this module that open one are context managers: the file appears, whole, when the ``with`` block
    ends without an error.
    """

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        """Append a score, (n,), for each of n bins."""


class _BedgraphWriter:
    def __init__(self, file: gzip.GzipFile, coordinates: GenomeCoordinates) -> None:
        self._file, self._names = file, coordinates.names

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _LINES):
            lines = slice(i, i + _LINES)
            columns = (bins.chrom, bins.start, bins.stop, scores)
            rows = zip(*(column[lines].tolist() for column in columns), strict=True)
            self._file.write("".join(f"{self._names[c]}\t{a}\t{b}\t{s:.3e}\n" for c, a, b, s in rows).encode())


class _BigwigWriter:
    def __init__(self, file: Any, coordinates: GenomeCoordinates, span: int) -> None:
        self._file, self._names, self._span = file, coordinates.names, span
        self._lengths = np.array(coordinates.lengths, np.int64)

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        for i in range(0, len(bins), _LINES):
            entries = bins.take(slice(i, i + _LINES))
            names = [self._names[c] for c in entries.chrom.tolist()]
            starts = np.maximum(entries.middle - self._span // 2, 0)
            stops = np.minimum(starts + self._span, self._lengths[entries.chrom])
            values = scores[i : i + _LINES].astype(np.float64).tolist()
            self._file.addEntries(names, starts.tolist(), ends=stops.tolist(), values=values)


class _RawScoreWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, bins: Bins, scores: NDArray[np.float32]) -> None:
        self._file.write(scores.astype("<f4").tobytes())


@contextmanager
def open_bedgraph(path: Path, coordinates: GenomeCoordinates) -> Iterator[ScoreWriter]:
    """Open a gzipped bedGraph: ``chrom start stop score`` with tabs and ``%.3e``, in the order of the bins."""
    # Level 9, Python's default, takes twelve times as long and saves 7 %.
    with (
        replacing(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=raw, mtime=0) as file,
    ):
        yield _BedgraphWriter(file, coordinates)


@contextmanager
def open_bigwig(
    path: Path, coordinates: GenomeCoordinates, *, chroms: list[int], span: int, single: bool = False
) -> Iterator[ScoreWriter]:
    """Open a bigWig. Overlapping bins share the genome: each gets `span` bases around its middle.

    Args:
        path: of the file.
        coordinates: the store's chromosomes.
        chroms: chromosomes of the bins, indices in rising order; bins must be added in genome order.
        span: bases per score; at most the distance between any two middles.
        single: whether there is one bin only, of which zoom levels cannot be made.
    """
    with replacing(path) as part, closing(pyBigWig.open(str(part), "w")) as file:
        header = [(coordinates.names[c], coordinates.lengths[c]) for c in chroms]
        file.addHeader(header, maxZooms=0 if single else 10)
        yield _BigwigWriter(file, coordinates, span)


def open_bigwig_of(path: Path, bins: Bins, coordinates: GenomeCoordinates) -> AbstractContextManager[ScoreWriter]:
    """Open a bigWig for these bins, to be added in genome order.

    Each score gets as many bases as there are between the closest two middles, at most 200 (50 for the usual stride).

    Raises:
        UsageError: there is no interval, or two have the same middle.
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
    return open_bigwig(path, coordinates, chroms=chroms, span=span, single=len(bins) < 2)


@contextmanager
def open_raw_scores(path: Path) -> Iterator[ScoreWriter]:
    """Open a file of scores alone, float32 little-endian, for bins that can be enumerated without it."""
    with replacing(path) as part, part.open("wb") as file:
        yield _RawScoreWriter(file)


def write_bedgraph(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as gzipped bedGraph, in the order of the bins."""
    with open_bedgraph(path, coordinates) as file:
        file.add(bins, scores)


def write_bigwig(path: Path, bins: Bins, scores: NDArray[np.float32], coordinates: GenomeCoordinates) -> None:
    """Write scores, (bins,), as bigWig; each gets as many bases as there are between the closest two middles.

    Raises:
        UsageError: there is no interval, or two have the same middle.
    """
    order = bins.genome_order()
    with open_bigwig_of(path, bins, coordinates) as file:
        file.add(bins.take(order), scores[order])


def read_bedgraph(path: Path, coordinates: GenomeCoordinates) -> tuple[Bins, NDArray[np.float32]]:
    """Return bins and scores, float32 (bins,), of a bedGraph, gzipped or not.

    Raises:
        InputError: the file does not exist, or a line is not ``chrom start stop score`` on a chromosome of the store.
    """
    index = {name: i for i, name in enumerate(coordinates.names)}
    if not path.is_file():
        raise InputError(path, "no such file", hint="write it with factornet-predict")
    rows: list[tuple[int, int, int]] = []
    scores: list[float] = []
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt") if gzipped else path.open() as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            try:
                rows.append((index[fields[0]], int(fields[1]), int(fields[2])))
                scores.append(float(fields[3]))
            except (KeyError, IndexError, ValueError) as e:
                hint = "write CHROM START STOP SCORE, with chromosomes of the store"
                raise InputError(path, f"cannot be read: {line.strip()[:60]!r}", hint=hint, line=number) from e
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Bins(table[:, 0], table[:, 1], table[:, 2]), np.array(scores, np.float32)
